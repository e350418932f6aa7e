"""Accounts: the customer organisations that everything else belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.rows import rows_as
from retinue.errors import NotAllowed, NotFound, RetinueError

MAX_NAME_LENGTH = 200

#: What `find_account.sql` looks for when a name is no number: no account has it.
_NO_ID = -1


class InvalidName(RetinueError):
    """A name is 1 to 200 characters long, begins and ends with none of them blank, and holds no control characters."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account."""

    id: int
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account in a listing, with how much belongs to it."""

    id: int
    name: str
    created_at: datetime
    connections: int
    schedules: int


def add_account(connection: psycopg.Connection, name: str) -> Account:
    """A new account.

    Raises:
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: there is one of this name; names it.
    """
    check_name(name)
    made = rows_as(connection, Account, "add_account", {"name": name})
    if not made:
        raise NotAllowed(f"There is an account named {name!r} already: {find_account(connection, name).id}.")
    return made[0]


def list_accounts(connection: psycopg.Connection, *, after: int = 0, limit: int = 100) -> list[AccountLine]:
    """Accounts in the order of their IDs, those beyond `after`."""
    return rows_as(connection, AccountLine, "list_accounts", {"after": after, "limit": limit})


def find_account(connection: psycopg.Connection, name_or_id: str) -> Account:
    """The account of that ID, or else of that name.

    Raises:
        NotFound: there is none.
    """
    is_number = name_or_id.isdecimal() and len(name_or_id) < 19
    params = {"id": int(name_or_id) if is_number else _NO_ID, "name": name_or_id}
    found = rows_as(connection, Account, "find_account", params)
    if not found:
        raise NotFound(
            f"There is no account {name_or_id!r}. `retinue accounts list` shows all, `retinue accounts add` makes one."
        )
    return min(found, key=lambda account: str(account.id) != name_or_id)


def check_name(name: str) -> None:
    """Check the name that a person gives to something.

    Raises:
        InvalidName: it is empty, too long, or cannot be shown.
    """
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise InvalidName(f"{name[:40]!r} is no name: {InvalidName.__doc__}")
