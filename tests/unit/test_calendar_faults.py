"""What a CalDAV server says of waiting is believed within reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from servants.calendar.faults import DEFAULT_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS, retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("99999999999", MAX_RETRY_AFTER_SECONDS),
        ("9" * 5000, DEFAULT_RETRY_AFTER_SECONDS),
        ("Mon, 99999999999 Jan 2026 00:00:00 GMT", DEFAULT_RETRY_AFTER_SECONDS),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", DEFAULT_RETRY_AFTER_SECONDS),
        ("soon", DEFAULT_RETRY_AFTER_SECONDS),
        (None, DEFAULT_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_a_minute(header: str | None, seconds: int) -> None:
    assert retry_after(header, now=NOW) == NOW + timedelta(seconds=seconds)
