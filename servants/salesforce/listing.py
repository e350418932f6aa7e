"""Going through all rows of an object in the order of their Ids, slice by slice, to compare them with what is stored.

Rows are listed by the pages of a query, or, where much is stored, by Bulk jobs: fewer calls, and no more rows than fit
into memory, however many more the org has by now. Of what was listed a slice is as much as is compared at once. It
holds every row that lives between two Ids, so that what is stored there and not in it is gone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from infra.logs import get_logger
from infra.postgres.record_ranges import count_records
from infra.postgres.record_values import NewRecord
from retinue.job import Job
from servants.salesforce import soql
from servants.salesforce.client.bulk import BulkJob
from servants.salesforce.client.errors import (
    BulkJobFailed,
    BulkJobGone,
    BulkJobSlow,
    BulkPoolEmpty,
    BulkUnsupported,
    RowsMissing,
)
from servants.salesforce.client.session import Salesforce
from servants.salesforce.id_ranges import EVERYTHING, split
from servants.salesforce.object_rows import OrgObject
from servants.salesforce.org_reading import OrgReader, drop
from servants.salesforce.storing import now_of

log = get_logger(__name__)

#: From so many stored rows on a Bulk job costs fewer calls than queries, and how many of them one job lists.
BULK_WORTH = 20_000
BULK_SLICE = 20_000

#: It may list more, for the org may have more by now. What is too much for one job is asked for in parts, at most so
#: often; then a page of a query is read there.
BULK_MOST = 40_000
BULK_CUTS = 3

#: Rows that are compared at once.
SLICE_ROWS = 5_000

#: How long a Bulk job is waited for before queries do, in seconds.
READY_SECONDS = 180.0

_BULK_FAULTS = (BulkJobFailed, BulkJobGone, BulkJobSlow, BulkPoolEmpty, BulkUnsupported, RowsMissing)

_NTH = """
SELECT external_id FROM records
WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND external_id > %(behind)s AND deleted_at IS NULL
ORDER BY external_id OFFSET %(rows)s LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows whose Ids come after `behind` and not after `upto`, in their order; None is no bound.

    `listed` are the Ids of all of them. `records` lacks those that changed while they were read.
    """

    behind: str | None
    upto: str | None
    records: Sequence[NewRecord]
    listed: Sequence[str]
    observed_at: datetime

    def until(self, upto: str) -> tuple[Slice, Slice]:
        """Its two parts: up to an Id that is not the last one, and what comes behind it."""
        listed, records = bisect_right(self.listed, upto), bisect_right(self.records, upto, key=_ID)
        return (
            replace(self, upto=upto, records=self.records[:records], listed=self.listed[:listed]),
            replace(self, behind=upto, records=self.records[records:], listed=self.listed[listed:]),
        )

    @property
    def low(self) -> str:
        """The beginning of the range as stored Ids compare, which belongs to it."""
        return "" if self.behind is None else _after(self.behind)

    @property
    def high(self) -> str | None:
        """Its end, which does not belong to it."""
        return None if self.upto is None else _after(self.upto)


_ID = attrgetter("external_id")


class _TooMany(Exception):
    """There are more rows than one job may list, and how many."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows:,} rows")
        self.rows = rows


def _after(external_id: str) -> str:
    """What comes directly after an Id: before every other one, as none begins with it."""
    return f"{external_id}!"


class Listing:
    """Slices of one object, with some of its fields."""

    def __init__(self, job: Job[Any], client: Salesforce, found: OrgObject, names: Sequence[str]) -> None:
        self._job = job
        self._client = client
        self._found = found
        self._names = found.with_marks(names)
        self._reader = OrgReader(client, found, names)
        with job.commit() as tx:
            self._bulk = found.row.bulk and count_records(tx, found.target) > BULK_WORTH
        #: What was listed and is still to be compared.
        self._rest: Slice | None = None

    def slice(self, behind: str | None) -> Slice:
        """The slice that begins behind an Id."""
        self._job.stop_if_cancelled()
        listed, self._rest = self._rest, None
        if listed is None or listed.behind != behind:
            listed = self._listed(behind)
        return self._begin(listed)

    def _begin(self, listed: Slice) -> Slice:
        """As much as is compared at once: neither too many rows of the org, nor of those that are stored."""
        ends = [self._end(listed.behind), *listed.listed[SLICE_ROWS - 1 : SLICE_ROWS]]
        upto = min((end for end in ends if end is not None), default=None)
        if upto is None or (listed.upto is not None and listed.upto <= upto):
            return listed
        begun, self._rest = listed.until(upto)
        return begun

    def _listed(self, behind: str | None) -> Slice:
        if self._bulk:
            try:
                found = self._by_bulk(behind)
            except _BULK_FAULTS as fault:
                log.info("bulk_given_up", object=self._found.name, reason=fault.message)
                self._bulk = False
            else:
                if found is not None:
                    return found
        return self._page(behind)

    def _page(self, behind: str | None) -> Slice:
        observed_at = now_of(self._job)
        page = self._reader.page(EVERYTHING, behind=behind)
        return Slice(behind, None if page.is_last else page.listed[-1], page.records, page.listed, observed_at)

    def _by_bulk(self, behind: str | None) -> Slice | None:
        """What one job lists; None where there is so much that none could be found that is not too much."""
        upto = self._end(behind)
        for _ in range(1 + BULK_CUTS):
            try:
                return self._bulk_slice(behind, upto)
            except _TooMany as many:
                upto = self._cut(behind, upto, parts=math.ceil(many.rows / BULK_SLICE))
                if upto is None:
                    break
        return None

    def _bulk_slice(self, behind: str | None, upto: str | None) -> Slice:
        observed_at = now_of(self._job)
        with self._ready(soql.slice_of_ids(self._found.name, self._names, behind=behind, upto=upto)) as ready:
            if ready.records > BULK_MOST:
                raise _TooMany(ready.records)
            records = [one for page in self._client.bulk.pages(ready) for one in self._reader.lines_of(page)]
        records.sort(key=_ID)
        return Slice(behind, upto, records, [one.external_id for one in records], observed_at)

    @contextmanager
    def _ready(self, asked: str) -> Iterator[BulkJob]:
        made = self._client.bulk.create(asked, all_rows=False)
        try:
            yield self._client.bulk.wait(made.id, seconds=READY_SECONDS)
        finally:
            drop(self._client, made.id)

    def _cut(self, behind: str | None, upto: str | None, *, parts: int) -> str | None:
        """The end of the first of so many parts of what lies between; None where it cannot be cut."""
        ends = self._reader.ends() if behind is None or upto is None else None
        first, last = ends or (behind, upto)
        return split(behind or first, upto or last, parts)[0].end if first and last else None

    def _end(self, behind: str | None) -> str | None:
        params = self._found.target.params | {"behind": behind or "", "rows": BULK_SLICE}
        with self._job.commit() as tx:
            row = tx.execute(_NTH, params).fetchone()
        return None if row is None else row[0]
