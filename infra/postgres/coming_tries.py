"""The tries that a failed job still has, before they happen: when each may start, and which rule says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from retinue.errors import ConfigurationError, UnknownType
from retinue.retry import RetryPolicy
from retinue.rules import Rules, foresee
from retinue.servant import load_servant


@dataclass(frozen=True, slots=True)
class ComingTry:
    """One attempt still to come, if each before it fails at once and as the last one did.

    `rule` is what set it: `otherwise` or the name of a rule; None where the type has one policy for every error.
    """

    number: int
    earliest: datetime
    latest: datetime
    rule: str | None = None


def coming_tries(job_type: str, *, failures: int, error: Any, start: datetime) -> list[ComingTry]:
    """The tries of a job that failed `failures` times, the last time with `error`, and is due at `start`.

    None where it has not failed yet, or its type is not installed here.
    """
    retry = retry_policy(job_type)
    if retry is None or failures == 0:
        return []
    return [
        ComingTry(one.number, start + timedelta(seconds=one.earliest), start + timedelta(seconds=one.latest), one.rule)
        for one in foresee(retry, failures=failures, rule=_kept(error, "rule"))
    ]


def attempts_allowed(job_type: str, error: Any) -> int | None:
    """How many attempts a job has that failed with `error` last; None where its type is not installed here."""
    retry = retry_policy(job_type)
    if isinstance(retry, Rules):
        return retry.named(_kept(error, "rule")).policy.attempts
    return None if retry is None else retry.attempts


def fingerprint_of(error: Any) -> str | None:
    """The fingerprint that is kept with an error."""
    return _kept(error, "fingerprint")


def retry_policy(job_type: str) -> RetryPolicy | None:
    """The retry policy of a type, None where the type is not installed here."""
    try:
        return load_servant(job_type).retry
    except (UnknownType, ConfigurationError):
        return None


def _kept(error: Any, name: str) -> str | None:
    value = error.get(name) if isinstance(error, dict) else None
    return value if isinstance(value, str) else None
