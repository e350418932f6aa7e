"""Whether the work flows: nothing due that nobody takes, nothing stuck, no lane parked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from infra.doctor.check import Check, failed, ok, warning
from infra.postgres.statements import statement
from infra.redaction import mask_text
from infra.words import counted, duration, moment

if TYPE_CHECKING:
    from infra.settings import Settings

#: A lane whose turn is this late is not just waiting for a slot, in seconds.
OVERDUE_SECONDS = 300.0

#: What rescue gets beyond the time at which it should act, in seconds.
_SLACK_SECONDS = 60.0

_SHOWN = 3


def overdue(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Jobs that should long have begun, or have been taken back."""
    late = connection.execute(statement("list_overdue_lanes"), {"overdue_seconds": OVERDUE_SECONDS}).fetchall()
    for job_type, lanes, since in late:
        sentence = f"{job_type}: jobs in {counted(lanes, 'lane')} are due since {moment(since)}, {_ago(since)} ago."
        yield warning(
            "overdue jobs", sentence, f"`retinue jobs list --type {job_type} --state pending`, then `jobs why`."
        )
    limits = {"slack_seconds": _SLACK_SECONDS, "queued_timeout_seconds": settings.queued_timeout_seconds}
    expired, undelivered = connection.execute(statement("count_stuck_jobs"), limits).fetchone() or (0, 0)
    if expired or undelivered:
        sentence = (
            f"{counted(expired, 'lease')} and {counted(undelivered, 'message')} were lost, and their jobs not rescued."
        )
        yield failed("overdue jobs", sentence, "Only a scheduler rescues: start one, or look at its log.")
    if not late and not expired and not undelivered:
        yield ok("overdue jobs", "No job is long overdue, none is stuck.")


def parked(connection: psycopg.Connection, _settings: Settings) -> Iterator[Check]:
    """Lanes that wait for a person."""
    rows = connection.execute(statement("list_parked_lanes"), {"limit": _SHOWN}).fetchall()
    if not rows:
        yield ok("paused lanes", "No lane is paused.")
        return
    for job_type, lane, reason, _ in rows:
        sentence = f"{job_type} {lane}: {mask_text(reason)}"
        yield warning("paused lanes", sentence, _how_to_resume(lane))
    if rows[0][3] > len(rows):
        yield warning("paused lanes", f"{rows[0][3] - len(rows)} more are paused.", "`retinue connections list`")


def _how_to_resume(lane: str) -> str:
    key, _, identity = lane.partition(":")
    return f"`retinue connections test {identity}`" if key == "connection_id" else "Resume it when it is mended."


def _ago(since: datetime) -> str:
    return duration(datetime.now(UTC) - since)
