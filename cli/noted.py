"""Writing down what is done on the command line, beside what is done in the manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from infra.postgres.audit import Act


def note(connection: psycopg.Connection, operator: str, act: Act) -> None:
    """Write down that `operator`, as `--by` names them, does this, in the transaction that does it."""
    from infra.postgres import audit

    audit.note(connection, audit.Actor(audit.ActorKind.COMMAND_LINE, None, operator), act)
