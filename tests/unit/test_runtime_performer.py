"""One attempt with doubles: what comes of whatever a handler, its payload or its retry policy does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import field_validator

from retinue import (
    Cancelled,
    Completed,
    Fail,
    Job,
    Outcome,
    Park,
    Payload,
    Retry,
    ServantType,
    servant,
)
from retinue.errors import CredentialError, JobCancelled, LeaseLost, PermanentError, TransientError
from retinue.settlement import Settlement, kept_error
from servants.runtime.held import HeldJob
from servants.runtime.performer import CANCELLED, DRAINING, LEASE_LOST, TIMED_OUT, Performed, Performer
from tests.support.runtime import AT_ONCE, Say, held_job, kind_of


def perform(kind: ServantType[Any], held: HeldJob | None = None) -> Performed:
    no_services: Any = None
    return Performer(kind, no_services, 1).perform(held or held_job())


def settled(kind: ServantType[Any], held: HeldJob | None = None) -> Settlement:
    settlement = perform(kind, held).settlement
    assert settlement is not None
    return settlement


def doing(result: object) -> Callable[[Job[Say]], Any]:
    """A handler that returns or raises this."""

    def handler(job: Job[Say]) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    return handler


class Mute(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("mute")


@pytest.mark.parametrize(
    ("result", "reason", "kind"),
    [
        (None, "complete", None),
        (Completed({"a": 1}), "complete", None),
        (Retry(), "retry", "Retry"),
        (Fail("no"), "permanent", "Fail"),
        (Park("revoked"), "snooze", "CredentialError"),
        (Cancelled(), "cancel", "Cancelled"),
        ("done", "permanent", "InvalidOutcome"),
        (TransientError(), "retry", "TransientError"),
        (PermanentError(), "permanent", "PermanentError"),
        (CredentialError(), "snooze", "CredentialError"),
        (JobCancelled(), "cancel", "Cancelled"),
        (ZeroDivisionError(), "retry", "ZeroDivisionError"),
        (SystemExit(1), "retry", "SystemExit"),
        (Mute(), "retry", "Mute"),
    ],
)
def test_each_way_to_end_has_its_settlement(result: object, reason: str, kind: str | None) -> None:
    settlement = settled(kind_of(doing(result)))
    assert (settlement.job_id, settlement.attempt) == (1, 1)
    assert settlement.reason == reason
    assert (settlement.error or {}).get("kind") == kind


def test_the_handler_has_the_jobs_values() -> None:
    seen: list[Job[Say]] = []

    def handler(job: Job[Say]) -> Outcome:
        seen.append(job)
        return Completed()

    held = held_job(5, attempt=2, payload='{"text": "hello"}')
    done = perform(kind_of(handler), held)
    assert (seen[0].id, seen[0].attempt, seen[0].payload) == (5, 2, Say(text="hello"))
    assert done.held is held
    assert held.job is seen[0]
    assert held.finished
    assert held.started_at is not None
    assert done.run_seconds >= 0


@pytest.mark.parametrize(("failures", "reason"), [(0, "retry"), (1, "retry"), (2, "exhausted"), (7, "exhausted")])
def test_the_failures_before_count(failures: int, reason: str) -> None:
    assert settled(kind_of(doing(TransientError())), held_job(failures=failures)).reason == reason


class Picky(Payload):
    """Its validator is at odds with the world, not with the payload."""

    text: str = ""

    @field_validator("text")
    @classmethod
    def look_it_up(cls, value: str) -> str:
        raise RuntimeError("the catalogue cannot be read")


def test_a_validator_that_breaks_is_a_failure_like_any_other() -> None:
    @servant("test.picky", retry=AT_ONCE)
    def picky(job: Job[Picky]) -> None:
        raise AssertionError("not reached")

    settlement = settled(picky, held_job(payload='{"text": "x"}'))
    assert settlement.error == kept_error("RuntimeError", "the catalogue cannot be read")


@dataclass
class Broken:
    """A retry policy that raises."""

    attempts: int = 3

    def delay(self, failures: int) -> float:
        raise KeyError("delays")


def test_a_retry_policy_that_raises_fails_the_job() -> None:
    settlement = settled(kind_of(doing(TransientError()), retry=Broken()))
    message = "settling Retry raised KeyError: 'delays'"
    assert (settlement.reason, settlement.error) == ("permanent", kept_error("InvalidOutcome", message))


def asked(why: str) -> Callable[[HeldJob], Callable[[Job[Say]], Outcome]]:
    """A handler that is asked to stop while it runs, and does."""

    def build(held: HeldJob) -> Callable[[Job[Say]], Outcome]:
        def handler(job: Job[Say]) -> Outcome:
            held.ask_to_stop(why, 1.0)
            job.stop_if_cancelled()
            raise AssertionError("not reached")

        return handler

    return build


@pytest.mark.parametrize(
    ("why", "reason", "spends"),
    [(CANCELLED, "cancel", False), (DRAINING, "release", False), (TIMED_OUT, "retry", True)],
)
def test_stopping_when_asked_means_what_it_was_asked_for(why: str, reason: str, spends: bool) -> None:
    held = held_job()
    settlement = settled(kind_of(asked(why)(held)), held)
    assert (settlement.reason, settlement.failed_attempt) == (reason, spends)


def test_a_job_asked_before_it_began_does_not_begin() -> None:
    held = held_job()
    held.ask_to_stop(CANCELLED, 1.0)
    settlement = settled(kind_of(doing(AssertionError("not reached"))), held)
    assert settlement.reason == "cancel"
    assert settlement.error == kept_error("Cancelled", "cancelled before it began")


@pytest.mark.parametrize("way", ["abandoned", "lost"])
def test_a_job_that_is_over_before_it_began_does_not_begin(way: str) -> None:
    held = held_job()
    setattr(held, way, True)
    assert perform(kind_of(doing(AssertionError("not reached"))), held).settlement is None
    assert held.job is None


@pytest.mark.parametrize("result", [Completed(), TransientError()])
@pytest.mark.parametrize("way", ["abandoned", "lost", "settled"])
def test_a_job_that_is_over_when_it_ends_writes_nothing(result: object, way: str) -> None:
    held = held_job()

    def handler(job: Job[Say]) -> Any:
        setattr(job if way == "settled" else held, way, True)
        return doing(result)(job)

    assert perform(kind_of(handler), held).settlement is None
    assert held.finished


def test_a_lost_lease_leaves_nothing_to_write() -> None:
    assert perform(kind_of(doing(LeaseLost()))).settlement is None


def test_a_job_told_of_its_lost_lease_writes_nothing() -> None:
    held = held_job()

    def handler(job: Job[Say]) -> Outcome:
        held.lost = True
        held.ask_to_stop(LEASE_LOST, 1.0)
        job.stop_if_cancelled()
        return Completed()

    assert perform(kind_of(handler), held).settlement is None
