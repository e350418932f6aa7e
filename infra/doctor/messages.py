"""Checks of the queues when they lie in PostgreSQL. They make no queue: that is left to the servants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg

from infra.doctor.check import Check, ok, warning
from infra.doctor.queues import DEEP
from infra.postgres.statements import statement
from infra.words import counted
from retinue.servant import registered_types

if TYPE_CHECKING:
    from infra.settings import Settings


def tables(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Each type's queue; nothing where SQS carries the messages."""
    if settings.transport == "postgres":
        for job_type in registered_types():
            yield from _queue(connection, job_type)


def _queue(connection: psycopg.Connection, job_type: str) -> Iterator[Check]:
    row = connection.execute(statement("read_queue_depth"), {"type": job_type}).fetchone()
    if row is None:
        missing = f"The queue of {job_type} does not exist in PostgreSQL."
        yield warning("queues", missing, f"`retinue servant {job_type}` makes it.")
        return
    waiting, hidden, dead = row
    sentence = f"{job_type} in PostgreSQL: {waiting} messages wait, {hidden} are in flight."
    if waiting > DEEP:
        yield warning("queues", sentence, f"Is a servant alive? `retinue servants list --type {job_type}`")
    else:
        yield ok("queues", sentence)
    if dead:
        yield warning(
            "dead letters",
            f"{counted(dead, 'message')} of {job_type} in the table dead_messages could not be read.",
            "No job is lost by that: rescue sends them again. Look at one and find out who wrote it.",
        )
