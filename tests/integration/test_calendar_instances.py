"""What `calendar.sync` keeps of recurring events: instances by difference, in a window that moves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from tests.support.calendar_job import CalendarAccount, account
from tests.support.radicale_server import Hand, hand_with_calendar, radicale

__all__ = ["account", "hand_with_calendar", "radicale"]

TODAY = datetime.now(UTC).date()

#: A Monday about a month ago.
START = TODAY - timedelta(days=28 + TODAY.weekday())

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=6\n"


def event(*lines: str, uid: str = "a", start: str | None = None) -> str:
    begins = start or f"DTSTART:{START:%Y%m%d}T090000Z"
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", begins, *lines, "END:VEVENT", ""])


def ics(*events: str) -> str:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{''.join(events)}END:VCALENDAR\n"


def moved(week: int, hours: int) -> str:
    """The instance of one week, some hours later."""
    day = START + timedelta(weeks=week)
    return event(f"RECURRENCE-ID:{day:%Y%m%d}T090000Z", start=f"DTSTART:{day:%Y%m%d}T{9 + hours:02}0000Z")


def instances(sql: psycopg.Connection, columns: str = "starts_at") -> list[Any]:
    statement = f"SELECT {columns} FROM calendar_instances ORDER BY instance_key, starts_at, object_id"  # noqa: S608 - the tests' own columns
    rows = sql.execute(statement).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def at_nine(*weeks: int) -> list[datetime]:
    return [datetime(START.year, START.month, START.day, 9, tzinfo=UTC) + timedelta(weeks=week) for week in weeks]


def test_a_series_has_an_instance_for_each_time(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    hand.put("work/a.ics", ics(event("RRULE:FREQ=WEEKLY;COUNT=6", "DURATION:PT1H")))
    account.sync()
    assert instances(sql) == at_nine(0, 1, 2, 3, 4, 5)
    assert instances(sql, "ends_at - starts_at")[0] == timedelta(hours=1)
    assert sql.execute(
        "SELECT DISTINCT event_id = (SELECT id FROM calendar_events) FROM calendar_instances"
    ).fetchall() == [(True,)]


def test_an_edited_series_rewrites_only_what_differs(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics(event("RRULE:FREQ=WEEKLY;COUNT=6")))
    account.sync()
    before = dict(instances(sql, "instance_key, xmin::text"))

    hand.put("work/a.ics", ics(event("RRULE:FREQ=WEEKLY;COUNT=7"), moved(2, hours=3)))
    account.sync()

    after = dict(instances(sql, "instance_key, xmin::text"))
    changed = {key for key in after if before.get(key) != after[key]}
    assert changed == {f"{START + timedelta(weeks=week)}T09:00:00Z" for week in (2, 6)}
    (override,) = sql.execute(
        "SELECT instance.starts_at, event.recurrence_id = instance.instance_key FROM calendar_instances AS instance"
        " JOIN calendar_events AS event ON event.id = event_id WHERE event.recurrence_id <> ''"
    ).fetchall()
    assert override == (at_nine(2)[0] + timedelta(hours=3), True)


def test_what_is_cancelled_or_deleted_takes_place_no_more(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    series = event("RRULE:FREQ=WEEKLY;COUNT=3")
    hand.put("work/a.ics", ics(series))
    account.sync()
    cancelled = moved(1, hours=0).replace("END:VEVENT", "STATUS:CANCELLED\nEND:VEVENT")
    hand.put("work/a.ics", ics(series, cancelled))
    account.sync()
    assert instances(sql) == at_nine(0, 2)

    hand.delete("work/a.ics")
    account.sync()
    assert instances(sql) == []

    hand.put("work/a.ics", ics(series))
    account.sync()
    assert instances(sql) == at_nine(0, 1, 2)

    hand.delete("work/")
    account.sync()
    assert instances(sql) == []


def test_an_event_far_away_is_its_own_instance(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    hand.put("work/a.ics", ics(event(start="DTSTART;VALUE=DATE:20400101")))
    account.sync()
    assert instances(sql, "instance_key, start_date, end_date") == [("", date(2040, 1, 1), date(2040, 1, 2))]


def test_the_window_moves_with_the_days_though_nothing_changed(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics(event("RRULE:FREQ=MONTHLY")))
    hand.put("work/b.ics", ics(event("RRULE:FREQ=WEEKLY;COUNT=2", uid="b")))
    account.sync()
    whole = instances(sql, "object_id, instance_key")
    assert len(whole) >= 2 * 12

    # As it was half a year ago: the last six months are not there, and an older one still is.
    sql.execute("UPDATE calendars SET expanded_until = expanded_until - 180")
    sql.execute("DELETE FROM calendar_instances WHERE starts_at > now() + interval '550 days'")
    sql.execute(
        "INSERT INTO calendar_instances"
        " (object_id, instance_key, account_id, calendar_id, event_id, starts_at, ends_at)"
        " SELECT object_id, '2020-01-01T09:00:00Z', account_id, calendar_id, event_id, '2020-01-01', '2020-01-01'"
        " FROM calendar_instances LIMIT 1"
    )
    assert instances(sql, "object_id, instance_key") != whole

    assert account.sync()["changed"] == 0
    assert instances(sql, "object_id, instance_key") == whole
    commits = account.commits
    account.sync()
    # Calendars and the end: on the same day there is nothing more to move.
    assert account.commits - commits == 2


def test_another_zone_of_the_calendar_moves_times_without_zone(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics(event(start="DTSTART:20261202T090000")))
    hand.put("work/b.ics", ics(event("RRULE:FREQ=DAILY;COUNT=1", uid="b", start="DTSTART:20261203T090000Z")))
    account.sync()
    hand.set_timezone("work", "Asia/Tokyo")

    account.sync()

    assert instances(sql) == [datetime(2026, 12, 2, 0, tzinfo=UTC), datetime(2026, 12, 3, 9, tzinfo=UTC)]
    assert sql.execute("SELECT starts_at FROM calendar_events WHERE uid = 'a'").fetchone() == (
        datetime(2026, 12, 2, 0, tzinfo=UTC),
    )


def test_a_series_without_end_by_the_second_is_cut_and_told(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics(event("RRULE:FREQ=HOURLY")))
    account.sync()
    assert [(name, fields["instances"]) for name, fields in account.anomalies] == [("series_too_long", 5000)]
    assert len(instances(sql)) == 5000


def test_a_commit_writes_no_more_instances_than_memory_should_hold(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    daily = [ics(event("RRULE:FREQ=DAILY", uid=f"d{number}", start="DTSTART:20200101T090000Z")) for number in range(6)]
    hand.upload_calendar("many", daily)
    account.sync()
    per_series = 366 + 731
    assert sql.execute("SELECT count(*) FROM calendar_instances").fetchone() == (6 * per_series,)
    # Five series are enough for one commit, the sixth has its own.
    written = sql.execute("SELECT count(*) FROM calendar_instances GROUP BY xmin ORDER BY 1").fetchall()
    assert written == [(per_series,), (5 * per_series,)]


def test_recent_events_can_come_before_all_the_rest(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/old.ics", ics(event(uid="old", start="DTSTART:20200101T090000Z")))
    hand.put("work/new.ics", ics(event(uid="new", start=f"DTSTART:{TODAY:%Y%m%d}T090000Z")))
    hand.put("work/series.ics", ics(event("RRULE:FREQ=WEEKLY", uid="series", start="DTSTART:20200101T090000Z")))

    account.sync(recent_only=True)
    assert uids(sql) == ["new", "series"]
    # Nothing says that the calendar is in step.
    assert sql.execute("SELECT synced_at, sync_token FROM calendars").fetchone() == (None, None)

    assert account.sync()["created"] == 1
    assert uids(sql) == ["new", "old", "series"]


def uids(sql: psycopg.Connection) -> list[str]:
    return [uid for (uid,) in sql.execute("SELECT uid FROM calendar_objects ORDER BY uid")]
