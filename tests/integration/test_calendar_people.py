"""Organizers and attendees of synced events: rows with replies, joined to the account's contacts and counted there."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.account_view.timeline import view_timeline
from servants.calendar.attendees import mail_address
from tests.support.calendar_job import CalendarAccount, account
from tests.support.radicale_server import Hand, hand_with_calendar, radicale

__all__ = ["account", "hand_with_calendar", "radicale"]

ANN = "ORGANIZER;CN=Ann:mailto:Ann@Example.com\n"
BO = "ATTENDEE;CN=Bo;PARTSTAT={reply};ROLE=CHAIR:mailto:bo@example.com\n"
CY = "ATTENDEE;PARTSTAT=TENTATIVE;ROLE=OPT-PARTICIPANT:mailto:cy@bücher.example\n"
ROOM = "ATTENDEE;CUTYPE=ROOM;CN=Blue:urn:uuid:7e8a\n"


def ics(uid: str, people: str, *, more: str = "") -> str:
    lines = f"UID:{uid}\nDTSTAMP:20260101T000000Z\nDTSTART:20261202T090000Z\n{people}"
    event = f"BEGIN:VEVENT\n{lines}END:VEVENT\n"
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{event}{more}END:VCALENDAR\n"


def override(uid: str, people: str) -> str:
    lines = f"UID:{uid}\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20261209T090000Z\nDTSTART:20261209T100000Z\n"
    return f"BEGIN:VEVENT\n{lines}{people}END:VEVENT\n"


def people(sql: psycopg.Connection) -> list[tuple[object, ...]]:
    return sql.execute(
        "SELECT position, calendar_attendees.address, contacts.address, calendar_attendees.name, role, reply"
        " FROM calendar_attendees LEFT JOIN contacts ON contacts.id = contact_id ORDER BY event_id, position"
    ).fetchall()


def versions(sql: psycopg.Connection) -> dict[int, str]:
    """What tells, for each position, whether its row was written."""
    return dict(sql.execute("SELECT position, xmin::text FROM calendar_attendees").fetchall())


def counts(sql: psycopg.Connection) -> dict[str, int]:
    return dict(sql.execute("SELECT address, events FROM contacts").fetchall())


def test_people_have_rows_with_their_parts_and_replies(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics("a", ANN + BO.format(reply="ACCEPTED") + CY + ROOM))
    account.sync()
    assert people(sql) == [
        (0, "ann@example.com", "ann@example.com", "Ann", "organizer", None),
        (1, "bo@example.com", "bo@example.com", "Bo", "chair", "accepted"),
        (2, "cy@bücher.example", "cy@xn--bcher-kva.example", None, "optional", "tentative"),
        # A room is nobody's contact.
        (3, "urn:uuid:7e8a", None, "Blue", "required", "needs_action"),
    ]
    assert counts(sql) == {"ann@example.com": 1, "bo@example.com": 1, "cy@xn--bcher-kva.example": 1}
    assert sql.execute("SELECT name, first_seen_at::date::text FROM contacts WHERE name = 'Bo'").fetchall() == [
        ("Bo", "2026-12-02")
    ]


def test_a_reply_that_comes_changes_its_row_alone(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics("a", ANN + BO.format(reply="NEEDS-ACTION") + CY))
    account.sync()
    before = versions(sql)

    hand.put("work/a.ics", ics("a", ANN + BO.format(reply="DECLINED") + CY))
    account.sync()

    after = versions(sql)
    assert [position for position in after if after[position] != before[position]] == [1]
    assert people(sql)[1][5] == "declined"
    assert set(counts(sql).values()) == {1}


def test_somebody_no_longer_asked_is_counted_no_more(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics("a", ANN + BO.format(reply="ACCEPTED")))
    hand.put("work/b.ics", ics("b", BO.format(reply="ACCEPTED")))
    account.sync()
    assert counts(sql) == {"ann@example.com": 1, "bo@example.com": 2}

    hand.put("work/a.ics", ics("a", CY))
    account.sync()
    assert counts(sql) == {"ann@example.com": 0, "bo@example.com": 1, "cy@xn--bcher-kva.example": 1}


def test_an_organizer_who_also_attends_is_counted_once(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    hand.put("work/a.ics", ics("a", ANN + "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ANN@example.com\n"))
    account.sync()
    assert len(people(sql)) == 2
    assert counts(sql) == {"ann@example.com": 1}


def test_counts_are_those_of_live_events(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    # The master and the instance changed on its own are an event each.
    series = ics("a", "RRULE:FREQ=WEEKLY;COUNT=3\n" + ANN, more=override("a", ANN + CY))
    hand.put("work/a.ics", series)
    account.sync()
    both = {"ann@example.com": 2, "cy@xn--bcher-kva.example": 1}
    assert counts(sql) == both

    hand.put("work/a.ics", ics("a", "RRULE:FREQ=WEEKLY;COUNT=3\n" + ANN))
    account.sync()
    assert counts(sql) == {"ann@example.com": 1, "cy@xn--bcher-kva.example": 0}

    hand.delete("work/a.ics")
    account.sync()
    assert (set(counts(sql).values()), people(sql)) == ({0}, [])

    hand.put("work/a.ics", series)
    account.sync()
    assert counts(sql) == both

    hand.delete("work/")
    account.sync()
    assert (set(counts(sql).values()), people(sql)) == ({0}, [])


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann@bücher.example ", "ann@xn--bcher-kva.example"),
        ("urn:uuid:7e8a", None),
        ("/principals/ann/", None),
        ("@example.com", None),
        ("ann@", None),
        ("ann smith@example.com", None),
        ("ann@exa..mple.com", "ann@exa..mple.com"),
    ],
)
def test_addresses_are_those_of_contacts(written: str, address: str | None) -> None:
    assert mail_address(written) == address


DAILY = "RRULE:FREQ=DAILY;COUNT=4\n"
MOVED = "RECURRENCE-ID;RANGE=THISANDFUTURE:20261203T090000Z\nDTSTART:20261203T110000Z\n"


def test_all_that_somebody_takes_part_in_is_in_the_timeline(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection
) -> None:
    bo = BO.format(reply="ACCEPTED")
    later = f"BEGIN:VEVENT\nUID:b\nDTSTAMP:20260101T000000Z\n{MOVED}SUMMARY:later\n{bo}END:VEVENT\n"
    hand.put("work/a.ics", ics("a", bo).replace("DTSTART:20261202T090000Z", "DTSTART;VALUE=DATE:20261203"))
    hand.put("work/b.ics", ics("b", DAILY + bo, more=later))
    account.sync()
    person = sql.execute("SELECT account_id, id FROM contacts WHERE address = 'bo@example.com'").fetchone()
    assert person is not None
    told = [f"{entry.at:%d %H}" for entry in view_timeline(sql, *person).items if entry.at]
    assert told == ["05 11", "04 11", "03 11", "03 00", "02 09"]

    hand.put("work/a.ics", ics("a", bo))
    hand.put("work/b.ics", ics("b", bo))
    account.sync()
    assert [f"{entry.at:%d %H}" for entry in view_timeline(sql, *person).items if entry.at] == ["02 09", "02 09"]
