"""What people note of an incident or an anomaly, for those who look next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.postgres.texts import storable
from retinue.errors import NotFound, RetinueError

#: The longest note, in characters; as in `infra.postgres.schema_troubles`, which a servant must not import.
MAX_NOTE = 4000


class InvalidNote(RetinueError):
    """A note is 1 to 4,000 characters long."""


@dataclass(frozen=True, slots=True)
class TroubleNote:
    """One note."""

    id: int
    at: datetime
    author: str
    text: str


def note_incident(connection: psycopg.Connection, incident_id: int, *, author: str, text: str) -> int:
    """Write a note; its ID.

    Raises:
        InvalidNote: it is empty or too long.
        NotFound: there is no such incident.
    """
    return _add(connection, {"incident_id": incident_id, "anomaly_id": None}, author=author, text=text)


def note_anomaly(connection: psycopg.Connection, anomaly_id: int, *, author: str, text: str) -> int:
    """Write a note; its ID.

    Raises:
        InvalidNote: it is empty or too long.
        NotFound: there is no such anomaly.
    """
    return _add(connection, {"incident_id": None, "anomaly_id": anomaly_id}, author=author, text=text)


def notes_of_incident(connection: psycopg.Connection, incident_id: int, *, limit: int = 100) -> list[TroubleNote]:
    """The notes, the newest first."""
    return rows_as(connection, TroubleNote, "list_incident_notes", {"incident_id": incident_id, "limit": limit})


def notes_of_anomaly(connection: psycopg.Connection, anomaly_id: int, *, limit: int = 100) -> list[TroubleNote]:
    """The notes, the newest first."""
    return rows_as(connection, TroubleNote, "list_anomaly_notes", {"anomaly_id": anomaly_id, "limit": limit})


def _add(connection: psycopg.Connection, subject: dict[str, int | None], *, author: str, text: str) -> int:
    said = storable(text.strip())
    if not 1 <= len(said) <= MAX_NOTE:
        raise InvalidNote(f"{InvalidNote.__doc__} This one has {len(said)}.")
    row = connection.execute(statement("add_trouble_note"), {**subject, "author": author, "text": said}).fetchone()
    if row is None:
        told = [f"{name.removesuffix('_id')} {found}" for name, found in subject.items() if found is not None]
        raise NotFound(f"There is no {told[0]}.")
    return int(row[0])
