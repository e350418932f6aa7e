"""Queries over the Bulk API 2.0: jobs, and their results streamed in bounded memory, every row counted.

"Bulk API 2.0 and Bulk API Developer Guide", Query; jobs and results are kept for seven days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from servants.salesforce.client import errors
from servants.salesforce.client.csv_rows import csv_rows
from servants.salesforce.client.http import Caller, Request
from servants.salesforce.client.refusals import told_fault
from servants.salesforce.client.values import moment

#: Waits between two looks at a job, in seconds; the last one goes on. Each look is an API call.
LOOKS = (1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 15.0)

#: What takes long is looked at ever more rarely: not before it is a quarter older, at last every ten minutes. Whoever
#: waits no longer comes back no sooner than this.
AGE_SHARE = 0.25
LONGEST_PAUSE = timedelta(minutes=10)
SHORTEST_RETURN = timedelta(seconds=30)

#: Rows of one page of results unless told otherwise.
PAGE_ROWS = 50_000

#: What `Sforce-Locator` says on the last page.
_NO_MORE = "null"

READY = "JobComplete"
OVER = frozenset({READY, "Failed", "Aborted"})


@dataclass(frozen=True, slots=True)
class BulkJob:
    """A query job as Salesforce tells of it. `records` is how many rows it has found, in all once it is ready."""

    id: str
    object: str
    state: str
    records: int
    retries: int
    message: str
    created_at: datetime

    @property
    def is_ready(self) -> bool:
        """Whether there are results."""
        return self.state == READY

    @property
    def is_over(self) -> bool:
        """Whether it changes no more."""
        return self.state in OVER


class BulkPage:
    """One page of results, of which the rows are still to come.

    `count` is how many rows were announced; `next` leads to the page that follows, None after the last.
    """

    def __init__(self, where: str, headers: Mapping[str, str], lines: Iterator[list[str]]) -> None:
        self._where = where
        self._lines = lines
        self.count = int(headers["Sforce-NumberOfRecords"])
        locator = headers.get("Sforce-Locator", _NO_MORE)
        self.next: str | None = None if locator == _NO_MORE else locator
        self.fields: tuple[str, ...] = tuple(next(lines, ()))
        self.came = 0
        self.rows: Iterator[list[str]] = self._counted()

    def _counted(self) -> Iterator[list[str]]:
        """The rows, as text in the order of `fields`; empty text stands for null.

        Raises:
            RowsMissing: fewer came than were announced, or more, or one has not as many fields.
        """
        width = len(self.fields)
        for row in self._lines:
            if len(row) != width:
                raise errors.RowsMissing(f"{self._where}: a row has {len(row)} fields, not {width}.")
            if self.came == self.count:
                raise errors.RowsMissing(f"{self._where}: {self.count:,} rows were announced, and more came.")
            self.came += 1
            yield row
        if self.came != self.count:
            raise errors.RowsMissing(f"{self._where}: {self.count:,} rows were announced, and {self.came:,} came.")


class BulkQuery:
    """One org's Bulk API 2.0, for queries. Methods raise what `Caller` does, and are one call unless they say more."""

    def __init__(self, caller: Caller, version: str) -> None:
        self._caller = caller
        self._base = f"/services/data/v{version}/jobs/query"

    def create(self, soql: str, *, all_rows: bool = True) -> BulkJob:
        """Have Salesforce begin to run a query; with `all_rows` over the recycle bin and archived rows, too.

        Raises:
            BulkUnsupported: the Bulk API does not offer this object or this query.
            BulkPoolEmpty: no more jobs today.
            QueryRefused, FieldMissing, ObjectMissing: see there.
        """
        content = {"operation": "queryAll" if all_rows else "query", "query": soql}
        # Never sent twice: a job whose answer was lost would count and be nobody's.
        return _job(self._caller.fetch(Request("POST", self._base, content=content, repeated=False)))

    def state(self, job_id: str) -> BulkJob:
        """How far a job is.

        Raises:
            BulkJobGone: Salesforce no longer keeps it.
        """
        with _gone(job_id):
            return _job(self._caller.fetch(Request("GET", f"{self._base}/{job_id}")))

    def wait(self, job_id: str, *, seconds: float = 600) -> BulkJob:
        """The job when it is ready; each look is a call, and the older the job, the fewer there are.

        Raises:
            BulkJobSlow: it is not after so many seconds, or not worth a look within them; come back later.
            BulkJobFailed, QueryRefused, FieldMissing, ObjectMissing, QueryTooSlow, BulkUnsupported: it came to nothing.
            BulkJobGone: Salesforce no longer keeps it.
        """
        waited = 0.0
        for pause in _pauses():
            job = self.state(job_id)
            if job.is_over:
                return _ready(job)
            rest = self._rest(job)
            if waited >= seconds or rest.total_seconds() > seconds - waited:
                told = f"Bulk job {job_id} is still {job.state} after {waited:.0f} s."
                raise errors.BulkJobSlow(told, again=max(rest, SHORTEST_RETURN))
            step = min(max(pause, rest.total_seconds()), seconds - waited)
            self._caller.wait(step)
            waited += step
        raise AssertionError("the waits have no end")

    def _rest(self, job: BulkJob) -> timedelta:
        """How long a job of its age is left alone."""
        now = self._caller.server_now
        age = timedelta(0) if now is None else max(now - job.created_at, timedelta(0))
        return min(age * AGE_SHARE, LONGEST_PAUSE)

    @contextmanager
    def page(self, job_id: str, *, locator: str | None = None, max_records: int = PAGE_ROWS) -> Iterator[BulkPage]:
        """One page of a ready job's results; its rows come while they are read, so store them as they come.

        Raises:
            BulkJobGone: Salesforce no longer keeps the job or its results.
            RowsMissing, ServiceFailed, UnexpectedAnswer: while reading; the same `locator` gives the page again.
        """
        query = {"maxRecords": str(max_records)} | ({"locator": locator} if locator else {})
        path = f"{self._base}/{job_id}/results"
        request = Request("GET", path, query, {"Accept": "text/csv", "Accept-Encoding": "gzip"})
        where = f"The results of Bulk job {job_id}"
        with ExitStack() as stack:
            with _gone(job_id):
                response, body = stack.enter_context(self._caller.stream(request))
            _check_kind(where, response)
            yield BulkPage(where, response.headers, csv_rows(where, body))

    def pages(
        self, job: BulkJob, *, locator: str | None = None, done: int = 0, max_records: int = PAGE_ROWS
    ) -> Iterator[BulkPage]:
        """All pages of a ready job from `locator` on, before which `done` rows came; read each before the next.

        Raises:
            RowsMissing: a page was left before its end, a page leads on without a row, or in all not as many rows come
                as the job has found.
        """
        while True:
            with self.page(job.id, locator=locator, max_records=max_records) as page:
                check_page(job, page, done=done)
                yield page
                if page.came != page.count:
                    raise errors.RowsMissing(
                        f"Of a page of Bulk job {job.id} {page.came:,} rows of {page.count:,} were read."
                    )
            done += page.came
            locator = page.next
            if locator is None:
                break
        check_total(job, done)

    def abort(self, job_id: str) -> None:
        """Stop a job; one that is over or gone is left as it is."""
        content = {"state": "Aborted"}
        with suppress(errors.BulkJobGone, errors.BulkJobFailed, errors.RequestRefused), _gone(job_id):
            self._caller.fetch(Request("PATCH", f"{self._base}/{job_id}", content=content))

    def delete(self, job_id: str) -> None:
        """Delete a job that is over, with its results; one that is gone is left as it is."""
        with suppress(errors.BulkJobGone), _gone(job_id):
            self._caller.fetch(Request("DELETE", f"{self._base}/{job_id}"))


def check_page(job: BulkJob, page: BulkPage, *, done: int) -> None:
    """Look at what a page announces behind `done` rows, so that pages come to an end.

    Raises:
        RowsMissing: more than the job has found, or nothing and a page that follows.
    """
    if done + page.count > job.records:
        raise errors.RowsMissing(f"Bulk job {job.id} has found {job.records:,} rows, and its pages announce more.")
    if page.next is not None and not page.count:
        raise errors.RowsMissing(f"A page of Bulk job {job.id} leads on without a row.")


def check_total(job: BulkJob, came: int) -> None:
    """Compare what came over all pages with what the job has found.

    Raises:
        RowsMissing: they differ.
    """
    if came != job.records:
        raise errors.RowsMissing(f"Bulk job {job.id} has found {job.records:,} rows, and {came:,} came.")


def _pauses() -> Iterator[float]:
    yield from LOOKS
    while True:
        yield LOOKS[-1]


def _ready(job: BulkJob) -> BulkJob:
    if job.is_ready:
        return job
    if job.state == "Aborted":
        raise errors.BulkJobFailed(f"Bulk job {job.id} was aborted by somebody; a new one is made.")
    raise told_fault(f"Bulk job {job.id}", "", job.message)


def _job(content: Any) -> BulkJob:
    try:
        return BulkJob(
            id=str(content["id"]),
            object=str(content.get("object") or ""),
            state=str(content["state"]),
            records=int(content.get("numberRecordsProcessed") or 0),
            retries=int(content.get("retries") or 0),
            message=str(content.get("errorMessage") or ""),
            created_at=moment(content["createdDate"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.UnexpectedAnswer(
            f"Salesforce told of a Bulk job in JSON that is not as documented ({type(error).__name__})."
        ) from error


@contextmanager
def _gone(job_id: str) -> Iterator[None]:
    """What is not found at a job's address is the job."""
    try:
        yield
    except errors.ObjectMissing:
        raise errors.BulkJobGone(
            f"Salesforce no longer keeps Bulk job {job_id}: it deletes jobs after seven days; a new one is made."
        ) from None


def _check_kind(where: str, response: requests.Response) -> None:
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("text/csv") or not response.headers.get("Sforce-NumberOfRecords", "").isdecimal():
        raise errors.UnexpectedAnswer(f"{where} are no CSV with a count but {kind[:60] or 'of no type'}.")
