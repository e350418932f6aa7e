"""Series that were edited: dates taken out and put in, instances moved, cancelled, and moved with all that follow."""

from __future__ import annotations

from datetime import date

from tests.support.recurrence_case import EDT, EST, Case, at, new_york

DAILY = new_york("20260601T090000", "RRULE:FREQ=DAILY;COUNT=4")

#: Where every one of these series stays as it is: 1 to 4 June 2026.
FIRST_FOUR = tuple(at(EDT, "2026-06: 1-4"))


def override(replaced: str, *lines: str) -> str:
    """A VEVENT that replaces an instance; `replaced` begins with the parameters of RECURRENCE-ID."""
    return "\n".join(["BEGIN:VEVENT", "UID:a", f"RECURRENCE-ID{replaced}", *lines, "END:VEVENT", ""])


def moved(day: str, to: str, *lines: str, range_: str = "") -> str:
    """An override of one nine o'clock in New York in June 2026, an hour long."""
    return override(
        f"{range_};TZID=America/New_York:202606{day}T090000",
        f"DTSTART;TZID=America/New_York:{to}",
        *(lines or ("DURATION:PT1H",)),
    )


def edited(name: str, *expected: str, more: str = "", **lines: str) -> Case:
    """The daily series from 1 to 4 June 2026, with lines added."""
    return Case(name, "\n".join([DAILY, *lines.values()]), expected, more=more)


def one(day: int) -> str:
    return f"2026-06-{day:02}{EDT}"


AND_FUTURE = ";RANGE=THISANDFUTURE"

EDIT_CASES = [
    # Dates taken out.
    edited("an EXDATE in the series' zone", one(1), one(3), one(4), x="EXDATE;TZID=America/New_York:20260602T090000"),
    edited("an EXDATE in UTC", one(1), one(3), one(4), x="EXDATE:20260602T130000Z"),
    edited("an EXDATE in another zone", one(1), one(3), one(4), x="EXDATE;TZID=Europe/Berlin:20260602T150000"),
    edited("an EXDATE without zone", one(1), one(3), one(4), x="EXDATE:20260602T090000"),
    edited("an EXDATE that is a date", one(1), one(3), one(4), x="EXDATE;VALUE=DATE:20260602"),
    edited("an EXDATE that meets nothing", *FIRST_FOUR, x="EXDATE;TZID=America/New_York:20260602T100000"),
    edited("an EXDATE of the first", one(2), one(3), one(4), x="EXDATE;TZID=America/New_York:20260601T090000"),
    edited("EXDATEs in one line", one(1), one(4), x="EXDATE;TZID=America/New_York:20260602T090000,20260603T090000"),
    edited("EXDATEs in two lines", one(1), one(4), x="EXDATE:20260602T130000Z", y="EXDATE:20260603T130000Z"),
    edited("an EXRULE", one(1), one(3), x="EXRULE:FREQ=DAILY;BYMONTHDAY=2,4"),
    Case(
        "an EXDATE that is a date takes all of its day",
        new_york("20260601T090000", "RRULE:FREQ=DAILY;BYHOUR=9,15;COUNT=6", "EXDATE;VALUE=DATE:20260602"),
        (one(1), "2026-06-01T15:00-04:00", one(3), "2026-06-03T15:00-04:00"),
    ),
    # Dates put in.
    Case(
        "RDATEs without a rule",
        new_york("20260601T090000", "RDATE;TZID=America/New_York:20260605T090000,20260608T110000"),
        (one(1), one(5), "2026-06-08T11:00-04:00"),
    ),
    edited("an RDATE beside the rule", *FIRST_FOUR, one(7), x="RDATE;TZID=America/New_York:20260607T090000"),
    edited("an RDATE that the rule gives too", *FIRST_FOUR, x="RDATE;TZID=America/New_York:20260602T090000"),
    edited("an RDATE in another zone", *FIRST_FOUR, one(7), x="RDATE;TZID=Europe/Berlin:20260607T150000"),
    edited("an RDATE that is a date", *FIRST_FOUR, one(7), x="RDATE;VALUE=DATE:20260607"),
    edited("an RDATE that an EXDATE takes out", *FIRST_FOUR, x="RDATE:20260607T130000Z", y="EXDATE:20260607T130000Z"),
    edited("an RDATE outside of the window", *FIRST_FOUR, x="RDATE:20290607T130000Z"),
    Case(
        "periods",
        new_york("20260601T090000", "RDATE;VALUE=PERIOD:20260603T130000Z/PT3H,20260605T130000Z/20260605T133000Z"),
        (
            "2026-06-01T09:00-04:00/2026-06-01T10:00-04:00",
            "2026-06-03T09:00-04:00/2026-06-03T12:00-04:00",
            "2026-06-05T09:00-04:00/2026-06-05T09:30-04:00",
        ),
    ),
    Case(
        "two rules",
        new_york("20260601T090000", "RRULE:FREQ=WEEKLY;COUNT=2", "RRULE:FREQ=DAILY;COUNT=2"),
        (one(1), one(2), one(8)),
    ),
    # Instances changed on their own.
    edited("one moved", one(1), "2026-06-02T14:00-04:00", one(3), one(4), more=moved("02", "20260602T140000")),
    edited("the first moved", "2026-05-31T14:00-04:00", *FIRST_FOUR[1:], more=moved("01", "20260531T140000")),
    edited("one moved after the last", one(1), one(3), one(4), one(20), more=moved("02", "20260620T090000")),
    edited("one moved out of the window", one(1), one(3), one(4), more=moved("02", "20280620T090000")),
    edited(
        "one made longer",
        *(
            f"2026-06-{day:02}T09:00-04:00/2026-06-{day:02}T{end}:00-04:00"
            for day, end in ((1, 10), (2, 12), (3, 10), (4, 10))
        ),
        more=moved("02", "20260602T090000", "DURATION:PT3H"),
    ),
    edited("one cancelled", one(1), one(3), one(4), more=moved("02", "20260602T090000", "STATUS:CANCELLED")),
    edited(
        "a RECURRENCE-ID in UTC",
        *(one(1), one(3), one(4), one(9)),
        more=override(":20260602T130000Z", "DTSTART;TZID=America/New_York:20260609T090000"),
    ),
    edited(
        "a RECURRENCE-ID in another zone",
        *(one(1), one(3), one(4), one(9)),
        more=override(";TZID=Europe/Berlin:20260602T150000", "DTSTART;TZID=America/New_York:20260609T090000"),
    ),
    edited(
        "a RECURRENCE-ID that is a date",
        *(one(1), one(3), one(4), one(9)),
        more=override(";VALUE=DATE:20260602", "DTSTART;TZID=America/New_York:20260609T090000"),
    ),
    edited(
        "one made all-day",
        *(one(1), one(3), one(4), "2026-06-02"),
        more=override(":20260602T130000Z", "DTSTART;VALUE=DATE:20260602"),
    ),
    edited(
        "the same one twice, of which the higher SEQUENCE counts",
        *(one(1), one(3), one(4), one(10)),
        more=moved("02", "20260610T090000", "SEQUENCE:2") + moved("02", "20260611T090000", "SEQUENCE:1"),
    ),
    edited("one that the rule does not give", *FIRST_FOUR, one(18), more=moved("17", "20260618T090000")),
    edited(
        "one that was moved and then taken out",
        *(one(1), one(3), one(4)),
        x="EXDATE;TZID=America/New_York:20260602T090000",
        more=moved("02", "20260602T140000"),
    ),
    edited("all cancelled", x="STATUS:CANCELLED"),
    edited("all cancelled but one", one(9), x="STATUS:CANCELLED", more=moved("02", "20260609T090000")),
    # This and all that follow.
    edited(
        "two hours later from the third on",
        *(one(1), one(2), "2026-06-03T11:00-04:00", "2026-06-04T11:00-04:00"),
        more=moved("03", "20260603T110000", range_=AND_FUTURE),
    ),
    edited(
        "a day later from the second on",
        *(one(1), one(3), one(4), one(5)),
        more=moved("02", "20260603T090000", range_=AND_FUTURE),
    ),
    edited(
        "longer from the third on",
        *(
            f"2026-06-{day:02}T09:00-04:00/2026-06-{day:02}T{end}:00-04:00"
            for day, end in ((1, 10), (2, 10), (3, 12), (4, 12))
        ),
        more=moved("03", "20260603T090000", "DURATION:PT3H", range_=AND_FUTURE),
    ),
    edited(
        "moved from the second on, and one of them again",
        *(one(1), "2026-06-02T11:00-04:00", "2026-06-03T16:00-04:00", "2026-06-04T11:00-04:00"),
        more=moved("02", "20260602T110000", range_=AND_FUTURE) + moved("03", "20260603T160000"),
    ),
    edited(
        "moved twice",
        *(one(1), "2026-06-02T11:00-04:00", "2026-06-03T12:00-04:00", "2026-06-04T12:00-04:00"),
        more=moved("02", "20260602T110000", range_=AND_FUTURE) + moved("03", "20260603T120000", range_=AND_FUTURE),
    ),
    edited(
        "cancelled from the third on",
        *(one(1), one(2)),
        more=moved("03", "20260603T090000", "STATUS:CANCELLED", range_=AND_FUTURE),
    ),
    Case(
        "an hour later from before the clocks change",
        new_york("20260306T090000", "RRULE:FREQ=DAILY;COUNT=4"),
        ("2026-03-06T09:00-05:00", "2026-03-07T10:00-05:00", "2026-03-08T10:00-04:00", "2026-03-09T10:00-04:00"),
        more=override(
            ";RANGE=THISANDFUTURE;TZID=America/New_York:20260307T090000",
            "DTSTART;TZID=America/New_York:20260307T100000",
        ),
    ),
    Case(
        "a year and a day later, from outside of the window",
        new_york("20250601T090000", "RRULE:FREQ=YEARLY;COUNT=3"),
        (one(2),),
        more=override(
            ";RANGE=THISANDFUTURE;TZID=America/New_York:20250601T090000",
            "DTSTART;TZID=America/New_York:20260602T090000",
        ),
        window=(date(2026, 1, 1), date(2027, 1, 1)),
    ),
    # Counting and ending.
    Case("COUNT counts what is taken out", DAILY + "\nEXDATE:20260602T130000Z", (one(1), one(3), one(4))),
    Case(
        "COUNT counts a first that the rule does not give",
        new_york("20260602T090000", "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3"),
        (one(2), one(8), one(15)),
    ),
    Case(
        "COUNT counts from long before the window",
        new_york("20200106T090000", "RRULE:FREQ=WEEKLY;COUNT=315"),
        ("2026-01-05T09:00-05:00", "2026-01-12T09:00-05:00"),
    ),
    Case(
        "COUNT -1 has no end",
        new_york("20261229T090000", "RRULE:FREQ=DAILY;COUNT=-1"),
        tuple(at(EST, "2026-12: 29-31")),
    ),
    Case("UNTIL is the last", new_york("20260601T090000", "RRULE:FREQ=DAILY;UNTIL=20260603T130000Z"), FIRST_FOUR[:3]),
    Case(
        "UNTIL a second before", new_york("20260601T090000", "RRULE:FREQ=DAILY;UNTIL=20260603T125959Z"), FIRST_FOUR[:2]
    ),
    Case("UNTIL without zone", new_york("20260601T090000", "RRULE:FREQ=DAILY;UNTIL=20260603T090000"), FIRST_FOUR[:3]),
    Case("UNTIL before the start", new_york("20260601T090000", "RRULE:FREQ=DAILY;UNTIL=20260501T090000Z"), ()),
    Case(
        "UNTIL a date holds through that day",
        new_york("20260601T220000", "RRULE:FREQ=DAILY;UNTIL=20260603"),
        tuple(at("T22:00-04:00", "2026-06: 1-3")),
    ),
    Case(
        "UNTIL in UTC of times without zone",
        "DTSTART:20260601T090000\nRRULE:FREQ=DAILY;UNTIL=20260603T090000Z",
        tuple(at("T09:00+09:00", "2026-06: 1-3")),
        floating_zone="Asia/Tokyo",
    ),
    # Days.
    Case("all day", "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=3", tuple(at("", "2026-06: 1-3"))),
    Case(
        "several days each",
        "DTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260604\nRRULE:FREQ=WEEKLY;COUNT=2",
        ("2026-06-01/2026-06-04", "2026-06-08/2026-06-11"),
    ),
    Case(
        "all day over a change of clocks",
        "DTSTART;VALUE=DATE:20260307\nRRULE:FREQ=DAILY;COUNT=3",
        ("2026-03-07/2026-03-08", "2026-03-08/2026-03-09", "2026-03-09/2026-03-10"),
        floating_zone="America/New_York",
    ),
    Case(
        "all day until a date",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;UNTIL=20260603",
        tuple(at("", "2026-06: 1-3")),
    ),
    Case(
        "all day until a time",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;UNTIL=20260603T000000Z",
        tuple(at("", "2026-06: 1-3")),
    ),
    Case(
        "all day but for a date",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260602",
        tuple(at("", "2026-06: 1,3")),
    ),
    Case(
        "all day but for a time",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260602T000000Z",
        tuple(at("", "2026-06: 1,3")),
    ),
    Case(
        "all day and another date",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=2\nRDATE;VALUE=DATE:20260610",
        tuple(at("", "2026-06: 1-2,10")),
    ),
    Case(
        "all day with one moved",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=3",
        tuple(at("", "2026-06: 1,3,9")),
        more=override(";VALUE=DATE:20260602", "DTSTART;VALUE=DATE:20260609"),
    ),
    Case(
        "all day with one given a time",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=2",
        ("2026-06-01", "2026-06-02T14:00+00:00"),
        more=override(";VALUE=DATE:20260602", "DTSTART:20260602T140000Z"),
    ),
    Case(
        "all day, and two days later from the second on",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=WEEKLY;COUNT=3",
        tuple(at("", "2026-06: 1,10,17")),
        more=override(";RANGE=THISANDFUTURE;VALUE=DATE:20260608", "DTSTART;VALUE=DATE:20260610"),
    ),
    Case(
        "a birthday on 29 February",
        "DTSTART;VALUE=DATE:20200229\nRRULE:FREQ=YEARLY",
        ("2020-02-29", "2024-02-29", "2028-02-29"),
        window=(date(2020, 1, 1), date(2031, 1, 1)),
    ),
    Case(
        "the 31st",
        "DTSTART;VALUE=DATE:20260131\nRRULE:FREQ=MONTHLY;COUNT=4",
        tuple(at("", "2026-01: 31", "2026-03: 31", "2026-05: 31", "2026-07: 31")),
    ),
    Case(
        "the last day of each month",
        "DTSTART;VALUE=DATE:20260131\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=4",
        tuple(at("", "2026-01: 31", "2026-02: 28", "2026-03: 31", "2026-04: 30")),
    ),
    # Rules that are seldom seen.
    Case(
        "the last day of the year",
        "DTSTART;VALUE=DATE:20231231\nRRULE:FREQ=YEARLY;BYYEARDAY=-1",
        ("2023-12-31", "2024-12-31", "2025-12-31"),
        window=(date(2023, 1, 1), date(2026, 1, 1)),
    ),
    Case(
        "the 366th day",
        "DTSTART;VALUE=DATE:20201231\nRRULE:FREQ=YEARLY;BYYEARDAY=366",
        ("2020-12-31", "2024-12-31"),
        window=(date(2020, 1, 1), date(2028, 1, 1)),
    ),
    Case(
        "Friday of week 53",
        "DTSTART;VALUE=DATE:20210101\nRRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR",
        ("2021-01-01", "2027-01-01"),
        window=(date(2020, 1, 1), date(2032, 1, 1)),
    ),
    Case(
        "week 20 on the weekday of the start",
        "DTSTART;VALUE=DATE:20260513\nRRULE:FREQ=YEARLY;BYWEEKNO=20",
        ("2026-05-13", "2027-05-19", "2028-05-17"),
        window=(date(2026, 1, 1), date(2029, 1, 1)),
    ),
    Case(
        "the fifth Monday, where there is one",
        "DTSTART;VALUE=DATE:20260330\nRRULE:FREQ=MONTHLY;BYDAY=5MO",
        ("2026-03-30", "2026-06-29", "2026-08-31", "2026-11-30"),
    ),
    Case(
        "the last of many times of a day",
        new_york("20260601T170000", "RRULE:FREQ=DAILY;BYHOUR=9,13,17;BYSETPOS=-1;COUNT=2"),
        ("2026-06-01T17:00-04:00", "2026-06-02T17:00-04:00"),
    ),
    Case(
        "the first and the last weekday",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1;COUNT=4",
        ("2026-06-01", "2026-06-30", "2026-07-01", "2026-07-31"),
    ),
    Case(
        "every third week",
        "DTSTART;VALUE=DATE:20260102\nRRULE:FREQ=WEEKLY;INTERVAL=3;COUNT=3",
        ("2026-01-02", "2026-01-23", "2026-02-13"),
    ),
    Case(
        "the first Sunday of every year and the last",
        "DTSTART;VALUE=DATE:20260104\nRRULE:FREQ=YEARLY;BYDAY=1SU,-1SU;COUNT=3",
        ("2026-01-04", "2026-12-27", "2027-01-03"),
        window=(date(2026, 1, 1), date(2028, 1, 1)),
    ),
    Case(
        "twice a day by seconds",
        "DTSTART:20260601T000000Z\nRRULE:FREQ=SECONDLY;INTERVAL=43200;COUNT=3",
        ("2026-06-01T00:00+00:00", "2026-06-01T12:00+00:00", "2026-06-02T00:00+00:00"),
    ),
    Case(
        "every 36 hours",
        "DTSTART:20260601T000000Z\nRRULE:FREQ=HOURLY;INTERVAL=36;COUNT=3",
        ("2026-06-01T00:00+00:00", "2026-06-02T12:00+00:00", "2026-06-04T00:00+00:00"),
    ),
    Case(
        "a leap second",
        "DTSTART:20260630T235959Z\nRRULE:FREQ=DAILY;BYSECOND=60;COUNT=1",
        ("2026-06-30T23:59:59+00:00",),
    ),
    Case(
        "a day that never comes",
        "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        ("2026-06-01",),
    ),
    # What does not recur.
    Case("one event", "DTSTART:20260601T090000Z\nDURATION:PT1H", ("2026-06-01T09:00+00:00/2026-06-01T10:00+00:00",)),
    Case("one event outside of every window", "DTSTART:20360601T090000Z", ("2036-06-01T09:00+00:00",)),
    Case("one event that is cancelled", "DTSTART:20260601T090000Z\nSTATUS:CANCELLED", ()),
    Case("one day", "DTSTART;VALUE=DATE:20260601", ("2026-06-01/2026-06-02",)),
    Case(
        "one meeting of a series whose rest is not here",
        "RECURRENCE-ID:20260601T090000Z\nDTSTART:20260601T110000Z",
        ("2026-06-01T11:00+00:00",),
    ),
]
