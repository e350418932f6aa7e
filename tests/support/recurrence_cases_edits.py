"""Series that were edited: dates taken out and put in, instances moved, cancelled, and moved with all that follow."""

from __future__ import annotations

from datetime import date

from tests.support.recurrence_case import DAILY, FIRST_FOUR, Case, new_york, one, override


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
]
