"""How figures and times look on the page."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup, escape

from retinue.clock import Clock

#: U+202F: groups the digits of a number and keeps it on one line.
_THIN_SPACE = "\u202f"

_NO_BREAK = "\u00a0"

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def register(app: Flask, clock: Clock) -> None:
    """Make the formats known to the templates; `clock` says what is ago and what is to come."""
    for format_ in (grouped, duration, iso, measured, moment, since, size, step_time, share):
        app.add_template_filter(format_)
    app.add_template_filter(lambda value: since(value, clock.now()), "relative")
    app.add_template_filter(lambda value: elapsed(value, clock.now()), "elapsed")
    app.add_template_global(lambda: iso(clock.now()), "now_iso")


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
    """How long ago, or ahead, with the moment itself in the title; the page counts it on."""
    seconds = (now - value).total_seconds()
    # What has just come may lie ahead by what the clocks differ.
    text = f"{duration(seconds)}{_NO_BREAK}ago" if seconds > -2 else f"in{_NO_BREAK}{duration(-seconds)}"
    return _time(value, text, told="ago")


def elapsed(value: datetime, now: datetime) -> Markup:
    """How long it has gone on since then; the page counts it on."""
    return _time(value, duration((now - value).total_seconds()), told="for")


def measured(seconds: float) -> str:
    """What took less than ten seconds, finer: 0 ms, 42 ms, 1.3 s; and what took longer as `duration` says it."""
    if seconds >= 9.95:
        return duration(seconds)
    return f"{seconds:.1f}{_NO_BREAK}s" if seconds >= 0.9995 else f"{seconds * 1000:.0f}{_NO_BREAK}ms"


def step_time(value: datetime, step_seconds: float) -> Markup:
    """When a step of a chart begins: 14:05, and from a quarter of an hour on with its day: 11-20 14:00."""
    pattern = "%m-%d %H:%M" if step_seconds >= 900 else "%H:%M"
    return _time(value, value.astimezone(UTC).strftime(pattern))


def share(part: float | None) -> str:
    """0.0123 as 1.2 %; a dash for None."""
    if part is None:
        return "–"
    if part and part < 0.001:
        return f"< 0.1{_NO_BREAK}%"
    return f"{part * 100:.{0 if part in (0, 1) else 1}f}{_NO_BREAK}%"


def _time(value: datetime, text: str, *, told: str | None = None) -> Markup:
    at = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    counted = f' data-told="{told}"' if told else ""
    # A page has hundreds: `Markup.format`, which looks at each part, would take a fifth of its time.
    return Markup(f'<time datetime="{iso(value)}" title="{at}"{counted}>{escape(text)}</time>')  # noqa: S704 - the rest is times and words of ours


def size(value: int) -> str:
    """Bytes as MB."""
    return f"{value / 1_000_000:.0f} MB"
