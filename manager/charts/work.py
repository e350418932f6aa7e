"""What finished, how long it waited and how long it ran: the charts of the overview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.postgres.figures import Durations, Figure
from manager.charts.chart import Chart, Kind, Line, Unit
from manager.charts.spans import Choice
from retinue.errors import NotFound
from retinue.histogram import BUCKETS
from retinue.states import JobState


@dataclass(frozen=True, slots=True)
class Work:
    """What a span comes to, and the charts of it."""

    choice: Choice
    jobs: Mapping[JobState, int]
    run: Durations
    wait: Durations
    charts: Sequence[Chart]

    @property
    def failed_share(self) -> float | None:
        """Of the jobs that were completed or given up; None where there were none."""
        ended = self.jobs[JobState.COMPLETED] + self.jobs[JobState.FAILED]
        return self.jobs[JobState.FAILED] / ended if ended else None

    def chart(self, name: str) -> Chart:
        """One of the charts.

        Raises:
            NotFound: there is none of that name.
        """
        found = next((chart for chart in self.charts if chart.name == name), None)
        if found is None:
            raise NotFound(f"There is no chart {name[:40]!r}.")
        return found


def show_work(figures: Sequence[Figure], choice: Choice, now: datetime) -> Work:
    """The figures as they are shown."""
    by_moment = {figure.at: figure for figure in figures}
    steps = [by_moment.get(at) for at in choice.moments(now)]
    return Work(
        choice,
        jobs={state: sum(figure.jobs.get(state, 0) for figure in figures) for state in JobState},
        run=_together([figure.run for figure in figures]),
        wait=_together([figure.wait for figure in figures]),
        charts=[_throughput(steps, choice, now), _waits(steps, choice, now), _runs(steps, choice, now)],
    )


def _throughput(steps: Sequence[Figure | None], choice: Choice, now: datetime) -> Chart:
    lines = [
        Line(state.value, tone, [step.jobs.get(state, 0) if step else 0 for step in steps])
        for state, tone in ((JobState.COMPLETED, "bar"), (JobState.FAILED, "bad"))
    ]
    return Chart(
        "throughput", "Finished", Unit.JOBS, choice.moments(now), lines, Kind.BARS, choice.step.total_seconds()
    )


def _waits(steps: Sequence[Figure | None], choice: Choice, now: datetime) -> Chart:
    lines = _percentiles([step.wait if step else None for step in steps])
    return Chart("wait", "Wait", Unit.SECONDS, choice.moments(now), lines, step_seconds=choice.step.total_seconds())


def _runs(steps: Sequence[Figure | None], choice: Choice, now: datetime) -> Chart:
    lines = _percentiles([step.run if step else None for step in steps])
    return Chart("run", "Run", Unit.SECONDS, choice.moments(now), lines, step_seconds=choice.step.total_seconds())


def _percentiles(steps: Sequence[Durations | None]) -> list[Line]:
    return [
        Line("p50", "1", [_rounded(step.p50) if step else None for step in steps]),
        Line("p95", "3", [_rounded(step.p95) if step else None for step in steps]),
    ]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _together(parts: Sequence[Durations]) -> Durations:
    counts = [sum(bucket) for bucket in zip(*(part.counts for part in parts), strict=True)]
    return Durations(sum(part.seconds for part in parts), counts or [0] * BUCKETS)
