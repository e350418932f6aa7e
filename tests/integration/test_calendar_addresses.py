"""Addresses of calendars and members as servers write them: in more ways than one, too long, with any byte in them."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from infra.postgres.connect import Database
from servants.calendar.addresses import MAX_BYTES, one_form
from tests.support.bad_caldav_server import Reply, Request, bad_server, multistatus, response
from tests.support.calendar_job import calendar_account

HOME = "<C:calendar-home-set><D:href>/</D:href></C:calendar-home-set>"
CALENDAR = "<D:resourcetype><C:calendar/></D:resourcetype>"
CAN_SYNC = (
    "<D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report></D:supported-report>"
    "</D:supported-report-set>"
)
EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nDTSTART:20261202T090000Z\nEND:VEVENT\nEND:VCALENDAR\n"
LONG = "x" * MAX_BYTES


def etag(href: str, value: str = "1", *, text: str = "") -> str:
    return response(href, properties=f"<D:getetag>{value}</D:getetag>{text}")


def body(href: str, value: str = "1") -> str:
    return etag(href, value, text=f"<C:calendar-data>{EVENT}</C:calendar-data>")


def without_reports(calendars: list[str], members: list[str]) -> Callable[[Request], Reply]:
    """A server of these calendars; the first has the members."""

    def answer(request: Request) -> Reply:
        if request.path == "/" and request.headers.get("Depth") == "1":
            return multistatus(*(response(path, properties=CALENDAR) for path in calendars))
        if request.path == "/":
            return multistatus(response("/", properties=HOME))
        if request.path != calendars[0]:
            return multistatus()
        if request.method == "PROPFIND":
            return multistatus(*map(etag, members))
        return multistatus(*(body(href) for href in members if f"{href}</D:href>" in request.body))

    return answer


def hrefs(sql: psycopg.Connection) -> list[str]:
    rows = sql.execute("SELECT href FROM calendar_objects WHERE deleted_at IS NULL").fetchall()
    return [href for (href,) in rows]


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("/a@b/c:d.ics", "/a%40b/c%3Ad.ics"),
        ("/a%40b/c%3ad.ics", "/a%40b/c%3Ad.ics"),
        ("/%7Ea/%61", "/~a/a"),
        ("/a%2fb/c/", "/a%2Fb/c/"),
        ("/ä/%ED%A0%80%00", "/%C3%A4/%ED%A0%80%00"),
    ],
)
def test_a_path_has_one_form(written: str, one: str) -> None:
    assert one_form(written) == one == one_form(one)


@pytest.mark.parametrize("name", ["/a%00b/", "/%ED%A0%80/"])
def test_a_calendar_without_a_name_has_that_of_its_path_as_far_as_it_can_be_held(
    name: str, database: Database, sql: psycopg.Connection
) -> None:
    with bad_server(without_reports(["/one/", name], ["/one/a"])) as server:
        account = calendar_account(database, url=server.url, username="ann", password="secret")
        assert account.sync()["created"] == 1
    (held,) = sql.execute("SELECT name FROM calendars WHERE name <> 'one'").fetchall()
    assert "\N{REPLACEMENT CHARACTER}" in held[0]


def test_an_address_too_long_to_be_held_holds_up_nothing_else(database: Database, sql: psycopg.Connection) -> None:
    with bad_server(without_reports(["/one/", f"/{LONG}/"], ["/one/a", f"/one/{LONG}"])) as server:
        account = calendar_account(database, url=server.url, username="ann", password="secret")
        result = account.sync()
    assert (result["created"], result["unreadable"]) == (1, 2)
    assert hrefs(sql) == ["/one/a"]
    assert [name for name, _ in account.anomalies] == ["calendar_unreadable", "event_unreadable"]
    assert all("longer than 2,000 bytes" in fields["reason"] for _, fields in account.anomalies)


def test_a_member_is_the_same_however_each_report_escapes_it(database: Database, sql: psycopg.Connection) -> None:
    version = "1"

    def answer(request: Request) -> Reply:
        if request.path == "/" and request.headers.get("Depth") == "1":
            token = f"<D:sync-token>t{version}</D:sync-token>"
            return multistatus(response("/one/", properties=CALENDAR + CAN_SYNC + token))
        if request.path == "/":
            return multistatus(response("/", properties=HOME))
        if request.method == "PROPFIND":
            return multistatus(etag("/one/a%40b", version))
        if "calendar-query" in request.body:
            return multistatus()
        if "sync-collection" not in request.body:
            return multistatus(body("/one/a@b", version))
        first = "<D:sync-token></D:sync-token>" in request.body
        return Reply(403) if first else multistatus(etag("/one/a@b", version), token=f"t{version}")

    with bad_server(answer) as server:
        account = calendar_account(database, url=server.url, username="ann", password="secret")
        assert account.sync()["created"] == 1
        version = "2"
        result = account.sync()
    assert (result["created"], result["changed"]) == (0, 1)
    assert hrefs(sql) == ["/one/a%40b"]
