"""Ranges of record Ids: how an object's rows are cut into parts that can be read one by one.

An Id is 15 characters in base 62, and three that only repair its case ("Id Field Type" in the Object Reference). Ids
sort by bytes, which is how PK chunking of the Bulk API cuts tables, too ("Use PK Chunking to Extract Large Data
Sets"). The first and the last range are open, so that together they hold every Id there is or will be, however
unevenly Ids are spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_PLACES = 15


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids from `first` on and before `end`; None is no bound."""

    first: str | None = None
    end: str | None = None

    @property
    def conditions(self) -> list[str]:
        """What a WHERE clause says of it."""
        bounds = [("Id >=", self.first), ("Id <", self.end)]
        return [f"{operator} '{bound}'" for operator, bound in bounds if bound is not None]

    def __contains__(self, external_id: str) -> bool:
        return (self.first is None or external_id >= self.first) and (self.end is None or external_id < self.end)


EVERYTHING = IdRange()


def split(first: str, last: str, parts: int) -> list[IdRange]:
    """At most so many ranges that together hold every Id, cut evenly between two Ids."""
    low, high = _number(first), _number(last)
    cuts = sorted({low + (high - low) * part // parts for part in range(1, parts)} - {low})
    bounds = [None, *(_id(cut) for cut in cuts), None]
    return [IdRange(*pair) for pair in pairwise(bounds)]


def halves(ids: IdRange, *, first: str, last: str) -> Iterator[IdRange]:
    """The two halves of a range in which Ids from `first` to `last` were seen; nothing where it cannot be halved."""
    low, high = _number(first), _number(last)
    middle = _id((low + high + 1) // 2)
    if low < high:
        yield IdRange(ids.first, middle)
        yield IdRange(middle, ids.end)


def _number(external_id: str) -> int:
    number = 0
    for character in external_id[:_PLACES]:
        number = number * len(_DIGITS) + _DIGITS.index(character)
    return number


def _id(number: int) -> str:
    characters = []
    for _ in range(_PLACES):
        number, digit = divmod(number, len(_DIGITS))
        characters.append(_DIGITS[digit])
    short = "".join(reversed(characters))
    return short + "".join(_check(short[place : place + 5]) for place in range(0, _PLACES, 5))


def _check(five: str) -> str:
    return _CHECK[sum(1 << place for place, character in enumerate(five) if character.isupper())]
