"""A session that row-level security confines to one account, as pages of an account read through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from infra.postgres.account_view.paging import Page
from infra.postgres.logins import Login, ensure_logins
from infra.principal import Principal
from tests.support.principals import member, visitor

T = TypeVar("T")


class RecordingCursor(psycopg.Cursor[Any]):
    """Keeps every query with its parameters."""

    asked: list[tuple[bytes, Any]] = []  # noqa: RUF012 - of all cursors together

    def execute(self, query: Any, params: Any = None, **rest: Any) -> Any:
        self.asked.append((query, params))
        return super().execute(query, params, **rest)


@contextmanager
def account_reader(url: str, account_id: int) -> Iterator[psycopg.Connection]:
    """A connection of a member of this account."""
    with _bound(url, Login.MEMBER, account_id, member) as reader:
        yield reader


@contextmanager
def masked_reader(url: str, account_id: int) -> Iterator[psycopg.Connection]:
    """A connection of an operator who has assumed it."""
    with _bound(url, Login.SUPPORT, account_id, visitor) as reader:
        yield reader


@contextmanager
def _bound(
    url: str, login: Login, account_id: int, make: Callable[[psycopg.Connection, int], Principal]
) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as sql:
        principal = make(sql, account_id)
    with psycopg.connect(ensure_logins(url)[login], autocommit=True) as reader:
        reader.execute("SELECT set_config('retinue.principal', %s, false)", (principal.secret,))
        yield reader


def all_of(ask: Callable[[str | None], Page[T]], *, most: int = 200) -> list[T]:
    """The lines of every page, one after the other."""
    found: list[T] = []
    after = None
    for _ in range(most):
        page = ask(after)
        found += page.items
        if page.after is None:
            return found
        assert page.items, "a page that is empty has none after it"
        after = page.after
    raise AssertionError(f"there are more than {most} pages")
