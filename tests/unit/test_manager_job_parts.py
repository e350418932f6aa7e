"""What the job pages work out by themselves: times in forms, what happened, how far a bulk operation is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.job_query.unfinished import unfinished_term
from infra.postgres.job_details import JobDetails, JobEvent
from manager.jobs.moments import moment_of
from manager.jobs.progress import bulk_progress
from manager.jobs.timeline import attempts_of, last_failure, story_of
from retinue.errors import NotAllowed
from retinue.states import JobState, Reason

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_NOTHING: dict[str, Any] = dict.fromkeys(JobDetails.__dataclass_fields__)


def job(**given: Any) -> JobDetails:
    """A pending job that was just made."""
    values = _NOTHING | {
        "id": 7,
        "type": "email.sync",
        "lane": "account:1",
        "priority": 5,
        "state": JobState.PENDING,
        "reason": Reason.ENQUEUE,
        "attempt": 0,
        "failures": 0,
        "deaths": 0,
        "created_at": NOW,
        "run_at": NOW,
        "seen_at": NOW + timedelta(minutes=10),
        "events": [],
        "coming_tries": [],
    }
    return JobDetails(**values | given)


def event(minutes: float, reason: Reason, *, attempt: int = 1, state: JobState = JobState.PENDING) -> JobEvent:
    failed = reason in (Reason.RETRY, Reason.EXHAUSTED)
    return JobEvent(
        NOW + timedelta(minutes=minutes),
        attempt,
        JobState.RUNNING,
        state,
        reason,
        {"kind": "E"} if failed else None,
        9 if failed else None,
        30.0 if failed else None,
        failed,
    )


@pytest.mark.parametrize(
    ("at", "delay", "expected"),
    [
        ("2026-12-01T08:30", "", datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
        ("2026-12-01T08:30+01:00", None, datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
        (None, "30m", NOW + timedelta(minutes=30)),
        ("", " 1h 30min ", NOW + timedelta(minutes=90)),
        ("", "0s", NOW),
    ],
)
def test_the_time_that_a_form_asks_for(at: str | None, delay: str | None, expected: datetime) -> None:
    assert moment_of(at, delay, now=NOW) == expected


@pytest.mark.parametrize(
    ("at", "delay", "says"),
    [
        ("", "", "Give a time"),
        ("2026-12-01T08:30", "1h", "not both"),
        ("tomorrow", "", "is no time"),
        ("0001-01-01T00:00", "", "1970 to 8999"),
        ("", "soon", "is no duration"),
        ("", "1h soon", "is no duration"),
        ("", "400d", "within a year"),
    ],
)
def test_a_time_that_cannot_be_read_is_refused(at: str, delay: str, says: str) -> None:
    with pytest.raises(NotAllowed, match=says):
        moment_of(at, delay, now=NOW)


def test_the_story_of_a_job_that_went_straight() -> None:
    done = job(
        state=JobState.COMPLETED,
        reason=Reason.COMPLETE,
        attempt=1,
        queued_at=NOW + timedelta(seconds=1),
        claimed_at=NOW + timedelta(seconds=2),
        finished_at=NOW + timedelta(seconds=3),
        servant_id=9,
    )
    assert [one.said for one in story_of(done)] == ["Completed", "Attempt 1 began", "Put on its type's queue", "Made"]
    assert [(one.number, one.state, one.servant_id) for one in attempts_of(done)] == [(1, "completed", 9)]
    assert last_failure(done) is None


def test_the_story_of_a_job_that_failed_and_waits() -> None:
    waits = job(
        reason=Reason.RETRY,
        attempt=2,
        queued_at=NOW + timedelta(minutes=3),
        claimed_at=NOW + timedelta(minutes=3.5),
        events=[event(1, Reason.RETRY), event(4, Reason.RETRY, attempt=2)],
    )
    assert [one.said for one in story_of(waits)] == [
        "Attempt 2 failed; it is tried again",
        "Attempt 1 failed; it is tried again",
        "Made",
    ]
    assert [(one.number, one.state, one.has_evidence) for one in attempts_of(waits)] == [
        (2, "failed", True),
        (1, "failed", True),
    ]
    assert attempts_of(waits)[0].began == NOW + timedelta(minutes=3.5)
    assert last_failure(waits) == 2


def test_a_job_that_runs_again_shows_both_attempts() -> None:
    runs = job(
        state=JobState.RUNNING,
        reason=Reason.CLAIM,
        attempt=2,
        claimed_at=NOW + timedelta(minutes=5),
        cancel_requested_at=NOW + timedelta(minutes=6),
        events=[event(1, Reason.RELEASE), event(2, Reason.RETRY)],
    )
    assert [one.said for one in story_of(runs)][:2] == ["Asked to stop", "Attempt 2 began"]
    assert [(one.number, one.state) for one in attempts_of(runs)] == [(2, "running"), (1, "failed"), (1, "pending")]


def test_who_made_a_job() -> None:
    assert story_of(job(retry_of=3))[0].said == "Made, to run job 3 again"
    assert story_of(job(schedule_id=4))[0].said == "Made by schedule 4"


def test_every_reason_of_an_event_has_its_words() -> None:
    for reason in Reason:
        if reason not in (Reason.ENQUEUE, Reason.DISPATCH, Reason.CLAIM, Reason.COMPLETE):
            assert story_of(job(events=[event(1, reason)]))[0].said


def test_how_far_a_bulk_operation_is() -> None:
    runs = job(
        type="system.bulk",
        state=JobState.RUNNING,
        reason=Reason.CLAIM,
        claimed_at=NOW,
        payload={"operation": "retry", "filter": {"type": "x", "states": ["failed"], "lane": None}, "expected": 100},
        checkpoint={"done": {"retried": 20}, "left_alone": {"key_taken": 5}},
    )
    found = bulk_progress(runs)
    assert found is not None
    assert (found.operation, found.looked_at, found.expected) == ("retry", 25, 100)
    assert found.wanted == [("type", "x"), ("states", "failed")]
    assert found.done == [("run again", 20)]
    assert found.left_alone == [("an unfinished job has the same unique key", 5)]
    assert found.ready_at == NOW + timedelta(minutes=40)


def test_a_bulk_operation_that_has_not_begun_or_was_not_counted() -> None:
    waits = job(type="system.bulk", payload={"operation": "cancel", "filter": {"everything": True}, "expected": None})
    found = bulk_progress(waits)
    assert found is not None
    assert (found.looked_at, found.expected, found.ready_at) == (0, None, None)
    assert found.wanted == [("everything", "yes")]
    over = replace(waits, state=JobState.COMPLETED, result={"operation": "cancel", "done": {"cancelled": 3}})
    assert (bulk_progress(over) or found).done == [("cancelled", 3)]
    assert bulk_progress(job()) is None


@pytest.mark.parametrize(
    ("text", "place", "start", "end", "field", "value"),
    [
        ("", 0, 0, 0, "", ""),
        ("sta", 3, 0, 3, "", "sta"),
        ("type:a sta", 10, 7, 10, "", "sta"),
        ("state:fai", 9, 0, 9, "state", "fai"),
        ("state:failed,ca", 15, 0, 15, "state", "ca"),
        ('account:"Kestrel Fr', 19, 0, 19, "account", "Kestrel Fr"),
        ("type:sales state:failed", 8, 0, 10, "type", "sal"),
        ("x", 99, 0, 1, "", "x"),
    ],
)
def test_the_term_that_is_being_written(text: str, place: int, start: int, end: int, field: str, value: str) -> None:
    term = unfinished_term(text, place)
    assert (term.start, term.end, term.field, term.value) == (start, end, field, value)
