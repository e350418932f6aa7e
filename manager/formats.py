"""How figures and times look on the page."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup

#: U+202F: groups the digits of a number and keeps it on one line.
_THIN_SPACE = "\u202f"

_NO_BREAK = "\u00a0"

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def register(app: Flask) -> None:
    """Make the formats known to the templates."""
    for format_ in (grouped, duration, moment, since, size):
        app.add_template_filter(format_)


def grouped(number: int) -> str:
    """12345678 as 12 345 678, with thin spaces."""
    return f"{number:,}".replace(",", _THIN_SPACE)


def duration(seconds: float) -> str:
    """The largest unit, and the next where it says something: 8 s, 3 min 20 s, 5 h 2 min, 12 d."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}{_NO_BREAK}s"
    smaller = {86_400: (3_600, "h"), 3_600: (60, "min"), 60: (1, "s")}
    size_, unit = next(pair for pair in _UNITS if whole >= pair[0])
    count, rest = divmod(whole, size_)
    part, part_unit = rest // smaller[size_][0], smaller[size_][1]
    words = [count, unit, part, part_unit] if part and count < 10 else [count, unit]
    return _NO_BREAK.join(map(str, words))


def iso(value: datetime) -> str:
    """2026-11-20T08:00:00.123Z: UTC, with milliseconds."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(value: datetime) -> Markup:
    """The time of day in UTC, for machines and with its date as well."""
    return _time(value, f"{value.astimezone(UTC):%H:%M:%S} UTC")


def since(value: datetime, now: datetime) -> Markup:
    """How long ago, with the moment itself in the title."""
    return _time(value, f"{duration((now - value).total_seconds())}{_NO_BREAK}ago")


def _time(value: datetime, text: str) -> Markup:
    title = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(value), title, text)


def size(value: int) -> str:
    """Bytes as MB."""
    return f"{value / 1_000_000:.0f} MB"
