"""Schedules as people make and steer them; `scheduler.plan` fires them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from infra.postgres.accounts import check_name
from infra.postgres.enqueue import PRIORITIES, Effect, Enqueued, key_faults, payload_json
from infra.postgres.ordered_types import ORDERED_TYPES
from infra.postgres.rows import rows_as
from infra.postgres.schedule_lines import unknown_schedule
from infra.postgres.statements import statement
from infra.triggers import Trigger
from retinue.errors import InvalidPayload, InvalidSchedule, NotAllowed
from retinue.payload import validate_payload
from retinue.schedule import MAX_JITTER, Cron, Every, Rule, ScheduleState
from retinue.servant import load_servant

OVERLAPS = ("skip", "allow")
CATCH_UPS = range(1, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule to be made.

    A job starts up to `jitter` after its fire time. After an outage the `catch_up` newest missed fires make jobs.
    `overlap` says whether a fire makes a job while the last one's is unfinished: `skip` or `allow`.
    """

    type: str
    name: str
    rule: Rule
    account_id: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = "UTC"
    jitter: timedelta = timedelta(0)
    catch_up: int = 1
    overlap: str = "skip"
    priority: int = 5


@dataclass(frozen=True, slots=True)
class LockedSchedule:
    """A schedule's row as it is, nothing masked, locked until the transaction ends."""

    id: int
    account_id: int | None
    type: str
    name: str
    cron: str | None
    every_seconds: float | None
    timezone: str
    jitter_seconds: float
    catch_up: int
    overlap: str
    payload: Any
    lane: str
    priority: int
    state: str
    problem: str | None
    starts_at: datetime
    next_fire_at: datetime | None
    now: datetime

    def next_after_now(self) -> datetime | None:
        rule = Cron(self.cron) if self.cron is not None else Every(timedelta(seconds=self.every_seconds or 0))
        trigger = Trigger(rule, timezone=self.timezone, starts_at=self.starts_at)
        # The fires missed while it was paused are not made up for.
        first = self.next_fire_at or trigger.first()
        return None if first is None else trigger.fires(first, self.now, catch_up=1).next


def add_schedule(connection: psycopg.Connection, new: NewSchedule) -> int:
    """Make a schedule; returns its ID. An interval fires at once, a cron rule at its first time from now on.

    Raises:
        UnknownType: no servant is registered for its type.
        InvalidPayload: the payload does not fit.
        InvalidSchedule: the rule, the zone or an option cannot be used.
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: the account has one of this type and name, or jobs of the type are made by an order alone.
    """
    check_name(new.name)
    check_options(new)
    params = _params(new, database_now(connection))
    row = connection.execute(statement("add_schedule"), params).fetchone()
    if row is None:
        owner = "the system" if new.account_id is None else f"account {new.account_id}"
        raise NotAllowed(f"There is a {new.type} schedule named {new.name!r} of {owner} already: choose another name.")
    return int(row[0])


def pause_schedule(connection: psycopg.Connection, schedule_id: int) -> None:
    """Let the schedule make no more jobs; those it has made go on.

    Raises:
        NotFound: there is no such schedule.
        NotAllowed: it is paused.
    """
    if lock_schedule(connection, schedule_id).state == ScheduleState.PAUSED:
        raise NotAllowed(f"Schedule {schedule_id} is paused already.")
    connection.execute(statement("pause_schedule"), {"id": schedule_id})


def resume_schedule(connection: psycopg.Connection, schedule_id: int) -> datetime:
    """Let a paused schedule make jobs again; returns its next fire time. What it missed is not made up for.

    Raises:
        NotFound: there is no such schedule.
        NotAllowed: it is active.
        InvalidSchedule: its rule cannot be used; it stays paused.
    """
    locked = lock_schedule(connection, schedule_id)
    if locked.state == ScheduleState.ACTIVE:
        raise NotAllowed(f"Schedule {schedule_id} is active already.")
    next_fire_at = locked.next_after_now()
    if next_fire_at is None:
        raise InvalidSchedule(f"Schedule {schedule_id} would never fire again: {locked.cron}")
    connection.execute(statement("resume_schedule"), {"id": schedule_id, "next_fire_at": next_fire_at})
    return next_fire_at


def run_schedule(connection: psycopg.Connection, schedule_id: int) -> Enqueued:
    """Make a job of the schedule now, paused or not; its regular fires stay as they are.

    `created` is False where its last job is unfinished and it skips overlapping ones; then `id` is that job's.

    Raises:
        NotFound: there is no such schedule.
    """
    locked = lock_schedule(connection, schedule_id)
    params = {"schedule_ids": [schedule_id], "fire_ats": [locked.now], "run_ats": [locked.now]}
    made = connection.execute(statement("fire_schedules"), params).fetchone()
    if made is not None:
        return Enqueued(int(made[0]))
    key = {"type": locked.type, "unique_key": f"schedule:{schedule_id}"}
    held = connection.execute(statement("find_unique_job"), key).fetchone()
    if held is None:
        raise NotAllowed(f"The last job of schedule {schedule_id} was just finishing: try again.")
    return Enqueued(int(held[0]), Effect.IGNORED)


def lock_schedule(connection: psycopg.Connection, schedule_id: int) -> LockedSchedule:
    """The schedule's row, for whoever is about to change it.

    Raises:
        NotFound: there is no such schedule.
    """
    found = rows_as(connection, LockedSchedule, "lock_schedule", {"id": schedule_id})
    if not found:
        raise unknown_schedule(schedule_id)
    return found[0]


def check_options(new: NewSchedule) -> None:
    """Raises InvalidSchedule where an option cannot be used, NotAllowed where no schedule may make jobs of the type."""
    if new.type in ORDERED_TYPES:
        raise NotAllowed(f"{new.type} cannot be scheduled: it deletes for good, and is ordered each time.")
    if not timedelta(0) <= new.jitter <= MAX_JITTER:
        raise InvalidSchedule(f"jitter is 0 to {MAX_JITTER.days} day, got {new.jitter.total_seconds():g} s")
    if new.catch_up not in CATCH_UPS:
        raise InvalidSchedule(f"catch-up is 1 to {CATCH_UPS[-1]}, got {new.catch_up}")
    if new.overlap not in OVERLAPS:
        raise InvalidSchedule(f"overlap is {' or '.join(OVERLAPS)}, got {new.overlap!r}")
    if new.priority not in PRIORITIES:
        raise InvalidSchedule(f"priority is 0 (most urgent) to 9, got {new.priority}")


def placed(new: NewSchedule) -> tuple[str, str]:
    """The payload of its jobs as it is stored, and their lane.

    Raises:
        UnknownType: no servant is registered for its type.
        InvalidPayload: the payload does not fit.
    """
    servant = load_servant(new.type)
    payload = validate_payload(new.type, servant.payload, new.payload)
    lane = servant.lane_of(new.account_id, payload)
    for fault in key_faults("lane", lane):
        raise InvalidPayload(fault)
    return payload_json(new.type, payload), lane


def _params(new: NewSchedule, now: datetime) -> dict[str, Any]:
    payload, lane = placed(new)
    first = Trigger(new.rule, timezone=new.timezone, starts_at=now).first()
    if first is None:
        raise InvalidSchedule(f"This schedule would never fire: {new.rule}")
    own = {"account_id": new.account_id, "type": new.type, "payload": payload, "lane": lane}
    return own | options_of(new) | {"starts_at": now, "next_fire_at": first}


def options_of(new: NewSchedule) -> dict[str, Any]:
    """The columns that do not depend on the payload or the time."""
    return {
        "name": new.name,
        "cron": new.rule.expression if isinstance(new.rule, Cron) else None,
        "every_seconds": new.rule.interval.total_seconds() if isinstance(new.rule, Every) else None,
        "timezone": new.timezone,
        "jitter_seconds": new.jitter.total_seconds(),
        "catch_up": new.catch_up,
        "overlap": new.overlap,
        "priority": new.priority,
    }


def database_now(connection: psycopg.Connection) -> datetime:
    """The database's time, which everything that is due is compared with."""
    row = connection.execute(statement("read_now")).fetchone()
    if row is None:
        raise psycopg.DataError("read_now gave no row")
    now: datetime = row[0]
    return now
