"""Outcomes and exceptions become what is written: always a legal transition, always storable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.postgres.statements import statement
from retinue.errors import (
    CredentialError,
    JobCancelled,
    JobTimeout,
    LeaseLost,
    PermanentError,
    RateLimited,
    TransientError,
)
from retinue.fingerprint import fingerprint
from retinue.holds import Hold, HoldKind
from retinue.outcomes import Cancelled, Completed, Fail, Outcome, Park, Retry, Snooze
from retinue.retry import Exponential, NoRetry
from retinue.rules import Rules, When
from retinue.settlement import (
    MAX_ERROR_LENGTH,
    completed,
    holds_nul,
    kept_error,
    outcome_of,
    overrun,
    poisoned,
    returned,
    settle,
    unwritable,
)
from retinue.states import JobState, Reason, allowed

LATER = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = Exponential(base=10, cap=100, attempts=3, draw=lambda _low, high: high)

#: Any text, halves of characters and NUL among it.
texts = st.text(st.characters(), max_size=50)
moments = st.datetimes(timezones=st.just(UTC))
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Completed, st.none() | st.dictionaries(texts, texts | st.floats() | st.integers(), max_size=3)),
    st.builds(Retry, st.none() | st.timedeltas(), texts, texts),
    st.builds(Snooze, moments, texts),
    st.builds(Fail, texts, texts),
    st.builds(Park, texts, texts),
    st.builds(Cancelled, texts),
)


@given(outcomes, st.integers(0, 5), st.booleans())
def test_every_outcome_settles_as_a_legal_transition(outcome: Outcome, failures: int, released: bool) -> None:
    settlement = settle(7, 3, outcome, retry=POLICY, failures=failures, released=released)
    assert (settlement.job_id, settlement.attempt) == (7, 3)
    assert allowed(JobState.RUNNING, settlement.state, settlement.reason)


@given(outcomes, st.integers(0, 5), st.booleans())
def test_an_attempt_is_spent_exactly_when_it_failed(outcome: Outcome, failures: int, released: bool) -> None:
    settlement = settle(7, 3, outcome, retry=POLICY, failures=failures, released=released)
    failed = settlement.state is JobState.FAILED or settlement.reason is Reason.RETRY
    assert settlement.failed_attempt is failed
    if settlement.state is JobState.PENDING:
        assert not settlement.failed_attempt or failures + 1 < POLICY.attempts


PARKED = Hold(HoldKind.INCIDENT, "", None, "m")


@given(outcomes)
def test_whatever_is_written_can_be_stored(outcome: Outcome) -> None:
    settlement = settle(7, 3, outcome, retry=POLICY, failures=0)
    for json_text in (settlement.result or "{}", json.dumps(dict(settlement.error or {}))):
        assert not holds_nul(json_text)
        assert json_text.encode()
    held = settlement.hold.reason if settlement.hold else ""
    for text in (held, *(settlement.error or {}).values()):
        assert len(text) <= MAX_ERROR_LENGTH
        assert b"\0" not in text.encode()


@given(outcomes)
def test_only_what_goes_back_waits_and_only_what_completes_has_a_result(outcome: Outcome) -> None:
    settlement = settle(7, 3, outcome, retry=POLICY, failures=0)
    if settlement.state is not JobState.PENDING:
        assert (settlement.delay, settlement.until, settlement.hold) == (None, None, None)
    if settlement.state is not JobState.COMPLETED:
        assert settlement.result is None
    assert settlement.delay is None or settlement.until is None


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "rest"),
    [
        (Completed(), JobState.COMPLETED, Reason.COMPLETE, {"result": None}),
        (Completed({"a": "é"}), JobState.COMPLETED, Reason.COMPLETE, {"result": '{"a": "é"}'}),
        (Retry(), JobState.PENDING, Reason.RETRY, {"delay": 20.0}),
        (Retry(timedelta(minutes=2), "m", "K"), JobState.PENDING, Reason.RETRY, {"delay": 120.0}),
        (Snooze(LATER, "m"), JobState.PENDING, Reason.SNOOZE, {"until": LATER, "delay": None}),
        (
            Park("m", "K"),
            JobState.PENDING,
            Reason.SNOOZE,
            {"hold": Hold(HoldKind.INCIDENT, "", None, "m"), "delay": None, "until": None},
        ),
        (Fail("m", "K"), JobState.FAILED, Reason.PERMANENT, {"error": kept_error("K", "m")}),
        (Cancelled("m"), JobState.CANCELLED, Reason.CANCEL, {"error": kept_error("Cancelled", "m")}),
    ],
)
def test_what_each_outcome_writes(outcome: Outcome, state: JobState, reason: Reason, rest: Mapping[str, Any]) -> None:
    settlement = settle(7, 3, outcome, retry=POLICY, failures=1)
    assert (settlement.state, settlement.reason) == (state, reason)
    assert {name: getattr(settlement, name) for name in rest} == rest


def test_the_last_failure_exhausts_the_attempts() -> None:
    assert settle(7, 3, Retry(), retry=POLICY, failures=1).reason is Reason.RETRY
    assert settle(7, 3, Retry(), retry=POLICY, failures=2).reason is Reason.EXHAUSTED
    assert settle(7, 3, Retry(timedelta(1)), retry=POLICY, failures=2).reason is Reason.EXHAUSTED


RULES = Rules(
    When(ConnectionError, then=Exponential(base=1, cap=1, attempts=9, draw=lambda _low, high: high)),
    When(message="deadlock", then=NoRetry()),
    otherwise=POLICY,
)


@pytest.mark.parametrize(
    ("error", "failures", "reason", "delay", "rule"),
    [
        (ConnectionResetError("gone"), 7, Reason.RETRY, 1.0, "ConnectionError"),
        (ConnectionResetError("gone"), 8, Reason.EXHAUSTED, None, "ConnectionError"),
        (TransientError("a deadlock"), 0, Reason.EXHAUSTED, None, "message ~ 'deadlock'"),
        (TransientError("busy"), 1, Reason.RETRY, 20.0, "otherwise"),
        # What failed before counts, whatever it was: this kind's rule would have allowed three.
        (TransientError("busy"), 7, Reason.EXHAUSTED, None, "otherwise"),
    ],
)
def test_rules_go_by_the_kind_of_error(
    error: Exception, failures: int, reason: Reason, delay: float | None, rule: str
) -> None:
    settlement = settle(7, 9, outcome_of(error), retry=RULES, failures=failures)
    assert (settlement.reason, settlement.delay) == (reason, delay)
    assert settlement.error == kept_error(type(error).__name__, str(error)) | {"rule": rule}


def test_the_handler_s_own_wait_comes_before_the_rule_s() -> None:
    settlement = settle(7, 1, Retry(timedelta(seconds=3), "a deadlock ahead"), retry=RULES, failures=0)
    assert settlement.reason is Reason.EXHAUSTED
    assert settle(7, 1, Retry(timedelta(seconds=3)), retry=RULES, failures=0).delay == 3.0


def test_every_error_kept_has_its_fingerprint() -> None:
    for outcome in (Retry(message="try 17"), Snooze(LATER, "try 17"), Fail("try 17", "Retry"), Park("try 17", "Retry")):
        error = settle(7, 1, outcome, retry=POLICY, failures=0).error
        assert error is not None
        assert error["fingerprint"] == fingerprint(error["kind"], "try 4")


def test_what_rescue_keeps_has_its_fingerprint_too() -> None:
    """It is written in SQL: the sentence there and its fingerprint belong together."""
    kept = kept_error("LeaseExpired", "servant 12 stopped renewing its lease")
    text = statement("rescue_expired_jobs").decode()
    assert f"'fingerprint', '{kept['fingerprint']}'" in text
    assert "'LeaseExpired', 'message', format('servant %%s stopped renewing its lease'" in text


def test_a_job_that_stopped_for_a_drain_is_handed_back() -> None:
    settlement = settle(7, 3, Cancelled(), retry=POLICY, failures=0, released=True)
    assert (settlement.state, settlement.reason, settlement.error) == (JobState.PENDING, Reason.RELEASE, None)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TransientError("m"), Retry(None, "m", "TransientError")),
        (JobTimeout("m"), Retry(None, "m", "JobTimeout")),
        (ValueError("m"), Retry(None, "m", "ValueError")),
        (KeyError("k"), Retry(None, "'k'", "KeyError")),
        (ValueError(), Retry(None, "ValueError", "ValueError")),
        (RateLimited("m", reset_at=LATER), Snooze(LATER, "m")),
        (CredentialError("m"), Park("m", "CredentialError")),
        (PermanentError("m"), Fail("m", "PermanentError")),
        (JobCancelled("m"), Cancelled("m")),
    ],
)
def test_each_class_of_error_has_its_outcome(error: Exception, outcome: Outcome) -> None:
    assert outcome_of(error) == outcome


def test_a_servant_authors_own_error_counts_as_what_it_derives_from() -> None:
    class PageGone(PermanentError):
        """The page is gone."""

    assert outcome_of(PageGone()) == Fail("The page is gone.", "PageGone")


def test_a_lost_lease_has_no_outcome() -> None:
    with pytest.raises(LeaseLost, match="gone"):
        outcome_of(LeaseLost("gone"))


@pytest.mark.parametrize("outcome", [Completed({"a": 1}), Retry(), Fail("m"), Park("m"), Cancelled(), Snooze(LATER)])
def test_an_outcome_returned_is_the_outcome(outcome: Outcome) -> None:
    assert returned(outcome) is outcome


def test_nothing_returned_is_completed() -> None:
    assert returned(None) == Completed()


@pytest.mark.parametrize("value", [True, "done", {"rows": 1}, Completed, 0])
def test_anything_else_returned_fails_the_job(value: object) -> None:
    assert returned(value) == Fail(
        f"the handler returned {type(value).__name__}, which is no outcome", "InvalidOutcome"
    )


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"at": LATER}, "datetime is not JSON serializable"),
        ({"n": float("nan")}, "not JSON compliant"),
        ({"n": float("inf")}, "not JSON compliant"),
        ({"s": "a\0b"}, "NUL"),
        ({"a\0b": 1}, "NUL"),
        ({"s": "\ud800"}, "surrogates not allowed"),
        ([1], "cannot be written as JSON"),
        ({(1, 2): 3}, "keys must be"),
    ],
)
def test_a_result_that_is_not_json_fails_the_job(result: Any, why: str) -> None:
    settlement = completed(1, 1, Completed(result))
    assert (settlement.state, settlement.reason) == (JobState.FAILED, Reason.PERMANENT)
    assert settlement.error is not None
    assert settlement.error["kind"] == "InvalidResult"
    assert why in settlement.error["message"]


def test_a_result_that_holds_itself_fails_the_job() -> None:
    result: dict[str, Any] = {}
    result["self"] = result
    assert completed(1, 1, Completed(result)).state is JobState.FAILED


def test_any_mapping_can_be_a_result() -> None:
    assert completed(1, 1, Completed(MappingProxyType({"a": [1, None, True]}))).result == '{"a": [1, null, true]}'


@given(st.dictionaries(st.text(max_size=5), st.recursive(st.text(max_size=9), lambda part: st.lists(part, max_size=3))))
def test_nul_is_found_in_json_exactly_where_it_is(value: dict[str, Any]) -> None:
    def has(part: Any) -> bool:
        if isinstance(part, str):
            return "\0" in part
        return any(map(has, [*part, *part.values()] if isinstance(part, dict) else part))

    assert holds_nul(json.dumps(value)) == has(value)


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\\\\\\u0000"])
def test_an_escaped_backslash_before_u0000_is_no_nul(text: str) -> None:
    assert not holds_nul(json.dumps(text))
    assert holds_nul(json.dumps(text + "\0"))


def test_long_messages_are_cut() -> None:
    settlement = settle(1, 1, Fail("x" * 5000), retry=POLICY, failures=0)
    assert settlement.error == kept_error("Fail", "x" * MAX_ERROR_LENGTH)


def test_what_the_engine_itself_settles() -> None:
    assert [made.reason for made in (overrun(1, 2, "m"), poisoned(1, 2, "m"))] == [Reason.OVERRUN, Reason.POISON]
    refused = settle(1, 2, Retry(), retry=POLICY, failures=0)
    assert unwritable(refused, "m").error == kept_error("InvalidOutcome", "m")
    assert {made.state for made in (overrun(1, 2, "m"), poisoned(1, 2, "m"), unwritable(refused, "m"))} == {
        JobState.FAILED
    }


def test_a_snooze_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="needs a time zone, got 2030-01-01T00:00:00"):
        Snooze(datetime(2030, 1, 1))  # noqa: DTZ001 - the fault under test
