"""Retry rules: the first that matches governs, by class, message and fingerprint; what comes is known beforehand."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from retinue.errors import CredentialError, JobTimeout, PermanentError, RateLimited, TransientError
from retinue.fingerprint import fingerprint
from retinue.retry import Exponential, NoRetry, RetryPolicy
from retinue.rules import OTHERWISE, Failure, ForeseenTry, Rules, When, choose, foresee

QUICK = Exponential(base=1, cap=60, attempts=20)
SLOW = Exponential(base=100, cap=1000, attempts=5)
DEADLOCK = fingerprint("OSError", "deadlock in row 7")

#: What no type checker would let through.
WRONG: list[Any] = ["TransientError", int, QUICK]

NO_CONNECTION = "ConnectionError or requests.exceptions.ConnectionError"

RULES = Rules(
    When(ConnectionError, requests.ConnectionError, then=QUICK),
    When(fingerprint=DEADLOCK, then=NoRetry()),
    When(TransientError, message=r"(?i)busy", then=SLOW),
    When(TransientError, then=QUICK),
    otherwise=Exponential(attempts=3),
)


def failure(error: BaseException) -> Failure:
    return Failure(error, str(error), fingerprint(type(error).__name__, str(error)))


@pytest.mark.parametrize(
    ("error", "rule", "policy"),
    [
        (ConnectionResetError("gone"), NO_CONNECTION, QUICK),
        (requests.exceptions.SSLError("no"), NO_CONNECTION, QUICK),
        (OSError("deadlock in row 12345"), f"fingerprint {DEADLOCK}", NoRetry()),
        (OSError("deadlock on the table"), OTHERWISE, RULES.otherwise),
        (TransientError("it is Busy now"), "TransientError, message ~ '(?i)busy'", SLOW),
        (JobTimeout("took too long"), "TransientError", QUICK),
        (socket.gaierror("who?"), OTHERWISE, RULES.otherwise),
        (SystemExit(1), OTHERWISE, RULES.otherwise),
    ],
)
def test_the_first_rule_that_matches_governs(error: BaseException, rule: str, policy: RetryPolicy) -> None:
    assert choose(RULES, failure(error)) == (policy, rule)


def test_a_retry_without_an_exception_is_matched_by_what_it_says() -> None:
    rules = Rules(When(Exception, then=QUICK), When(message="later", then=SLOW))
    assert rules.choose(Failure(None, "come later", "00000000")).policy is SLOW
    assert rules.choose(Failure(None, "no", "00000000")).rule == OTHERWISE


def test_a_plain_policy_has_no_rule() -> None:
    assert choose(QUICK, failure(OSError())) == (QUICK, None)


def test_without_otherwise_the_built_in_backoff_governs_the_rest() -> None:
    assert Rules(When(OSError, then=QUICK)).choose(failure(KeyError())).policy == Exponential()


def test_as_a_plain_policy_the_rules_are_what_governs_the_rest() -> None:
    policy: RetryPolicy = Rules(When(OSError, then=QUICK), otherwise=Exponential(floor=2, draw=lambda low, _: low))
    assert (policy.attempts, policy.delay(1)) == (10, 2)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: When(then=QUICK), "name an exception class"),
        (lambda: When(WRONG[0], then=QUICK), "'TransientError' is no exception class"),
        (lambda: When(WRONG[1], then=QUICK), "is no exception class"),
        (lambda: When(OSError, PermanentError, then=QUICK), "PermanentError is never asked about"),
        (lambda: When(CredentialError, then=QUICK), "CredentialError is never asked about"),
        (lambda: When(RateLimited, then=QUICK), "RateLimited is never asked about"),
        (lambda: When(fingerprint="A1B2", then=QUICK), "eight hexadecimal characters"),
        (lambda: When(message="(", then=QUICK), "unterminated subpattern"),
        (lambda: Rules(When(OSError, then=QUICK), When(ConnectionError, then=SLOW)), "'ConnectionError' is never"),
        (lambda: Rules(When(OSError, then=QUICK), When(OSError, message="x", then=SLOW)), "is never reached"),
        (lambda: Rules(When(message="x", then=QUICK), When(message="x", then=SLOW)), "is never reached"),
        (lambda: Rules(WRONG[2]), "is no rule"),
        (lambda: Rules(When(OSError, then=RULES)), "not to more rules"),
        (lambda: Rules(otherwise=RULES), "not to more rules"),
    ],
)
def test_rules_that_make_no_sense_are_refused(make: Callable[[], object], problem: str) -> None:
    with pytest.raises((ValueError, re.error), match=re.escape(problem)):
        make()


def test_a_narrow_rule_before_a_wide_one_is_what_rules_are_for() -> None:
    rules = Rules(When(ConnectionError, then=SLOW), When(OSError, message="x", then=SLOW), When(OSError, then=QUICK))
    assert rules.choose(failure(OSError("y"))).rule == "OSError"


def test_rules_show_what_they_are() -> None:
    assert repr(Rules(When(KeyError, then=QUICK), When(message="x", then=QUICK))) == (
        "Rules(KeyError, message ~ 'x', otherwise)"
    )


@given(st.integers(0, 30), st.sampled_from([rule.name for rule in RULES.rules] + [OTHERWISE, "one that is gone", ""]))
def test_the_coming_tries_are_those_of_the_rule_that_governed_the_last_failure(failures: int, rule: str) -> None:
    chosen = RULES.named(rule)
    coming = foresee(RULES, failures=failures, rule=rule)
    assert coming[0] == ForeseenTry(failures + 1, 0, 0, chosen.rule)
    assert [one.number for one in coming] == list(range(failures + 1, max(failures + 1, chosen.policy.attempts) + 1))
    assert all(one.earliest <= one.latest and one.rule == chosen.rule for one in coming)


def test_a_rule_that_is_gone_leaves_what_governs_the_rest() -> None:
    assert RULES.named("one that is gone") == (RULES.otherwise, OTHERWISE)


class Own:
    """A policy of an author's own, which cannot say its waits beforehand."""

    attempts = 9

    def delay(self, failures: int) -> float:
        return failures * 1.5


def test_of_a_policy_without_bounds_the_next_try_is_known() -> None:
    assert foresee(Own(), failures=3) == [(4, 0.0, 0.0, None)]
    assert foresee(Rules(otherwise=Own()), failures=3, rule=OTHERWISE) == [(4, 0.0, 0.0, OTHERWISE)]


def test_the_next_try_is_shown_even_if_the_policy_would_no_longer_grant_it() -> None:
    assert foresee(NoRetry(), failures=2) == [(3, 0.0, 0.0, None)]
