"""Groups: jobs made together. They add up, a follow-up comes when all are done, and cancelling one cancels the rest.

What is written here is only what callers do; `scheduler.groups` counts, cancels and ends.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import psycopg
from psycopg.rows import dict_row

from infra.postgres.enqueue import NewJob, driver_connection, enqueue_members, stored_row
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.postgres.unique import BULK_ROWS, execute
from retinue.errors import InvalidPayload, NotAllowed, NotFound
from retinue.groups import Child, GroupCounts, GroupState, OnFailure

if TYPE_CHECKING:
    from sqlalchemy import Connection as CoreConnection
    from sqlalchemy.orm import Session

#: Children read by one statement.
PAGE = 500

#: The longest name of a group, in characters.
MAX_NAME_LENGTH = 200


class GroupRules(TypedDict, total=False):
    """How a group behaves.

    `follow_up` is made when all are done. `on_failure` is one of `OnFailure`'s words; `continue` unless given.
    `sealed=False` lets more jobs join until `seal()`.
    """

    account_id: int | None
    follow_up: NewJob | None
    on_failure: OnFailure | str
    sealed: bool


@dataclass(frozen=True, slots=True)
class Parent:
    """The job that makes a group, and the group it belongs to itself."""

    job_id: int
    group_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDetails(GroupCounts):
    """Everything about one group. `inner_groups` are those inside it, at any depth."""

    account_id: int | None
    parent_job_id: int | None
    parent_group_id: int | None
    on_failure: OnFailure
    follow_up_type: str | None
    follow_up_job_id: int | None
    cancel_reason: str | None
    created_at: datetime
    finished_at: datetime | None
    inner_groups: int


class StoredGroup:
    """`retinue.groups.Group` in the caller's transaction."""

    def __init__(self, session: Session | CoreConnection | psycopg.Connection, group_id: int, *, created: bool) -> None:
        self.id = group_id
        self.created = created
        self._session = session

    def add(self, children: Iterable[NewJob]) -> int:
        """Let these jobs join; returns how many were made.

        One whose unique key is held is not made, and does not join.

        Raises:
            NotAllowed: the group is sealed or being cancelled.
            UnknownType, InvalidPayload: like `enqueue_many`.
        """
        connection = driver_connection(self._session)
        self._hold_open(connection)
        made = 0
        rest = iter(children)
        while page := list(islice(rest, BULK_ROWS)):
            made += sum(one.created for one in enqueue_members(self._session, page, group_id=self.id))
        if made:
            connection.execute(statement("note_group_total"), {"id": self.id, "total": made})
        return made

    def seal(self) -> None:
        """Let no more join: the group ends when its jobs have. Waits for whoever is adding to it."""
        connection = driver_connection(self._session)
        # Locked by a statement of its own, so that the next one sees what was added meanwhile.
        connection.execute(statement("lock_group"), {"id": self.id})
        connection.execute(statement("seal_group"), {"id": self.id})

    def _hold_open(self, connection: psycopg.Connection) -> None:
        row = execute(connection, "hold_group_open", {"id": self.id}).fetchone()
        if row is None:
            raise NotFound(f"There is no group {self.id}.")
        is_open, cancel_reason = row
        if not is_open:
            why = "is sealed" if cancel_reason is None else f"is being cancelled: {cancel_reason}"
            raise NotAllowed(f"No job can join group {self.id}: it {why}.")


def enqueue_group(
    session: Session | CoreConnection | psycopg.Connection,
    children: Iterable[NewJob] = (),
    *,
    name: str,
    parent: Parent | None = None,
    **rules: Unpack[GroupRules],
) -> StoredGroup:
    """Make a group and its jobs in the caller's transaction.

    A parent has one group of each name: where an earlier attempt made it, that one is returned, `created` False, and no
    child is made.

    Raises:
        UnknownType, InvalidPayload: a child, the follow-up or a rule does not fit.

    Example:
        enqueue_group(session, [NewJob(type="system.echo", payload={})], name="onboard", on_failure="withhold")
    """
    params = _params(name, parent, rules)
    connection = driver_connection(session)
    row = execute(connection, "add_group", params).fetchone()
    if row is None:
        ((identity,),) = execute(connection, "find_group_of_parent", params).fetchall()
        return StoredGroup(session, identity, created=False)
    group = StoredGroup(session, row[0], created=True)
    group.add(children)
    if rules.get("sealed", True):
        group.seal()
    return group


def open_group(session: Session | CoreConnection | psycopg.Connection, group_id: int) -> StoredGroup:
    """A group that exists, to add to it or to seal it."""
    return StoredGroup(session, group_id, created=False)


def cancel_groups(connection: psycopg.Connection, group_ids: Collection[int], *, reason: str) -> set[int]:
    """Cancel what is left of these groups, and of those inside them; returns which were not ended or cancelled yet.

    The schedulers do it, waiting jobs at once and running ones by asking; the follow-up does not come.
    """
    params = {"ids": sorted(group_ids), "reason": reason}
    return {row[0] for row in execute(connection, "cancel_groups", params)}


def show_group(connection: psycopg.Connection, group_id: int) -> GroupDetails:
    """How far a group is, exactly as of now, and its rules.

    Raises:
        NotFound: there is no such group; it may have been dropped with its history.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement("read_group"), {"id": group_id}).fetchone()
    if row is None:
        raise NotFound(f"There is no group {group_id}. If it ended long ago, it has been dropped since.")
    words = {"state": GroupState(row["state"]), "on_failure": OnFailure(row["on_failure"])}
    return GroupDetails(**row | words)


def list_groups(
    connection: psycopg.Connection,
    *,
    account_id: int | None = None,
    unfinished: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> list[GroupDetails]:
    """The newest groups first, those before `before`."""
    params = {"account_id": account_id, "unfinished": unfinished, "before": before, "limit": limit}
    return [show_group(connection, row[0]) for row in execute(connection, "list_groups", params).fetchall()]


def list_children(
    connection: psycopg.Connection, group_id: int, *, state: str | None = None, after: int = 0, limit: int = PAGE
) -> list[Child]:
    """A group's own finished jobs by ID, nothing masked; `after` is the last one of the page before."""
    params = {"id": group_id, "state": state, "after": after, "limit": limit}
    return rows_as(connection, Child, "list_group_children", params)


def followed_group(connection: psycopg.Connection, job_id: int) -> GroupDetails:
    """The finished group that a job follows.

    Raises:
        NotFound: it follows none.
    """
    row = execute(connection, "find_followed_group", {"job_id": job_id}).fetchone()
    if row is None:
        raise NotFound(f"Job {job_id} follows no group.")
    return show_group(connection, row[0])


def make_follow_up(connection: psycopg.Connection, stored: dict[str, Any], *, group_id: int | None) -> int:
    """Make the job that follows a group, as it was stored; it joins the group around that one. Returns its ID."""
    params = stored | {"group_id": group_id, "unique_key": None, "unique_waiting": False}
    ((identity,),) = execute(connection, "enqueue_job", params).fetchall()
    return int(identity)


def _params(name: str, parent: Parent | None, rules: GroupRules) -> dict[str, Any]:
    on_failure = rules.get("on_failure", OnFailure.CONTINUE)
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidPayload(f"A group's name is 1 to {MAX_NAME_LENGTH} printable characters, got {name[:40]!r}")
    if on_failure not in list(OnFailure):
        raise InvalidPayload(f"on_failure is one of {', '.join(OnFailure)}, got {on_failure!r}")
    return {
        "name": name,
        "account_id": rules.get("account_id"),
        "on_failure": on_failure,
        "follow_up": _stored(rules.get("follow_up")),
        "parent_job_id": None if parent is None else parent.job_id,
        "parent_group_id": None if parent is None else parent.group_id,
    }


def _stored(follow_up: NewJob | None) -> str | None:
    if follow_up is None:
        return None
    if follow_up.unique_key is not None or follow_up.unique is not None:
        raise InvalidPayload("A follow-up comes once for its group and takes no unique key.")
    return json.dumps(stored_row(follow_up))
