"""Arithmetic on UID sets. Everything works on ranges, so that a mailbox of a million messages costs a few of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from servants.email.values import UidSet

EMPTY = UidSet()


def joined(*sets: UidSet) -> UidSet:
    """What is in any of them."""
    return UidSet.of_ranges(chain.from_iterable(one.ranges for one in sets))


def minus(whole: UidSet, taken: UidSet) -> UidSet:
    """What is in `whole` and not in `taken`."""
    return UidSet(tuple(_minus(whole, taken)))


def _minus(whole: UidSet, taken: UidSet) -> Iterator[tuple[int, int]]:
    holes = iter(taken.ranges)
    hole = next(holes, None)
    for first, high in whole.ranges:
        low = first
        while hole is not None and hole[0] <= high and low <= high:
            if low < hole[0]:
                yield low, hole[0] - 1
            low = max(low, hole[1] + 1)
            if hole[1] <= high:
                hole = next(holes, None)
        if low <= high:
            yield low, high


def common(one: UidSet, other: UidSet) -> UidSet:
    """What is in both."""
    return minus(one, minus(one, other))


def between(uids: UidSet, low: int, high: int | None) -> UidSet:
    """Those from `low` to `high`, both included; None is no bound."""
    top = high if high is not None else max((last for _, last in uids.ranges), default=low)
    return common(uids, UidSet(((low, top),))) if low <= top else EMPTY


def oldest_first(uids: UidSet, size: int) -> Iterator[UidSet]:
    """Cut into sets of `size` UIDs, the smallest UIDs first; the last set may hold fewer."""
    part: list[tuple[int, int]] = []
    room = size
    for first, high in uids.ranges:
        low = first
        while low <= high:
            end = min(high, low + room - 1)
            part.append((low, end))
            room -= end - low + 1
            low = end + 1
            if room == 0:
                yield UidSet(tuple(part))
                part, room = [], size
    if part:
        yield UidSet(tuple(part))


def newest_first(uids: UidSet, size: int) -> Iterator[UidSet]:
    """Cut into sets of `size` UIDs, the largest UIDs first; the last set may hold fewer."""
    for part in oldest_first(_mirrored(uids), size):
        yield _mirrored(part)


def _mirrored(uids: UidSet) -> UidSet:
    return UidSet(tuple((-high, -low) for low, high in reversed(uids.ranges)))
