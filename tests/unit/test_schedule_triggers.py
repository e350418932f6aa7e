"""Fire times: crontab's meaning, changes of the clocks on both hemispheres, intervals, and catching up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.triggers import MAX_MISSED, Trigger
from retinue.durations import hours, minutes, seconds
from retinue.errors import InvalidSchedule
from retinue.schedule import Cron, Every, Rule

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def fires(rule: Rule, *, zone: str, start: str) -> Iterator[datetime]:
    """The schedule's fires one after the other, as its owner's clocks show them."""
    starts_at = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    trigger = Trigger(rule, timezone=zone, starts_at=starts_at)
    fire = trigger.first()
    while fire is not None:
        yield fire.astimezone(ZoneInfo(zone))
        fire = trigger.fires(fire, fire, catch_up=1).next


def shown(cron: str, *, zone: str, start: str, count: int) -> list[str]:
    """The first fires as `day hour:minute offset`."""
    return [f"{fire:%d %H:%M %z}"[:-2] for fire in islice(fires(Cron(cron), zone=zone, start=start), count)]


@pytest.mark.parametrize(
    ("zone", "start", "cron", "expected"),
    [
        ("Europe/Berlin", "2026-03-28", "30 2 * * *", ["28 02:30 +01", "29 03:00 +02", "30 02:30 +02"]),
        ("America/New_York", "2026-03-07", "30 2 * * *", ["07 02:30 -05", "08 03:00 -04", "09 02:30 -04"]),
        ("Australia/Sydney", "2026-10-03", "30 2 * * *", ["03 02:30 +10", "04 03:00 +11", "05 02:30 +11"]),
        # Several times inside the gap are one fire; the hour after it is not doubled.
        (
            "Europe/Berlin",
            "2026-03-29",
            "*/30 1-3 * * *",
            ["29 01:00 +01", "29 01:30 +01", "29 03:00 +02", "29 03:30 +02"],
        ),
    ],
)
def test_a_given_hour_that_the_clocks_skip_comes_at_the_change(
    zone: str, start: str, cron: str, expected: list[str]
) -> None:
    assert shown(cron, zone=zone, start=start, count=len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "start", "cron", "expected"),
    [
        ("Europe/Berlin", "2026-10-24", "30 2 * * *", ["24 02:30 +02", "25 02:30 +02", "26 02:30 +01"]),
        ("America/New_York", "2026-10-31", "30 1 * * *", ["31 01:30 -04", "01 01:30 -04", "02 01:30 -05"]),
        ("Australia/Sydney", "2026-04-04", "30 2 * * *", ["04 02:30 +11", "05 02:30 +11", "06 02:30 +10"]),
        (
            "Europe/Berlin",
            "2026-10-25",
            "0,30 2-3 * * *",
            ["25 02:00 +02", "25 02:30 +02", "25 03:00 +01", "25 03:30 +01"],
        ),
    ],
)
def test_a_given_hour_that_the_clocks_repeat_comes_once(zone: str, start: str, cron: str, expected: list[str]) -> None:
    assert shown(cron, zone=zone, start=start, count=len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "start", "cron"),
    [
        ("Europe/Berlin", "2026-03-29", "*/15 * * * *"),
        ("Europe/Berlin", "2026-10-25", "*/15 * * * *"),
        ("America/New_York", "2026-11-01", "*/15 * * * *"),
        ("America/New_York", "2026-03-08", "*/15 * * * *"),
        ("Australia/Sydney", "2026-04-05", "*/15 * * * *"),
        ("Australia/Sydney", "2026-10-04", "*/15 * * * *"),
        # The clocks go by half an hour here.
        ("Australia/Lord_Howe", "2026-04-05", "*/15 * * * *"),
    ],
)
def test_every_quarter_of_an_hour_keeps_real_time_across_a_change(zone: str, start: str, cron: str) -> None:
    moments = [fire.astimezone(UTC) for fire in islice(fires(Cron(cron), zone=zone, start=start), 60)]
    assert {later - earlier for earlier, later in pairwise(moments)} == {minutes(15)}


def test_an_hourly_schedule_fires_in_both_passes_of_the_repeated_hour() -> None:
    expected = ["25 01:20 +02", "25 02:20 +02", "25 02:20 +01", "25 03:20 +01"]
    assert shown("20 * * * *", zone="Europe/Berlin", start="2026-10-25T01:00", count=4) == expected


def test_an_hourly_schedule_leaves_out_the_skipped_hour() -> None:
    expected = ["29 00:20 +01", "29 01:20 +01", "29 03:20 +02", "29 04:20 +02"]
    assert shown("20 * * * *", zone="Europe/Berlin", start="2026-03-29", count=4) == expected


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [
        ("1", ["Mon"]),
        ("0", ["Sun"]),
        ("7", ["Sun"]),
        ("1-5", ["Mon", "Tue", "Wed", "Thu", "Fri"]),
        ("fri-sun", ["Fri", "Sat", "Sun"]),
        ("5-7", ["Fri", "Sat", "Sun"]),
        ("MON,thu", ["Mon", "Thu"]),
        ("*/2", ["Tue", "Thu", "Sat", "Sun"]),
        ("1/2", ["Mon", "Wed", "Fri"]),
        ("0-6/3", ["Wed", "Sat", "Sun"]),
        ("*", ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
    ],
)
def test_weekdays_are_those_of_crontab(weekday: str, expected: list[str]) -> None:
    monday = "2026-06-01"
    week = islice(fires(Cron(f"0 9 * * {weekday}"), zone="UTC", start=monday), len(expected))
    assert [f"{fire:%a}" for fire in week] == expected


def test_a_day_and_a_weekday_together_match_on_either() -> None:
    found = islice(fires(Cron("0 0 13 * fri"), zone="UTC", start="2026-06-10"), 4)
    assert [f"{fire:%a %d}" for fire in found] == ["Fri 12", "Sat 13", "Fri 19", "Fri 26"]


def test_a_rule_that_never_matches_has_no_fire() -> None:
    trigger = Trigger(Cron("0 0 31 2 *"), timezone="UTC", starts_at=NEW_YEAR)
    assert trigger.first() is None


@pytest.mark.parametrize(
    ("rule", "zone", "message"),
    [
        (
            Cron("* * * *"),
            "UTC",
            "Cron expression '* * * *': it has 4 fields. Give five fields: minute hour day month weekday",
        ),
        (
            Cron("61 * * * *"),
            "UTC",
            "the last value (61) is higher than the maximum value (59)",
        ),
        (Cron("0 9 * * 8"), "UTC", "'8' is no weekday: they are 0 (Sunday) to 6"),
        (Cron("0 9 * * mon-tue-wed"), "UTC", "no weekday"),
        (Cron("0 9 * * 5-2"), "UTC", "'5-2' is no weekday or range of weekdays"),
        (Cron("0 9 * * 1/0"), "UTC", "'1/0' is no weekday or range of weekdays"),
        (Cron("every monday at 9 please"), "UTC", "Unrecognized expression"),
        (Cron(""), "UTC", "it has 0 fields"),
        (
            Cron("* * * * *"),
            "Mars/Olympus",
            "Unknown time zone 'Mars/Olympus': use a name such as Europe/Berlin or UTC",
        ),
        (Cron("* * * * *"), "Europe", "Unknown time zone 'Europe'"),
        (Cron("* * * * *"), "../etc/passwd", "Unknown time zone"),
        (Cron("* * * * *"), "", "Unknown time zone ''"),
        (Every(seconds(0.5)), "UTC", "An interval is 1 second to 366 days, got 0.5 seconds"),
        (Every(hours(24 * 367)), "UTC", "An interval is 1 second to 366 days"),
        (Every(seconds(-60)), "UTC", "An interval is 1 second to 366 days, got -60 seconds"),
    ],
)
def test_what_cannot_be_used_is_named(rule: Rule, zone: str, message: str) -> None:
    with pytest.raises(InvalidSchedule, match=re.escape(message)):
        Trigger(rule, timezone=zone, starts_at=NEW_YEAR)


def test_an_interval_counts_from_the_start_whatever_the_clocks_do() -> None:
    found = islice(fires(Every(hours(6)), zone="Europe/Berlin", start="2026-03-28T21:00"), 3)
    assert [fire.isoformat() for fire in found] == [
        "2026-03-28T21:00:00+01:00",
        "2026-03-29T04:00:00+02:00",
        "2026-03-29T10:00:00+02:00",
    ]


def test_an_interval_of_a_broken_number_of_seconds_is_kept() -> None:
    trigger = Trigger(Every(seconds(1.5)), timezone="UTC", starts_at=NEW_YEAR)
    assert trigger.fires(NEW_YEAR, NEW_YEAR, catch_up=1).next == NEW_YEAR + seconds(1.5)


def test_nothing_is_due_before_its_time() -> None:
    trigger = Trigger(Every(minutes(1)), timezone="UTC", starts_at=NEW_YEAR)
    found = trigger.fires(NEW_YEAR + minutes(1), NEW_YEAR, catch_up=10)
    assert (found.due, found.next) == ((), NEW_YEAR + minutes(1))


@given(missed=st.integers(0, 30), catch_up=st.integers(1, 20))
def test_catching_up_takes_the_newest_of_what_was_missed(missed: int, catch_up: int) -> None:
    trigger = Trigger(Every(minutes(10)), timezone="UTC", starts_at=NEW_YEAR)
    found = trigger.fires(NEW_YEAR, NEW_YEAR + minutes(10 * missed + 3), catch_up=catch_up)
    every = [NEW_YEAR + minutes(10 * n) for n in range(missed + 1)]
    assert list(found.due) == every[-catch_up:]
    assert found.next == every[-1] + minutes(10)


@pytest.mark.parametrize("rule", [Cron("* * * * *"), Every(minutes(1))])
def test_a_long_outage_still_gives_the_newest(rule: Rule) -> None:
    trigger = Trigger(rule, timezone="Europe/Berlin", starts_at=NEW_YEAR)
    now = NEW_YEAR + minutes(3 * MAX_MISSED) + seconds(20)
    found = trigger.fires(NEW_YEAR, now, catch_up=15)
    newest = NEW_YEAR + minutes(3 * MAX_MISSED)
    assert list(found.due) == [newest - minutes(n) for n in reversed(range(15))]
    assert found.next == newest + minutes(1)


def test_a_long_outage_of_a_schedule_that_seldom_fires_in_bursts() -> None:
    trigger = Trigger(Cron("* 0-19 1 * *"), timezone="UTC", starts_at=NEW_YEAR)
    found = trigger.fires(NEW_YEAR, datetime(2026, 3, 20, tzinfo=UTC), catch_up=2)
    assert [f"{fire:%m-%d %H:%M}" for fire in found.due] == ["03-01 19:58", "03-01 19:59"]
    assert found.next == datetime(2026, 4, 1, tzinfo=UTC)


def test_more_catching_up_than_there_was_gives_all_there_was() -> None:
    trigger = Trigger(Every(seconds(1)), timezone="UTC", starts_at=NEW_YEAR)
    found = trigger.fires(NEW_YEAR, NEW_YEAR + seconds(MAX_MISSED + 5), catch_up=2 * MAX_MISSED)
    assert len(found.due) == MAX_MISSED + 5


def test_a_now_in_the_zone_itself_is_compared_as_a_moment() -> None:
    """In the repeated hour 02:10 can come after 02:50; Python compares times of one zone by what the clocks show."""
    berlin = ZoneInfo("Europe/Berlin")
    trigger = Trigger(Cron("50 * * * *"), timezone="Europe/Berlin", starts_at=NEW_YEAR)
    fire = datetime(2026, 10, 25, 2, 50, tzinfo=berlin)
    found = trigger.fires(fire, datetime(2026, 10, 25, 2, 10, tzinfo=berlin, fold=1), catch_up=5)
    assert len(found.due) == 1
    assert found.next == fire.astimezone(UTC) + hours(1)


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "America/Santiago", "UTC"]


@given(
    zone=st.sampled_from(ZONES),
    minute=st.sampled_from(["0", "30", "*/20", "59"]),
    hour=st.sampled_from(["*", "0", "2", "*/2", "1-3", "23"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
)
def test_fires_only_ever_move_forward(zone: str, minute: str, hour: str, start: datetime) -> None:
    trigger = Trigger(Cron(f"{minute} {hour} * * *"), timezone=zone, starts_at=start)
    before = start - timedelta(microseconds=1)
    for _ in range(6):
        fire = trigger.fires(before, before, catch_up=1).next
        assert fire is not None
        assert timedelta(0) < fire - before <= timedelta(hours=26)
        assert fire.second == fire.microsecond == 0
        before = fire
