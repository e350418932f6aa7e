"""INTERNALDATE as servers write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from servants.email.imap.responses import parse_date


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 2, 44, 25, tzinfo=timezone(timedelta(hours=-7)))),
        (b" 7-jul-1996 02:44:25 +0530", datetime(1996, 7, 7, 2, 44, 25, tzinfo=timezone(timedelta(hours=5.5)))),
        (b"07-Jul-1996 2:44:60", datetime(1996, 7, 7, 2, 44, 59, tzinfo=UTC)),
        (b"31-Feb-1996 02:44:25 +0000", None),
        (b"01-Foo-1996 02:44:25 +0000", None),
        (b"01-Jan-0000 02:44:25 +0000", None),
        (b"01-Jan-2000 02:44:25 +9999", None),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_dates(text: bytes, moment: datetime | None) -> None:
    found = parse_date(text)
    assert found == moment
    assert found is None or moment is None or found.utcoffset() == moment.utcoffset()
