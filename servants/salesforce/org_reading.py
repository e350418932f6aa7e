"""What is asked of the org about one object: batches of changes, rows by Id, whole ranges of Ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from infra.postgres.record_values import NewRecord, moment_of
from retinue.errors import TransientError
from servants.salesforce import soql
from servants.salesforce.client.bulk import BulkPage
from servants.salesforce.client.errors import UnexpectedAnswer
from servants.salesforce.client.session import Salesforce
from servants.salesforce.client.values import Deleted
from servants.salesforce.contents import ID, Reading
from servants.salesforce.deletes import Log
from servants.salesforce.id_ranges import EVERYTHING, IdRange
from servants.salesforce.increment import Batch, BulkSource
from servants.salesforce.object_rows import OrgObject
from servants.salesforce.soql import Key
from servants.salesforce.storing import batches

#: Rows of one batch of changes: as many as the largest page of a query has.
BATCH_ROWS = 2000

#: Lines of a Bulk job's results that are taken apart at once.
LINES_AT_ONCE = 200

#: Rows that are asked for by their Ids at once; they stand in the address of the request.
IDS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class IdPage:
    """Rows in the order of Ids. `listed` are the Ids of all, `records` lack those that changed while they were read."""

    records: list[NewRecord]
    listed: list[str]
    is_last: bool


class NoServerClock(TransientError):
    """Salesforce has not told its time."""


class OrgLog:
    """The log of deletions of one object."""

    def __init__(self, client: Salesforce, name: str) -> None:
        self._rest = client.rest
        self._name = name

    def now(self) -> datetime:
        """See `servants.salesforce.deletes.Log`."""
        if self._rest.server_now is None:
            raise NoServerClock
        return self._rest.server_now

    def deleted(self, start: datetime, end: datetime) -> Deleted:
        """See `servants.salesforce.deletes.Log`."""
        return self._rest.deleted(self._name, start, end)


class OrgReader:
    """Reads one object. `names` are the fields that make the payload; all unless given."""

    #: See `servants.salesforce.increment.Source`; by itself it follows changes by queries alone.
    bulk: BulkSource | None = None

    def __init__(self, client: Salesforce, found: OrgObject, names: Sequence[str] | None = None) -> None:
        self._client = client
        self._found = found
        self._names = found.with_marks(found.names if names is None else names)
        wanted = set(found.names if names is None else names)
        self.reading = Reading([field for field in found.read if field.name in wanted], stamp=found.stamp)
        self.log: Log | None = OrgLog(client, found.name) if found.has_log else None

    # changes

    def batch(self, key: Key) -> Batch:
        """What comes behind a key, live and deleted; see `servants.salesforce.increment.Source`."""
        stamp = self._stamp
        parts = self._parts(
            lambda names: soql.changed_since(self._found.name, names, stamp=stamp, key=key, limit=BATCH_ROWS)
        )
        first = self._rows(
            soql.changed_since(self._found.name, parts[0], stamp=stamp, key=key, limit=BATCH_ROWS),
            all_rows=True,
            most=BATCH_ROWS,
        )
        if not first:
            return Batch([], None, is_full=False)
        # Told by what came first: a row that changes between two parts is left out, and no reason to stop.
        last, is_full = self._key(first[-1]), len(first) >= BATCH_ROWS
        self._check_progress(is_on=(last.at, last.id or "") > (key.at, key.id or ""))
        for names in parts[1:]:
            again = soql.between(self._found.name, names, stamp=stamp, keys=(key, last), limit=BATCH_ROWS)
            first = _joined(first, self._rows(again, all_rows=True, most=BATCH_ROWS), stamp)
        return Batch([self.reading.of_json(row) for row in first], last, is_full=is_full)

    def newest(self, since: datetime, limit: int) -> list[NewRecord]:
        """The newest rows that changed since then and live, as far as they can be asked for at once."""
        asked = soql.newest(self._found.name, self._names, stamp=self._stamp, since=since, limit=limit)
        if not self._client.rest.fits(asked):
            return []
        return [self.reading.of_json(row) for row in self._rows(asked, all_rows=False, most=limit)]

    def newest_moment(self) -> datetime | None:
        """The newest stamp there is."""
        asked = soql.newest_first(self._found.name, stamp=self._stamp)
        rows = self._rows(asked, all_rows=False, most=1)
        return moment_of(self._key_version(rows[0])) if rows else None

    # ranges

    def count(self) -> int:
        """How many rows live."""
        return self._client.rest.count(soql.count(self._found.name))

    def ends(self) -> tuple[str, str] | None:
        """The first and the last Id; None where there is no row."""
        asked = [soql.end_of_ids(self._found.name, is_last=is_last) for is_last in (False, True)]
        found = [self._rows(one, all_rows=False, most=1) for one in asked]
        return (str(found[0][0][ID]), str(found[1][0][ID])) if all(found) else None

    def page(self, ids: IdRange, *, behind: str | None) -> IdPage:
        """The next rows of a range in the order of Ids."""
        parts = self._parts(
            lambda names: soql.page_of_range(self._found.name, names, ids, behind=behind, limit=BATCH_ROWS)
        )
        asked = soql.page_of_range(self._found.name, parts[0], ids, behind=behind, limit=BATCH_ROWS)
        rows = self._rows(asked, all_rows=False, most=BATCH_ROWS)
        listed = [str(row[ID]) for row in rows]
        self._check_progress(is_on=all(one < other for one, other in pairwise([behind or "", *listed])))
        records = [self.reading.of_json(row) for row in self._widened(rows, parts)]
        return IdPage(records, listed, is_last=len(rows) < BATCH_ROWS)

    def of_ids(self, ids: Sequence[str]) -> Iterator[list[NewRecord]]:
        """The rows with these Ids that live, in pages."""
        parts = self._parts(lambda names: soql.of_ids(self._found.name, names, ids[:IDS_AT_ONCE]))
        for first in range(0, len(ids), IDS_AT_ONCE):
            some = ids[first : first + IDS_AT_ONCE]
            rows = self._rows(soql.of_ids(self._found.name, parts[0], some), all_rows=False, most=len(some))
            yield [self.reading.of_json(row) for row in self._widened(rows, parts)]

    def bulk_query(self, ids: IdRange = EVERYTHING) -> str:
        """The query of a Bulk job for a range."""
        return soql.in_range(self._found.name, self._names, ids)

    def bulk_changes(self, since: datetime) -> str:
        """The query of a Bulk job for all that changed since then."""
        return soql.all_since(self._found.name, self._names, stamp=self._stamp, since=since)

    def lines_of(self, page: BulkPage) -> Iterator[NewRecord]:
        """The records of a page of a Bulk job's results, as they come."""
        if page.fields:
            read = self.reading.of_csv(page.fields)
            for some in batches(page.rows, LINES_AT_ONCE):
                yield from read(some)
        else:
            # An answer without a row has no header, either; its end is still to be looked at.
            yield from (NewRecord("", None) for _ in page.rows)

    # inside

    @property
    def _stamp(self) -> str:
        if self._found.stamp is None:
            raise ValueError(f"rows of {self._found.name} have no stamp")
        return self._found.stamp

    def _key(self, row: dict[str, object]) -> Key:
        return Key(moment_of(self._key_version(row)), str(row[ID]))

    def _key_version(self, row: dict[str, object]) -> int:
        version = Reading([], stamp=self._stamp).of_json(row).version
        if version is None:
            raise ValueError(f"a row of {self._found.name} has no {self._stamp}")
        return version

    def _rows(self, asked: str, *, all_rows: bool, most: int) -> list[dict[str, object]]:
        return [row for page in self._client.rest.pages(asked, all_rows=all_rows, most=most) for row in page.rows]

    def _check_progress(self, *, is_on: bool) -> None:
        """Rows that do not come behind those before them would come for ever."""
        if not is_on:
            raise UnexpectedAnswer(f"Rows of {self._found.name} came in another order than they were asked for.")

    def _parts(self, query: Callable[[Sequence[str]], str]) -> list[list[str]]:
        """The fields in as many parts as it takes for each query to fit into an address; marks are in each."""
        fits = self._client.rest.fits
        marks = self._found.with_marks([])
        rest = [name for name in self._names if name not in marks]
        parts = soql.parts_that_fit(rest, fits=lambda names: fits(query([*marks, *names])))
        return [[*marks, *names] for names in parts]

    def _widened(self, rows: list[dict[str, object]], parts: list[list[str]]) -> list[dict[str, object]]:
        for names in parts[1:]:
            more: list[dict[str, object]] = []
            for first in range(0, len(rows), IDS_AT_ONCE):
                ids = [str(row[ID]) for row in rows[first : first + IDS_AT_ONCE]]
                more += self._rows(soql.of_ids(self._found.name, names, ids), all_rows=False, most=len(ids))
            rows = _joined(rows, more, self._found.stamp)
        return rows


def _joined(
    rows: list[dict[str, object]], others: list[dict[str, object]], stamp: str | None
) -> list[dict[str, object]]:
    """Both parts of each row. One that changed between them is left out: its stamp brings it again."""
    found = {row[ID]: row for row in others}
    both = ((row, found.get(row[ID])) for row in rows)
    return [
        {**row, **other}
        for row, other in both
        if other is not None and (stamp is None or other.get(stamp) == row.get(stamp))
    ]


def drop(client: Salesforce, job_id: str) -> None:
    """Delete a Bulk job that is needed no more; Salesforce does it after seven days otherwise."""
    with suppress(TransientError):
        client.bulk.delete(job_id)
