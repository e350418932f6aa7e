"""What a servant kept of an attempt that failed: its traceback, and what it logged last. Secrets were masked there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from infra.postgres.statements import statement
from infra.redaction import Plain, mask_text, redact
from retinue.errors import NotFound

_NAMED = frozenset({"at", "level", "logger_name", "event", "exception"})


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that an attempt logged. `fields` are its own; `exception` is a traceback that was logged with it."""

    at: datetime
    level: str
    logger: str
    event: str
    exception: str | None
    fields: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one failed attempt. `left_out` lines came before the first one of `lines`."""

    job_id: int
    attempt: int
    at: datetime
    servant_id: int | None
    run_seconds: float | None
    traceback: str | None
    lines: list[LogLine]
    left_out: int


def show_evidence(connection: psycopg.Connection, job_id: int, attempt: int) -> Evidence:
    """What was kept of this attempt.

    Raises:
        NotFound: nothing was: it completed, was put back without failing, or its servant died with it.
    """
    row = connection.execute(statement("read_evidence"), {"id": job_id, "attempt": attempt}).fetchone()
    if row is None:
        raise NotFound(f"Nothing was kept of attempt {attempt} of job {job_id}: only attempts that failed leave a log.")
    return _evidence(*row)


def _evidence(job_id: int, attempt: int, at: datetime, kept: Mapping[str, Any]) -> Evidence:
    trace = kept.get("traceback")
    return Evidence(
        job_id=job_id,
        attempt=attempt,
        at=at,
        servant_id=kept.get("servant"),
        run_seconds=kept.get("ran"),
        traceback=None if trace is None else mask_text(trace),
        lines=[_line(line) for line in kept.get("lines", [])],
        left_out=kept.get("left_out", 0),
    )


def _line(line: Mapping[str, Any]) -> LogLine:
    exception = line.get("exception")
    fields = redact({name: value for name, value in line.items() if name not in _NAMED})
    return LogLine(
        at=datetime.fromtimestamp(line["at"], UTC),
        level=str(line.get("level", "info")),
        logger=str(line.get("logger_name", "")),
        event=mask_text(str(line.get("event", ""))),
        exception=None if exception is None else mask_text(str(exception)),
        fields=fields if isinstance(fields, dict) else {},
    )
