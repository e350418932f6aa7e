"""Named SQL: one statement a file, `name.sql`, run over psycopg with named parameters."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> bytes:
    """The statement in `name.sql`.

    Raises:
        FileNotFoundError: there is no such statement.
    """
    return files(__package__).joinpath(f"{name}.sql").read_bytes()
