"""How figures and times look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from manager.formats import duration, grouped, iso, moment, since, size

MOMENT = datetime(2026, 11, 20, 8, 5, 9, 123_456, UTC)


def test_digits_are_grouped_with_thin_spaces() -> None:
    assert [grouped(number) for number in (0, 999, 1000, 12_345_678)] == [
        "0",
        "999",
        "1\u202f000",
        "12\u202f345\u202f678",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599, "59 min"),
        (3600, "1 h"),
        (5 * 3600 + 120, "5 h 2 min"),
        (13 * 3600 + 120, "13 h"),
        (86_400 + 7200, "1 d 2 h"),
        (40 * 86_400, "40 d"),
    ],
)
def test_a_duration_has_its_largest_unit_and_the_next(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown.replace(" ", "\u00a0")


def test_times_are_utc_whatever_zone_they_came_in() -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert iso(elsewhere) == "2026-11-20T08:05:09.123Z"
    assert ">08:05:09 UTC<" in moment(elsewhere)


def test_a_relative_time_has_the_moment_itself_in_its_title() -> None:
    shown = since(MOMENT, MOMENT + timedelta(seconds=80))

    assert 'datetime="2026-11-20T08:05:09.123Z" title="2026-11-20 08:05:09 UTC"' in shown
    assert shown.striptags().replace("\u00a0", " ") == "1 min 20 s ago"


def test_memory_is_shown_in_megabytes() -> None:
    assert size(61_234_567) == "61 MB"
