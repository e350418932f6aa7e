"""The audit's links: how they are read, and how an action is hashed, without asking the database to do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from operator import attrgetter

import psycopg
from psycopg.rows import class_row

from infra.postgres.statements import statement
from retinue.errors import RetinueError

#: What is hashed of an action, in this order.
COLUMNS = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "target_kind",
    "target_id",
    "account_id",
    "detail",
    "address",
    "request_id",
)

_values = attrgetter(*COLUMNS)

_numbers = count()

#: Rows that one call to the database brings.
_BATCH = 2_000


class InvalidHead(RetinueError):
    """What was given is no head of a chain."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the last position, 0 before all, and its 32 bytes. As text `POSITION:HEX`."""

    position: int
    chain: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.chain.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `text` writes.

        Raises:
            InvalidHead: it writes none.
        """
        position, _, chain = text.strip().partition(":")
        try:
            head = cls(int(position), bytes.fromhex(chain))
        except ValueError as error:
            raise InvalidHead(_NO_HEAD.format(text)) from error
        if head.position < 1 or len(head.chain) != len(START.chain):
            raise InvalidHead(_NO_HEAD.format(text))
        return head


_NO_HEAD = "{!r} is no head: write POSITION:HEX as `retinue audit verify` says it, with 64 hexadecimal digits."

#: What the first action is chained to.
START = Head(0, bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A position of the chain and the action there.

    An action without a link has position 0 and an empty chain. Where the action is gone, what is behind `action_id` is
    None. `at` is in UTC with microseconds, as `2026-03-01T12:00:00.000000Z`; `detail` is JSON.
    """

    position: int
    chain: bytes
    action_id: int
    id: int | None
    at: str | None
    actor_kind: str | None
    actor_id: int | None
    actor_name: str | None
    action: str | None
    target_kind: str | None
    target_id: str | None
    account_id: int | None
    detail: str | None
    address: str | None
    request_id: str | None


def chained(before: bytes, link: Link) -> bytes:
    """What the chain is behind this action, where it was `before` in front of it."""
    return sha256(before + b",".join([_piece(value) for value in _values(link)])).digest()


def _piece(value: str | int | None) -> bytes:
    if value is None:
        return b"-"
    written = str(value).encode()
    return b"%d:%b" % (len(written), written)


@contextmanager
def one_moment(connection: psycopg.Connection) -> Iterator[None]:
    """Whatever is read in the block is as of one moment. The connection must not be in a transaction yet.

    Raises:
        psycopg.errors.ActiveSqlTransaction: it is in one.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def links(connection: psycopg.Connection) -> Iterator[Link]:
    """Every link in order, read as it is asked for."""
    return _read(connection, "list_audit_links")


def unlinked(connection: psycopg.Connection) -> Iterator[Link]:
    """Every action that has no link, the oldest first."""
    return _read(connection, "list_unlinked_actions")


def stored_head(connection: psycopg.Connection) -> Head | None:
    """Where the database says that the chain ends; None where it says nothing."""
    row = connection.execute(statement("read_audit_head")).fetchone()
    return None if row is None else Head(*row)


def _read(connection: psycopg.Connection, name: str) -> Iterator[Link]:
    # Two may be under way at once: each has a name of its own.
    with connection.cursor(f"audit_{next(_numbers)}", row_factory=class_row(Link)) as cursor:
        cursor.itersize = _BATCH
        yield from cursor.execute(statement(name))
