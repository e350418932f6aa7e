"""Discovery, changes and bodies from servers that do things their own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from servants.calendar.client import DavClient, Limits, SignIn
from servants.calendar.discovery import RemoteCalendar, find_calendars
from servants.calendar.faults import SyncTokenExpired, UnexpectedReply
from servants.calendar.reports import Body, Changes, changes_since, fetch, full_listing
from tests.support.bad_caldav_server import BadCalDavServer, Reply, Request, bad_server, multistatus, response

CALENDAR = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
COLLECTION = "<D:resourcetype><D:collection/></D:resourcetype>"


@contextmanager
def client(
    answer: Callable[[Request], Reply] | Reply, *, limits: Limits | None = None
) -> Iterator[tuple[DavClient, BadCalDavServer]]:
    with bad_server(answer) as server, DavClient(SignIn(server.url, "ann", "secret"), limits=limits) as dav:
        yield dav, server


def remote(server: BadCalDavServer, *, can_sync: bool = True) -> RemoteCalendar:
    return RemoteCalendar(f"{server.url}cal/", "cal", None, None, None, None, can_sync)


def member(name: str, etag: str) -> str:
    return response(f"/cal/{name}", properties=f"<D:getetag>{etag}</D:getetag>")


def by_path(replies: dict[str, Reply]) -> Callable[[Request], Reply]:
    return lambda request: replies.get(request.path, Reply(404))


def test_discovery_goes_from_the_address_by_principal_and_home_to_the_calendars() -> None:
    home = [
        response("/home/", properties=COLLECTION),
        response(
            "/home/work",
            properties=f"{CALENDAR}<D:displayname>Work</D:displayname><D:sync-token>t1</D:sync-token>"
            "<D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report>"
            "</D:supported-report></D:supported-report-set>"
            "<C:calendar-timezone>BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nEND:VTIMEZONE\nEND:VCALENDAR"
            "</C:calendar-timezone>",
        ),
        response(
            "/home/tasks/",
            properties=f'{CALENDAR}<C:supported-calendar-component-set><C:comp name="VTODO"/>'
            "</C:supported-calendar-component-set>",
        ),
        response("/home/bare%20one/", properties=CALENDAR),
        response("/home/bare%20one/", properties=CALENDAR),
    ]
    principal = "<D:current-user-principal><D:href>/me/</D:href></D:current-user-principal>"
    homes = "<C:calendar-home-set><D:href>/home/</D:href></C:calendar-home-set>"
    replies = {
        "/": multistatus(response("/", properties=principal)),
        "/me/": multistatus(response("/me/", properties=homes)),
        "/home/": multistatus(*home),
    }
    with client(by_path(replies)) as (dav, server):
        found = find_calendars(dav)
        assert found == [
            RemoteCalendar(f"{server.url}home/work/", "Work", None, "Europe/Berlin", "t1", None, can_sync=True),
            RemoteCalendar(f"{server.url}home/bare%20one/", "bare one", None, None, None, None, can_sync=False),
        ]
        assert [(request.path, request.headers["Depth"]) for request in server.requests] == [
            ("/", "0"),
            ("/me/", "0"),
            ("/home/", "1"),
        ]


def test_discovery_follows_the_well_known_address() -> None:
    homes = "<C:calendar-home-set><D:href>/home/</D:href></C:calendar-home-set>"
    replies = {
        "/": Reply(405),
        "/.well-known/caldav": Reply(301, headers={"Location": "/dav/"}),
        "/dav/": multistatus(response("/dav/", properties=homes)),
        "/home/": multistatus(response("/home/", properties=COLLECTION)),
    }
    with client(by_path(replies)) as (dav, _):
        assert find_calendars(dav) == []


def test_changes_are_sorted_into_changed_and_removed() -> None:
    reply = multistatus(
        response("/cal/", properties="<D:getetag>c</D:getetag>"),
        response("/cal/folder/", properties="<D:getetag>f</D:getetag>"),
        member("a%20b.ics", '"1"'),
        response("/cal/gone.ics", status=404),
        response("/cal/locked.ics", status=403),
        token="t2",
    )
    with client(reply) as (dav, server):
        pages = list(changes_since(dav, remote(server), "t&1"))
        assert pages == [
            Changes(
                {
                    "/cal/a%20b.ics": '"1"',
                    # It is there, whoever may read it.
                    "/cal/locked.ics": "",
                },
                frozenset({"/cal/gone.ics"}),
                "t2",
            )
        ]
        assert "<D:sync-token>t&amp;1</D:sync-token>" in server.requests[0].body


def test_a_reply_cut_short_with_507_is_continued_from_its_token() -> None:
    def answer(request: Request) -> Reply:
        if "<D:sync-token></D:sync-token>" in request.body:
            return multistatus(member("a", "1"), response("/cal/", status=507), token="t1")
        assert "<D:sync-token>t1</D:sync-token>" in request.body
        return multistatus(member("b", "1"), token="t2")

    with client(answer) as (dav, server):
        listing = full_listing(dav, remote(server))
        assert listing == Changes({"/cal/a": "1", "/cal/b": "1"}, sync_token="t2", complete=True)
        assert len(server.requests) == 2


@pytest.mark.parametrize("token", ["t1", None])
def test_a_server_that_cuts_short_for_ever_is_left(token: str | None) -> None:
    reply = multistatus(member("a", "1"), response("/cal/", status=507), token=token)
    with (
        client(reply) as (dav, server),
        pytest.raises(UnexpectedReply, match="never moves on"),
    ):
        list(changes_since(dav, remote(server), "t0"))


def test_an_expired_token_is_told_apart_from_a_refusal() -> None:
    body = b'<?xml version="1.0"?><D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>'
    with client(Reply(403, body)) as (dav, server), pytest.raises(SyncTokenExpired):
        list(changes_since(dav, remote(server), "old"))


def test_a_server_without_sync_collection_is_listed_by_etags() -> None:
    reply = multistatus(response("/cal/", properties=COLLECTION), member("a", "1"), member("b", "2"))
    with client(reply) as (dav, server):
        assert full_listing(dav, remote(server, can_sync=False)) == Changes(
            {"/cal/a": "1", "/cal/b": "2"}, complete=True
        )
        assert (server.requests[0].method, server.requests[0].headers["Depth"]) == ("PROPFIND", "1")


def body(href: str, text: str = "BEGIN:VCALENDAR") -> str:
    return response(href, properties=f"<D:getetag>1</D:getetag><C:calendar-data>{text}</C:calendar-data>")


def test_bodies_come_under_the_hrefs_asked_for_however_the_server_writes_them() -> None:
    replies = multistatus(
        body("/cal/a@b.ics"),
        response("/cal/gone.ics", status=404),
        response("/cal/locked.ics", status=403),
        body("/cal/not-asked.ics"),
    )
    asked = ["/cal/a%40b.ics", "/cal/gone.ics", "/cal/locked.ics", "/cal/silent.ics"]
    with client(replies) as (dav, server):
        bodies = fetch(dav, f"{server.url}cal/", asked)
        assert bodies.found == [Body("/cal/a%40b.ics", "1", "BEGIN:VCALENDAR")]
        assert bodies.unreadable == {
            "/cal/locked.ics": "the server answered 403 without calendar data",
            "/cal/silent.ics": "the server left it out of its reply",
        }
        assert "Depth" not in server.requests[0].headers


def test_a_reply_too_large_is_asked_for_in_halves_and_the_culprit_named() -> None:
    def answer(request: Request) -> Reply:
        hrefs = [f"/cal/{name}" for name in "abcd" if f"<D:href>/cal/{name}</D:href>" in request.body]
        return multistatus(*(body(href, "x" * (50_000 if href == "/cal/c" else 100)) for href in hrefs))

    with client(answer, limits=Limits(reply_bytes=20_000)) as (dav, server):
        bodies = fetch(dav, f"{server.url}cal/", [f"/cal/{name}" for name in "abcd"])
        assert [found.href for found in bodies.found] == ["/cal/a", "/cal/b", "/cal/d"]
        assert list(bodies.unreadable) == ["/cal/c"]
        assert "more than 20,000 bytes" in bodies.unreadable["/cal/c"]
