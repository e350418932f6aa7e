"""How an ingest job is done: batches of 10,000 rows, in transactions of 200, each row with a result of its own.

A batch that goes wrong as a whole is tried again; when its tries are spent the job fails, and the rows from there on
are unprocessed ("Understanding Bulk API 2.0 Ingest").
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from infra.local.salesforce.bulk_jobs import BulkJob, BulkJobs
from infra.local.salesforce.bulk_query import dialect_of
from infra.local.salesforce.bulk_runner import JobFailed
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import SObject
from infra.local.salesforce.org import Org
from infra.local.salesforce.records import Edit
from infra.local.salesforce.results import RowResult

UPLOAD, SUCCESSFUL, FAILED, UNPROCESSED = "upload.csv", "successful.csv", "failed.csv", "unprocessed.csv"

BATCH_ROWS = 10_000
TRANSACTION_ROWS = 200

#: How often a batch is tried again before the job fails.
BATCH_RETRIES = 10

#: A cell with this text clears the field; an empty one leaves it.
CLEAR = "#N/A"

_BATCHES_POOL = "DailyBulkApiBatches"

Row = dict[str, str]
Change = Callable[[Edit, BulkJob, list[Mapping[str, Any]]], list[RowResult]]

_CHANGES: dict[str, Change] = {
    "insert": lambda edit, job, rows: edit.insert(job.object, rows),
    "update": lambda edit, job, rows: edit.update(job.object, rows),
    "upsert": lambda edit, job, rows: edit.upsert(job.object, rows, key=job.key_field or "Id"),
    "delete": lambda edit, _, rows: edit.delete([str(row.get("Id", "")) for row in rows]),
    "hardDelete": lambda edit, _, rows: edit.hard_delete([str(row.get("Id", "")) for row in rows]),
}

OPERATIONS = tuple(_CHANGES)


class IngestWork:
    """Does ingest jobs."""

    def __init__(self, org: Org, jobs: BulkJobs) -> None:
        self._org = org
        self._jobs = jobs
        #: How many batches from now on go wrong as a whole, one less with each try; tests set it.
        self.broken_batches = 0

    def run(self, job: BulkJob) -> None:
        """Do a job; an aborted one ends after the batch under way.

        Raises:
            JobFailed: a column is not known, the pool of batches is spent, or a batch keeps going wrong.
        """
        place = self._jobs.place(job.id)
        dialect = dialect_of(job)
        with (place / UPLOAD).open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=dialect.delimiter)
            header = next(lines, [])
            rows = (_fitted(cells, len(header)) for cells in lines if cells)
            with _Outputs(place, header, job=job) as outputs:
                try:
                    self._load(job, _Columns(self._object(job), header), rows, outputs)
                finally:
                    outputs.leave_rest(rows)

    def _object(self, job: BulkJob) -> SObject:
        return self._org.schema(self._org.user(job.user_id)).object(job.object)

    def _load(self, job: BulkJob, columns: _Columns, rows: Iterator[list[str]], outputs: _Outputs) -> None:
        while batch := list(islice(rows, BATCH_ROWS)):
            try:
                self._batch(job, columns, batch, outputs)
            except (JobFailed, SalesforceError):
                outputs.leave_rest(iter(batch[outputs.done_of_batch :]))
                raise
            self._jobs.note(job, processed=outputs.processed, failed=outputs.failed)
            outputs.done_of_batch = 0
            if self._jobs.job(job.id, job.kind).state != "InProgress":
                return

    def _batch(self, job: BulkJob, columns: _Columns, batch: list[list[str]], outputs: _Outputs) -> None:
        self._survive_broken(job)
        self._org.usage.spend(_BATCHES_POOL)
        for begin in range(0, len(batch), TRANSACTION_ROWS):
            cells = batch[begin : begin + TRANSACTION_ROWS]
            records = [columns.record(row) for row in cells]
            with self._org.edit(self._org.user(job.user_id)) as edit:
                results = _CHANGES[job.operation](edit, job, records)
            outputs.add(cells, results)

    def _survive_broken(self, job: BulkJob) -> None:
        """Try a batch that is made to go wrong again, until it goes right or its tries are spent."""
        retries = 0
        while self.broken_batches > 0:
            self.broken_batches -= 1
            retries += 1
            if retries > BATCH_RETRIES:
                raise JobFailed("InternalServerError : the batch was tried too often")
            self._jobs.note(job, retries=retries)


def _fitted(cells: list[str], width: int) -> list[str]:
    """A row with a cell for every column, however many it came with."""
    return [*cells[:width], *[""] * (width - len(cells))]


class _Columns:
    """The columns of an upload, and how a row of cells becomes a record."""

    def __init__(self, sobject: SObject, header: Sequence[str]) -> None:
        self._paths = [_path(sobject, name) for name in header]

    def record(self, cells: Sequence[str]) -> Mapping[str, Any]:
        record: dict[str, Any] = {}
        for path, cell in zip(self._paths, cells, strict=True):
            if cell != "":
                _put(record, path, None if cell == CLEAR else cell)
        return record


def _path(sobject: SObject, name: str) -> list[str]:
    """Where a column goes; `Account.Code__c` finds a parent by its external id."""
    path = name.split(".")
    known = sobject.find(name) if len(path) == 1 else sobject.relationship(path[0])
    if known is None:
        raise JobFailed(f"InvalidBatch : Field name not found : {name}")
    return path


def _put(record: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for step in path[:-1]:
        record = record.setdefault(step, {})
    record[path[-1]] = value


class _Outputs:
    """The three files of results: each row of the upload ends in exactly one of them."""

    def __init__(self, place: Path, header: Sequence[str], *, job: BulkJob) -> None:
        self._place = place
        self._dialect = dialect_of(job)
        self._files = ExitStack()
        self._header = header
        self.processed = 0
        self.failed = 0
        #: Rows of the batch under way whose results are written.
        self.done_of_batch = 0

    def __enter__(self) -> Self:
        self._successful = self._open(SUCCESSFUL, "sf__Id", "sf__Created")
        self._failed = self._open(FAILED, "sf__Id", "sf__Error")
        self._unprocessed = self._open(UNPROCESSED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.close()

    def _open(self, name: str, *first: str) -> IO[str]:
        file = self._files.enter_context((self._place / name).open("w", newline=""))
        file.write(self._dialect.text([[*first, *self._header]]))
        return file

    def add(self, rows: Sequence[list[str]], results: Sequence[RowResult]) -> None:
        """Write the results of one transaction."""
        good, bad = [], []
        for cells, result in zip(rows, results, strict=True):
            if result.success:
                good.append([result.id or "", str(result.created).lower(), *cells])
            else:
                bad.append([result.id or "", _told(result), *cells])
        self._successful.write(self._dialect.text(good))
        self._failed.write(self._dialect.text(bad))
        self.processed += len(rows)
        self.failed += len(bad)
        self.done_of_batch += len(rows)

    def leave_rest(self, rows: Iterator[list[str]]) -> None:
        """Write rows that nothing was done with."""
        first = next(rows, None)
        if first is not None:
            self._unprocessed.writelines(self._dialect.text([row]) for row in chain([first], rows))


def _told(result: RowResult) -> str:
    """The errors of a row, as `CODE:message:field1 field2--`."""
    return ";".join(f"{error.code}:{error.message}:{' '.join(error.fields)}--" for error in result.errors)
