"""What whoever owns the tables could do to the audit, once the triggers are off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import psycopg

from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.audit_links import START

#: As many as `write_down` writes.
ACTIONS = 10

_ADA = Actor(ActorKind.PERSON, 1, "Ada", address="192.0.2.7", request_id="r-1")
_BOT = Actor(ActorKind.TOKEN, 5, "бот, the 2:nd")
_ROOT = Actor(ActorKind.COMMAND_LINE, None, "-")


def write_down(sql: psycopg.Connection) -> None:
    """Ten actions whose values could be taken for other ones: separators, dashes, nothing, null."""
    for number in range(2):
        note(sql, _ADA, Act("job.retry", "job", 7 + number, account_id=3))
        note(sql, _BOT, Act("lane.pause", "lane", "a.sync 3:x,-", 3, {"wêight": 1.5, "a": [None, "\n", {}]}))
        note(sql, _ROOT, Act("type.pause", "type", "-"))
        note(sql, _ADA, Act("person.sign_in", "person", ""))
        note(sql, _BOT, Act("job.cancel", "job", 1, detail={"why": "<b>asked</b>"}))


@contextmanager
def unguarded(sql: psycopg.Connection) -> Iterator[None]:
    """No trigger of the audit fires in the block."""
    _switch(sql, "DISABLE")
    try:
        yield
    finally:
        _switch(sql, "ENABLE")


def _switch(sql: psycopg.Connection, how: str) -> None:
    for table in ("operator_actions", "audit_chain", "audit_head"):
        sql.execute(f"ALTER TABLE {table} {how} TRIGGER USER".encode())


def tamper(sql: psycopg.Connection, *changes: str) -> None:
    """Make these changes as if no trigger were there."""
    with unguarded(sql):
        for change in changes:
            assert sql.execute(change.encode()).rowcount > 0, change


def relink(sql: psycopg.Connection, since: int) -> None:
    """Make the chain anew from position `since` on, over the actions that there are now."""
    actions = sql.execute("SELECT id, audit_bytes(a) FROM operator_actions AS a ORDER BY id").fetchall()
    with unguarded(sql):
        sql.execute("DELETE FROM audit_chain WHERE position >= %s", (since,))
        before = sql.execute("SELECT chain FROM audit_chain WHERE position = %s", (since - 1,)).fetchone()
        chain = START.chain if before is None else before[0]
        for position, (action_id, written) in enumerate(actions[since - 1 :], since):
            chain = sha256(chain + written).digest()
            sql.execute("INSERT INTO audit_chain VALUES (%s, %s, %s)", (position, action_id, chain))
        sql.execute("UPDATE audit_head SET position = %s, chain = %s", (len(actions), chain))


def make_room(at: int, by: int = 1) -> tuple[str, ...]:
    """Changes that shift the links from position `at` on, and the head, by `by`."""
    # By way of far away: positions are unique, row by row.
    return (
        f"UPDATE audit_chain SET position = position + 1000 WHERE position >= {at}",  # noqa: S608 - a number
        f"UPDATE audit_chain SET position = position - 1000 + {by} WHERE position >= 1000",  # noqa: S608 - a number
        f"UPDATE audit_head SET position = position + {by}",  # noqa: S608 - a number
    )


def exchange(table: str, column: str, first: int, second: int) -> tuple[str, ...]:
    """Changes that exchange two values of a unique column."""
    return tuple(
        f"UPDATE {table} SET {column} = {new} WHERE {column} = {old}"  # noqa: S608 - from the tests themselves
        for old, new in ((first, 1000), (second, first), (1000, second))
    )
