"""How supervised processes ended, as each host's supervisord saw it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement


class ExitKind(StrEnum):
    """By itself; asked by supervisord; before its start counted; or it is no longer started at all."""

    EXITED = "exited"
    STOPPED = "stopped"
    START_FAILED = "start_failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExit:
    """One end to be noted, which came `seconds_ago`. The names are supervisord's; `pid` is None where none was had."""

    host: str
    program: str
    process: str
    kind: ExitKind
    pid: int | None = None
    exit_status: int | None = None
    signal: str | None = None
    seconds_ago: float = 0.0


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """One end. `servant_id` is the servant that the process was."""

    id: int
    host: str
    program: str
    process: str
    pid: int | None
    kind: str
    exit_status: int | None
    signal: str | None
    servant_id: int | None
    at: datetime


def note_exit(connection: psycopg.Connection, new: NewExit) -> int | None:
    """Write it down; a servant that has not said itself that it stopped is lost from now on. Returns its ID."""
    row = connection.execute(statement("note_process_exit"), asdict(new)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def list_exits(connection: psycopg.Connection, *, host: str, process: str, limit: int = 20) -> list[ProcessExit]:
    """The last ends of one of a host's processes, newest first."""
    params = {"host": host, "process": process, "limit": limit}
    return rows_as(connection, ProcessExit, "list_process_exits", params)


def cause_words(kind: str, exit_status: int | None, signal: str | None) -> str:
    """`killed by SIGKILL`, `left with status 70`, `stopped by supervisor`: how it ended, for people."""
    if kind == ExitKind.GIVEN_UP:
        return "given up by supervisor after too many failed starts"
    if signal is not None:
        cause = f"killed by {signal}"
    else:
        cause = "ended, how is not known" if exit_status is None else f"left with status {exit_status}"
    if kind == ExitKind.STOPPED:
        return "stopped by supervisor" if exit_status == 0 else f"stopped by supervisor, {cause}"
    return f"{cause} before its start counted" if kind == ExitKind.START_FAILED else cause
