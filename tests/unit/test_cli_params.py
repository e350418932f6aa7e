from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from cli.params import Duration, JsonObject, Moment


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("5min", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("0.5h", timedelta(minutes=30)),
        ("0s", timedelta(0)),
        ("5M", timedelta(minutes=5)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert Duration().convert(text, None, None) == length


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 minutes", "5x", "1h30", "1e3s", "∞s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is no duration: write 30s, 5m, 1h30m or 2d"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize("text", ["3651d", "9" * 400 + "d"])
def test_a_duration_has_a_limit(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is longer than 3650 days"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", "20260301T120000Z"])
def test_moments(text: str) -> None:
    assert Moment().convert(text, None, None) == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("2026-03-01T12:00:00", "needs its zone"), ("2026-03-01", "needs its zone"), ("tomorrow", "is no time")],
)
def test_what_is_no_moment_is_refused(text: str, problem: str) -> None:
    with pytest.raises(click.BadParameter, match=problem):
        Moment().convert(text, None, None)


def test_a_payload_is_a_json_object() -> None:
    assert JsonObject().convert('{"a": [1, null]}', None, None) == {"a": [1, None]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "this is no JSON"), ("[1]", "is a JSON object"), ("3", "is a JSON object"), ("[" * 100_000, "no JSON")],
)
def test_another_payload_is_refused(text: str, problem: str) -> None:
    with pytest.raises(click.BadParameter, match=problem):
        JsonObject().convert(text, None, None)
