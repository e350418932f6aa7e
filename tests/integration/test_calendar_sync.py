"""`calendar.sync` against a real CalDAV server and a real database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from retinue.errors import CredentialError, JobCancelled, SettingsRefused
from servants.calendar.faults import SuspiciousEmptiness
from tests.support.calendar_job import CalendarAccount, account, calendar_account
from tests.support.radicale_server import Hand, RadicaleServer, hand, radicale
from tests.support.stored_calendars import stored_objects

__all__ = ["account", "hand", "radicale"]


@pytest.fixture(autouse=True)
def counted(sql: psycopg.Connection) -> Iterator[None]:
    """Whatever a test did, the objects of each calendar are counted."""
    yield
    stored_objects(sql, "")


def ics(uid: str, *, summary: str = "Meeting", extra: str = "", more: str = "") -> str:
    """One event on 2 December 2026, 9:00 in New York; `extra` goes into it, `more` after it."""
    return f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20261101T000000Z
DTSTART;TZID=America/New_York:20261202T090000
DTEND;TZID=America/New_York:20261202T100000
SUMMARY:{summary}
{extra}END:VEVENT
{more}END:VCALENDAR
"""


def plain_ics(uid: str) -> str:
    """One event without a time zone, which Radicale takes long to work out."""
    return re.sub(r";TZID=America/New_York:(\w+)", r":\1Z", ics(uid))


def events(sql: psycopg.Connection, columns: str = "uid, summary") -> list[Any]:
    """The live events, sorted."""
    statement = f"SELECT {columns} FROM calendar_events WHERE deleted_at IS NULL ORDER BY uid, recurrence_id"  # noqa: S608 - columns are the tests' own
    return sql.execute(statement).fetchall()


def scalar(sql: psycopg.Connection, statement: str) -> Any:
    row = sql.execute(statement).fetchone()
    assert row is not None
    return row[0]


def fill(hand: Hand, slug: str, count: int) -> None:
    """A calendar with the events e000.ics, e001.ics …"""
    hand.upload_calendar(slug, [plain_ics(f"e{number:03}") for number in range(count)])


def test_first_sync_stores_calendars_objects_and_events(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    url = hand.make_calendar("work")
    hand.make_calendar("tasks", component="VTODO")
    hand.put("work/a.ics", ics("a", summary="Review"))

    result = account.sync()

    assert result == {"calendars": 1, "created": 1, "changed": 0, "deleted": 0, "unreadable": 0}
    row = sql.execute("SELECT url, name, sync_token, synced_at IS NOT NULL, deleted_at FROM calendars").fetchone()
    assert row is not None
    assert (row[0], row[1], row[3], row[4]) == (url, "Work", True, None)
    assert row[2].startswith("http://radicale.org/ns/sync/")
    assert events(sql, "uid, summary, starts_at, ends_at, timezone, all_day, recurrence_id, account_id") == [
        (
            "a",
            "Review",
            datetime(2026, 12, 2, 14, tzinfo=UTC),
            datetime(2026, 12, 2, 15, tzinfo=UTC),
            "America/New_York",
            False,
            "",
            account.connection_value.account_id,
        )
    ]
    raw, problem = sql.execute("SELECT raw, problem FROM calendar_objects").fetchone() or ("", "")
    assert "UID:a" in raw
    assert problem is None


def test_creation_change_and_deletion_follow(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    hand.make_calendar("work")
    hand.put("work/a.ics", ics("a"))
    hand.put("work/b.ics", ics("b"))
    account.sync()

    hand.put("work/c.ics", ics("c", summary="New"))
    hand.put("work/a.ics", ics("a", summary="Moved"))
    hand.delete("work/b.ics")
    result = account.sync()

    assert result == {"calendars": 1, "created": 1, "changed": 1, "deleted": 1, "unreadable": 0}
    assert events(sql) == [("a", "Moved"), ("c", "New")]
    assert scalar(sql, "SELECT count(*) FROM calendar_objects WHERE deleted_at IS NOT NULL") == 1


def test_nothing_changed_writes_no_row(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    fill(hand, "work", 3)
    account.sync()
    before = sql.execute("SELECT id, updated_at FROM calendar_events ORDER BY id").fetchall()

    assert account.sync() == {"calendars": 1, "created": 0, "changed": 0, "deleted": 0, "unreadable": 0}
    assert sql.execute("SELECT id, updated_at FROM calendar_events ORDER BY id").fetchall() == before


def test_a_returning_event_revives_its_row(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    hand.make_calendar("work")
    hand.put("work/a.ics", ics("a"))
    account.sync()
    first_id = scalar(sql, "SELECT id FROM calendar_events")
    hand.delete("work/a.ics")
    account.sync()
    assert events(sql) == []

    hand.put("work/a.ics", ics("a"))
    assert account.sync()["created"] == 1
    assert events(sql, "id") == [(first_id,)]


def test_a_token_the_server_never_gave_leads_to_a_clean_full_sync(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    fill(hand, "work", 4)
    account.sync()
    sql.execute("UPDATE calendars SET sync_token = 'http://radicale.org/ns/sync/bogus'")
    hand.delete("work/e000.ics")
    hand.put("work/e001.ics", ics("e001", summary="Moved"))
    hand.put("work/new.ics", ics("new"))

    result = account.sync()

    assert result == {"calendars": 1, "created": 1, "changed": 1, "deleted": 1, "unreadable": 0}
    assert [uid for uid, _ in events(sql)] == ["e001", "e002", "e003", "new"]
    assert scalar(sql, "SELECT sync_token FROM calendars") != "http://radicale.org/ns/sync/bogus"


def test_a_token_that_expired_at_the_server_leads_to_a_full_sync(
    account: CalendarAccount, radicale: RadicaleServer, hand: Hand, sql: psycopg.Connection
) -> None:
    fill(hand, "work", 2)
    account.sync()
    old = scalar(sql, "SELECT sync_token FROM calendars")
    hand.delete("work/e000.ics")
    radicale.age_sync_tokens()
    account.sync()
    assert not radicale.knows_sync_token(old)
    hand.put("work/e002.ics", ics("e002"))
    sql.execute("UPDATE calendars SET sync_token = %s", (old,))

    assert account.sync()["created"] == 1
    assert account.anomalies == []
    assert [uid for uid, _ in events(sql)] == ["e001", "e002"]
    new = scalar(sql, "SELECT sync_token FROM calendars")
    assert new not in (None, old)


def test_an_event_moved_to_another_calendar_is_there_once(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.make_calendar("work")
    hand.make_calendar("home")
    hand.put("work/a.ics", ics("a"))
    account.sync()

    hand.move("work/a.ics", "home/a.ics")
    result = account.sync()

    assert (result["created"], result["deleted"]) == (1, 1)
    assert events(sql, "uid, (SELECT name FROM calendars WHERE id = calendar_id)") == [("a", "Home")]


def test_an_override_comes_and_goes_with_its_series(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    series = "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=8\nEXDATE;TZID=America/New_York:20261216T090000\n"
    override = """BEGIN:VEVENT
UID:a
DTSTAMP:20261101T000000Z
RECURRENCE-ID;TZID=America/New_York:20261209T090000
DTSTART;TZID=America/New_York:20261209T110000
DTEND;TZID=America/New_York:20261209T120000
SUMMARY:Later this once
SEQUENCE:2
END:VEVENT
"""
    hand.make_calendar("work")
    hand.put("work/a.ics", ics("a", extra=series, more=override))
    account.sync()

    columns = "recurrence_id, summary, rrule, exdates, sequence"
    assert events(sql, columns) == [
        ("", "Meeting", "FREQ=WEEKLY;COUNT=8;BYDAY=WE", ["2026-12-16T14:00:00Z"], 0),
        ("2026-12-09T14:00:00Z", "Later this once", None, [], 2),
    ]

    hand.put("work/a.ics", ics("a", extra=series))
    assert account.sync()["changed"] == 1
    assert events(sql, "recurrence_id") == [("",)]


def test_all_day_events_have_dates(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    hand.make_calendar("work")
    hand.put(
        "work/a.ics",
        ics("a")
        .replace("DTSTART;TZID=America/New_York:20261202T090000", "DTSTART;VALUE=DATE:20261202")
        .replace("DTEND;TZID=America/New_York:20261202T100000", "DTEND;VALUE=DATE:20261204"),
    )
    account.sync()

    assert events(sql, "all_day, starts_at, start_date, end_date") == [
        (True, None, date(2026, 12, 2), date(2026, 12, 4))
    ]


def test_a_deleted_calendar_takes_its_events_and_returns_in_full(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    fill(hand, "work", 2)
    fill(hand, "home", 1)
    account.sync()
    hand.delete("home/")

    assert account.sync()["deleted"] == 1
    assert scalar(sql, "SELECT count(*) FROM calendars WHERE deleted_at IS NULL") == 1
    assert len(events(sql)) == 2

    fill(hand, "home", 1)
    assert account.sync()["created"] == 1
    assert len(events(sql)) == 3


def test_a_calendar_that_is_suddenly_empty_is_believed_the_second_time(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    fill(hand, "work", 12)
    fill(hand, "home", 1)
    account.sync()
    for number in range(12):
        hand.delete(f"work/e{number:03}.ics")
    hand.put("home/e001.ics", ics("e001"))
    sql.execute("UPDATE calendars SET sync_token = 'http://radicale.org/ns/sync/bogus'")

    with pytest.raises(SuspiciousEmptiness, match="/work/ lists nothing though 12 objects are known"):
        account.sync()
    assert len(events(sql)) == 12 + 2
    assert account.checkpoints[-1]["doubted"] == [f"{hand.base_url}/{hand.username}/work/"]

    assert account.sync()["deleted"] == 12
    assert len(events(sql)) == 2
    assert account.checkpoints[-1]["doubted"] == []


def test_a_home_that_suddenly_lists_no_calendars_is_believed_the_second_time(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    fill(hand, "work", 12)
    account.sync()
    hand.delete("work/")

    with pytest.raises(SuspiciousEmptiness, match="lists no calendars though 12 objects are known"):
        account.sync()
    assert len(events(sql)) == 12

    assert account.sync()["deleted"] == 12
    assert events(sql) == []


def test_many_objects_come_in_batches_each_with_its_own_commit(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    fill(hand, "work", 120)
    assert account.sync()["created"] == 120
    assert len(events(sql)) == 120
    # Calendars; what is known of the recent, and three batches of at most 50; what is known, and the token; the end.
    # And of the first reading its beginning, its total, and that the recent is in.
    assert account.commits == 1 + (1 + 3) + (1 + 1) + 1 + 3
    assert (account.jobs[-1].done, account.jobs[-1].total) == (120, 120)


def test_a_run_cut_short_is_taken_up_without_writing_twice(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(hand, "work", 120)

    def cancel_after_one_batch(job: Any, done: int, total: int | None = None) -> None:
        job.cancelled.ask("a person cancelled it")

    with monkeypatch.context() as patch:
        patch.setattr("retinue.job.Job.progress", cancel_after_one_batch)
        with pytest.raises(JobCancelled):
            account.sync()
    assert len(events(sql)) == 50
    assert scalar(sql, "SELECT sync_token FROM calendars") is None

    assert account.sync()["created"] == 70
    assert len(events(sql)) == 120


def test_an_unreadable_event_is_kept_with_its_problem_and_stops_nothing(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.make_calendar("work")
    hand.put("work/a.ics", ics("a", extra="SEQUENCE:first\n"))
    hand.put("work/b.ics", ics("b"))
    assert account.sync()["created"] == 2
    assert sql.execute("SELECT uid, problem FROM calendar_objects ORDER BY uid").fetchall() == [
        ("a", "SEQUENCE cannot be read"),
        ("b", None),
    ]


def test_a_calendar_address_syncs_that_calendar_alone(database: Database, hand: Hand) -> None:
    hand.make_calendar("work")
    url = hand.make_calendar("home")
    account = calendar_account(database, url=url, username=hand.username, password=hand.password)
    assert account.sync()["calendars"] == 1


def test_a_wrong_password_is_a_credential_error(database: Database, hand: Hand) -> None:
    account = calendar_account(database, url=hand.base_url, username=hand.username, password="wrong")
    with pytest.raises(CredentialError, match="answered 401: the sign-in was refused") as refused:
        account.sync()
    assert "wrong" not in str(refused.value)


def test_a_connection_without_password_says_so(database: Database, hand: Hand) -> None:
    account = calendar_account(database, url=hand.base_url, username=hand.username, password="x")
    dict.clear(account.connection_value.credentials)  # type: ignore[arg-type]  # a dict in this double
    with pytest.raises(SettingsRefused, match="The CalDAV connection has no password"):
        account.sync()
