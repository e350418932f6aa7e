"""The workers of Bulk API 2.0: they take jobs in the background, and may be stopped to see a job wait."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from infra.local.salesforce.bulk_jobs import BulkJob, BulkJobs
from infra.local.salesforce.errors import SalesforceError

#: So many jobs are worked on at once. They share one interpreter: with more, the first were done as late as the last.
WORKERS = 1

Work = Callable[[BulkJob], None]


class JobFailed(Exception):
    """The job cannot be done; the message becomes its `errorMessage`."""


class JobInterrupted(Exception):
    """The server ends; the job is taken up by the next."""


class BulkRunner:
    """Takes each job from UploadComplete over InProgress to its end."""

    def __init__(self, jobs: BulkJobs) -> None:
        self._jobs = jobs
        self._work: dict[str, Work] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="bulk")
        self._open = threading.Event()
        self._open.set()
        #: The server ends: long work stops where it can.
        self.closing = False
        #: What the next jobs fail with, instead of being done.
        self.failures: deque[str] = deque()

    def serve(self, kind: str, work: Work, *, repeatable: bool) -> None:
        """Say how jobs of a kind are done, and take up those that an earlier server left.

        Work that was under way is done again if it is `repeatable`; else those jobs failed.
        """
        self._work[kind] = work
        for job in self._jobs.unfinished():
            if job.kind != kind:
                continue
            if job.state == "InProgress" and not repeatable:
                self._jobs.move(job, "Failed", error="InternalServerError : the server ended during the job")
            else:
                self.submit(job)

    def submit(self, job: BulkJob) -> None:
        """Do a job as soon as a worker is free."""
        self._pool.submit(self._run, job.id, job.kind).add_done_callback(_tell_failure)

    def pause(self) -> None:
        """Let jobs wait in UploadComplete from now on."""
        self._open.clear()

    def resume(self) -> None:
        """Take jobs again."""
        self._open.set()

    def close(self) -> None:
        """End the workers; jobs that wait are taken up by the next server."""
        self.closing = True
        self._open.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, job_id: str, kind: str) -> None:
        self._open.wait()
        if self.closing:
            return
        try:
            self._do(self._jobs.job(job_id, kind))
        except SalesforceError:
            # It was deleted while it waited.
            return

    def _do(self, job: BulkJob) -> None:
        if job.state == "UploadComplete" and not self._jobs.move(job, "InProgress"):
            return
        job = self._jobs.job(job.id, job.kind)
        if job.state != "InProgress":
            return
        began = time.monotonic()
        try:
            state, error = self._outcome(job)
        except JobInterrupted:
            return
        self._jobs.note(job, milliseconds=max(1, round((time.monotonic() - began) * 1000)))
        self._jobs.move(job, state, error=error)

    def _outcome(self, job: BulkJob) -> tuple[str, str | None]:
        if self.failures:
            return "Failed", self.failures.popleft()
        try:
            self._work[job.kind](job)
        except JobInterrupted:
            raise
        except JobFailed as error:
            return "Failed", str(error)
        except SalesforceError as error:
            return "Failed", f"{error.code} : {error.message}"
        except Exception as error:  # noqa: BLE001 - a worker must outlive its job, whose client is told
            traceback.print_exc()
            return "Failed", f"InternalServerError : {type(error).__name__}"
        return "JobComplete", None


def _tell_failure(done: Future[None]) -> None:
    """What goes wrong outside of a job's work would be seen by nobody else."""
    error = None if done.cancelled() else done.exception()
    if error is not None:
        traceback.print_exception(error)
