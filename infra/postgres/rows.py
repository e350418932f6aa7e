"""Rows of named statements as values of a dataclass whose fields carry the columns' names."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

from infra.postgres.statements import statement

T = TypeVar("T")


def rows_as(
    connection: psycopg.Connection, record: type[T], name: str, params: dict[str, Any] | None = None
) -> list[T]:
    """The rows of statement `name`, each as a `record`."""
    with connection.cursor(row_factory=class_row(record)) as cursor:
        return cursor.execute(statement(name), params).fetchall()
