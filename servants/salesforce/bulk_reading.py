"""Reading what Bulk jobs found: part by part, each with the place behind it, so that both are stored together."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from infra.logs import get_logger
from servants.salesforce import soql
from servants.salesforce.client.bulk import BulkJob, check_page, check_total
from servants.salesforce.client.errors import (
    BulkJobFailed,
    BulkJobGone,
    BulkJobSlow,
    BulkPoolEmpty,
    BulkUnsupported,
    FieldMissing,
    ObjectMissing,
    QueryRefused,
    QueryTooSlow,
    RequestRefused,
    RowsMissing,
)
from servants.salesforce.client.session import Salesforce
from servants.salesforce.increment import BulkPart, BulkRefused, BulkWaits
from servants.salesforce.object_rows import OrgObject
from servants.salesforce.org_reading import OrgReader, drop
from servants.salesforce.position import BulkPlace
from servants.salesforce.storing import MERGE_ROWS, batches

log = get_logger(__name__)

#: From so many changed rows on one Bulk job reads them: queries would take a call for each 2,000.
BULK_CHANGES = 50_000

#: How long a Bulk job is waited for, in seconds, before other objects have their turn.
READY_SECONDS = 120.0

#: What queries are tried for instead. They say for themselves what is wrong with fields, object or query: a job that
#: failed by it fails for ever.
_REFUSALS = (
    BulkJobFailed,
    BulkJobGone,
    BulkPoolEmpty,
    BulkUnsupported,
    FieldMissing,
    ObjectMissing,
    QueryRefused,
    QueryTooSlow,
    RequestRefused,
    RowsMissing,
)


def parts_of(
    client: Salesforce, reader: OrgReader, ready: BulkJob, place: BulkPlace, *, rows: int
) -> Generator[BulkPart]:
    """The records of a ready job behind a place, so many at a time. A part without records is the end of a page.

    What was stored of a page that an earlier attempt left comes again, and is skipped by whole parts.

    Raises:
        RowsMissing: there came others than were announced; fewer, or more without an end.
    """
    while True:
        going = place
        with client.bulk.page(ready.id, locator=going.locator) as page:
            check_page(ready, page, done=going.done)
            number = 0
            for some in batches(reader.lines_of(page), rows):
                number += len(some)
                if number > going.skip:
                    yield BulkPart(some, replace(going, skip=number))
            place = replace(going, locator=page.next, skip=0, done=going.done + page.came)
        if place.locator is None:
            check_total(ready, place.done)
            yield BulkPart([], place, is_last=True)
            return
        yield BulkPart([], place)


class BulkChanges:
    """What changed in one object, by the Bulk API; see `servants.salesforce.increment.BulkSource`."""

    def __init__(self, client: Salesforce, found: OrgObject, reader: OrgReader) -> None:
        self._client = client
        self._found = found
        self._reader = reader

    def is_worth(self, since: datetime) -> bool:
        """Whether more rows changed than queries should read."""
        counted = soql.count_since(self._found.name, stamp=self._stamp, since=since)
        try:
            return self._client.rest.count(counted, all_rows=True) > BULK_CHANGES
        except QueryTooSlow:
            # Too many to be counted in two minutes.
            return True

    def begin(self, since: datetime, *, observed_at: datetime) -> BulkPlace:
        """Have the org look for them."""
        asked = self._reader.bulk_changes(since)
        with self._told():
            made = self._client.bulk.create(asked, all_rows=True)
        generation = self._found.row.field_generation
        return BulkPlace(job_id=made.id, observed_at=observed_at.isoformat(), generation=generation)

    def parts(self, place: BulkPlace) -> Generator[BulkPart]:
        """What it found behind a place."""
        with self._told():
            if place.generation != self._found.row.field_generation:
                raise BulkJobGone("The fields are others than the job was made for.")
            ready = self._client.bulk.wait(place.job_id, seconds=READY_SECONDS)
            yield from parts_of(self._client, self._reader, ready, place, rows=MERGE_ROWS)

    def end(self, place: BulkPlace) -> None:
        """The job is needed no more."""
        drop(self._client, place.job_id)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BulkJobSlow as slow:
            raise BulkWaits(slow.again) from None
        except _REFUSALS as refusal:
            log.info("bulk_given_up", object=self._found.name, reason=refusal.message)
            raise BulkRefused(refusal.message) from None

    @property
    def _stamp(self) -> str:
        if self._found.stamp is None:
            raise ValueError(f"rows of {self._found.name} have no stamp")
        return self._found.stamp


class OrgSource(OrgReader):
    """Reads one object that is followed: what is too much for queries, by the Bulk API."""

    def __init__(self, client: Salesforce, found: OrgObject) -> None:
        super().__init__(client, found)
        self.bulk = BulkChanges(client, found, self) if found.row.bulk else None
