"""Makes what is shown out of what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from infra.postgres.overview import (
    COUNT_CAP,
    FINISHED,
    UNFINISHED,
    Figures,
    FleetRow,
    Overview,
    SchedulerRow,
    ServantRow,
    TypeFigures,
)
from infra.settings import Settings
from infra.version import VERSION
from manager.heartbeats import Heartbeat, Patience
from manager.problems import find_problems, find_troubles
from manager.views import Counts, FleetView, JobView, OverviewView, SchedulerView, ServantView, TypeView
from retinue.states import JobState


def present(overview: Overview, settings: Settings) -> OverviewView:
    """What is shown of `overview`."""
    patience = Patience.with_servants(settings)
    servants = [_servant(row, overview.at, patience) for row in overview.servants]
    schedulers = [_scheduler(row, overview.at) for row in overview.schedulers]
    fleets = {fleet.type: fleet for fleet in overview.fleets}
    types = [_type(figures, fleets.get(figures.type)) for figures in overview.types]
    return OverviewView(
        at=overview.at,
        environment=settings.environment,
        version=VERSION,
        count_cap=COUNT_CAP,
        problems=[*find_problems(types, servants, schedulers), *find_troubles(overview)],
        jobs=_sum([view.jobs for view in types]),
        types=types,
        servants=servants,
        servants_left_out=overview.servants_left_out,
        schedulers=schedulers,
    )


def _type(figures: TypeFigures, fleet: FleetRow | None) -> TypeView:
    servants = FleetView(fleet.up, fleet.late, fleet.gone, fleet.slots, fleet.busy) if fleet else FleetView()
    live = fleet.live if fleet else 0
    return TypeView(figures.type, figures.slots, figures.paused_at, live, servants, _counts(figures))


def _counts(figures: TypeFigures) -> Counts:
    in_flight = (JobState.QUEUED, JobState.RUNNING)
    capped = [state for state in in_flight if figures.unfinished[state] > COUNT_CAP]
    return Counts(
        now={state: jobs - 1 if state in capped else jobs for state, jobs in figures.unfinished.items()},
        capped=capped,
        last_24_hours=figures.last_day,
        in_all=figures.in_all,
    )


def _sum(parts: Sequence[Counts]) -> Counts:
    capped = {state for part in parts for state in part.capped}
    return Counts(
        now=_added(UNFINISHED, [part.now for part in parts]),
        capped=[state for state in UNFINISHED if state in capped],
        last_24_hours=_added(FINISHED, [part.last_24_hours for part in parts]),
        in_all=_added(FINISHED, [part.in_all for part in parts]),
    )


def _added(states: Iterable[JobState], parts: Iterable[Figures]) -> Figures:
    added: Counter[JobState] = Counter()
    for part in parts:
        added.update(part)
    return {state: added[state] for state in states}


def _servant(row: ServantRow, at: datetime, patience: Patience) -> ServantView:
    age = _age(row.heartbeat_at, at)
    return ServantView(
        id=row.id,
        type=row.type,
        host=row.host,
        pid=row.pid,
        version=row.version,
        state=row.state,
        heartbeat=Heartbeat.LOST if row.state == "lost" else patience.judge(age),
        heartbeat_at=row.heartbeat_at,
        heartbeat_age_seconds=age,
        started_at=row.started_at,
        received_at=row.received_at,
        memory_bytes=row.memory_bytes,
        slots=row.slots,
        busy=row.busy,
        jobs=[_job(held, row.account_names, age) for held in row.current_jobs],
    )


def _job(held: Mapping[str, Any], account_names: Mapping[str, str], age_seconds: float) -> JobView:
    return JobView(
        job=held["job"],
        attempt=held["attempt"],
        account=held["account"],
        account_name=account_names.get(str(held["account"])),
        lane=held["lane"],
        # Its seconds were counted at the heartbeat, and it has run on since.
        seconds=round(held["seconds"] + age_seconds, 1),
        done=held["done"],
        total=held["total"],
    )


def _scheduler(row: SchedulerRow, at: datetime) -> SchedulerView:
    age = _age(row.heartbeat_at, at)
    return SchedulerView(
        id=row.id,
        host=row.host,
        pid=row.pid,
        version=row.version,
        heartbeat=Patience.with_schedulers().judge(age),
        heartbeat_at=row.heartbeat_at,
        heartbeat_age_seconds=age,
        started_at=row.started_at,
        passes=row.passes,
    )


def _age(moment: datetime, at: datetime) -> float:
    # A heartbeat that was written after this look began is no older than nothing.
    return max(0.0, round((at - moment).total_seconds(), 1))
