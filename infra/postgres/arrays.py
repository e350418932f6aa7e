"""Array parameters for the hot statements, as PostgreSQL's array literals.

psycopg dumps a list element by element in Python with a regular expression for each text, which took most of a bulk
enqueue's time; joining strings is several times faster. The statement casts the literal: `unnest(%(ids)s::bigint[])`.
Syntax: PostgreSQL manual, "Array Input and Output Syntax".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def numbers(values: Iterable[int | float | None]) -> str:
    """An array of numbers."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """An array of texts, which may be JSON or the names of an enum's values."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def moments(values: Iterable[datetime | None]) -> str:
    """An array of points in time."""
    return "{" + ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
