"""Whether the providers let us in: incidents and breakers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg

from infra.doctor.check import Check, ok, warning
from infra.postgres.breakers import BreakerLine, list_breakers
from infra.postgres.incidents import PART, IncidentLine, list_incidents
from infra.redaction import mask_text
from infra.words import moment

if TYPE_CHECKING:
    from infra.settings import Settings

_SHOWN = 3


def incidents(connection: psycopg.Connection, _settings: Settings) -> Iterator[Check]:
    """Connections whose credentials are refused."""
    found = list_incidents(connection)
    for line in found[:_SHOWN]:
        sentence = (
            f"Incident {line.id}: {line.provider} {line.connection_name} of {line.account_name}, since "
            f"{moment(line.opened_at)}: {mask_text(line.reason)}"
        )
        yield warning("incidents", sentence, _how_to_mend(line))
    if len(found) > _SHOWN:
        yield warning("incidents", f"{len(found) - _SHOWN} or more others are open.", "`retinue incidents list`")
    if not found:
        yield ok("incidents", "No incident is open.")


def _how_to_mend(line: IncidentLine) -> str:
    if line.kind == "credential":
        return f"`retinue connections password {line.connection_id}`, or mend it there."
    if line.kind == "settings":
        return f"`retinue connections set {line.connection_id}`; --help says what can be set."
    if line.kind == PART:
        return "What it says; everything else of the connection goes on meanwhile."
    return f"`retinue connections test {line.connection_id}` says what to mend, and lets its jobs go on when it is."


def breakers(connection: psycopg.Connection, _settings: Settings) -> Iterator[Check]:
    """Providers that kept failing."""
    found = list_breakers(connection)
    for line in found[:_SHOWN]:
        sentence = (
            f"{line.named} kept failing and is left alone until {moment(line.probe_at)}: {mask_text(line.reason)}"
        )
        yield warning("breakers", sentence, _what_helps(line))
    if len(found) > _SHOWN:
        yield warning("breakers", f"{len(found) - _SHOWN} or more others are open.", "`retinue breakers`")
    if not found:
        yield ok("breakers", "Every breaker is closed.")


def _what_helps(line: BreakerLine) -> str:
    if line.connection_id is None:
        return "Nothing: one job looks then whether it works again."
    return f"`retinue connections test {line.connection_id}` lets its jobs go on if it works again; one job looks then."
