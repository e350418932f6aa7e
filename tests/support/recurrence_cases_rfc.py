"""The examples of RFC 5545 §3.8.5.3, with the results it gives for them, and its errata's."""

from __future__ import annotations

from datetime import date

from tests.support.recurrence_case import EDT, EST, Case, at, new_york


def rfc(
    name: str, rule: str, *expected: list[str], start: str = "19970902", end: str = "2000-01-01", **more: str
) -> Case:
    """An example of RFC 5545: nine in the morning in New York, from 1997 on."""
    text = new_york(f"{start}T090000", f"RRULE:{rule}", *more.values())
    written = tuple(instance for part in expected for instance in part)
    return Case(f"rfc: {name}", text, written, window=(date(1996, 1, 1), date.fromisoformat(end)))


RFC_CASES = [
    rfc("daily for ten", "FREQ=DAILY;COUNT=10", at(EDT, "1997-09: 2-11")),
    rfc(
        "daily until a day",
        "FREQ=DAILY;UNTIL=19971224T000000Z",
        at(EDT, "1997-09: 2-30", "1997-10: 1-25"),
        at(EST, "1997-10: 26-31", "1997-11: 1-30", "1997-12: 1-23"),
    ),
    rfc(
        "every other day",
        "FREQ=DAILY;INTERVAL=2",
        at(EDT, "1997-09: 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30", "1997-10: 2,4,6,8,10,12,14,16,18,20,22,24"),
        at(EST, "1997-10: 26,28,30", "1997-11: 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29", "1997-12: 1,3"),
        end="1997-12-05",
    ),
    rfc("every ten days", "FREQ=DAILY;INTERVAL=10;COUNT=5", at(EDT, "1997-09: 2,12,22", "1997-10: 2,12")),
    rfc(
        "every day in January, yearly",
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        at(EST, "1998-01: 1-31", "1999-01: 1-31", "2000-01: 1-31"),
        start="19980101",
        end="2001-01-01",
    ),
    rfc(
        "every day in January, daily",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
        at(EST, "1998-01: 1-31", "1999-01: 1-31", "2000-01: 1-31"),
        start="19980101",
        end="2001-01-01",
    ),
    rfc(
        "weekly for ten",
        "FREQ=WEEKLY;COUNT=10",
        at(EDT, "1997-09: 2,9,16,23,30", "1997-10: 7,14,21"),
        at(EST, "1997-10: 28", "1997-11: 4"),
    ),
    rfc(
        "weekly until a day",
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        at(EDT, "1997-09: 2,9,16,23,30", "1997-10: 7,14,21"),
        at(EST, "1997-10: 28", "1997-11: 4,11,18,25", "1997-12: 2,9,16,23"),
    ),
    rfc(
        "every other week",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        at(EDT, "1997-09: 2,16,30", "1997-10: 14"),
        at(EST, "1997-10: 28", "1997-11: 11,25", "1997-12: 9,23", "1998-01: 6,20", "1998-02: 3,17"),
        end="1998-03-01",
    ),
    rfc(
        "Tuesday and Thursday until a day",
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        at(EDT, "1997-09: 2,4,9,11,16,18,23,25,30", "1997-10: 2"),
    ),
    rfc(
        "Tuesday and Thursday for ten",
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        at(EDT, "1997-09: 2,4,9,11,16,18,23,25,30", "1997-10: 2"),
    ),
    rfc(
        "every other week on three days",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        at(EDT, "1997-09: 1,3,5,15,17,19,29", "1997-10: 1,3,13,15,17"),
        at(EST, "1997-10: 27,29,31", "1997-11: 10,12,14,24,26,28", "1997-12: 8,10,12,22"),
        start="19970901",
    ),
    rfc(
        "every other week on two days for eight",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        at(EDT, "1997-09: 2,4,16,18,30", "1997-10: 2,14,16"),
    ),
    rfc(
        "first Friday for ten",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        at(EDT, "1997-09: 5", "1997-10: 3"),
        at(EST, "1997-11: 7", "1997-12: 5", "1998-01: 2", "1998-02: 6", "1998-03: 6", "1998-04: 3"),
        at(EDT, "1998-05: 1", "1998-06: 5"),
        start="19970905",
    ),
    rfc(
        "first Friday until a day",
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        at(EDT, "1997-09: 5", "1997-10: 3"),
        at(EST, "1997-11: 7", "1997-12: 5"),
        start="19970905",
    ),
    rfc(
        "first and last Sunday of every other month",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        at(EDT, "1997-09: 7,28"),
        at(EST, "1997-11: 2,30", "1998-01: 4,25", "1998-03: 1,29"),
        at(EDT, "1998-05: 3,31"),
        start="19970907",
    ),
    rfc(
        "Monday before the last",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        at(EDT, "1997-09: 22", "1997-10: 20"),
        at(EST, "1997-11: 17", "1997-12: 22", "1998-01: 19", "1998-02: 16"),
        start="19970922",
    ),
    rfc(
        "third day from a month's end",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        at(EDT, "1997-09: 28"),
        at(EST, "1997-10: 29", "1997-11: 28", "1997-12: 29", "1998-01: 29", "1998-02: 26"),
        start="19970928",
        end="1998-03-01",
    ),
    rfc(
        "2nd and 15th",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        at(EDT, "1997-09: 2,15", "1997-10: 2,15"),
        at(EST, "1997-11: 2,15", "1997-12: 2,15", "1998-01: 2,15"),
    ),
    rfc(
        "first and last day of the month",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        at(EDT, "1997-09: 30", "1997-10: 1"),
        at(EST, "1997-10: 31", "1997-11: 1,30", "1997-12: 1,31", "1998-01: 1,31", "1998-02: 1"),
        start="19970930",
    ),
    rfc(
        "10th to 15th every 18 months",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        at(EDT, "1997-09: 10-15"),
        at(EST, "1999-03: 10-13"),
        start="19970910",
    ),
    rfc(
        "every Tuesday of every other month",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        at(EDT, "1997-09: 2,9,16,23,30"),
        at(EST, "1997-11: 4,11,18,25", "1998-01: 6,13,20,27", "1998-03: 3,10,17,24,31"),
        end="1998-04-02",
    ),
    rfc(
        "yearly in June and July",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        at(EDT, "1997-06: 10", "1997-07: 10", "1998-06: 10", "1998-07: 10", "1999-06: 10", "1999-07: 10"),
        at(EDT, "2000-06: 10", "2000-07: 10", "2001-06: 10", "2001-07: 10"),
        start="19970610",
        end="2010-01-01",
    ),
    rfc(
        "every other year in three months",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        at(EST, "1997-03: 10", "1999-01: 10", "1999-02: 10", "1999-03: 10", "2001-01: 10", "2001-02: 10"),
        at(EST, "2001-03: 10", "2003-01: 10", "2003-02: 10", "2003-03: 10"),
        start="19970310",
        end="2010-01-01",
    ),
    rfc(
        "1st, 100th and 200th day of every third year",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        at(EST, "1997-01: 1", "2000-01: 1", "2003-01: 1", "2006-01: 1"),
        at(EDT, "1997-04: 10", "1997-07: 19", "2000-04: 9", "2000-07: 18", "2003-04: 10", "2003-07: 19"),
        start="19970101",
        end="2010-01-01",
    ),
    rfc(
        "20th Monday of the year",
        "FREQ=YEARLY;BYDAY=20MO",
        at(EDT, "1997-05: 19", "1998-05: 18", "1999-05: 17"),
        start="19970519",
    ),
    rfc(
        "Monday of week 20",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        at(EDT, "1997-05: 12", "1998-05: 11", "1999-05: 17"),
        start="19970512",
    ),
    rfc(
        "every Thursday in March",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        at(EST, "1997-03: 13,20,27", "1998-03: 5,12,19,26", "1999-03: 4,11,18,25"),
        start="19970313",
    ),
    rfc(
        "every Thursday in summer",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        at(EDT, "1997-06: 5,12,19,26", "1997-07: 3,10,17,24,31", "1997-08: 7,14,21,28"),
        at(EDT, "1998-06: 4,11,18,25", "1998-07: 2,9,16,23,30", "1998-08: 6,13,20,27"),
        start="19970605",
        end="1999-01-01",
    ),
    rfc(
        "Friday the 13th",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        at(EST, "1998-02: 13", "1998-03: 13", "1998-11: 13"),
        at(EDT, "1999-08: 13", "2000-10: 13"),
        end="2001-01-01",
        exdate="EXDATE;TZID=America/New_York:19970902T090000",
    ),
    rfc(
        "Saturday after the first Sunday",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        at(EDT, "1997-09: 13", "1997-10: 11"),
        at(EST, "1997-11: 8", "1997-12: 13", "1998-01: 10", "1998-02: 7", "1998-03: 7"),
        at(EDT, "1998-04: 11", "1998-05: 9", "1998-06: 13"),
        start="19970913",
        end="1998-07-01",
    ),
    rfc(
        "election day",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        at(EST, "1996-11: 5", "2000-11: 7", "2004-11: 2"),
        start="19961105",
        end="2005-01-01",
    ),
    rfc(
        "third of three weekdays",
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        at(EDT, "1997-09: 4", "1997-10: 7"),
        at(EST, "1997-11: 6"),
        start="19970904",
    ),
    rfc(
        "second-to-last weekday",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        at(EDT, "1997-09: 29"),
        at(EST, "1997-10: 30", "1997-11: 27", "1997-12: 30", "1998-01: 29", "1998-02: 26", "1998-03: 30"),
        start="19970929",
        end="1998-04-02",
    ),
    rfc(
        # The RFC's own text has 170000Z here, which is one in the afternoon; erratum 3883.
        "every three hours",
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z",
        ["1997-09-02T09:00-04:00", "1997-09-02T12:00-04:00", "1997-09-02T15:00-04:00"],
    ),
    rfc(
        "every quarter of an hour",
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        ["1997-09-02T09:00-04:00", "1997-09-02T09:15-04:00", "1997-09-02T09:30-04:00"],
        ["1997-09-02T09:45-04:00", "1997-09-02T10:00-04:00", "1997-09-02T10:15-04:00"],
    ),
    rfc(
        "every hour and a half",
        "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
        ["1997-09-02T09:00-04:00", "1997-09-02T10:30-04:00", "1997-09-02T12:00-04:00", "1997-09-02T13:30-04:00"],
    ),
    rfc(
        "every 20 minutes of working hours, daily",
        "FREQ=DAILY;BYHOUR=9,10,11;BYMINUTE=0,20,40",
        *(
            at(f"T{time}-04:00", "1997-09: 2-3")
            for time in ("09:00", "09:20", "09:40", "10:00", "10:20", "10:40", "11:00", "11:20", "11:40")
        ),
        end="1997-09-04",
    ),
    rfc(
        "every 20 minutes of working hours, by the minute",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10",
        *(at(f"T{time}-04:00", "1997-09: 2-3") for time in ("09:00", "09:20", "09:40", "10:00", "10:20", "10:40")),
        end="1997-09-04",
    ),
    rfc(
        "weeks that begin on Monday",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        at(EDT, "1997-08: 5,10,19,24"),
        start="19970805",
    ),
    rfc(
        "weeks that begin on Sunday",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        at(EDT, "1997-08: 5,17,19,31"),
        start="19970805",
    ),
    rfc(
        "a date that February lacks",
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        at(EST, "2007-01: 15,30", "2007-02: 15"),
        at(EDT, "2007-03: 15,30"),
        start="20070115",
        end="2008-01-01",
    ),
]
