"""What is raised when the database cannot be asked, which is no fault of the question."""

from __future__ import annotations

import psycopg

from infra.postgres.connect import DatabaseUnreachable

AWAY = (DatabaseUnreachable, psycopg.OperationalError, psycopg.InterfaceError)

#: The server shuts down, has crashed, or does not take connections yet.
_SHUTTING_DOWN = frozenset({"57P01", "57P02", "57P03"})


def is_unreachable(error: BaseException) -> bool:
    """Whether the connection was lost or could not be had; a statement that failed on one that works is no such thing.

    What the server itself refuses carries a code (PostgreSQL, appendix A); class 08 is about connections.
    """
    if not isinstance(error, psycopg.OperationalError):
        return isinstance(error, DatabaseUnreachable)
    return error.sqlstate is None or error.sqlstate.startswith("08") or error.sqlstate in _SHUTTING_DOWN
