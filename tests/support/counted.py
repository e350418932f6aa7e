"""How many statements something takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are run meanwhile, COPY among them."""
    found: list[str] = []
    execute, copy = psycopg.Connection.execute, psycopg.Cursor.copy

    def counting_execute(self: Any, query: Any, *rest: Any, **options: Any) -> Any:
        found.append(query)
        return execute(self, query, *rest, **options)

    def counting_copy(self: Any, query: Any, *rest: Any, **options: Any) -> Any:
        found.append(query)
        return copy(self, query, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", counting_execute)
        patch.setattr(psycopg.Cursor, "copy", counting_copy)
        yield found
