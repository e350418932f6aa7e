"""What one attempt keeps of itself, with doubles."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.logs import get_logger
from retinue import Cancelled, Completed, Fail, Job, Outcome, Park, Retry, ServantType, Snooze
from retinue.errors import CredentialError, JobCancelled, PermanentError, RateLimited, TransientError
from retinue.order import StrictOrder, keep_order
from retinue.settlement import Settlement
from servants.runtime.evidence import MAX_TRACEBACK, gather, told
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.performer import CANCELLED, Performed, Performer
from servants.runtime.watch import Watch
from tests.support.runtime import LogLines, Say, captured_logs, held_job, kind_of

LATER = datetime(2100, 1, 1, tzinfo=UTC)

log = get_logger("tests.evidence")


@pytest.fixture(autouse=True)
def lines() -> Iterator[LogLines]:
    with captured_logs() as lines:
        yield lines


def perform(kind: ServantType[Any], held: HeldJob | None = None) -> Settlement:
    no_services: Any = None
    settlement = Performer(kind, no_services, 7).perform(held or held_job()).settlement
    assert settlement is not None
    return settlement


def doing(result: object) -> ServantType[Say]:
    def handler(job: Job[Say]) -> Any:
        log.info("working", step=1)
        if isinstance(result, BaseException):
            raise result
        return result

    return kind_of(handler)


def deep(levels: int) -> Outcome:
    if levels:
        return deep(levels - 1)
    raise TransientError("at the bottom")


@pytest.mark.parametrize(
    "result", [Retry(), Fail("no"), TransientError("no luck"), PermanentError("no use"), ZeroDivisionError()]
)
def test_an_attempt_that_failed_keeps_what_it_logged(result: object) -> None:
    evidence = perform(doing(result)).evidence
    assert evidence is not None
    assert (evidence["servant"], evidence["left_out"]) == (7, 0)
    assert [(line["event"], line["step"]) for line in evidence["lines"]] == [("working", 1)]
    assert (evidence["traceback"] is not None) == isinstance(result, BaseException)


@pytest.mark.parametrize("result", [CredentialError("revoked"), Park("revoked")])
def test_one_that_parks_its_lane_does_too(result: object) -> None:
    assert perform(doing(result)).evidence is not None


@pytest.mark.parametrize(
    "result", [Completed(), None, Snooze(LATER), RateLimited("slow down", reset_at=LATER), Cancelled(), JobCancelled()]
)
def test_one_that_did_not_fail_keeps_nothing(result: object) -> None:
    assert perform(doing(result)).evidence is None


def test_a_traceback_begins_with_the_handler_and_ends_with_the_cause_chained() -> None:
    def handler(job: Job[Say]) -> Outcome:
        try:
            raise ConnectionError("http://me:hunter2@host/ refused")
        except ConnectionError as error:
            raise TransientError("cannot connect") from error

    trace = (perform(kind_of(handler)).evidence or {})["traceback"]
    assert "ConnectionError: http://me:***@host/ refused" in trace
    assert "The above exception was the direct cause" in trace
    assert trace.endswith("TransientError: cannot connect\n")
    assert "performer.py" not in trace
    assert "hunter2" not in trace


def test_a_traceback_is_bounded() -> None:
    trace = (perform(kind_of(lambda job: deep(900))).evidence or {})["traceback"]
    assert len(trace) <= MAX_TRACEBACK + 2
    assert trace.endswith("TransientError: at the bottom\n")
    huge = told(ValueError("x" * 100_000), None)
    assert huge is None


class Unfriendly(TransientError):
    """Its class does not let a traceback be made of it."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise RuntimeError("no")
        return super().__getattribute__(name)


def test_an_error_that_cannot_be_shown_still_fails_the_attempt() -> None:
    settlement = perform(doing(Unfriendly("odd")))
    assert settlement.reason == "retry"
    assert settlement.evidence is not None


def test_no_evidence_stands_in_the_way_of_settling() -> None:
    def handler(job: Job[Say]) -> Outcome:
        log.info("odd\0line", half="\ud800", **{"na\0me": 1})
        raise TransientError("nul \0 in the message")

    text = json.dumps(perform(kind_of(handler)).evidence)
    assert "\\u0000" not in text
    assert "\\ud800" not in text


def test_the_next_attempt_begins_with_nothing() -> None:
    kind = doing(Retry())
    first, second = perform(kind), perform(kind)
    assert first.evidence is not None
    assert second.evidence is not None
    assert len(second.evidence["lines"]) == 1


def test_what_is_logged_about_the_attempt_is_not_its_own(lines: LogLines) -> None:
    evidence = perform(doing(ZeroDivisionError())).evidence
    assert lines.all("job_raised")
    assert evidence is not None
    assert [line["event"] for line in evidence["lines"]] == ["working"]


def test_an_overrun_shows_where_the_handler_stood() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stubborn(job: Job[Say]) -> Outcome:
        log.info("waits_for_ever")
        entered.set()
        leave.wait(10)
        return Completed()

    held, kind, settled = held_job(), kind_of(stubborn, grace=timedelta(0)), list[Performed]()
    no_services: Any = None
    slot = threading.Thread(target=Performer(kind, no_services, 7).perform, args=(held,))
    jobs = HeldJobs()
    jobs.add([held])
    slot.start()
    assert entered.wait(10)
    held.ask_to_stop(CANCELLED, 0.0)
    Watch(kind, jobs, settle=settled.append, on_overrun=lambda: None).look()
    leave.set()
    slot.join(10)
    (performed,) = settled
    assert performed.settlement is not None
    evidence = performed.settlement.evidence or {}
    assert "in stubborn" in evidence["traceback"]
    assert [line["event"] for line in evidence["lines"]] == ["waits_for_ever"]


def test_a_coroutine_on_a_loop_shows_no_thread() -> None:
    evidence = gather(7, on_thread=False)
    evidence.standing()
    assert evidence.told(1.0)["traceback"] is None


def test_the_head_of_an_order_that_is_held_keeps_its_evidence() -> None:
    settlement = perform(doing(Fail("no")))
    assert keep_order(settlement, StrictOrder.HOLD).evidence == settlement.evidence
    assert keep_order(settlement, StrictOrder.PARK).evidence == settlement.evidence
