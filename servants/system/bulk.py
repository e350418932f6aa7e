"""`system.bulk`: carries a bulk operation out, page by page, throttled, and goes on where a dead servant left it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from infra.postgres.bulk_acts import Tally, act
from infra.postgres.bulk_pages import START, Place, next_page
from retinue import Completed, Exponential, Job, Outcome, hours, servant
from retinue.bulk import BULK_TYPE, Bulk
from retinue.outcomes import Cancelled

#: A database that was slow for longer than this is not made up for by a burst.
_MOST_OWED_SECONDS = 1.0


class _Asked(Protocol):
    def wait(self, timeout: float | None = None) -> bool: ...


class Pace:
    """Waits between pages so that no more than `rate` jobs a second are done."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._due = clock()

    def wait(self, jobs: int, cancelled: _Asked) -> bool:
        """Wait until it is time for the page after these jobs; whether the job was asked to stop meanwhile."""
        now = self._clock()
        self._due = max(self._due, now - _MOST_OWED_SECONDS) + jobs / self._rate
        return cancelled.wait(max(0.0, self._due - now))


@servant(BULK_TYPE, slots=4, timeout=hours(24), retry=Exponential(base=1, cap=60, attempts=20))
def bulk(job: Job[Bulk]) -> Outcome:
    """Do it, page by page.

    Each is found, acted on and noted in one commit: no job is touched twice, whatever becomes of the servant.
    """
    pace = Pace(job.payload.rate)
    place, tally, is_last = _resume(job.checkpoint)
    job.progress(tally.jobs, job.payload.expected)
    while not is_last:
        done_before = tally.done.total()
        with job.commit() as tx:
            page = next_page(tx.connection, job.payload, place, limit=job.payload.page_jobs)
            tally.add(act(tx.connection, job.payload, page.jobs, request_id=f"bulk:{job.id}"))
            place, is_last = page.reached, page.is_last
            tx.checkpoint(_checkpoint(place, tally, is_last=is_last))
        job.progress(tally.jobs, job.payload.expected)
        if not is_last and pace.wait(tally.done.total() - done_before, job.cancelled):
            return Cancelled(f"{job.cancelled.reason} after {tally.jobs} jobs")
    return Completed({"operation": job.payload.operation.value, **_counts(tally)})


def _resume(checkpoint: Any) -> tuple[Place, Tally, bool]:
    if checkpoint is None:
        return START, Tally(), False
    at = checkpoint["after_at"]
    place = Place(checkpoint["after_id"], None if at is None else datetime.fromisoformat(at))
    return place, Tally(Counter(checkpoint["done"]), Counter(checkpoint["left_alone"])), checkpoint["is_last"]


def _checkpoint(place: Place, tally: Tally, *, is_last: bool) -> dict[str, Any]:
    at = None if place.at is None else place.at.isoformat()
    return {"after_id": place.id, "after_at": at, "is_last": is_last, **_counts(tally)}


def _counts(tally: Tally) -> dict[str, Any]:
    return {"done": dict(tally.done), "left_alone": dict(tally.left_alone)}
