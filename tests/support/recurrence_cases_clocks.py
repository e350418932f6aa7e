"""Series across the days on which clocks change, in both hemispheres."""

from __future__ import annotations

from tests.support.recurrence_case import Case, at, clocks

CLOCK_CASES = [
    # New York: forward on 8 March 2026 at 2:00, back on 1 November at 2:00.
    clocks(
        "New York weekly into summer",
        "America/New_York",
        "20260302T090000",
        "FREQ=WEEKLY;COUNT=3",
        *("2026-03-02T09:00-05:00", "2026-03-09T09:00-04:00", "2026-03-16T09:00-04:00"),
    ),
    clocks(
        "New York weekly into winter",
        "America/New_York",
        "20261026T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-10-26T09:00-04:00", "2026-11-02T09:00-05:00"),
    ),
    clocks(
        "New York at a time that is skipped",
        "America/New_York",
        "20260307T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-03-07T02:30-05:00", "2026-03-08T03:30-04:00", "2026-03-09T02:30-04:00"),
    ),
    clocks(
        "New York at a time that comes twice",
        "America/New_York",
        "20261031T013000",
        "FREQ=DAILY;COUNT=3",
        *("2026-10-31T01:30-04:00", "2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"),
    ),
    clocks(
        # Two and three o'clock are the same moment on this night.
        "New York hourly over the gap",
        "America/New_York",
        "20260308T000000",
        "FREQ=HOURLY;COUNT=5",
        *("2026-03-08T00:00-05:00", "2026-03-08T01:00-05:00", "2026-03-08T03:00-04:00", "2026-03-08T04:00-04:00"),
    ),
    clocks(
        "New York monthly on the second Sunday",
        "America/New_York",
        "20260111T020000",
        "FREQ=MONTHLY;BYDAY=2SU;COUNT=4",
        *("2026-01-11T02:00-05:00", "2026-02-08T02:00-05:00", "2026-03-08T03:00-04:00", "2026-04-12T02:00-04:00"),
    ),
    # Berlin: forward on 29 March at 2:00, back on 25 October at 3:00.
    clocks(
        "Berlin weekly into summer",
        "Europe/Berlin",
        "20260323T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-03-23T09:00+01:00", "2026-03-30T09:00+02:00"),
    ),
    clocks(
        "Berlin at a time that is skipped",
        "Europe/Berlin",
        "20260328T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-03-28T02:30+01:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"),
    ),
    clocks(
        "Berlin at a time that comes twice",
        "Europe/Berlin",
        "20261024T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
    ),
    # London: forward on 29 March at 1:00.
    clocks(
        "London on Sundays at a time that is skipped once",
        "Europe/London",
        "20260322T013000",
        "FREQ=WEEKLY;COUNT=3",
        *("2026-03-22T01:30+00:00", "2026-03-29T02:30+01:00", "2026-04-05T01:30+01:00"),
    ),
    # Sydney: back on 5 April at 3:00, forward on 4 October at 2:00.
    clocks(
        "Sydney weekly into winter",
        "Australia/Sydney",
        "20260330T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-03-30T09:00+11:00", "2026-04-06T09:00+10:00"),
    ),
    clocks(
        "Sydney weekly into summer",
        "Australia/Sydney",
        "20260928T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-09-28T09:00+10:00", "2026-10-05T09:00+11:00"),
    ),
    clocks(
        "Sydney at a time that comes twice",
        "Australia/Sydney",
        "20260404T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-04-04T02:30+11:00", "2026-04-05T02:30+11:00", "2026-04-06T02:30+10:00"),
    ),
    clocks(
        "Sydney at a time that is skipped",
        "Australia/Sydney",
        "20261003T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-10-03T02:30+10:00", "2026-10-04T03:30+11:00", "2026-10-05T02:30+11:00"),
    ),
    # Auckland: back on 5 April at 3:00, forward on 27 September at 2:00.
    clocks(
        "Auckland at a time that is skipped",
        "Pacific/Auckland",
        "20260926T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-09-26T02:30+12:00", "2026-09-27T03:30+13:00", "2026-09-28T02:30+13:00"),
    ),
    clocks(
        "Auckland at a time that comes twice",
        "Pacific/Auckland",
        "20260404T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-04-04T02:30+13:00", "2026-04-05T02:30+13:00", "2026-04-06T02:30+12:00"),
    ),
    # Lord Howe changes by half an hour: back on 5 April at 2:00, forward on 4 October at 2:00.
    clocks(
        "Lord Howe at a time that is skipped",
        "Australia/Lord_Howe",
        "20261003T021500",
        "FREQ=DAILY;COUNT=3",
        *("2026-10-03T02:15+10:30", "2026-10-04T02:45+11:00", "2026-10-05T02:15+11:00"),
    ),
    clocks(
        "Lord Howe at a time that comes twice",
        "Australia/Lord_Howe",
        "20260404T014500",
        "FREQ=DAILY;COUNT=3",
        *("2026-04-04T01:45+11:00", "2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"),
    ),
    # Santiago: back on 4 April at 24:00, forward on 5 September at 24:00.
    clocks(
        "Santiago at a time after midnight that is skipped",
        "America/Santiago",
        "20260905T003000",
        "FREQ=DAILY;COUNT=3",
        *("2026-09-05T00:30-04:00", "2026-09-06T01:30-03:00", "2026-09-07T00:30-03:00"),
    ),
    clocks(
        "Santiago at a time before midnight that comes twice",
        "America/Santiago",
        "20260403T233000",
        "FREQ=DAILY;COUNT=3",
        *("2026-04-03T23:30-03:00", "2026-04-04T23:30-03:00", "2026-04-05T23:30-04:00"),
    ),
    # São Paulo had summer time until 2019: forward on 4 November 2018 at 0:00.
    clocks(
        "São Paulo on a day without midnight",
        "America/Sao_Paulo",
        "20181103T000000",
        "FREQ=DAILY;COUNT=3",
        *("2018-11-03T00:00-03:00", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"),
        year="2018",
    ),
    # Samoa had no 30 December 2011: the day's instance is the next day's.
    clocks(
        "Apia over a day that never was",
        "Pacific/Apia",
        "20111228T090000",
        "FREQ=DAILY;UNTIL=20111231T190000Z",
        *("2011-12-28T09:00-10:00", "2011-12-29T09:00-10:00", "2011-12-31T09:00+14:00", "2012-01-01T09:00+14:00"),
        year="2011",
    ),
    # Cairo: forward on 24 April at 0:00.
    clocks(
        "Cairo at a time after midnight that is skipped",
        "Africa/Cairo",
        "20260423T003000",
        "FREQ=DAILY;COUNT=3",
        *("2026-04-23T00:30+02:00", "2026-04-24T01:30+03:00", "2026-04-25T00:30+03:00"),
    ),
    clocks(
        "Kolkata, where clocks never change",
        "Asia/Kolkata",
        "20260328T090000",
        "FREQ=MONTHLY;COUNT=3",
        *("2026-03-28T09:00+05:30", "2026-04-28T09:00+05:30", "2026-05-28T09:00+05:30"),
    ),
    clocks(
        "UTC through the change of everybody else's clocks",
        "UTC",
        "20260328T013000",
        "FREQ=DAILY;COUNT=3",
        *at("T01:30+00:00", "2026-03: 28-30"),
    ),
    Case(
        "an end stands for a time: eight hours stay eight",
        "DTSTART;TZID=Europe/Berlin:20260327T220000\nDTEND;TZID=Europe/Berlin:20260328T060000\nRRULE:FREQ=DAILY;COUNT=3",
        (
            "2026-03-27T22:00+01:00/2026-03-28T06:00+01:00",
            "2026-03-28T22:00+01:00/2026-03-29T07:00+02:00",
            "2026-03-29T22:00+02:00/2026-03-30T06:00+02:00",
        ),
    ),
    Case(
        "a duration in days is counted on the wall",
        "DTSTART;TZID=Europe/Berlin:20260327T120000\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=2",
        ("2026-03-27T12:00+01:00/2026-03-28T12:00+01:00", "2026-03-28T12:00+01:00/2026-03-29T12:00+02:00"),
    ),
    Case(
        "a duration in hours is not",
        "DTSTART;TZID=Europe/Berlin:20260327T120000\nDURATION:PT25H\nRRULE:FREQ=DAILY;COUNT=2",
        ("2026-03-27T12:00+01:00/2026-03-28T13:00+01:00", "2026-03-28T12:00+01:00/2026-03-29T14:00+02:00"),
    ),
    Case(
        "floating times are the calendar's",
        "DTSTART:20260301T090000\nRRULE:FREQ=DAILY;COUNT=2",
        ("2026-03-01T09:00+09:00", "2026-03-02T09:00+09:00"),
        floating_zone="Asia/Tokyo",
    ),
    Case(
        "floating times over a change of the calendar's clock",
        "DTSTART:20260307T090000\nRRULE:FREQ=DAILY;COUNT=2",
        ("2026-03-07T09:00-05:00", "2026-03-08T09:00-04:00"),
        floating_zone="Eastern Standard Time",
    ),
]
