"""Query jobs of Bulk API 2.0: /services/data/<version>/jobs/query.

Facts: "Bulk API 2.0 Query", "Get Results for a Query Job", "Bulk API and Bulk API 2.0 Limits and Allocations"
(developer.salesforce.com, Bulk API 2.0 Developer Guide).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from zlib import MAX_WBITS, decompressobj

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.bulk_jobs import (
    DELIMITERS,
    LINE_ENDINGS,
    BulkJob,
    BulkJobs,
    NewBulkJob,
    bad_request,
    choice,
    rows_of,
    wrong_state,
)
from infra.local.salesforce.bulk_results import Dialect, Result, ResultWriter
from infra.local.salesforce.bulk_runner import BulkRunner, JobFailed, JobInterrupted
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.org import Org
from infra.local.salesforce.request import Caller, caller, json_body
from infra.local.salesforce.soql.compiled import Compiled
from infra.local.salesforce.soql.parse import parse
from infra.local.salesforce.soql.run import prepare
from infra.local.salesforce.values import csv_form

KIND = "V2Query"
PATH = "/services/data/<version>/jobs/query"

#: Rows of a page when the client does not say; Salesforce chooses a number itself.
PAGE_ROWS = 50_000

#: The pools of /limits that query jobs draw from.
_JOBS_POOL = "DailyBulkV2QueryJobs"
_STORAGE_POOL = "DailyBulkV2QueryFileStorageMB"

_OPERATIONS = frozenset({"query", "queryAll"})


def blueprint(jobs: BulkJobs, runner: BulkRunner) -> Blueprint:
    """The resource; the request's caller is the job's user."""
    pages = Blueprint("bulk_query", __name__)

    @pages.post(PATH)
    def create(version: str) -> Response:
        job = jobs.create(_new_job(caller(), json_body(), version))
        runner.submit(job)
        return jsonify(job.json())

    @pages.get(PATH)
    def every(version: str) -> Response:
        return jsonify(listing(jobs, f"/services/data/{version}/jobs/query"))

    @pages.get(f"{PATH}/<job_id>")
    def one(job_id: str, **_: str) -> Response:
        return jsonify(_about(jobs.job(job_id, KIND)))

    @pages.patch(f"{PATH}/<job_id>")
    def abort(job_id: str, **_: str) -> Response:
        return jsonify(_about(aborted(jobs, jobs.job(job_id, KIND))))

    @pages.delete(f"{PATH}/<job_id>")
    def delete(job_id: str, **_: str) -> Response:
        jobs.delete(jobs.job(job_id, KIND))
        return Response(status=204)

    @pages.get(f"{PATH}/<job_id>/results")
    def results(job_id: str, **_: str) -> Response:
        return _page(jobs, jobs.job(job_id, KIND))

    return pages


def listing(jobs: BulkJobs, path: str) -> dict[str, Any]:
    """All jobs of the org, some at a time ("Get Information About All Query Jobs")."""
    after = _offset(request.args.get("queryLocator"))
    kind = request.args.get("jobType")
    told, done = jobs.page(kind, after=after)
    locator = "" if done else _locator(told[-1].number)
    records = [job.json() for job in told]
    return {"done": done, "records": records, "nextRecordsUrl": f"{path}?queryLocator={locator}" if locator else None}


def aborted(jobs: BulkJobs, job: BulkJob) -> BulkJob:
    """A job that the client asked to abort.

    Raises:
        SalesforceError: it asked for another state, or the job is over.
    """
    if json_body().get("state") != "Aborted":
        raise bad_request("The only state that a client may give this job is Aborted")
    while not job.is_over:
        # A worker may move it meanwhile.
        jobs.move(job, "Aborted")
        job = jobs.job(job.id, job.kind)
    if job.state != "Aborted":
        raise wrong_state(f"Job {job.id} is {job.state} and can not be aborted")
    return job


def _new_job(by: Caller, body: Any, version: str) -> NewBulkJob:
    if not isinstance(body, Mapping) or body.get("operation") not in _OPERATIONS:
        raise bad_request("operation must be query or queryAll")
    text = str(body.get("query") or "")
    compiled = prepare(text, by.org, by.user, all_rows=body["operation"] == "queryAll")
    _require_bulk(compiled)
    if parse(text).offset is not None:
        raise _unsupported("OFFSET clause not supported in Bulk Query")
    by.org.usage.spend(_JOBS_POOL)
    return NewBulkJob(
        kind=KIND,
        operation=body["operation"],
        object=compiled.object.name,
        query=text,
        state="UploadComplete",
        user_id=by.user.id,
        version=version,
        line_ending=choice(body, "lineEnding", among=LINE_ENDINGS, default="LF"),
        delimiter=choice(body, "columnDelimiter", among=DELIMITERS, default="COMMA"),
    )


def _require_bulk(compiled: Compiled) -> None:
    """Refuse what Bulk API 2.0 does not query."""
    if not compiled.object.bulk:
        raise SalesforceError(400, "INVALIDENTITY", f"{compiled.object.name} is not supported by the Bulk API")
    if compiled.subqueries:
        raise _unsupported("Foreign Key Relationships not supported in Bulk Query")
    if compiled.aggregated:
        raise _unsupported("Aggregate Relationships not supported in Bulk Query")
    types = {output.field.type for output in compiled.columns}
    if types & {"address", "location"}:
        raise _unsupported("Selecting compound data not supported in Bulk Query")
    if "base64" in types:
        raise _unsupported("Binary fields are not supported in Bulk Query")


def _unsupported(message: str) -> SalesforceError:
    return SalesforceError(400, "FUNCTIONALITY_NOT_ENABLED", message)


def _about(job: BulkJob) -> dict[str, Any]:
    told = job.json() | {
        "retries": job.retries,
        "totalProcessingTime": job.milliseconds,
        "numberRecordsProcessed": job.processed,
        "isPkChunkingSupported": True,
    }
    return told if job.error is None else told | {"errorMessage": job.error}


class QueryWork:
    """Runs query jobs: one snapshot of the org, streamed into the job's files."""

    def __init__(self, org: Org, jobs: BulkJobs, runner: BulkRunner) -> None:
        self._org = org
        self._jobs = jobs
        self._runner = runner

    def run(self, job: BulkJob) -> None:
        """Query and write the result.

        Raises:
            JobFailed: its user may not query this any more.
            SalesforceError: the storage of the day is spent.
            JobInterrupted: the server ends.
        """
        try:
            user = self._org.user(job.user_id)
            compiled = prepare(job.query or "", self._org, user, all_rows=job.operation == "queryAll")
        except SalesforceError as error:
            raise JobFailed(f"{error.code}: {error.message}") from None
        columns = [(output.label, csv_form(output.field)) for output in compiled.columns]
        writer = ResultWriter(self._jobs.place(job.id), columns, dialect_of(job))
        with closing(self._org.store.snapshot()) as snapshot:
            rows = rows_of(snapshot, compiled.sql, compiled.params)
            writer.write(rows, goes_on=lambda done: self._goes_on(job, done))
        self._org.usage.spend(_STORAGE_POOL, -(-writer.bytes // 1_000_000))
        self._jobs.note(job, processed=writer.rows)

    def _goes_on(self, job: BulkJob, done: int) -> bool:
        if self._runner.closing:
            raise JobInterrupted
        self._jobs.note(job, processed=done)
        return not self._jobs.job(job.id, KIND).is_over


def dialect_of(job: BulkJob) -> Dialect:
    """How the CSV of a job is written."""
    return Dialect(DELIMITERS[job.delimiter], LINE_ENDINGS[job.line_ending])


def _page(jobs: BulkJobs, job: BulkJob) -> Response:
    if job.state != "JobComplete":
        raise wrong_state(f"Job {job.id} is {job.state}: it has results when it is JobComplete")
    first = _offset(request.args.get("locator"))
    result = Result(jobs.place(job.id), dialect_of(job))
    if first > result.rows:
        raise _bad_locator()
    last = min(first + _page_rows(), result.rows)
    members = result.members(first, last)
    zipped = request.accept_encodings.quality("gzip") > 0
    answer = Response(members if zipped else _unzipped(members), content_type="text/csv")
    answer.headers["Sforce-Locator"] = _locator(last) if last < result.rows else "null"
    answer.headers["Sforce-NumberOfRecords"] = str(last - first)
    if zipped:
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def _page_rows() -> int:
    text = request.args.get("maxRecords")
    if text is None:
        return PAGE_ROWS
    if not text.isdigit() or int(text) == 0:
        raise SalesforceError(400, "INVALID_REQUEST_PARAM", f"maxRecords must be a number above 0, not {text}")
    return int(text)


def _unzipped(members: Iterator[bytes]) -> Iterator[bytes]:
    for member in members:
        yield decompressobj(16 + MAX_WBITS).decompress(member)


def _locator(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _offset(locator: str | None) -> int:
    if not locator:
        return 0
    try:
        return int(base64.urlsafe_b64decode(locator))
    except (binascii.Error, ValueError):
        raise _bad_locator() from None


def _bad_locator() -> SalesforceError:
    return SalesforceError(400, "INVALID_QUERY_LOCATOR", "The locator is not one of this job")
