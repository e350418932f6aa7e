"""How far the first reading of a CalDAV connection is: what takes place about now first, then all the rest."""

from __future__ import annotations

from typing import Any

from infra.postgres.imports import Kind, add_done, begin_import, finish_import, is_finished, note_recent
from retinue.connection import Connection
from retinue.job import Commit, Job

KIND = Kind.CALENDAR


class FirstReading:
    """The import of one connection, as one run of it goes on; it counts objects."""

    def __init__(self, job: Job[Any], connection: Connection) -> None:
        self._job = job
        self._connection = connection

    @classmethod
    def of(cls, tx: Commit, job: Job[Any], connection: Connection) -> FirstReading | None:
        """None where everything was in once."""
        return None if is_finished(tx, connection.id, KIND) else cls(job, connection)

    def tell(self, total: int, done: int) -> None:
        """Note how much this run knows of."""
        ids = {"connection_id": self._connection.id, "account_id": self._connection.account_id}
        with self._job.commit() as tx:
            begin_import(tx, **ids, kind=KIND, total=total, done=done)

    def note_recent(self) -> None:
        """What takes place about now is in, in every calendar."""
        with self._job.commit() as tx:
            note_recent(tx, self._connection.id, KIND)

    def advance(self, tx: Commit, count: int) -> None:
        """So many objects come with this commit."""
        add_done(tx, self._connection.id, KIND, count)

    def finish(self, tx: Commit) -> None:
        """Everything is in."""
        finish_import(tx, self._connection.id, KIND)
