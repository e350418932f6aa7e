"""The values of a query's terms: numbers, durations, moments, words of a list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from infra.job_query.errors import QueryError
from infra.job_query.query import Since, Span
from infra.job_query.terms import Term

_LARGEST = 2**63 - 1
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d|w)")
_LONGEST_SECONDS = 315_360_000

#: What a comparison bounds, and whether the bound itself belongs to it.
_BOUNDS = {">": ("least", False), ">=": ("least", True), "<": ("most", False), "<=": ("most", True)}


def fault(term: Term, message: str) -> QueryError:
    """What is wrong with this term."""
    return QueryError(message, term.start, term.end)


def one_of(term: Term, words: Iterable[str]) -> tuple[str, ...]:
    """Each value as one of these words."""
    known = list(words)
    for value in term.values:
        if value not in known:
            raise fault(term, f"{term.field} is not {value!r}{did_you_mean(value, known)}")
    return term.values


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """`. Did you mean failed?`, or which there are."""
    words = list(known)
    close = get_close_matches(value, words, n=1)
    if close:
        return f". Did you mean {close[0]}?"
    return f": it is one of {', '.join(words)}." if len(words) <= 20 else "."


def identities(term: Term) -> tuple[int, ...]:
    """Each value as an ID."""
    return tuple(_identity(term, value) for value in term.values)


def _identity(term: Term, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > 19 or not 0 < int(value) <= _LARGEST:
        raise fault(term, f"{term.field or 'id'} takes a number, such as {term.field or 'id'}:4711.")
    return int(value)


def span(term: Term, *, seconds: bool = False) -> Span:
    """What a comparison allows: of whole numbers, or of durations in seconds."""
    value = _single(term)
    number = _duration(term, value).total_seconds() if seconds else float(_whole(term, value))
    if not term.operator:
        return Span(number, number)
    side, included = _BOUNDS[term.operator]
    # Beyond a whole number comes the next one; beyond a duration, whatever is longer.
    step = 0.0 if included else (1e-6 if seconds else 1.0)
    return Span(least=number + step) if side == "least" else Span(most=number - step)


def _whole(term: Term, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > 9:
        raise fault(term, f"{term.field} takes a number or a comparison, such as {term.field}:>3.")
    return int(value)


def moment(term: Term) -> Since:
    """`2h` ago, `2026-11-20`, or `2026-11-20T12:00`, in UTC unless a zone is given."""
    value = _single(term)
    if _PART.match(value):
        return _duration(term, value)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise fault(
            term, f"{term.field} takes a time: 2h for two hours ago, 2026-11-20, or 2026-11-20T12:00."
        ) from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if not 1970 <= at.year < 9000:
        raise fault(term, f"{term.field} takes a time in the years 1970 to 8999.")
    return at


def _duration(term: Term, value: str) -> timedelta:
    parts = _PART.findall(value)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not parts or "".join(number + unit for number, unit in parts) != value or seconds > _LONGEST_SECONDS:
        raise fault(term, f"{term.field} takes a duration, such as 30s, 5m, 1h30m or 2d.")
    return timedelta(seconds=seconds)


def _single(term: Term) -> str:
    if len(term.values) != 1:
        raise fault(term, f"{term.field} takes one value.")
    return term.values[0]
