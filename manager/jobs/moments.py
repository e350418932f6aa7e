"""The time that a form asks for: a moment in UTC, or so long from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from retinue.errors import NotAllowed

_PART = re.compile(r"(\d{1,6})\s*(s|min|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
_LONGEST = timedelta(days=366)


def moment_of(at: str | None, delay: str | None, *, now: datetime) -> datetime:
    """`at` as a browser's field for a date and a time writes it, in UTC; or `delay`, such as 30m, from now.

    Raises:
        NotAllowed: neither or both are given, or one cannot be read.
    """
    at, delay = (at or "").strip(), (delay or "").strip()
    if bool(at) == bool(delay):
        raise NotAllowed("Give a time, or how long from now, and not both.")
    return _moment(at) if at else now + _delay(delay)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotAllowed(f"{text[:40]!r} is no time: write 2026-03-01T12:00, in UTC.") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year < 9000:
        raise NotAllowed("Give a time in the years 1970 to 8999.")
    return moment


def _delay(text: str) -> timedelta:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != re.sub(r"\s", "", text):
        raise NotAllowed(f"{text[:40]!r} is no duration: write 30s, 5m, 1h30m or 2d.")
    delay = timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in parts))
    if delay > _LONGEST:
        raise NotAllowed("Give a time within a year.")
    return delay
