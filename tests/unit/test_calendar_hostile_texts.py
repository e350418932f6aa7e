"""iCalendar text made to take long, or to tell more than it should: refused, cut, and in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from servants.calendar.events import ParsedObject, expand_object, parse_object
from servants.calendar.instances import window_around
from servants.calendar.recurrences import MAX_INSTANCES

OBSERVANCE = """BEGIN:STANDARD
DTSTART:{start}T000000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY{rule}
END:STANDARD
"""

NOT_YEARLY = "time zone Own changes by a rule that is not yearly"


def in_own_zone(rule: str, *, start: str = "16010101", parts: int = 2, event: str = "20261121") -> ParsedObject:
    zone = OBSERVANCE.format(rule=rule, start=start) * parts
    return parse_object(
        f"BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Own\n{zone}END:VTIMEZONE\n"
        f"BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Own:{event}T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR\n"
    )


@pytest.mark.parametrize(
    "rule",
    [
        ";BYMONTH=1,2;BYMONTHDAY=1",
        ";BYMONTH=1;BYMONTHDAY=1,2",
        ";BYMONTH=1;BYDAY=1SU,2SU",
        ";BYMONTH=1;BYDAY=SU",
        ";BYMONTH=1;BYDAY=SU;BYMONTHDAY=1,2,3,4,5,6,7,8",
        ";BYDAY=SU",
        ";BYMONTHDAY=1",
        # None of these comes ever, and a lookup would count to the end of the calendar.
        ";BYMONTH=2;BYMONTHDAY=30",
        ";BYMONTH=2;BYMONTHDAY=20;BYDAY=1SU",
        ";BYMONTH=1;BYDAY=6SU",
        ";BYMONTH=2;BYMONTHDAY=29;INTERVAL=2",
        ";BYMONTH=13;BYDAY=1SU",
    ],
)
def test_a_zone_that_changes_otherwise_than_on_one_day_of_each_year_is_refused(rule: str) -> None:
    assert in_own_zone(rule).problem == NOT_YEARLY


@pytest.mark.parametrize(
    "rule",
    [
        "",
        ";INTERVAL=1;BYMONTH=10;BYDAY=-1SU",
        ";BYMONTH=10;BYDAY=1SU;UNTIL=20061029T060000Z",
        ";BYMONTH=10;BYMONTHDAY=21,22,23,24,25,26,27;BYDAY=SU",
        ";BYMONTH=9;BYMONTHDAY=30",
    ],
)
@pytest.mark.parametrize("start", ["00010101", "16010101", "20070101"])
def test_what_programs_write_about_zones_is_read(rule: str, start: str) -> None:
    parsed = in_own_zone(rule, start=start)
    assert (parsed.problem, len(parsed.events)) == (None, 1)


def test_the_years_of_a_zones_rules_are_counted() -> None:
    assert in_own_zone(";BYMONTH=10;BYDAY=-1SU", parts=10).problem is None
    assert "more than 5000 years" in (in_own_zone(";BYMONTH=10;BYDAY=-1SU", parts=11).problem or "")


def test_the_years_of_all_zones_count_together() -> None:
    zone = "BEGIN:VTIMEZONE\nTZID:Z{}\n" + OBSERVANCE.format(rule="", start="16010101") + "END:VTIMEZONE\n"
    zones = "".join(zone.format(number) for number in range(20))
    problem = parse_object(f"BEGIN:VCALENDAR\n{zones}END:VCALENDAR\n").problem
    assert "more than 5000 years" in (problem or "")


def test_a_zone_of_the_texts_own_is_not_followed_to_the_end_of_the_calendar() -> None:
    parsed = in_own_zone("", start="20900101", parts=400, event="99980101")
    assert "is followed up to 2099" in (parsed.problem or "")


def test_instances_without_their_series_are_cut_like_those_of_a_series() -> None:
    starts = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number) for number in range(MAX_INSTANCES + 1))
    events = "".join(
        f"BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:{start:%Y%m%dT%H%M%SZ}\nDTSTART:20261121T100000Z\nEND:VEVENT\n"
        for start in starts
    )
    parsed = parse_object(f"BEGIN:VCALENDAR\n{events}END:VCALENDAR\n")
    today = date(2026, 11, 21)
    expansion = expand_object(parsed, window_around(today), today=today)
    assert (len(parsed.events), len(expansion.instances), expansion.too_long) == (5_001, 5_000, True)


@pytest.mark.parametrize(
    "line",
    ['SUMMARY;X="private', "DTSTAMP:private words", "RRULE:FREQ=private", "RRULE:FREQ=DAILY;COUNT=private", "private"],
)
def test_a_problem_quotes_nothing_of_a_line(line: str) -> None:
    text = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nDTSTART:20261121T100000Z\n{line}\nEND:VEVENT\nEND:VCALENDAR\n"
    for problem in (parse_object(text).problem, parse_object(line).problem):
        assert problem is not None
        assert "private" not in problem
