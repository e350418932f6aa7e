"""Retry rules by kind of error: a list that a servant's author writes, read from the top, the first match wins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from retinue.errors import CredentialError, JobCancelled, LeaseLost, PermanentError, RateLimited
from retinue.fingerprint import is_fingerprint
from retinue.retry import Exponential, PlannedTry, RetryPolicy, preview

#: What becomes of these their class says; no rule is asked.
_DECIDED = (CredentialError, JobCancelled, LeaseLost, PermanentError, RateLimited)

#: How the rule is called that governs what no other one matches.
OTHERWISE = "otherwise"


class Failure(NamedTuple):
    """A failed attempt as rules see it. `error` is None where the handler returned `Retry` without one."""

    error: BaseException | None
    message: str
    fingerprint: str


class Chosen(NamedTuple):
    """The policy that governs a failure, and what the rule that chose it is called; None where there are no rules."""

    policy: RetryPolicy
    rule: str | None


@dataclass(frozen=True, slots=True, init=False)
class When:
    """One rule: an error of one of `kinds`, of this message and fingerprint where they are given, is retried `then`.

    `kinds` are exception classes of any library; an error of a subclass matches too. `message` is a regular
    expression that is searched for in the error's message.
    """

    kinds: tuple[type[BaseException], ...]
    then: RetryPolicy
    message: re.Pattern[str] | None
    fingerprint: str | None

    def __init__(
        self,
        *kinds: type[BaseException],
        then: RetryPolicy,
        message: str | re.Pattern[str] | None = None,
        fingerprint: str | None = None,
    ) -> None:
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "then", then)
        object.__setattr__(self, "message", None if message is None else re.compile(message))
        object.__setattr__(self, "fingerprint", fingerprint)
        for fault in _faults(self):
            raise ValueError(f"When(…): {fault}")

    @property
    def name(self) -> str:
        """What it goes by, kept with each error it governed: `ConnectionError or TimeoutError, message ~ 'reset'`."""
        conditions = [" or ".join(map(_class_name, self.kinds))] if self.kinds else []
        if self.fingerprint is not None:
            conditions.append(f"fingerprint {self.fingerprint}")
        if self.message is not None:
            conditions.append(f"message ~ {self.message.pattern!r}")
        return ", ".join(conditions)

    def matches(self, failure: Failure) -> bool:
        """Whether this rule governs `failure`."""
        if self.kinds and not isinstance(failure.error, self.kinds):
            return False
        if self.fingerprint is not None and self.fingerprint != failure.fingerprint:
            return False
        return self.message is None or self.message.search(failure.message) is not None

    def covers(self, later: When) -> bool:
        """Whether whatever `later` matches is matched here first."""
        if self.message is not None or self.fingerprint is not None:
            return self.fingerprint == later.fingerprint and self.message == later.message and self.kinds == later.kinds
        return bool(later.kinds) and all(issubclass(kind, self.kinds) for kind in later.kinds)


class Rules:
    """A retry policy that goes by the kind of error: the first rule that matches governs what happens next.

    A rule's `attempts` count all failures of the job, whatever they failed with: a job that failed four times for want
    of a connection and then with an error whose rule allows five attempts has one left. So a job never has more
    attempts than its most patient rule allows. Without a match, `otherwise` governs.

    Example:
        retry=Rules(
            When(ConnectionError, then=Exponential(base=1, cap=60, attempts=20)),
            When(fingerprint="a1b2c3d4", then=NoRetry()),
            When(TransientError, message=r"deadlock", then=Exponential(base=0.5, cap=5, attempts=5)),
            otherwise=Exponential(attempts=3),
        )
    """

    def __init__(self, *rules: When, otherwise: RetryPolicy | None = None) -> None:
        self.rules = rules
        self.otherwise: RetryPolicy = otherwise or Exponential()
        for fault in _list_faults(rules, self.otherwise):
            raise ValueError(f"Rules(…): {fault}")

    @property
    def attempts(self) -> int:
        """How many attempts a job has that only fails in ways that no rule matches."""
        return self.otherwise.attempts

    def delay(self, failures: int) -> float:
        """The wait after a failure that no rule matches."""
        return self.otherwise.delay(failures)

    def choose(self, failure: Failure) -> Chosen:
        """The policy for this failure."""
        for rule in self.rules:
            if rule.matches(failure):
                return Chosen(rule.then, rule.name)
        return Chosen(self.otherwise, OTHERWISE)

    def named(self, name: str | None) -> Chosen:
        """The policy of the rule that goes by `name`; what governs the rest if there is none, as after a change."""
        for rule in self.rules:
            if rule.name == name:
                return Chosen(rule.then, rule.name)
        return Chosen(self.otherwise, OTHERWISE)

    def __repr__(self) -> str:
        return f"Rules({', '.join([*(rule.name for rule in self.rules), OTHERWISE])})"


def choose(retry: RetryPolicy, failure: Failure) -> Chosen:
    """The policy for this failure: the rule's, or the only one there is."""
    return retry.choose(failure) if isinstance(retry, Rules) else Chosen(retry, None)


class ForeseenTry(NamedTuple):
    """One coming attempt: its number, its earliest and latest start in seconds from the next one's, its rule."""

    number: int
    earliest: float
    latest: float
    rule: str | None


def foresee(retry: RetryPolicy, *, failures: int, rule: str | None = None) -> list[ForeseenTry]:
    """The attempts still to come after `failures` have failed, if each fails at once and as the last one did.

    `rule` is what is kept with the last error: the rule that governed it.
    """
    chosen = retry.named(rule) if isinstance(retry, Rules) else Chosen(retry, None)
    # The next attempt has been granted, whatever the policy says by now.
    planned = preview(chosen.policy, failures) or [PlannedTry(failures + 1, 0.0, 0.0)]
    return [ForeseenTry(one.number, one.earliest, one.latest, chosen.rule) for one in planned]


def _class_name(kind: type[BaseException]) -> str:
    own = kind.__module__ in ("builtins", "retinue.errors")
    return kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"


def _faults(rule: When) -> Iterable[str]:
    if not rule.kinds and rule.fingerprint is None and rule.message is None:
        yield "name an exception class, a fingerprint or a message; what governs the rest is otherwise=…"
    kinds: tuple[object, ...] = rule.kinds
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            yield f"{kind!r} is no exception class"
        elif issubclass(kind, _DECIDED):
            yield f"{kind.__name__} is never asked about: its class says what becomes of the job"
    if rule.fingerprint is not None and not is_fingerprint(rule.fingerprint):
        yield f"a fingerprint is eight hexadecimal characters, as `retinue jobs show` tells them: {rule.fingerprint!r}"


def _list_faults(rules: tuple[object, ...], otherwise: RetryPolicy) -> Iterable[str]:
    whens = [rule for rule in rules if isinstance(rule, When)]
    yield from (f"{rule!r} is no rule: write When(…, then=…)" for rule in rules if not isinstance(rule, When))
    for n, rule in enumerate(whens):
        if hidden := next((one for one in whens[:n] if one.covers(rule)), None):
            yield f"{rule.name!r} is never reached: {hidden.name!r} comes before it"
    if any(isinstance(policy, Rules) for policy in [otherwise, *(rule.then for rule in whens)]):
        yield "a rule leads to a policy, not to more rules"
