"""Dates of mail: usual, obsolete, odd, impossible."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.mail_cases import MailCase, mail

_NOON = "2024-03-05T12:00:00"
_NO_ZONE = "no known time zone"
_UNREADABLE = "date cannot be read"
_IMPOSSIBLE = "impossible year"

#: (name, the field's value, the moment in UTC or None, words of the problem or None)
_DATES: tuple[tuple[str, str, str | None, str | None], ...] = (
    ("usual", "Tue, 05 Mar 2024 13:00:00 +0100", _NOON, None),
    ("no_day_of_week", "5 Mar 2024 13:00:00 +0100", _NOON, None),
    ("wrong_day_of_week", "Fri, 5 Mar 2024 13:00:00 +0100", _NOON, None),
    ("no_seconds", "Tue, 5 Mar 2024 13:00 +0100", _NOON, None),
    ("comment", "Tue, 5 Mar 2024 13:00:00 +0100 (CET)", _NOON, None),
    ("comment_with_words", "Tue, 5 Mar 2024 13:00:00 +0100 (Mitteleuropäische Zeit)", _NOON, None),
    ("comment_within", "Tue (Dienstag), 5 Mar 2024 13:00:00 +0100", _NOON, None),
    ("west", "Tue, 05 Mar 2024 07:00:00 -0500", _NOON, None),
    ("half_hour", "Tue, 05 Mar 2024 17:30:00 +0530", _NOON, None),
    ("three_quarters", "Tue, 05 Mar 2024 17:45:00 +0545", _NOON, None),
    ("furthest_east", "Wed, 06 Mar 2024 02:00:00 +1400", _NOON, None),
    ("unknown_zone_of_rfc", "Tue, 05 Mar 2024 12:00:00 -0000", _NOON, None),
    ("gmt", "Tue, 05 Mar 2024 12:00:00 GMT", _NOON, None),
    ("ut", "Tue, 05 Mar 2024 12:00:00 UT", _NOON, None),
    ("z", "Tue, 05 Mar 2024 12:00:00 Z", _NOON, None),
    ("est", "Tue, 05 Mar 2024 07:00:00 EST", _NOON, None),
    ("pdt", "Tue, 05 Mar 2024 05:00:00 PDT", _NOON, None),
    ("colon_in_zone", "Tue, 05 Mar 2024 13:00:00 +01:00", _NOON, None),
    ("gmt_with_offset", "Tue, 05 Mar 2024 13:00:00 GMT+01:00", _NOON, None),
    ("short_zone", "Tue, 05 Mar 2024 13:00:00 +0100 CET", _NOON, None),
    ("no_zone", "Tue, 05 Mar 2024 12:00:00", _NOON, _NO_ZONE),
    ("zone_nobody_knows", "Tue, 05 Mar 2024 12:00:00 XYZT", _NOON, _NO_ZONE),
    ("zone_beyond_the_world", "Tue, 05 Mar 2024 12:00:00 +9900", _NOON, _NO_ZONE),
    ("zone_of_many_digits", "Tue, 05 Mar 2024 12:00:00 +99999999", _NOON, _NO_ZONE),
    ("two_digit_year_new", "Tue, 05 Mar 24 13:00:00 +0100", _NOON, None),
    ("two_digit_year_old", "Sat, 05 Mar 94 13:00:00 +0100", "1994-03-05T12:00:00", None),
    ("three_digit_year", "Tue, 05 Mar 124 13:00:00 +0100", None, _IMPOSSIBLE),
    ("full_month", "5 March 2024 13:00:00 +0100", _NOON, None),
    ("full_day", "Tuesday, 05-Mar-24 12:00:00 GMT", _NOON, None),
    ("ctime", "Tue Mar  5 12:00:00 2024", _NOON, _NO_ZONE),
    ("dots_in_time", "Tue, 05 Mar 2024 13.00.00 +0100", _NOON, None),
    ("lower_case", "tue, 05 mar 2024 13:00:00 +0100", _NOON, None),
    ("wide_blanks", "Tue,   05  Mar  2024   13:00:00   +0100", _NOON, None),
    ("folded", "Tue, 05 Mar 2024\r\n 13:00:00 +0100", _NOON, None),
    ("leap_second", "Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59", None),
    ("iso", "2024-03-05T13:00:00+01:00", _NOON, None),
    ("iso_z", "2024-03-05T12:00:00Z", _NOON, None),
    ("iso_naive", "2024-03-05 12:00:00", _NOON, _NO_ZONE),
    ("leap_day", "Thu, 29 Feb 2024 12:00:00 +0000", "2024-02-29T12:00:00", None),
    ("no_leap_day", "Wed, 29 Feb 2023 12:00:00 +0000", None, _UNREADABLE),
    ("day_32", "Tue, 32 Mar 2024 12:00:00 +0000", None, _UNREADABLE),
    ("day_0", "Tue, 0 Mar 2024 12:00:00 +0000", None, _UNREADABLE),
    ("hour_25", "Tue, 05 Mar 2024 25:00:00 +0000", None, _UNREADABLE),
    ("minute_61", "Tue, 05 Mar 2024 12:61:00 +0000", None, _UNREADABLE),
    ("epoch", "Thu, 01 Jan 1970 00:00:00 +0000", None, _IMPOSSIBLE),
    ("macintosh_epoch", "Fri, 01 Jan 1904 00:00:00 +0000", None, _IMPOSSIBLE),
    ("year_9999", "Fri, 31 Dec 9999 23:59:59 -1200", None, _UNREADABLE),
    ("year_of_six_digits", "Fri, 31 Dec 202400 23:59:59 +0000", None, _UNREADABLE),
    ("year_0000", "Fri, 31 Dec 0000 23:59:59 +0000", None, _UNREADABLE),
    ("year_2120", "Tue, 05 Mar 2120 12:00:00 +0000", None, _IMPOSSIBLE),
    ("german", "Di, 5 Mär 2024 13:00:00 +0100", None, _UNREADABLE),
    ("words", "yesterday at noon", None, _UNREADABLE),
    ("digits", "1709640000", None, _UNREADABLE),
    ("many_digits", "9" * 5000, None, _UNREADABLE),
    ("parentheses", "(" * 3000, None, _UNREADABLE),
    ("commas", ",,,,,,,,", None, _UNREADABLE),
    ("blank", "   ", None, None),
)

DATES = (
    *(
        MailCase(
            f"date_{name}",
            mail(f"Date: {value}"),
            {"sent_at": moment and datetime.fromisoformat(moment).replace(tzinfo=UTC)},
            problem,
        )
        for name, value, moment, problem in _DATES
    ),
    MailCase("date_missing", mail("Subject: x"), {"sent_at": None}),
    MailCase("date_nul", mail(b"Date: Tue, 05 Mar 2024\0 13:00:00 +0100"), {}, "anything"),
    MailCase(
        "date_twice",
        mail("Date: Tue, 05 Mar 2024 12:00:00 GMT", "Date: Tue, 05 Mar 2024 13:00:00 GMT"),
        {"sent_at": datetime(2024, 3, 5, 12, tzinfo=UTC)},
        "several Date fields",
    ),
)
