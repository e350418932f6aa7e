"""What operators did: rows that are only ever added, in the transaction of the action itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement

#: One page of a listing is sought among so many actions, in windows: most filters fit soon, later ones pay for a call.
MAX_SEARCHED = 100_000
_FIRST_WINDOW = 500
_LARGEST_WINDOW = 20_000
_AFTER_ALL_IDS = 2**63 - 1


class ActorKind(StrEnum):
    """Who acts."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    COMMAND_LINE = "command line"
    #: Somebody of an account.
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts, and from where. `id` is the person's or the token's."""

    kind: ActorKind
    id: int | None
    name: str
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What is done to what: `Act("job.retry", "job", 7)`. `detail` is JSON, and holds nothing secret."""

    action: str
    target_kind: str
    target_id: str | int | None = None
    account_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def account_of_target(connection: psycopg.Connection, kind: str, target: str | int | None) -> int | None:
    """The account that a job, a schedule, a connection or an incident belongs to; None for anything else."""
    if not isinstance(target, int):
        return None
    row = connection.execute(statement("account_of_target"), {"kind": kind, "id": target}).fetchone()
    return None if row is None else row[0]


def note(connection: psycopg.Connection, actor: Actor, act: Act) -> None:
    """Write down what is done, in the transaction that does it."""
    params = {
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "action": act.action,
        "target_kind": act.target_kind,
        "target_id": None if act.target_id is None else str(act.target_id),
        "account_id": act.account_id,
        "detail": Jsonb(act.detail),
        "address": actor.address,
        "request_id": actor.request_id,
    }
    connection.execute(statement("note_operator_action"), params)


@dataclass(frozen=True, slots=True)
class ActionLine:
    """One thing that an operator did."""

    id: int
    at: datetime
    actor_kind: ActorKind
    actor_id: int | None
    actor_name: str
    action: str
    target_kind: str
    target_id: str | None
    account_id: int | None
    detail: dict[str, Any]
    address: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFilter:
    """Which actions to list; None takes all. `action` is one or the beginning of several, such as `job.`."""

    actor: str | None = None
    action: str | None = None
    target_kind: str | None = None
    target_id: str | None = None
    account_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ActionPage:
    """Actions, the newest first; `older` is where the next page begins, None at the end of all."""

    actions: list[ActionLine]
    older: int | None


def list_actions(
    connection: psycopg.Connection, wanted: ActionFilter, *, before: int | None = None, limit: int = 50
) -> ActionPage:
    """The newest actions that fit, of those before the action `before`.

    Where few fit, it looks through `MAX_SEARCHED` and says where to go on.
    """
    start, found, searched, window = before or _AFTER_ALL_IDS, list[ActionLine](), 0, _FIRST_WINDOW
    while searched < MAX_SEARCHED:
        params = asdict(wanted) | {"before": start, "window": window, "limit": limit + 1 - len(found)}
        rows = connection.execute(statement("list_operator_actions"), params).fetchall()
        found += [ActionLine(*row[2:]) for row in rows if row[2] is not None]
        if len(found) > limit:
            return ActionPage(found[:limit], found[limit - 1].id)
        if rows[0][1] < window:
            return ActionPage(found, None)
        start, searched, window = rows[0][0], searched + rows[0][1], min(4 * window, _LARGEST_WINDOW)
    return ActionPage(found, start)


def actions_on(
    connection: psycopg.Connection, target_kind: str, target_id: str | int, *, limit: int = 20
) -> list[ActionLine]:
    """What operators did to this, the newest first."""
    params = {"target_kind": target_kind, "target_id": str(target_id), "limit": limit}
    return rows_as(connection, ActionLine, "list_actions_on", params)
