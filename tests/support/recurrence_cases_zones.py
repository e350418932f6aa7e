"""Series in zones that are named as Windows names them, or that the text defines itself."""

from __future__ import annotations

from tests.support.recurrence_case import clocks

OUTLOOK_ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""

SOUTHERN_ZONE = """BEGIN:VTIMEZONE
TZID:Far South
BEGIN:STANDARD
DTSTART:20080406T030000
TZOFFSETFROM:+1100
TZOFFSETTO:+1000
RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20081005T020000
TZOFFSETFROM:+1000
TZOFFSETTO:+1100
RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=10
END:DAYLIGHT
END:VTIMEZONE
"""

ZONE_CASES = [
    clocks(
        "a Windows name in the west",
        "Pacific Standard Time",
        "20260302T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-03-02T09:00-08:00", "2026-03-09T09:00-07:00"),
    ),
    clocks(
        "a Windows name in Europe",
        "W. Europe Standard Time",
        "20261019T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-10-19T09:00+02:00", "2026-10-26T09:00+01:00"),
    ),
    clocks(
        "a Windows name in the south",
        "AUS Eastern Standard Time",
        "20260330T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-03-30T09:00+11:00", "2026-04-06T09:00+10:00"),
    ),
    clocks(
        "an Olson name with a vendor before it",
        "/freeassociation.sourceforge.net/Europe/Berlin",
        "20260323T090000",
        "FREQ=WEEKLY;COUNT=2",
        *("2026-03-23T09:00+01:00", "2026-03-30T09:00+02:00"),
    ),
    clocks(
        "a zone that Outlook defines",
        "Customized Time Zone",
        "20260322T090000",
        "FREQ=WEEKLY;COUNT=3",
        *("2026-03-22T09:00+01:00", "2026-03-29T09:00+02:00", "2026-04-05T09:00+02:00"),
        definition=OUTLOOK_ZONE,
    ),
    clocks(
        "a defined zone at a time that is skipped",
        "Customized Time Zone",
        "20260328T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-03-28T02:30+01:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"),
        definition=OUTLOOK_ZONE,
    ),
    clocks(
        "a defined zone at a time that comes twice",
        "Customized Time Zone",
        "20261024T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        definition=OUTLOOK_ZONE,
    ),
    clocks(
        "a defined southern zone at a time that is skipped",
        "Far South",
        "20261003T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-10-03T02:30+10:00", "2026-10-04T03:30+11:00", "2026-10-05T02:30+11:00"),
        definition=SOUTHERN_ZONE,
    ),
    clocks(
        "a defined southern zone at a time that comes twice",
        "Far South",
        "20260404T023000",
        "FREQ=DAILY;COUNT=3",
        *("2026-04-04T02:30+11:00", "2026-04-05T02:30+11:00", "2026-04-06T02:30+10:00"),
        definition=SOUTHERN_ZONE,
    ),
]
