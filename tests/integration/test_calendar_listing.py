"""`calendar.sync` with servers that cut their replies short, refuse what they offer, or lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest

from infra.postgres.connect import Database
from servants.calendar.faults import ServerFailed, TooMuchAsked
from tests.support.bad_caldav_server import BadCalDavServer, Reply, Request, bad_server, multistatus, response
from tests.support.calendar_job import CalendarAccount, calendar_account

HOME = "/home/"
CALENDAR = "/home/work/"

THIS_HOME = f"<C:calendar-home-set><D:href>{HOME}</D:href></C:calendar-home-set>"

EVENT = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:{uid}
DTSTART:20161202T090000Z
END:VEVENT
END:VCALENDAR
"""


@dataclass
class Journal:
    """A calendar that knows sync-collection: its tokens count its changes; a reply brings at most `page` members.

    `faults` answers instead of it, by the report that is asked for.
    """

    page: int = 1000
    log: list[tuple[str, bool]] = field(default_factory=list)
    faults: dict[str, Callable[[Request], Reply | None]] = field(default_factory=dict)
    multiget: int = 1000

    def put(self, *names: str) -> None:
        self.log += [(name, True) for name in names]

    def delete(self, *names: str) -> None:
        self.log += [(name, False) for name in names]

    @property
    def members(self) -> dict[str, str]:
        """Etags by name: the number of the last change."""
        latest = {name: (number, kept) for number, (name, kept) in enumerate(self.log, start=1)}
        return {name: str(number) for name, (number, kept) in latest.items() if kept}

    def __call__(self, request: Request) -> Reply:
        kind = report(request)
        fault = self.faults.get(kind)
        reply = fault(request) if fault else None
        if reply is not None:
            return reply
        if kind in ("home", "calendars"):
            return multistatus(response(HOME, properties=THIS_HOME) if kind == "home" else self.calendar())
        if kind == "etags":
            return multistatus(*(member(name, etag) for name, etag in self.members.items()))
        if kind == "calendar-query":
            return multistatus()
        return self.changes(request) if kind == "sync-collection" else self.bodies(request)

    def calendar(self) -> str:
        return response(CALENDAR, properties=self.properties())

    def properties(self) -> str:
        return (
            "<D:resourcetype><C:calendar/></D:resourcetype>"
            f"<D:sync-token>{len(self.log)}</D:sync-token>"
            "<D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report>"
            "</D:supported-report></D:supported-report-set>"
        )

    def changes(self, request: Request) -> Reply:
        since = int(between(request.body, "<D:sync-token>", "</D:sync-token>") or 0)
        limit = min(self.page, int(between(request.body, "<D:nresults>", "</D:nresults>") or self.page))
        changed = list(dict.fromkeys(name for name, _ in self.log[since : since + limit]))
        upto = min(since + limit, len(self.log))
        found = [
            member(name, self.members[name]) if name in self.members else response(CALENDAR + name, status=404)
            for name in changed
        ]
        cut = [response(CALENDAR, status=507)] if upto < len(self.log) else []
        return multistatus(*found, *cut, token=str(upto))

    def bodies(self, request: Request) -> Reply:
        asked = re.findall(f"<D:href>{CALENDAR}([^<]*)</D:href>", request.body)
        there = [name for name in asked if name in self.members]
        cut = [response(CALENDAR, status=507)] if len(there) > self.multiget else []
        return multistatus(*(member(name, self.members[name], text=True) for name in there[: self.multiget]), *cut)


def report(request: Request) -> str:
    if request.method == "REPORT":
        found = re.search(r"<[DC]:(sync-collection|calendar-multiget|calendar-query)", request.body)
        assert found is not None
        return found[1]
    if request.path == CALENDAR:
        return "etags"
    return "calendars" if request.headers.get("Depth") == "1" else "home"


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def member(name: str, etag: str, *, text: bool = False) -> str:
    data = f"<C:calendar-data>{EVENT.format(uid=name)}</C:calendar-data>" if text else ""
    return response(CALENDAR + name, properties=f"<D:getetag>{etag}</D:getetag>{data}")


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def server(journal: Journal) -> Iterator[BadCalDavServer]:
    with bad_server(journal) as running:
        yield running


@pytest.fixture
def account(database: Database, server: BadCalDavServer) -> CalendarAccount:
    return calendar_account(database, url=server.url, username="ann", password="secret")


def held(sql: psycopg.Connection) -> list[str]:
    rows = sql.execute("SELECT href FROM calendar_objects WHERE deleted_at IS NULL ORDER BY href").fetchall()
    return [href.removeprefix(CALENDAR) for (href,) in rows]


def token(sql: psycopg.Connection) -> str | None:
    row = sql.execute("SELECT sync_token FROM calendars").fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


def reports(server: BadCalDavServer) -> list[str]:
    return [report(request) for request in server.requests]


NAMES = [f"e{number:02}" for number in range(20)]


def test_a_listing_cut_short_is_asked_for_until_it_is_whole(
    account: CalendarAccount, journal: Journal, server: BadCalDavServer, sql: psycopg.Connection
) -> None:
    journal.page = 3
    journal.put(*NAMES)
    journal.delete("e01")
    assert account.sync()["created"] == 19
    assert held(sql) == [name for name in NAMES if name != "e01"]
    assert (token(sql), reports(server).count("sync-collection")) == ("21", 7)


def test_changes_cut_short_are_written_page_by_page_with_their_tokens(
    account: CalendarAccount, journal: Journal, server: BadCalDavServer, sql: psycopg.Connection
) -> None:
    journal.put("a")
    account.sync()
    journal.page = 4
    journal.put(*NAMES)

    # The third page of changes does not come: what the first two brought is kept, and their token.
    journal.faults["sync-collection"] = lambda request: Reply(500) if "<D:sync-token>9<" in request.body else None
    with pytest.raises(Exception, match="answered 500"):
        account.sync()
    assert (held(sql), token(sql)) == (["a", *NAMES[:8]], "9")

    journal.faults.clear()
    assert account.sync()["created"] == 12
    assert (held(sql), token(sql)) == (["a", *NAMES], "21")


def test_a_listing_that_broke_off_goes_on_without_fetching_twice(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.page = 4
    journal.put(*NAMES)
    journal.faults["sync-collection"] = lambda request: Reply(500) if "<D:sync-token>8<" in request.body else None
    with pytest.raises(Exception, match="answered 500"):
        account.sync()
    # Deletions could be among what was not listed: no token is kept.
    assert (held(sql), token(sql)) == (NAMES[:8], None)

    journal.faults.clear()
    journal.delete("e00")
    result = account.sync()
    assert (result["created"], result["changed"], result["deleted"]) == (12, 0, 1)
    assert (held(sql), token(sql)) == (NAMES[1:], "21")


def never_moving(request: Request) -> Reply:
    return multistatus(member("e00", "1"), response(CALENDAR, status=507), token="1")


def without_token(request: Request) -> Reply:
    return multistatus(member("e00", "1"), response(CALENDAR, status=507))


class Endless:
    """Always the same, always cut short, always with another token."""

    def __init__(self) -> None:
        self.number = 1000

    def __call__(self, request: Request) -> Reply:
        self.number += 1
        return multistatus(member("e00", "1"), response(CALENDAR, status=507), token=str(self.number))


@pytest.mark.parametrize(
    "fault",
    [
        never_moving,
        without_token,
        Endless(),
        lambda request: Reply(507),
        lambda request: Reply(403),
        lambda request: Reply(405),
        lambda request: Reply(501),
    ],
    ids=["a token that stays", "no token", "no end", "507", "403", "405", "501"],
)
def test_where_sync_collection_fails_etags_tell(
    fault: Callable[[Request], Reply],
    account: CalendarAccount,
    journal: Journal,
    server: BadCalDavServer,
    sql: psycopg.Connection,
) -> None:
    journal.faults["sync-collection"] = fault
    journal.put(*NAMES[:3])
    account.sync()
    # The token is that of the time before the listing: what changes in between is told again.
    assert (held(sql), token(sql)) == (NAMES[:3], "3")
    assert reports(server).count("sync-collection") < 10

    server.requests.clear()
    account.sync()
    assert set(reports(server)) == {"home", "calendars"}

    journal.put("e01", "e05")
    journal.delete("e02")
    account.sync()
    assert (held(sql), token(sql)) == (["e00", "e01", "e05"], "6")


def test_a_server_that_calls_it_too_much_is_asked_for_less(
    account: CalendarAccount, journal: Journal, server: BadCalDavServer, sql: psycopg.Connection
) -> None:
    journal.put(*NAMES)
    journal.faults["sync-collection"] = lambda request: None if "<D:nresults>50<" in request.body else Reply(507)
    assert account.sync()["created"] == 20
    assert (held(sql), token(sql)) == (NAMES, "20")
    assert "etags" not in reports(server)


def test_the_limit_on_matches_is_the_same_as_507(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    refused = Reply(403, b'<D:error xmlns:D="DAV:"><D:number-of-matches-within-limits/></D:error>')
    journal.put(*NAMES)
    journal.faults["sync-collection"] = lambda request: None if "nresults" in request.body else refused
    assert account.sync()["created"] == 20


def test_where_even_the_etags_are_too_much_the_job_says_so(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.put("a")
    journal.faults = {"sync-collection": lambda request: Reply(507), "etags": lambda request: Reply(507)}
    with pytest.raises(TooMuchAsked, match="will not give that much at once"):
        account.sync()


def test_bodies_cut_short_are_asked_for_until_all_are_there(
    account: CalendarAccount, journal: Journal, server: BadCalDavServer, sql: psycopg.Connection
) -> None:
    journal.multiget = 6
    journal.put(*NAMES)
    assert account.sync()["created"] == 20
    assert (held(sql), account.anomalies) == (NAMES, [])
    assert reports(server).count("calendar-multiget") == 4


def test_bodies_that_are_too_much_are_asked_for_in_halves(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.put(*NAMES)
    journal.faults["calendar-multiget"] = lambda request: Reply(507) if request.body.count("<D:href>") > 5 else None
    assert account.sync()["created"] == 20
    assert held(sql) == NAMES


def test_what_a_server_keeps_back_for_now_is_asked_for_again(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.put("a", "b")

    def without_b(request: Request) -> Reply:
        names = [name for name in ("a",) if name in request.body]
        return multistatus(*(member(name, "1", text=True) for name in names))

    journal.faults["calendar-multiget"] = without_b
    assert account.sync()["unreadable"] == 1
    # The token does not pass what is still to come.
    assert (held(sql), token(sql)) == (["a"], None)

    journal.faults.clear()
    assert account.sync()["created"] == 1
    assert (held(sql), token(sql)) == (["a", "b"], "2")


def test_a_listing_of_etags_that_is_cut_short_deletes_nothing(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.put(*NAMES[:4])
    account.sync()
    journal.put("new")
    some = [member("e00", "1"), member("new", "5"), response(CALENDAR, status=507)]
    journal.faults = {"sync-collection": lambda request: Reply(507), "etags": lambda request: multistatus(*some)}
    with pytest.raises(TooMuchAsked, match="cuts the listing short"):
        account.sync()
    assert (held(sql), token(sql)) == ([*NAMES[:4], "new"], "4")


def test_a_member_that_the_server_cannot_tell_about_is_not_deleted(
    account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.put("a", "b")
    account.sync()
    sql.execute("UPDATE calendars SET sync_token = NULL")
    failing = multistatus(member("a", "1"), response(CALENDAR + "b", status=500), token="2")
    journal.faults = {
        "sync-collection": lambda request: failing,
        "calendar-multiget": lambda request: multistatus(response(CALENDAR + "b", status=500)),
    }
    assert account.sync()["unreadable"] == 1
    assert (held(sql), token(sql)) == (["a", "b"], None)


@pytest.mark.parametrize(
    "hole",
    [
        response("/home/other/", status=507),
        "<D:response><D:href>/home/work/</D:href><D:propstat><D:prop><D:resourcetype/></D:prop>"
        "<D:status>HTTP/1.1 500 X</D:status></D:propstat></D:response>",
    ],
    ids=["cut short", "a property that fails"],
)
def test_a_listing_of_calendars_with_holes_deletes_none(
    hole: str, account: CalendarAccount, journal: Journal, sql: psycopg.Connection
) -> None:
    journal.put("a")
    account.sync()
    journal.faults["calendars"] = lambda request: multistatus(hole)
    with pytest.raises(ServerFailed, match="failed to list all that is there"):
        account.sync()
    assert held(sql) == ["a"]
