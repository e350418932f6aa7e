from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from infra.words import counted, duration, moment, size


def test_a_moment_is_told_in_utc() -> None:
    assert moment(datetime(2026, 3, 1, 13, 0, 5, 999, tzinfo=timezone(timedelta(hours=1)))) == "2026-03-01 12:00:05 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.25, "0.2 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.6, "1 min"),
        (65, "1 min 5 s"),
        (3_600, "1 h"),
        (3_605, "1 h"),
        (5_400, "1 h 30 min"),
        (86_400 * 3 + 3_600 * 4 + 60, "3 d 4 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (50_436_505, "48.1 MiB"), (3 * 1024**4, "3072.0 GiB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs")])
def test_what_is_counted(count: int, words: str) -> None:
    assert counted(count, "job") == words
