"""The rule of a schedule in plain words."""

from __future__ import annotations

from datetime import timedelta

from cron_descriptor import ExpressionDescriptor, FormatError, MissingFieldError, Options

from infra.words import duration

_WHOLE = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def rule_words(*, cron: str | None, every_seconds: float | None, timezone: str = "UTC") -> str:
    """`Every 5 minutes`, `At 06:00, Monday through Friday (Europe/Berlin)`; an expression nobody can read as it is."""
    if cron is None:
        return _interval_words(every_seconds or 0)
    try:
        return f"{ExpressionDescriptor(cron, _options()).get_description()} ({timezone})"
    except (FormatError, MissingFieldError):
        return f"{cron} ({timezone})"


def _options() -> Options:
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    return options


def _interval_words(seconds: float) -> str:
    for size, unit in _WHOLE:
        count, rest = divmod(seconds, size)
        if count and not rest:
            return f"Every {unit}" if count == 1 else f"Every {count:g} {unit}s"
    return f"Every {duration(timedelta(seconds=seconds))}"
