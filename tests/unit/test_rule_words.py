"""Rules of schedules in plain words."""

from __future__ import annotations

import pytest

from infra.rule_words import rule_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "Every second"),
        (60, "Every minute"),
        (300, "Every 5 minutes"),
        (5400, "Every 90 minutes"),
        (3600, "Every hour"),
        (172_800, "Every 2 days"),
        (90, "Every 90 seconds"),
        (2.5, "Every 2.5 s"),
    ],
)
def test_an_interval(seconds: float, words: str) -> None:
    assert rule_words(cron=None, every_seconds=seconds) == words


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("*/5 * * * *", "Every 5 minutes (UTC)"),
        ("0 6 * * mon-fri", "At 06:00, Monday through Friday (UTC)"),
        ("0 22 * * 0", "At 22:00, only on Sunday (UTC)"),
        ("0 22 * * 7", "At 22:00, only on Sunday (UTC)"),
        # crontab(5): on either.
        ("0 0 13 * fri", "At 00:00, on day 13 of the month, or on Friday (UTC)"),
        ("what is this", "what is this (UTC)"),
        ("", " (UTC)"),
    ],
)
def test_a_cron_expression(cron: str, words: str) -> None:
    assert rule_words(cron=cron, every_seconds=None) == words


def test_the_zone_is_named() -> None:
    assert rule_words(cron="0 6 * * *", every_seconds=None, timezone="Europe/Berlin") == "At 06:00 (Europe/Berlin)"
