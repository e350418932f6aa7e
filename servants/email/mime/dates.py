"""When a message was sent, as its Date field says (RFC 5322 §3.3 and §4.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from servants.email.mime.notes import Notes
from servants.email.mime.words import unfolded

#: No mail was sent before, and a clock that says more is wrong.
FIRST_YEAR = 1971
LAST_YEAR = 2099
#: The furthest zone from UTC that is believed, in seconds; the furthest that exists is 14 hours.
FURTHEST_ZONE = 15 * 3600

_LONGEST = 200
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_USUAL = re.compile(
    rb"(?:[A-Za-z]{3}, +)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)([0-5]\d)(?: *\([^()]*\))?"
)
_COMMENT = re.compile(r"\s*\([^()]*\)")
_UTC = re.compile(r"(?:\b(?:UTC?|GMT|Z)|[+-]0{1,4})\s*$", re.IGNORECASE)
_OFFSET = re.compile(r"(?<![\d:])([+-])(\d{1,2}):?([0-5]\d)\s*$")


def sent_at(value: bytes | None, notes: Notes) -> datetime | None:
    """A date in UTC; None, with a note why, where there is none that can be believed."""
    if not value:
        return None
    line = unfolded(value[:_LONGEST]).strip()
    try:
        found = _usual(line) or _odd(line.decode("ascii", "replace"), notes)
    except (ValueError, OverflowError, TypeError, IndexError):
        found = None
    if found is None:
        notes.add("the date cannot be read")
        return None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        notes.add("the date is in an impossible year")
        return None
    return found


def _usual(line: bytes) -> datetime | None:
    """Nearly every date there is, in the form of RFC 5322."""
    match = _USUAL.fullmatch(line)
    if match is None or (month := _MONTHS.get(match[2].lower())) is None:
        return None
    offset = int(match[8]) * 3600 + int(match[9]) * 60
    if offset > FURTHEST_ZONE or match[6] > b"59":
        return None
    zone = UTC if not offset else timezone(timedelta(seconds=-offset if match[7] == b"-" else offset))
    hour, minute, second = int(match[4]), int(match[5]), int(match[6])
    return datetime(int(match[3]), month, int(match[1]), hour, minute, second, tzinfo=zone).astimezone(UTC)


def _odd(text: str, notes: Notes) -> datetime | None:
    """The obsolete forms, and those that other programs write."""
    text = _COMMENT.sub("", text).strip()
    parsed = parsedate_tz(text)
    if parsed is None:
        return _iso(text, notes)
    year, month, day, hour, minute, second = parsed[:6]
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    return _in_utc(moment, parsed[9] or _offset_at_end(text), notes)


def _offset_at_end(text: str) -> int | None:
    """A zone that the library reads as none: `+02:00`, `GMT+2:00`, or UTC by one of its names; in seconds."""
    if _UTC.search(text):
        return 0
    match = _OFFSET.search(text)
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def _in_utc(moment: datetime, offset: int | None, notes: Notes) -> datetime:
    """A moment of the zone at this offset; one of no or no possible zone counts as UTC."""
    if offset is None or abs(offset) > FURTHEST_ZONE:
        notes.add("the date is in no known time zone and was read as UTC")
        return moment
    return moment - timedelta(seconds=offset)


def _iso(text: str, notes: Notes) -> datetime | None:
    """ISO 8601, which some programs write.

    Raises:
        ValueError: it is not.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return _in_utc(moment.replace(tzinfo=UTC), None, notes)
    return moment.astimezone(UTC)
