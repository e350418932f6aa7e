"""Checks of the live processes, by their heartbeats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg

from infra.doctor.check import Check, failed, ok, warning
from infra.postgres.servants import SchedulerLine, list_schedulers
from infra.postgres.statements import statement
from infra.words import counted
from retinue.servant import registered_types

if TYPE_CHECKING:
    from infra.settings import Settings


def schedulers(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Whether a scheduler is alive, and whether its passes work."""
    alive = [line for line in list_schedulers(connection) if line.heartbeat_seconds < settings.lease_seconds]
    if not alive:
        yield failed(
            "schedulers",
            "No scheduler is alive: no job is planned, dispatched or rescued.",
            "Start one: `retinue scheduler`, or `retinue up` for the whole stack.",
        )
        return
    yield ok("schedulers", f"{len(alive)} alive: {', '.join(f'{line.id} (pid {line.pid})' for line in alive)}.")
    for line in alive:
        yield from _failing_passes(line)


def _failing_passes(line: SchedulerLine) -> Iterator[Check]:
    for name, figures in line.passes.items():
        if figures.get("consecutive_errors"):
            sentence = f"The pass {name} of scheduler {line.id} fails: {figures.get('last_error')}"
            yield failed("schedulers", sentence, "Its log says more.")


def servants(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Whether each type has a live servant: those that the settings name, or else every one that is installed."""
    counts = settings.servants or dict.fromkeys(registered_types(), 1)
    wanted = [name for name, count in counts.items() if count]
    params = {"types": wanted, "alive_seconds": settings.lease_seconds}
    for job_type, count, slots in connection.execute(statement("count_live_servants"), params).fetchall():
        if count:
            yield ok("servants", f"{job_type}: {count} alive with {counted(slots, 'slot')}.")
        elif job_type in wanted:
            yield warning("servants", f"{job_type}: none is alive, so its jobs wait.", f"`retinue servant {job_type}`")
