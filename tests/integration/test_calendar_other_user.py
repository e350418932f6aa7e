"""A calendar connection that is led to another server or user, where equal versions say nothing."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.calendar_connections import forget_versions, has_other_calendars
from tests.support.calendar_job import CalendarAccount, account
from tests.support.radicale_server import Hand, RadicaleServer, radicale

__all__ = ["account", "radicale"]

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20261101T000000Z
DTSTART:20261202T090000Z
SUMMARY:Review
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def hand(radicale: RadicaleServer) -> Hand:
    found = radicale.hand()
    found.make_calendar("work")
    found.put("work/one.ics", EVENT)
    return found


def test_every_object_is_read_anew_whatever_its_version(account: CalendarAccount, sql: psycopg.Connection) -> None:
    account.sync()
    # As if what is stored came from another server, which used the same versions.
    sql.execute("UPDATE calendar_objects SET raw = 'another', content_hash = 'another'")
    sql.execute("UPDATE calendar_events SET summary = 'Another'")
    assert account.sync()["changed"] == 0

    forget_versions(sql, account.connection_value.id)

    assert account.sync()["changed"] == 1
    assert sql.execute("SELECT summary FROM calendar_events WHERE deleted_at IS NULL").fetchall() == [("Review",)]


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"url": "https://DAV.example/principals/ann/"}, False),
        ({"url": "https://dav.example:8443/"}, True),
        ({"url": "https://other.example/"}, True),
        ({"username": "bo"}, True),
    ],
)
def test_what_leads_to_other_calendars(change: dict[str, str], differs: bool) -> None:
    before = {"url": "https://dav.example/", "username": "ann"}
    assert has_other_calendars(before, before | change) is differs
