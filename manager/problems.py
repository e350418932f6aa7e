"""What an operator should see to, said in one sentence each.

The sentences hold no ages: they are read out as they change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from infra.postgres.breakers import BreakerLine
from infra.postgres.incidents import PART
from infra.postgres.overview import IncidentRow, Overview
from infra.postgres.servants import hears_nothing
from manager.heartbeats import Heartbeat
from manager.passes import passes_of
from manager.views import Problem, SchedulerView, ServantView, TypeView

#: A pass that failed this often in a row is a problem; once may happen to any.
FAILING_RUNS = 3


def find_problems(
    types: Sequence[TypeView], servants: Sequence[ServantView], schedulers: Sequence[SchedulerView]
) -> list[Problem]:
    """The gravest first; none where nothing was ever started."""
    if not types and not servants and not schedulers:
        return []
    return [
        *_without_scheduler(schedulers),
        *_without_servant(types),
        *_failing(schedulers),
        *_silent(servants, Heartbeat.LOST, "servant_lost", "sent no heartbeat for too long and counts as lost"),
        *_silent(servants, Heartbeat.LATE, "servant_late", "is late with its heartbeat"),
        *_deaf(servants),
    ]


def find_troubles(overview: Overview) -> Iterator[Problem]:
    """Integrations that are broken, and providers that are left alone."""
    for row in overview.incidents:
        yield Problem("incident_open", _about_incident(row))
    if overview.incidents_left_out:
        yield Problem("incident_open", f"{overview.incidents_left_out} more incidents: retinue incidents list")
    for line in overview.open_breakers:
        yield Problem("breaker_open", _about_breaker(line))


def _about_incident(row: IncidentRow) -> str:
    named = f"{row.provider} {row.connection_name} of {row.account_name}"
    if row.kind == PART:
        return f"A part of {named} is not there any more, the rest goes on: retinue incidents show {row.id}"
    return (
        f"{named} refuses us ({row.kind}): its jobs wait. "
        f"When it is mended: retinue connections test {row.connection_id}"
    )


def _about_breaker(line: BreakerLine) -> str:
    sentence = f"The breaker of {line.named} is open: its jobs wait until a probe succeeds."
    if line.connection_id is None:
        return sentence
    return f"{sentence} When it works again: retinue connections test {line.connection_id}"


def _without_scheduler(schedulers: Sequence[SchedulerView]) -> Iterator[Problem]:
    if all(scheduler.heartbeat is Heartbeat.LOST for scheduler in schedulers):
        yield Problem("no_scheduler", "No scheduler is alive: due jobs wait until one is. Start one: retinue scheduler")


def _without_servant(types: Sequence[TypeView]) -> Iterator[Problem]:
    for view in types:
        if view.jobs.unfinished and not view.live_servants:
            message = f"{view.type} has unfinished jobs and no live servant. Start one: retinue servant {view.type}"
            yield Problem("no_servant", message)


def _failing(schedulers: Sequence[SchedulerView]) -> Iterator[Problem]:
    for view in passes_of([scheduler for scheduler in schedulers if scheduler.heartbeat is not Heartbeat.LOST]):
        if view.failing >= FAILING_RUNS:
            message = f"The scheduler's pass {view.name} fails again and again: {view.last_error}"
            yield Problem("pass_failing", message)


def _deaf(servants: Sequence[ServantView]) -> Iterator[Problem]:
    """Alive, and of no use."""
    counts = Counter(servant.type for servant in servants if servant.live and _hears_nothing(servant))
    for name, count in sorted(counts.items()):
        which = f"A servant of {name} lives and takes" if count == 1 else f"{count} servants of {name} live and take"
        yield Problem("servant_silent", f"{which} no jobs: the queue does not answer. A restart may help.")


def _hears_nothing(servant: ServantView) -> bool:
    if servant.received_at is None:
        return False
    age = (servant.heartbeat_at - servant.received_at).total_seconds() + servant.heartbeat_age_seconds
    return servant.heartbeat is Heartbeat.FRESH and hears_nothing(servant.busy, servant.slots, age)


def _silent(servants: Sequence[ServantView], heartbeat: Heartbeat, code: str, verdict: str) -> Iterator[Problem]:
    counts = Counter(servant.type for servant in servants if servant.heartbeat is heartbeat)
    for name, count in sorted(counts.items()):
        which = f"A servant of {name}" if count == 1 else f"Each of {count} servants of {name}"
        yield Problem(code, f"{which} {verdict}.")
