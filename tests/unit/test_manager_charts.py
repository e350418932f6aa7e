"""What finished, waited and ran over time: as charts, as drawings, and in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.postgres.figures import Durations, Figure
from manager.charts import SPANS, Chart, Line, chart_json, chosen_span
from manager.charts.blueprint import in_unit
from manager.charts.chart import Kind, Unit
from manager.charts.drawing import HEIGHT, draw
from manager.charts.work import show_work
from retinue.errors import NotFound
from retinue.histogram import BUCKETS, bucket_of
from retinue.states import JobState

NOW = datetime(2026, 11, 20, 8, 7, 30, tzinfo=UTC)
HOUR = SPANS["hour"]


def durations(*seconds: float) -> Durations:
    counts = [0] * BUCKETS
    for each in seconds:
        counts[bucket_of(each)] += 1
    return Durations(sum(seconds), counts)


def figure(minute: int, *, completed: int = 0, failed: int = 0, wait: Durations | None = None) -> Figure:
    jobs = {JobState.COMPLETED: completed, JobState.FAILED: failed}
    return Figure(NOW.replace(minute=minute, second=0), jobs, durations(2.0), wait or durations(0.2))


def test_a_span_ends_with_the_step_that_goes_on() -> None:
    span = HOUR.until(NOW)

    assert (span.since, span.until) == (NOW.replace(hour=7, minute=8, second=0), NOW.replace(minute=8, second=0))
    assert HOUR.moments(NOW)[-1] == NOW.replace(second=0)
    assert [len(choice.moments(NOW)) for choice in SPANS.values()] == [60, 96, 84]


def test_a_span_that_there_is_not_is_not_found() -> None:
    assert chosen_span(None).name == "day"
    with pytest.raises(NotFound, match="hour, day, week"):
        chosen_span("year")


def test_each_step_has_what_finished_in_it_and_none_where_nothing_did() -> None:
    work = show_work([figure(5, completed=8, failed=2), figure(7, completed=1)], HOUR, NOW)

    throughput, wait, _ = work.charts
    assert [line.name for line in throughput.lines] == ["completed", "failed"]
    assert list(throughput.lines[0].values)[-4:] == [0, 8, 0, 1]
    assert list(throughput.lines[1].values)[-3:] == [2, 0, 0]
    assert [value is None for value in wait.lines[0].values][-4:] == [True, False, True, False]
    assert wait.lines[0].last == pytest.approx(0.175, abs=0.08)


def test_what_it_comes_to() -> None:
    work = show_work([figure(5, completed=8, failed=2, wait=durations(0.2, 40.0))], HOUR, NOW)

    assert (work.jobs[JobState.COMPLETED], work.jobs[JobState.FAILED], work.jobs[JobState.CANCELLED]) == (8, 2, 0)
    assert work.failed_share == pytest.approx(0.2)
    assert work.wait.p95 is not None
    assert work.wait.p95 > 30
    with pytest.raises(NotFound):
        work.chart("none")


def test_where_nothing_finished_there_is_nothing_to_say() -> None:
    work = show_work([], HOUR, NOW)

    assert work.failed_share is None
    assert work.wait.p95 is None
    assert [chart.rows for chart in work.charts] == [[], [], []]


def chart(kind: Kind, *lines: Line) -> Chart:
    at = [NOW + timedelta(minutes=n) for n in range(len(lines[0].values))]
    return Chart("x", "X", Unit.JOBS, at, lines, kind)


def test_a_line_is_drawn_with_its_gaps() -> None:
    drawn = draw(chart(Kind.LINES, Line("a", "1", [0, 10, None, 5])))

    assert 'class="line tone-1"' in drawn
    assert f'd="M0 {HEIGHT}L200 4M600 62"' in drawn


def test_bars_stand_one_upon_the_other() -> None:
    stacked = chart(Kind.BARS, Line("a", "bar", [10, 0]), Line("b", "bad", [10, 0]))

    assert stacked.top == 20
    assert draw(stacked).count("M0 62V4") == 1
    assert 'class="bar tone-bad"' in draw(stacked)


def test_nothing_is_drawn_of_nothing() -> None:
    assert "NaN" not in draw(chart(Kind.LINES, Line("a", "1", [None, None])))
    assert chart(Kind.LINES, Line("a", "1", [None, None])).top == 0


def test_the_table_is_newest_first_and_leaves_out_what_is_empty() -> None:
    rows = chart(Kind.BARS, Line("a", "bar", [1, 0, 3]), Line("b", "bad", [0, 0, 1])).rows

    assert [(at, values) for at, values in rows] == [(NOW + timedelta(minutes=2), [3, 1]), (NOW, [1, 0])]


def test_what_the_script_draws() -> None:
    told = chart_json(chart(Kind.LINES, Line("a", "1", [1, None])))

    assert told["at"] == [int(NOW.timestamp()), int(NOW.timestamp()) + 60]
    assert told["lines"] == [{"name": "a", "tone": "1", "values": [1, None]}]


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (None, Unit.JOBS, "–"),
        (1204, Unit.JOBS, "1 204"),
        (0.0421, Unit.SECONDS, "42 ms"),
        (1.34, Unit.SECONDS, "1.3 s"),
        (200, Unit.SECONDS, "3 min 20 s"),
        (61_200_000, Unit.BYTES, "61 MB"),
    ],
)
def test_values_are_written_in_their_unit(value: float | None, unit: Unit, written: str) -> None:
    assert in_unit(value, unit).replace("\u00a0", " ").replace("\u202f", " ") == written
