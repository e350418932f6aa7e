"""Recurrence rules at random, of kinds that every library can follow: none that never comes true."""

from __future__ import annotations

import random
from collections.abc import Iterable

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

COARSE = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
FINE = ("HOURLY", "MINUTELY")

#: None shares a factor with the days of a week or the months of a year, so that every rule comes true.
INTERVALS = (1, 1, 1, 5, 11)


def random_rule(draw: random.Random) -> str:
    """An RRULE's value without COUNT and UNTIL."""
    every = draw.choice(COARSE + COARSE + FINE)
    parts = [f"FREQ={every}", f"INTERVAL={draw.choice(INTERVALS)}"]
    parts += _days(draw, every)
    if every in COARSE and draw.random() < 0.3:
        parts.append(f"BYHOUR={_some(draw, range(24), 3)}")
    if every != "MINUTELY" and draw.random() < 0.2:
        parts.append(f"BYMINUTE={_some(draw, range(60), 3)}")
    if draw.random() < 0.3:
        parts.append(f"WKST={draw.choice(WEEKDAYS)}")
    if every in COARSE and len(parts) > 2 and draw.random() < 0.25:
        parts.append(f"BYSETPOS={draw.choice((1, -1))}")
    return ";".join(parts)


def _days(draw: random.Random, every: str) -> list[str]:
    months = [f"BYMONTH={_some(draw, range(1, 13), 4)}"] if draw.random() < 0.25 else []
    kind = draw.choice(("none", "weekdays", "nth", "month days", "year days", "weeks"))
    if kind == "weekdays":
        return [*months, f"BYDAY={','.join(draw.sample(WEEKDAYS, draw.randint(1, 4)))}"]
    if kind == "nth" and every in ("YEARLY", "MONTHLY"):
        return [*months, f"BYDAY={','.join(_nth(draw) for _ in range(draw.randint(1, 2)))}"]
    if kind == "month days" and every != "WEEKLY":
        return [*months, f"BYMONTHDAY={_some(draw, [*range(1, 29), -1, -2, -28], 4)}"]
    if kind == "year days" and every == "YEARLY":
        return [f"BYYEARDAY={_some(draw, [*range(1, 366), -1, -100], 5)}"]
    if kind == "weeks" and every == "YEARLY":
        return [f"BYWEEKNO={_some(draw, [*range(1, 53), -1], 5)}", f"BYDAY={draw.choice(WEEKDAYS)}"]
    return months


def _nth(draw: random.Random) -> str:
    return f"{draw.choice((1, 2, 3, 4, -1, -2))}{draw.choice(WEEKDAYS)}"


def _some(draw: random.Random, numbers: Iterable[int], most: int) -> str:
    return ",".join(str(number) for number in sorted(draw.sample(list(numbers), draw.randint(1, most))))
