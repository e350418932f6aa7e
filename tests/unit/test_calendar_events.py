"""iCalendar text as rows: what is read, what is left out with a word why, and that no text can stop it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infra.local
from infra.local.demo_accounts import DEMO_ACCOUNTS, split_events
from servants.calendar.events import EventRow, ParsedObject, parse_object

DEMO_CALENDARS = Path(infra.local.__path__[0]) / "demo_calendars"

CUSTOM_ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:{offset}
TZOFFSETTO:{offset}
END:STANDARD
END:VTIMEZONE
"""


def calendar(*lines: str, zone: str = "") -> str:
    body = "\n".join(("BEGIN:VEVENT", "UID:a", *lines, "END:VEVENT"))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{zone}{body}\nEND:VCALENDAR\n"


def parsed(*lines: str, zone: str = "") -> ParsedObject:
    return parse_object(calendar(*lines, zone=zone))


def only_event(*lines: str, zone: str = "") -> EventRow:
    result = parsed(*lines, zone=zone)
    assert result.problem is None
    (row,) = result.events
    return row


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month, day, hour, minute


@pytest.mark.parametrize(
    ("lines", "starts_at", "ends_at", "timezone"),
    [
        (
            ["DTSTART;TZID=Europe/Berlin:20260702T090000", "DTEND;TZID=Europe/Berlin:20260702T103000"],
            utc(2026, 7, 2, 7),
            utc(2026, 7, 2, 8, 30),
            "Europe/Berlin",
        ),
        (["DTSTART:20260702T090000Z", "DURATION:PT90M"], utc(2026, 7, 2, 9), utc(2026, 7, 2, 10, 30), "UTC"),
        (["DTSTART:20260702T090000Z"], utc(2026, 7, 2, 9), utc(2026, 7, 2, 9), "UTC"),
        (
            ["DTSTART;TZID=Pacific Standard Time:20260102T090000"],
            utc(2026, 1, 2, 17),
            utc(2026, 1, 2, 17),
            "America/Los_Angeles",
        ),
        (
            ["DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260102T090000"],
            utc(2026, 1, 2, 8),
            utc(2026, 1, 2, 8),
            "Europe/Berlin",
        ),
        (["DTSTART:20260702T090000"], utc(2026, 7, 2, 9), utc(2026, 7, 2, 9), None),
        # The clocks go forward in this night: a day is 23 hours, 24 hours are 24.
        (
            ["DTSTART;TZID=Europe/Berlin:20260328T120000", "DURATION:P1D"],
            utc(2026, 3, 28, 11),
            utc(2026, 3, 29, 10),
            "Europe/Berlin",
        ),
        (
            ["DTSTART;TZID=Europe/Berlin:20260328T120000", "DURATION:PT25H"],
            utc(2026, 3, 28, 11),
            utc(2026, 3, 29, 12),
            "Europe/Berlin",
        ),
        # An end before the start, as some programs write: the event has no length.
        (["DTSTART:20260702T090000Z", "DTEND:20260702T080000Z"], utc(2026, 7, 2, 9), utc(2026, 7, 2, 9), "UTC"),
    ],
)
def test_timed_events(lines: list[str], starts_at: datetime, ends_at: datetime, timezone: str | None) -> None:
    row = only_event(*lines)
    assert (row.starts_at, row.ends_at, row.timezone, row.all_day) == (starts_at, ends_at, timezone, False)


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        (["DTEND;VALUE=DATE:20260705"], date(2026, 7, 5)),
        (["DURATION:P3D"], date(2026, 7, 5)),
        ([], date(2026, 7, 3)),
        (["DTEND;VALUE=DATE:20260702"], date(2026, 7, 3)),
        (["DTEND:20260705T120000Z"], date(2026, 7, 5)),
    ],
)
def test_all_day_events_end_on_the_day_after_their_last(lines: list[str], end: date) -> None:
    row = only_event("DTSTART;VALUE=DATE:20260702", *lines)
    assert (row.start_date, row.end_date, row.starts_at, row.ends_at) == (date(2026, 7, 2), end, None, None)
    assert row.all_day
    assert row.timezone is None


def test_a_zone_defined_in_the_file_is_used_and_not_lent_to_the_next_file() -> None:
    start = "DTSTART;TZID=Customized Time Zone:20260702T090000"
    assert only_event(start, zone=CUSTOM_ZONE.format(offset="+0200")).starts_at == utc(2026, 7, 2, 7)
    assert only_event(start, zone=CUSTOM_ZONE.format(offset="-0500")).starts_at == utc(2026, 7, 2, 14)
    without = parsed(start)
    assert without.problem == "time zone Customized Time Zone is unknown; its times were read as floating"
    assert without.events[0].starts_at == utc(2026, 7, 2, 9)


def test_floating_times_are_read_in_the_calendars_zone() -> None:
    result = parse_object(calendar("DTSTART:20260702T090000"), floating_zone=ZoneInfo("Asia/Kolkata"))
    assert result.events[0].starts_at == utc(2026, 7, 2, 3, 30)


def test_texts_people_and_recurrence() -> None:
    row = only_event(
        "DTSTART;TZID=America/New_York:20260105T090000",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260301T000000Z",
        "EXDATE;TZID=America/New_York:20260107T090000,20260112T090000",
        "EXDATE;TZID=America/New_York:20260114T090000",
        "RDATE;VALUE=PERIOD:20260201T120000Z/PT1H",
        "RDATE;VALUE=DATE:20260202",
        "SUMMARY:Plans\\, and\\nmore",
        "LOCATION:Room \\; one",
        "STATUS:confirmed",
        "TRANSP:TRANSPARENT",
        "SEQUENCE:3",
        "ORGANIZER;CN=Ann:MAILTO:Ann@Example.com",
        'ATTENDEE;CN="Bo, Jr.";PARTSTAT=declined;ROLE=CHAIR:mailto:bo@example.com',
        "ATTENDEE;EMAIL=cy@example.com:urn:uuid:1",
        "CREATED:20260101T000000Z",
        "LAST-MODIFIED:20260102T000000Z",
        "DTSTAMP:20260103T000000Z",
    )
    assert row.summary == "Plans, and\nmore"
    assert row.location == "Room ; one"
    assert (row.status, row.transparency, row.sequence) == ("CONFIRMED", "TRANSPARENT", 3)
    assert row.rrule == "FREQ=WEEKLY;UNTIL=20260301T000000Z;BYDAY=MO,WE"
    assert row.exdates == ("2026-01-07T14:00:00Z", "2026-01-12T14:00:00Z", "2026-01-14T14:00:00Z")
    assert row.rdates == ("2026-02-01T12:00:00Z/2026-02-01T13:00:00Z", "2026-02-02")
    assert row.organizer == "ann@example.com"
    assert row.attendees == (
        {"email": "bo@example.com", "name": "Bo, Jr.", "status": "DECLINED", "role": "CHAIR"},
        {"email": "cy@example.com", "name": None, "status": "NEEDS-ACTION", "role": "REQ-PARTICIPANT"},
    )
    assert (row.created_at, row.modified_at) == (utc(2026, 1, 1), utc(2026, 1, 2))


def test_the_stamp_stands_in_for_a_missing_modification_time() -> None:
    assert only_event("DTSTART:20260702T090000Z", "DTSTAMP:20260103T000000Z").modified_at == utc(2026, 1, 3)


@pytest.mark.parametrize(
    ("line", "recurrence_id"),
    [
        ("RECURRENCE-ID;TZID=Europe/Berlin:20260702T090000", "2026-07-02T07:00:00Z"),
        ("RECURRENCE-ID:20260702T090000Z", "2026-07-02T09:00:00Z"),
        ("RECURRENCE-ID;VALUE=DATE:20260702", "2026-07-02"),
    ],
)
def test_an_override_names_the_instance_it_replaces(line: str, recurrence_id: str) -> None:
    assert only_event("DTSTART:20260702T100000Z", line).recurrence_id == recurrence_id


def test_of_two_versions_of_one_instance_the_later_sequence_is_kept() -> None:
    text = calendar("DTSTART:20260702T090000Z", "SEQUENCE:2", "SUMMARY:new")
    text += calendar("DTSTART:20260702T090000Z", "SEQUENCE:1", "SUMMARY:old")
    (row,) = parse_object(text).events
    assert row.summary == "new"


def test_a_second_uid_in_one_object_is_left_out_with_a_word() -> None:
    text = calendar("DTSTART:20260702T090000Z") + calendar("DTSTART:20260702T090000Z").replace("UID:a", "UID:b")
    result = parse_object(text)
    assert (result.uid, len(result.events)) == ("a", 1)
    assert result.problem == "event 'b' shares the object of another and was left out"


@pytest.mark.parametrize(
    ("text", "problem", "rows"),
    [
        ("", "there is no whole calendar in the text", 0),
        ("/etc/passwd", "the text cannot be read as a calendar (ValueError)", 0),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a", "there is no whole calendar in the text", 0),
        (calendar("SUMMARY:x"), "an event has no DTSTART that can be read", 0),
        (calendar("DTSTART:20261399T090000"), "an event has no DTSTART that can be read", 0),
        (calendar("DTSTART:20260702T090000Z", "SEQUENCE:first"), "SEQUENCE cannot be read", 1),
        (calendar("DTSTART:20260702T090000Z", "NONSENSE"), "a line cannot be read", 1),
        (calendar("DTSTART:20260702T090000Z").replace("UID:a\n", ""), "an event has no UID", 1),
        (calendar("DTSTART;TZID=America/New_York:99991231T230000"), "beyond the calendar's end", 0),
        (calendar("DTSTART:20260702T090000Z", "EXDATE;TZID=America/New_York:99991231T230000"), "calendar's end", 0),
        (calendar("DTSTART:20260702T090000Z", "RRULE:FREQ=SOMETIMES"), "RRULE cannot be read", 1),
    ],
)
def test_what_cannot_be_read_is_named(text: str, problem: str, rows: int) -> None:
    result = parse_object(text)
    assert problem in (result.problem or "")
    assert len(result.events) == rows
    assert result.raw == text


def test_tasks_are_no_events_and_no_problem() -> None:
    result = parse_object("BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:t\nEND:VTODO\nEND:VCALENDAR\n")
    assert (result.events, result.problem) == ((), None)


def test_a_zone_that_changes_every_second_is_refused_before_it_is_used() -> None:
    zone = CUSTOM_ZONE.format(offset="+0200").replace("TZOFFSETFROM", "RRULE:FREQ=SECONDLY\nTZOFFSETFROM")
    result = parsed("DTSTART;TZID=Customized Time Zone:20260702T090000", zone=zone)
    assert result.problem == "time zone Customized Time Zone changes by a rule that is not yearly"


def test_a_problem_is_cut_to_a_length_that_can_be_shown() -> None:
    assert len(parsed(*["NONSENSE"] * 100, "DTSTART:20260702T090000Z").problem or "") == 500


def test_the_hash_is_of_the_raw_text() -> None:
    text = calendar("DTSTART:20260702T090000Z")
    assert parse_object(text).content_hash == parse_object(text).content_hash
    assert parse_object(text).content_hash != parse_object(text + "\n").content_hash


@pytest.mark.parametrize("file", sorted(DEMO_CALENDARS.glob("*.ics")), ids=lambda path: path.stem)
def test_every_demo_calendar_is_read(file: Path) -> None:
    objects = [parse_object(body.decode()) for _, body in split_events(file.read_bytes())]
    assert all(item.events for item in objects)
    assert {item.problem for item in objects} <= {None, "SEQUENCE cannot be read"}


def test_the_demo_calendars_show_what_calendars_can_hold() -> None:
    files = {calendar.file for account in DEMO_ACCOUNTS for calendar in account.calendars}
    assert files == {file.name for file in DEMO_CALENDARS.glob("*.ics")}
    rows = [
        row
        for file in files
        for _, body in split_events((DEMO_CALENDARS / file).read_bytes())
        for row in parse_object(body.decode()).events
    ]
    assert sum(row.recurrence_id is None for row in rows) >= 40
    assert {"America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney"} <= {row.timezone for row in rows}
    rules = " ".join(row.rrule or "" for row in rows)
    assert all(word in rules for word in ("BYDAY", "COUNT", "UNTIL"))
    assert any(row.exdates for row in rows)
    assert any(row.rdates for row in rows)
    assert any(row.recurrence_id for row in rows)
    assert any(row.all_day for row in rows)
    assert any(row.attendees for row in rows)


FRAGMENTS = """BEGIN:VCALENDAR
END:VCALENDAR
BEGIN:VEVENT
END:VEVENT
BEGIN:VTIMEZONE
END:VTIMEZONE
BEGIN:STANDARD
END:STANDARD
UID:a
UID:
TZID:X
TZOFFSETTO:+9999
TZOFFSETFROM:-0100
DTSTART:20260101
DTSTART;TZID=X:20260101T000000
DTSTART;VALUE=DATE:20260101
DTEND:P1D
DURATION:-P1D
DURATION:P99999999999D
RECURRENCE-ID;RANGE=THISANDFUTURE:20260101T000000Z
RRULE:FREQ=DAILY
RRULE:
EXDATE:
RDATE;VALUE=PERIOD:1/2
SEQUENCE:-1
ATTENDEE:
ORGANIZER;CN=:x
SUMMARY:\\
 folded""".splitlines()

_lines = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=20))


@given(_lines)
def test_no_text_stops_the_parser(lines: list[str]) -> None:
    text = "\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""])
    result = parse_object(text)
    assert result.raw == text
    assert all(row.starts_at or row.start_date for row in result.events)
