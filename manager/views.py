"""What the page and its JSON both show; docs/manager.md describes every key. Times are UTC by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.postgres.overview import Figures
from manager.heartbeats import Heartbeat
from retinue.states import JobState


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should see to. `code` is for machines and stays the same."""

    code: str
    message: str


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
class TypeView:
    """One type. `slots` is None where no servant ever registered it."""

    type: str
    slots: int | None
    paused_at: datetime | None
    live_servants: int
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
    """Everything that is shown, at one moment. `jobs` sums the types; counts of `now` end at `count_cap` a type."""

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
