"""Where series end, whole days, rules that are seldom seen, and what does not recur."""

from __future__ import annotations

from datetime import date

from tests.support.recurrence_case import DAILY, EST, FIRST_FOUR, Case, at, new_york, one, override

RULE_CASES = [
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
