"""`salesforce.backfill`: read one range of an object's Ids; `servants.salesforce.onboarding` makes such jobs.

By the Bulk API where the range is worth it, else, or where that does not offer the object or has nothing left today,
by queries in the order of Ids. Either way a checkpoint is kept in each commit of rows, and a killed servant reads at
most those again that came after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from infra.logs import get_logger
from infra.postgres.imports import Kind, add_done
from infra.postgres.record_values import NewRecord
from infra.postgres.records import ReplacementOver
from retinue import Completed, Exponential, Job, Outcome, Payload, Snooze, minutes, seconds, servant
from retinue.clock import SystemClock
from retinue.connection import Connection
from retinue.job import Commit
from servants.deadline import Deadline
from servants.salesforce.bulk_reading import READY_SECONDS, parts_of
from servants.salesforce.client.errors import (
    BulkJobFailed,
    BulkJobGone,
    BulkJobSlow,
    BulkPoolEmpty,
    BulkUnsupported,
    FieldMissing,
    RequestRefused,
    RowsMissing,
)
from servants.salesforce.client.session import Salesforce, open_client
from servants.salesforce.describe import Describer, ObjectGone
from servants.salesforce.id_ranges import IdRange
from servants.salesforce.increment import BulkPart
from servants.salesforce.object_rows import FieldsChanged, OrgObject, load_object, share
from servants.salesforce.org_reading import OrgReader, drop
from servants.salesforce.position import BulkPlace
from servants.salesforce.storing import MERGE_ROWS, merge, now_of

log = get_logger(__name__)

#: After so many seconds the job goes on in another attempt, so that it never passes its time limit.
WORK_SECONDS = 240.0

#: When an object that is not there at present is looked for again.
DESCRIBED_AGAIN = timedelta(minutes=5)

#: How often a Bulk job may come to nothing before the range is read by queries.
BULK_TRIES = 3


class Backfill(Payload):
    """Which Ids of which object; `rows` is how many there may be. `replacement` is the reading anew it belongs to."""

    connection_id: int
    object: str
    first: str | None
    end: str | None
    rows: int
    bulk: bool
    replacement: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a range is read.

    Of a Bulk job: its `job_id`, the page that `locator` leads to, of which `skip` rows are stored, behind `done` rows
    of earlier pages. Of queries: the Id `behind` which it goes on. `generation` is of the fields that it is read with.
    """

    generation: int
    observed_at: str | None = None
    job_id: str | None = None
    locator: str | None = None
    skip: int = 0
    done: int = 0
    behind: str | None = None
    failures: int = 0
    by_query: bool = False
    counted: int = 0

    @property
    def place(self) -> BulkPlace:
        """Where the results of the Bulk job are stored up to."""
        if self.job_id is None or self.observed_at is None:
            raise ValueError("no Bulk job was made")
        return BulkPlace(
            job_id=self.job_id,
            observed_at=self.observed_at,
            generation=self.generation,
            locator=self.locator,
            skip=self.skip,
            done=self.done,
        )

    def at(self, place: BulkPlace) -> Progress:
        """Behind a part of those results."""
        return replace(self, locator=place.locator, skip=place.skip, done=place.done)

    def anew(self, *, generation: int, by_query: bool, failures: int) -> Progress:
        """From the beginning; rows are counted once."""
        return Progress(generation=generation, by_query=by_query, failures=failures, counted=self.counted)


@servant(
    "salesforce.backfill",
    # Two keep a core and the database busy, while the org works on what the others have asked it for.
    slots=4,
    timeout=minutes(10),
    grace=seconds(150),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    lane_limit=4,
)
def backfill(job: Job[Backfill]) -> Outcome:
    """Bring the rows of the range."""
    connection = job.connection(job.payload.connection_id)
    with job.commit() as tx:
        found = load_object(tx, connection, job.payload.object)
    if found is None or found.position is None:
        return _completed(job, None, {"stale": True})
    with open_client(connection, stop_if_cancelled=job.stop_if_cancelled) as client:
        try:
            return _Range(job, client, connection, found).run()
        except ReplacementOver:
            return _completed(job, None, {"stale": True})
        except (FieldMissing, FieldsChanged) as change:
            # The description says what is there now; what was read by the earlier one is read again.
            return _described(job, client, connection, reason=change.message)


def _described(job: Job[Backfill], client: Salesforce, connection: Connection, *, reason: str) -> Outcome:
    with job.commit() as tx:
        found = load_object(tx, connection, job.payload.object)
    if found is None:
        return _completed(job, None, {"stale": True})
    try:
        Describer(job, client.rest, connection).describe(found, anew=True)
    except ObjectGone:
        # The next sync opens an incident; until then there is nothing to read.
        return Snooze(SystemClock().now() + DESCRIBED_AGAIN, "the org does not show the object at present")
    return Snooze(SystemClock().now(), f"begins again: {reason}")


class _Range:
    """One attempt at one range."""

    def __init__(self, job: Job[Backfill], client: Salesforce, connection: Connection, found: OrgObject) -> None:
        self._job = job
        self._client = client
        self._connection = connection
        self._found = found
        self._reader = OrgReader(client, found)
        self._ids = IdRange(job.payload.first, job.payload.end)
        self._deadline = Deadline.after(WORK_SECONDS)
        self._progress = self._begin()

    def _begin(self) -> Progress:
        """Where the last attempt stopped, unless the fields are others since."""
        generation = self._found.row.field_generation
        stored = Progress(**self._job.checkpoint) if self._job.checkpoint else None
        if stored is None:
            return Progress(generation=generation, by_query=not self._job.payload.bulk)
        if stored.generation != generation:
            return stored.anew(generation=generation, by_query=stored.by_query, failures=0)
        return stored

    def run(self) -> Outcome:
        if not self._progress.by_query:
            try:
                return self._bulk()
            except BulkJobSlow as slow:
                return Snooze(SystemClock().now() + slow.again, slow.message)
            except (BulkUnsupported, BulkPoolEmpty, RequestRefused) as refusal:
                self._restart(by_query=True, reason=refusal.message)
            except (BulkJobGone, BulkJobFailed, RowsMissing) as failure:
                return self._failed(failure.message)
        return self._queries()

    def _failed(self, reason: str) -> Outcome:
        by_query = self._progress.failures + 1 >= BULK_TRIES
        self._restart(by_query=by_query, reason=reason)
        return Snooze(SystemClock().now(), f"begins again: {reason}")

    def _restart(self, *, by_query: bool, reason: str) -> None:
        log.info("bulk_given_up", object=self._found.name, connection=self._connection.id, reason=reason)
        before = self._progress
        self._progress = before.anew(generation=before.generation, by_query=by_query, failures=before.failures + 1)
        with self._job.commit() as tx:
            tx.checkpoint(asdict(self._progress))
        if before.job_id is not None:
            drop(self._client, before.job_id)

    # by the Bulk API

    def _bulk(self) -> Outcome:
        ready = self._client.bulk.wait(self._bulk_job(), seconds=READY_SECONDS)
        begin = self._progress.place
        with closing(parts_of(self._client, self._reader, ready, begin, rows=MERGE_ROWS)) as parts:
            for part in parts:
                self._part(part)
                if self._deadline.passed and not (part.rows or part.is_last):
                    return Snooze(SystemClock().now(), "there is more to bring than one attempt may take time for")
                self._job.stop_if_cancelled()
        drop(self._client, ready.id)
        return _completed(self._job, self._progress, {"rows": self._progress.done, "bulk": True})

    def _bulk_job(self) -> str:
        """The job that reads the range; made by the first attempt, and kept by its checkpoint."""
        if self._progress.job_id is None:
            observed_at = now_of(self._job)
            made = self._client.bulk.create(self._reader.bulk_query(self._ids), all_rows=False)
            self._progress = replace(self._progress, job_id=made.id, observed_at=observed_at.isoformat())
            with self._job.commit() as tx:
                tx.checkpoint(asdict(self._progress))
            return made.id
        return self._progress.job_id

    def _part(self, part: BulkPart) -> None:
        after = self._progress.at(part.behind)
        if part.rows:
            self._store(part.rows, after, observed_at=part.behind.observed)
            return
        with self._job.commit() as tx:
            tx.checkpoint(asdict(after))
        self._progress = after

    # by queries

    def _queries(self) -> Outcome:
        while True:
            self._job.stop_if_cancelled()
            observed_at = now_of(self._job)
            page = self._reader.page(self._ids, behind=self._progress.behind)
            if page.listed:
                going = self._progress
                after = replace(going, behind=page.listed[-1], done=going.done + len(page.listed))
                self._store(page.records, after, observed_at=observed_at)
            if page.is_last:
                return _completed(self._job, self._progress, {"rows": self._progress.done, "bulk": False})
            if self._deadline.passed:
                return Snooze(SystemClock().now(), "there is more to bring than one attempt may take time for")

    # either way

    def _store(self, rows: Sequence[NewRecord], after: Progress, *, observed_at: datetime) -> None:
        """One commit: rows, checkpoint, and how far the import is by them."""
        more = max(0, min(len(rows), self._job.payload.rows - after.counted))
        after = replace(after, counted=after.counted + more)
        with self._job.commit() as tx:
            share(tx, self._found.target, generation=after.generation)
            merge(tx, self._found, rows, observed_at=observed_at, replacement=self._job.payload.replacement)
            tx.checkpoint(asdict(after))
            self._advance(tx, more)
        self._progress = after
        self._job.progress(after.counted, self._job.payload.rows)

    def _advance(self, tx: Commit, more: int) -> None:
        if self._job.payload.replacement is None:
            add_done(tx, self._connection.id, Kind.SALESFORCE, more)


def _completed(job: Job[Backfill], progress: Progress | None, result: dict[str, Any]) -> Completed:
    """End the job together with what of it is not counted: rows that are not there any more."""
    done = Completed(result)
    counted = progress.counted if progress is not None else int((job.checkpoint or {}).get("counted", 0))
    with job.commit() as tx:
        tx.complete(done)
        if job.payload.replacement is None:
            add_done(tx, job.payload.connection_id, Kind.SALESFORCE, job.payload.rows - counted)
    return done
