"""A database that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from tests.support.manager_database import ManagerDatabase


class Asked(NamedTuple):
    """A query with its parameters, and the queries before it in its transaction that told the planner something."""

    query: bytes
    params: Any
    settings: tuple[tuple[bytes, Any], ...]


class RecordedDatabase(ManagerDatabase):
    """The manager's; keeps every query with its parameters, as it was sent, until `taken`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._asked: list[Asked] = []

    def taken(self) -> list[Asked]:
        """What was asked since the last time."""
        asked, self._asked = self._asked, []
        return asked

    @contextmanager
    def _lend(self) -> Iterator[psycopg.Connection]:
        asked, settings = self._asked, list[tuple[bytes, Any]]()

        class Recording(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **rest: Any) -> Any:
                text = query.encode() if isinstance(query, str) else query
                if isinstance(text, bytes):
                    asked.append(Asked(text, params, tuple(settings)))
                    settings.extend([(text, params)] if b"set_config('enable_" in text else [])
                return super().execute(query, params, **rest)

        with super()._lend() as connection:
            connection.cursor_factory = Recording
            try:
                yield connection
            finally:
                connection.cursor_factory = psycopg.Cursor
