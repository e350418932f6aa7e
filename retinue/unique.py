"""Uniqueness: one job for a key, over chosen states, and what becomes of a second call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from retinue.errors import InvalidPayload

#: A key is kept, and a debounced job put off, for at most this long.
MAX_PERIOD = timedelta(days=366)


class Over(StrEnum):
    """How long a job holds its key."""

    UNFINISHED = "unfinished"  # until it is finished
    WAITING = "waiting"  # until a servant claims it: one may run while the next waits


class OnConflict(StrEnum):
    """What a call does to the waiting job that holds the key."""

    IGNORE = "ignore"
    REPLACE = "replace"  # it gets the new payload and priority, and `run_at` where one is given
    EARLIER = "earlier"  # it comes due at the new `run_at` if that is sooner
    LATER = "later"  # debounce: it gets the new payload, and comes due at the new `run_at` if that is later


@dataclass(frozen=True, slots=True)
class Unique:
    """At most one job of a type for `key`.

    `over` and `on_conflict` take their enums or the same words as text. `for_period` keeps the key for so long after
    the job was made, even if it finishes sooner. `max_wait` goes with `later`, which puts a job off no further than so
    long after it was made.

    Raises:
        InvalidPayload: the rules do not fit together.

    Example:
        Unique("contact:7", over="waiting", on_conflict="replace")
    """

    key: str
    over: Over | str = Over.UNFINISHED
    on_conflict: OnConflict | str = OnConflict.IGNORE
    for_period: timedelta | None = None
    max_wait: timedelta | None = None

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise InvalidPayload(f"Unique({self.key!r}): {'; '.join(faults)}")


def _faults(unique: Unique) -> Iterator[str]:
    yield from _unknown_word("over", unique.over, Over)
    yield from _unknown_word("on_conflict", unique.on_conflict, OnConflict)
    if (unique.on_conflict == OnConflict.LATER) != (unique.max_wait is not None):
        yield "max_wait goes with on_conflict='later', which needs it"
    for name, period in (("for_period", unique.for_period), ("max_wait", unique.max_wait)):
        if period is not None and not timedelta(0) < period <= MAX_PERIOD:
            yield f"{name} is more than 0 and at most {MAX_PERIOD.days} days, got {period}"


def _unknown_word(name: str, word: str, known: type[StrEnum]) -> Iterator[str]:
    if word not in list(known):
        yield f"{name} is one of {', '.join(known)}, got {word!r}"
