"""Changes a schedule that is there; jobs it has made stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.errors import UniqueViolation

from infra.postgres.accounts import check_name
from infra.postgres.job_details import masked_payload
from infra.postgres.schedules import LockedSchedule, NewSchedule, check_options, lock_schedule, options_of, placed
from infra.postgres.statements import statement
from infra.triggers import Trigger
from infra.unmasking import unmasked
from retinue.errors import InvalidSchedule, NotAllowed
from retinue.schedule import Cron, Every, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEdit:
    """What is to change; None keeps what is there. A payload may hold masks, which stand for the values behind them."""

    name: str | None = None
    rule: Rule | None = None
    timezone: str | None = None
    payload: Mapping[str, Any] | None = None
    jitter: timedelta | None = None
    catch_up: int | None = None
    overlap: str | None = None
    priority: int | None = None


def edit_schedule(connection: psycopg.Connection, schedule_id: int, edit: ScheduleEdit) -> list[str]:
    """Change it, and name what has changed.

    With a new rule or zone it begins anew: an interval counts from now on. A paused one stays paused.

    Raises:
        NotFound: there is no such schedule.
        UnknownType, InvalidPayload: the new payload cannot be checked, or does not fit.
        InvalidSchedule: the rule, the zone or an option cannot be used.
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: the account has another one of this type and name.
    """
    stored = lock_schedule(connection, schedule_id)
    old, new = _edited(stored, ScheduleEdit()), _edited(stored, edit)
    check_name(new.name)
    check_options(new)
    same_payload = new.payload == stored.payload
    payload, lane = (json.dumps(stored.payload), stored.lane) if same_payload else placed(new)
    params = options_of(new) | _times(stored, new) | {"id": schedule_id, "payload": payload, "lane": lane}
    try:
        with connection.transaction():
            connection.execute(statement("edit_schedule"), params)
    except UniqueViolation as error:
        raise NotAllowed(f"There is another {new.type} schedule named {new.name!r}: choose another name.") from error
    return sorted(part.name for part in fields(new) if getattr(new, part.name) != getattr(old, part.name))


def _edited(stored: LockedSchedule, edit: ScheduleEdit) -> NewSchedule:
    return NewSchedule(
        type=stored.type,
        account_id=stored.account_id,
        name=_chosen(edit.name, stored.name),
        rule=_chosen(edit.rule, _rule(stored)),
        timezone=_chosen(edit.timezone, stored.timezone),
        payload=_payload(stored, edit),
        jitter=_chosen(edit.jitter, timedelta(seconds=stored.jitter_seconds)),
        catch_up=_chosen(edit.catch_up, stored.catch_up),
        overlap=_chosen(edit.overlap, stored.overlap),
        priority=_chosen(edit.priority, stored.priority),
    )


def _payload(stored: LockedSchedule, edit: ScheduleEdit) -> Any:
    if edit.payload is None:
        return stored.payload
    return unmasked(edit.payload, shown=masked_payload(stored.type, stored.payload), stored=stored.payload)


def _chosen(wanted: Any, stored: Any) -> Any:
    return stored if wanted is None else wanted


def _rule(stored: LockedSchedule) -> Rule:
    return Cron(stored.cron) if stored.cron is not None else Every(timedelta(seconds=stored.every_seconds or 0))


def _times(stored: LockedSchedule, new: NewSchedule) -> dict[str, datetime | str | None]:
    if (new.rule, new.timezone) == (_rule(stored), stored.timezone):
        return {"starts_at": stored.starts_at, "next_fire_at": stored.next_fire_at, "problem": stored.problem}
    trigger = Trigger(new.rule, timezone=new.timezone, starts_at=stored.now)
    first = trigger.first()
    next_at = None if first is None else trigger.fires(first, stored.now, catch_up=1).next
    if next_at is None:
        raise InvalidSchedule(f"This schedule would never fire: {new.rule}")
    return {"starts_at": stored.now, "next_fire_at": next_at, "problem": None}
