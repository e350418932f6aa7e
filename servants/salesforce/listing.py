"""Going through all rows of an object in the order of their Ids, slice by slice, to compare them with what is stored.

A slice is one page of a query, or, where much is stored, what one Bulk job gives: fewer calls, and no more rows than
fit into memory. Either way it holds every row that lives between two Ids, so that what is stored there and not in it
is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.logs import get_logger
from infra.postgres.record_ranges import count_records
from infra.postgres.record_values import NewRecord
from retinue.job import Job
from servants.salesforce import soql
from servants.salesforce.client.errors import (
    BulkJobFailed,
    BulkJobGone,
    BulkJobSlow,
    BulkPoolEmpty,
    BulkUnsupported,
    RowsMissing,
)
from servants.salesforce.client.session import Salesforce
from servants.salesforce.id_ranges import EVERYTHING
from servants.salesforce.object_rows import OrgObject
from servants.salesforce.org_reading import OrgReader, drop
from servants.salesforce.storing import now_of

log = get_logger(__name__)

#: From so many stored rows on a Bulk job costs fewer calls than queries, and how many one slice of it has.
BULK_WORTH = 20_000
BULK_SLICE = 20_000

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
    """Rows whose Ids come after `behind` and not after `upto`; None is no bound.

    `listed` are the Ids of all of them. `records` lacks those that changed while they were read.
    """

    behind: str | None
    upto: str | None
    records: Sequence[NewRecord]
    listed: Sequence[str]
    observed_at: datetime

    @property
    def low(self) -> str:
        """The beginning of the range as stored Ids compare, which belongs to it."""
        return "" if self.behind is None else _after(self.behind)

    @property
    def high(self) -> str | None:
        """Its end, which does not belong to it."""
        return None if self.upto is None else _after(self.upto)


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

    def slice(self, behind: str | None) -> Slice:
        """The slice that begins behind an Id."""
        self._job.stop_if_cancelled()
        if self._bulk:
            try:
                return self._bulk_slice(behind)
            except _BULK_FAULTS as fault:
                log.info("bulk_given_up", object=self._found.name, reason=fault.message)
                self._bulk = False
        return self._page(behind)

    def _page(self, behind: str | None) -> Slice:
        observed_at = now_of(self._job)
        page = self._reader.page(EVERYTHING, behind=behind)
        return Slice(behind, None if page.is_last else page.listed[-1], page.records, page.listed, observed_at)

    def _bulk_slice(self, behind: str | None) -> Slice:
        upto = self._end(behind)
        observed_at = now_of(self._job)
        asked = soql.slice_of_ids(self._found.name, self._names, behind=behind, upto=upto)
        made = self._client.bulk.create(asked, all_rows=False)
        try:
            ready = self._client.bulk.wait(made.id, seconds=READY_SECONDS)
            records = [one for page in self._client.bulk.pages(ready) for one in self._reader.lines_of(page)]
        finally:
            drop(self._client, made.id)
        return Slice(behind, upto, records, [one.external_id for one in records], observed_at)

    def _end(self, behind: str | None) -> str | None:
        params = self._found.target.params | {"behind": behind or "", "rows": BULK_SLICE}
        with self._job.commit() as tx:
            row = tx.execute(_NTH, params).fetchone()
        return None if row is None else row[0]
