"""What the page and its JSON both show; docs/manager.md describes every key. Times are UTC by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.postgres.overview import Figures
from manager.heartbeats import Heartbeat
from retinue.states import JobState

_PAGES = {
    "no_servant": "servants.index",
    "servant_lost": "servants.index",
    "servant_late": "servants.index",
    "servant_silent": "servants.index",
    "incident_open": "incidents.index",
    "breaker_open": "lanes.index",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should see to. `code` is for machines and stays the same."""

    code: str
    message: str

    @property
    def tone(self) -> str:
        """How grave it is: bad, or warn where it may pass by itself."""
        return "warn" if self.code in ("servant_late", "servant_silent", "breaker_open") else "bad"

    @property
    def page(self) -> str | None:
        """The endpoint of the page that tells more."""
        return _PAGES.get(self.code)


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by state. `capped` names the states that hold more jobs than the figure given."""

    now: Figures
    capped: list[JobState]
    last_24_hours: Figures
    in_all: Figures

    @property
    def unfinished(self) -> int:
        """Jobs that wait or run."""
        return sum(self.now.values())


@dataclass(frozen=True, slots=True)
class FleetView:
    """The servants of one type by their heartbeat, and the slots of those that are not gone."""

    up: int = 0
    late: int = 0
    gone: int = 0
    slots: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True)
class TypeView:
    """One type. `slots` is None where no servant ever registered it; `live_servants` take its jobs."""

    type: str
    slots: int | None
    paused_at: datetime | None
    live_servants: int
    servants: FleetView
    jobs: Counts


@dataclass(frozen=True, slots=True)
class JobView:
    """A job in a servant's hands; `seconds` since it started. `account` is None for the system's own upkeep."""

    job: int
    attempt: int
    account: int | None
    account_name: str | None
    lane: str
    seconds: float
    done: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class ServantView:
    """A servant and what it is doing. A busy one may list fewer jobs than `busy`."""

    id: int
    type: str
    host: str
    pid: int
    version: str
    state: str
    heartbeat: Heartbeat
    heartbeat_at: datetime
    heartbeat_age_seconds: float
    started_at: datetime
    received_at: datetime | None
    memory_bytes: int | None
    slots: int
    busy: int
    jobs: list[JobView]

    @property
    def live(self) -> bool:
        """Whether it takes jobs."""
        return self.state == "active" and self.heartbeat is not Heartbeat.LOST


@dataclass(frozen=True, slots=True)
class SchedulerView:
    """A scheduler, and the figures of its passes by name."""

    id: int
    host: str
    pid: int
    version: str
    heartbeat: Heartbeat
    heartbeat_at: datetime
    heartbeat_age_seconds: float
    started_at: datetime
    passes: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class OverviewView:
    """Everything shown, at one moment. `jobs` sums the types; jobs in flight are counted to `count_cap` a type."""

    at: datetime
    environment: str
    version: str
    count_cap: int
    problems: list[Problem]
    jobs: Counts
    types: list[TypeView]
    servants: list[ServantView]
    servants_left_out: int
    schedulers: list[SchedulerView]

    @property
    def unused(self) -> bool:
        """Whether no job was ever made."""
        return not self.jobs.unfinished and not sum(self.jobs.in_all.values())
