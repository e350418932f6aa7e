"""Ingest jobs of Bulk API 2.0: /services/data/<version>/jobs/ingest.

Facts: "Bulk API 2.0 Ingest", "Create a Job", "Upload Job Data", "Get Job Successful Record Results" and its neighbours
(developer.salesforce.com, Bulk API 2.0 Developer Guide).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file

from infra.local.salesforce.bulk_jobs import (
    DELIMITERS,
    LINE_ENDINGS,
    BulkJob,
    BulkJobs,
    NewBulkJob,
    bad_request,
    choice,
    wrong_state,
)
from infra.local.salesforce.bulk_load import FAILED, OPERATIONS, SUCCESSFUL, UNPROCESSED, UPLOAD
from infra.local.salesforce.bulk_query import aborted, listing
from infra.local.salesforce.bulk_runner import BulkRunner
from infra.local.salesforce.errors import SalesforceError, not_found
from infra.local.salesforce.request import Caller, caller, json_body

KIND = "V2Ingest"
PATH = "/services/data/<version>/jobs/ingest"

#: The most that one job takes ("Upload Job Data").
MAX_BYTES = 150 * 1000 * 1000

#: The most characters of data that a multipart request may bring.
MAX_PART = 100_000

_COPY_BYTES = 1 << 20

_RESULTS = {"successfulresults": SUCCESSFUL, "failedresults": FAILED, "unprocessedrecords": UNPROCESSED}


def blueprint(jobs: BulkJobs, runner: BulkRunner) -> Blueprint:
    """The resource; the request's caller is the job's user."""
    pages = Blueprint("bulk_ingest", __name__)

    @pages.post(PATH)
    def create(version: str) -> Response:
        if request.mimetype == "multipart/form-data":
            return jsonify(_from_parts(jobs, runner, version).json())
        job = jobs.create(_new_job(caller(), json_body(), version))
        return jsonify(job.json() | {"contentUrl": f"services/data/{version}/jobs/ingest/{job.id}/batches"})

    @pages.get(PATH)
    def every(version: str) -> Response:
        return jsonify(listing(jobs, f"/services/data/{version}/jobs/ingest"))

    @pages.put(f"{PATH}/<job_id>/batches")
    def upload(job_id: str, **_: str) -> Response:
        _receive(jobs, jobs.job(job_id, KIND))
        return Response(status=201)

    @pages.patch(f"{PATH}/<job_id>")
    def change(job_id: str, **_: str) -> Response:
        job = jobs.job(job_id, KIND)
        if json_body().get("state") == "UploadComplete":
            return jsonify(_closed(jobs, runner, job).json())
        return jsonify(aborted(jobs, job).json())

    @pages.get(f"{PATH}/<job_id>")
    def one(job_id: str, **_: str) -> Response:
        return jsonify(_about(jobs.job(job_id, KIND)))

    @pages.delete(f"{PATH}/<job_id>")
    def delete(job_id: str, **_: str) -> Response:
        jobs.delete(jobs.job(job_id, KIND))
        return Response(status=204)

    @pages.get(f"{PATH}/<job_id>/<which>")
    def results(job_id: str, which: str, **_: str) -> Response:
        return _results(jobs, jobs.job(job_id, KIND), which)

    return pages


def _new_job(by: Caller, body: Any, version: str, *, state: str = "Open") -> NewBulkJob:
    if not isinstance(body, Mapping) or body.get("operation") not in OPERATIONS:
        raise bad_request(f"operation must be one of {', '.join(OPERATIONS)}")
    if body.get("contentType", "CSV") != "CSV":
        raise bad_request(f"Invalid value for contentType: {body['contentType']}")
    sobject = by.schema.object(str(body.get("object") or ""))
    key = body.get("externalIdFieldName")
    if (body["operation"] == "upsert") != (key is not None):
        raise bad_request("externalIdFieldName is needed for upsert, and for nothing else")
    if body["operation"] == "hardDelete" and not by.org.security.allows(by.user.profile_id, "bulk_api_hard_delete"):
        raise SalesforceError(
            400,
            "FEATURENOTENABLED",
            "hardDelete operation requires special user profile permission, please contact your system administrator",
        )
    return NewBulkJob(
        kind=KIND,
        operation=body["operation"],
        object=sobject.name,
        key_field=None if key is None else sobject.field(key).name,
        state=state,
        user_id=by.user.id,
        version=version,
        line_ending=choice(body, "lineEnding", among=LINE_ENDINGS, default="LF"),
        delimiter=choice(body, "columnDelimiter", among=DELIMITERS, default="COMMA"),
    )


def _from_parts(jobs: BulkJobs, runner: BulkRunner, version: str) -> BulkJob:
    """A job that comes with its data in one request, and begins at once."""
    part, content = _part("job"), _part("content")
    if content is None or part is None:
        raise bad_request("A multipart request needs a part named job and a part named content")
    if len(content) > MAX_PART:
        raise bad_request(f"The data of a multipart request must not exceed {MAX_PART} characters")
    try:
        body = json.loads(part)
    except ValueError:
        raise SalesforceError(400, "JSON_PARSER_ERROR", "The part named job is not JSON") from None
    job = jobs.create(_new_job(caller(), body, version, state="Open"))
    (jobs.place(job.id) / UPLOAD).write_text(content, newline="")
    return _closed(jobs, runner, job)


def _part(name: str) -> str | None:
    file = request.files.get(name)
    return request.form.get(name) if file is None else file.read().decode()


def _receive(jobs: BulkJobs, job: BulkJob) -> None:
    """Keep what the client uploads, in bounded memory.

    Raises:
        SalesforceError: the job is closed, has its data already, or the data is too large or no CSV.
    """
    path = jobs.place(job.id) / UPLOAD
    if job.state != "Open" or path.exists():
        raise wrong_state(f"Job {job.id} takes no data: it is {job.state} or has its data already")
    if request.mimetype != "text/csv":
        raise SalesforceError(415, "UNSUPPORTED_MEDIA_TYPE", "The data of a job must be text/csv")
    if not _copied(path):
        path.unlink()
        raise SalesforceError(413, "REQUEST_TOO_LARGE", f"The data of a job must not exceed {MAX_BYTES} bytes")


def _copied(path: Path) -> bool:
    size = 0
    with path.open("xb") as file:
        while chunk := request.stream.read(_COPY_BYTES):
            size += len(chunk)
            if size > MAX_BYTES:
                return False
            file.write(chunk)
    return True


def _closed(jobs: BulkJobs, runner: BulkRunner, job: BulkJob) -> BulkJob:
    if not (jobs.place(job.id) / UPLOAD).exists():
        raise wrong_state(f"Job {job.id} has no data yet")
    if job.state != "Open" or not jobs.move(job, "UploadComplete"):
        raise wrong_state(f"Job {job.id} is not Open")
    job = jobs.job(job.id, KIND)
    runner.submit(job)
    return job


def _about(job: BulkJob) -> dict[str, Any]:
    told = job.json() | {
        "retries": job.retries,
        "totalProcessingTime": job.milliseconds,
        "apiActiveProcessingTime": job.milliseconds,
        "apexProcessingTime": 0,
        "numberRecordsProcessed": job.processed,
        "numberRecordsFailed": job.failed,
    }
    if job.key_field is not None:
        told["externalIdFieldName"] = job.key_field
    return told if job.error is None else told | {"errorMessage": job.error}


def _results(jobs: BulkJobs, job: BulkJob, which: str) -> Response:
    name = _RESULTS.get(which.lower())
    if name is None:
        raise not_found()
    if not job.is_over:
        raise wrong_state(f"Job {job.id} is {job.state}: it has results when it is over")
    path = jobs.place(job.id) / name
    if not path.exists():
        return Response(b"", content_type="text/csv")
    return send_file(path.resolve(), mimetype="text/csv")
