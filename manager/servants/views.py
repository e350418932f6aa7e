"""What the pages say of servants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from infra.postgres.servants import SILENT_SECONDS, ServantLine
from manager.heartbeats import Heartbeat, Patience
from retinue.servant_requests import ServantRequest

#: Jobs of one servant that a list shows.
SHOWN_JOBS = 3

_HEARTBEATS = {Heartbeat.FRESH: "up", Heartbeat.LATE: "late", Heartbeat.LOST: "lost"}

#: What needs a person, the worst first.
TROUBLES = ("lost", "silent", "late")


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """A job in a servant's hands, since `began_at` as its servant's last heartbeat told."""

    job: int
    attempt: int
    account: int | None
    account_name: str | None
    lane: str
    began_at: datetime
    done: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class ServantView:
    """A servant. `state` is up, late, silent, draining, resting, lost or stopped; `sentence` says what that means."""

    line: ServantLine
    state: str
    sentence: str
    jobs: Sequence[CurrentJob]

    @property
    def is_live(self) -> bool:
        """Whether anything may be asked of it."""
        return self.state not in ("lost", "stopped")

    @property
    def may_drain(self) -> bool:
        """Whether it was not asked for anything yet."""
        return self.is_live and self.line.request is None

    @property
    def may_restart(self) -> bool:
        """Whether it is not about to."""
        return self.is_live and self.line.request != ServantRequest.RESTART


@dataclass(frozen=True, slots=True)
class TypeView:
    """The servants of one type. `troubled` are those that need a person."""

    type: str
    servants: Sequence[ServantView]

    @property
    def live(self) -> Sequence[ServantView]:
        return [servant for servant in self.servants if servant.is_live]

    @property
    def slots(self) -> int:
        return sum(servant.line.slots for servant in self.live)

    @property
    def busy(self) -> int:
        return sum(servant.line.busy for servant in self.live)

    def count(self, state: str) -> int:
        """How many of them are in this state."""
        return sum(servant.state == state for servant in self.servants)


def by_type(lines: Sequence[ServantLine], patience: Patience) -> list[TypeView]:
    """Servants by type, those in trouble first."""
    return [
        TypeView(name, sorted((view_of(line, patience) for line in own), key=_gravity))
        for name, own in groupby(lines, attrgetter("type"))
    ]


def _gravity(servant: ServantView) -> tuple[int, int]:
    rank = TROUBLES.index(servant.state) if servant.state in TROUBLES else len(TROUBLES)
    return rank + (servant.state == "stopped"), servant.line.id


def view_of(line: ServantLine, patience: Patience) -> ServantView:
    """What is to be said of this servant."""
    state = _state(line, patience)
    return ServantView(line, state, _sentence(state), [_job(line, told) for told in line.current_jobs])


def _state(line: ServantLine, patience: Patience) -> str:
    if line.state in ("lost", "stopped"):
        return line.state
    heartbeat = patience.judge(line.heartbeat_seconds)
    if heartbeat is not Heartbeat.FRESH:
        return _HEARTBEATS[heartbeat]
    if line.is_silent(patience.lost):
        return "silent"
    if line.is_resting:
        return "resting"
    return "draining" if line.state == "draining" else "up"


def _sentence(state: str) -> str:
    return {
        "up": "It takes jobs.",
        "late": "It has missed a heartbeat: it may hang, or the database may be slow for it.",
        "silent": f"It lives, has free slots, and its queue has not answered it for {SILENT_SECONDS:.0f} s and more. "
        "Look at its log for receive_failed, and at the queue; a restart makes it ask anew.",
        "draining": "It finishes what it runs, and takes nothing new.",
        "resting": "It was drained, and rests: it takes nothing until it is restarted.",
        "lost": "It ended without a word, or its heartbeats do not come through. Its jobs are taken back when their "
        "leases run out.",
        "stopped": "It has ended, and handed back what it held.",
    }[state]


def _job(line: ServantLine, told: dict[str, Any]) -> CurrentJob:
    account = told.get("account")
    return CurrentJob(
        job=told["job"],
        attempt=told["attempt"],
        account=account,
        account_name=line.account_names.get(str(account)),
        lane=told.get("lane", ""),
        began_at=_steady(line.heartbeat_at - timedelta(seconds=told["seconds"])),
        done=told.get("done"),
        total=told.get("total"),
    )


def _steady(at: datetime) -> datetime:
    """To ten seconds: each heartbeat tells it anew, a little differently."""
    return at - timedelta(seconds=at.second % 10, microseconds=at.microsecond)
