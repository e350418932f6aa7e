"""What the jobs of Bulk API 2.0 have in common: their rows, their states, and how long they are kept."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.local.salesforce.clock import parse_stamp, stamp
from infra.local.salesforce.errors import SalesforceError, not_found
from infra.local.salesforce.ids import make_id, normal_id
from infra.local.salesforce.org import Org

#: Jobs and what they gave are kept for seven days ("Bulk API and Bulk API 2.0 Limits and Allocations").
KEPT = timedelta(days=7)

KEY_PREFIX = "750"

OVER = frozenset({"JobComplete", "Failed", "Aborted"})

DELIMITERS = {"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

#: So many jobs are told of in one answer.
_PAGE = 1000

_TABLE = """
CREATE TABLE IF NOT EXISTS sandbox_bulk_jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, kind TEXT NOT NULL, operation TEXT NOT NULL,
    object TEXT NOT NULL, query TEXT, key_field TEXT, state TEXT NOT NULL, user_id TEXT NOT NULL,
    created_at TEXT NOT NULL, changed_at TEXT NOT NULL, version TEXT NOT NULL, line_ending TEXT NOT NULL,
    delimiter TEXT NOT NULL, processed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0, milliseconds INTEGER NOT NULL DEFAULT 0, error TEXT)"""

_COLUMNS = (
    "number, id, kind, operation, object, query, key_field, state, user_id, created_at, changed_at, version,"
    " line_ending, delimiter, processed, failed, retries, milliseconds, error"
)


@dataclass(frozen=True, slots=True)
class BulkJob:
    """One job. `kind` is `V2Query` or `V2Ingest`; `query` is the SOQL of the one, `key_field` the external id of an
    upsert of the other. `processed` counts rows, the `failed` ones among them."""

    number: int
    id: str
    kind: str
    operation: str
    object: str
    query: str | None
    key_field: str | None
    state: str
    user_id: str
    created_at: str
    changed_at: str
    version: str
    line_ending: str
    delimiter: str
    processed: int
    failed: int
    retries: int
    milliseconds: int
    error: str | None

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def json(self) -> dict[str, Any]:
        """What every answer about the job tells."""
        told: dict[str, Any] = {
            "id": self.id,
            "operation": self.operation,
            "object": self.object,
            "createdById": self.user_id,
            "createdDate": self.created_at,
            "systemModstamp": self.changed_at,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version.removeprefix("v")),
            "jobType": self.kind,
            "lineEnding": self.line_ending,
            "columnDelimiter": self.delimiter,
        }
        return told


@dataclass(frozen=True, slots=True)
class NewBulkJob:
    """What a job is made of."""

    kind: str
    operation: str
    object: str
    state: str
    user_id: str
    version: str
    query: str | None = None
    key_field: str | None = None
    line_ending: str = "LF"
    delimiter: str = "COMMA"


class BulkJobs:
    """The jobs of one org; what they are given and give lies in a directory for each beside the org's file."""

    def __init__(self, org: Org, directory: Path) -> None:
        self._org = org
        self._store = org.store
        self._directory = directory
        with self._store.write() as db:
            db.execute(_TABLE)

    def place(self, job_id: str) -> Path:
        """The directory of a job's files."""
        return self._directory / job_id

    def create(self, new: NewBulkJob) -> BulkJob:
        """Make a job, and forget those whose time is over."""
        self._forget_old()
        now = stamp(self._org.clock.now())
        with self._store.write() as db:
            number = db.execute(
                "INSERT INTO sandbox_bulk_jobs (kind, operation, object, query, key_field, state, user_id, created_at,"
                " changed_at, version, line_ending, delimiter) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(new.kind, new.operation, new.object, new.query, new.key_field, new.state, new.user_id),
                    *(now, now, new.version, new.line_ending, new.delimiter),
                ),
            ).lastrowid
            job_id = make_id(KEY_PREFIX, number or 0)
            db.execute("UPDATE sandbox_bulk_jobs SET id = ? WHERE number = ?", (job_id, number))
        self.place(job_id).mkdir(parents=True)
        return self.job(job_id, new.kind)

    def job(self, job_id: str, kind: str) -> BulkJob:
        """The job with this Id.

        Raises:
            SalesforceError: there is none of this kind, or its seven days are over.
        """
        with self._store.read() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM sandbox_bulk_jobs WHERE id = ? AND kind = ?",
                (normal_id(job_id), kind),
            ).fetchone()
        if row is None or parse_stamp(row[9]) < self._org.clock.now() - KEPT:
            raise not_found()
        return BulkJob(*row)

    def page(self, kind: str | None, *, after: int) -> tuple[list[BulkJob], bool]:
        """Jobs after this number, oldest first, and whether these are the last."""
        with self._store.read() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM sandbox_bulk_jobs WHERE kind = coalesce(?, kind) AND number > ?"
                " AND created_at >= ? ORDER BY number LIMIT ?",
                (kind, after, stamp(self._org.clock.now() - KEPT), _PAGE + 1),
            ).fetchall()
        return [BulkJob(*row) for row in rows[:_PAGE]], len(rows) <= _PAGE

    def unfinished(self) -> list[BulkJob]:
        """Jobs that were not over when the server ended."""
        with self._store.read() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM sandbox_bulk_jobs WHERE state IN ('UploadComplete', 'InProgress')"
                " ORDER BY number"
            ).fetchall()
        return [BulkJob(*row) for row in rows]

    def move(self, job: BulkJob, state: str, *, error: str | None = None) -> bool:
        """Bring a job from the state it was read in to another; False when it is not in that state any more."""
        with self._store.write() as db:
            done = db.execute(
                "UPDATE sandbox_bulk_jobs SET state = ?, error = ?, changed_at = ? WHERE id = ? AND state = ?",
                (state, error, stamp(self._org.clock.now()), job.id, job.state),
            )
            return done.rowcount > 0

    def note(self, job: BulkJob, **values: int) -> None:
        """Keep `processed`, `failed`, `retries` or `milliseconds` of a job."""
        names = ", ".join(f"{name} = ?" for name in values)
        with self._store.write() as db:
            db.execute(f"UPDATE sandbox_bulk_jobs SET {names} WHERE id = ?", (*values.values(), job.id))

    def delete(self, job: BulkJob) -> None:
        """Forget a job and its files.

        Raises:
            SalesforceError: it is under way.
        """
        if not job.is_over:
            raise wrong_state(f"Job {job.id} is {job.state}: abort it, or wait until it is over")
        self._forget([job.id])

    def _forget_old(self) -> None:
        limit = stamp(self._org.clock.now() - KEPT)
        with self._store.read() as db:
            rows = db.execute("SELECT id FROM sandbox_bulk_jobs WHERE created_at < ?", (limit,)).fetchall()
        self._forget([job_id for (job_id,) in rows])

    def _forget(self, job_ids: list[str]) -> None:
        with self._store.write() as db:
            db.executemany("DELETE FROM sandbox_bulk_jobs WHERE id = ?", [(job_id,) for job_id in job_ids])
        for job_id in job_ids:
            shutil.rmtree(self.place(job_id), ignore_errors=True)


def wrong_state(message: str) -> SalesforceError:
    """The job is in no state for this."""
    return SalesforceError(400, "INVALIDJOBSTATE", message)


def bad_request(message: str) -> SalesforceError:
    """The description of a job is not right."""
    return SalesforceError(400, "INVALIDJOB", message)


def choice(body: Mapping[str, Any], name: str, *, among: Mapping[str, str], default: str) -> str:
    """A setting of a new job that has few values.

    Raises:
        SalesforceError: it has another value.
    """
    value = str(body.get(name) or default).upper()
    if value not in among:
        raise bad_request(f"Invalid value for {name}: {body.get(name)}")
    return value


def rows_of(connection: sqlite3.Connection, sql: str, params: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, a few at a time."""
    cursor = connection.execute(sql, params)
    while rows := cursor.fetchmany(1000):
        yield from rows
