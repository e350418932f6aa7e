"""`calendar.sync` with servers that fail in part: what can be brought in step is, and the rest is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest

from infra.postgres.connect import Database
from retinue.errors import RateLimited
from servants.calendar.faults import ServerFailed, UnexpectedReply
from tests.support.bad_caldav_server import BadCalDavServer, Reply, Request, bad_server, multistatus, response
from tests.support.calendar_job import CalendarAccount, calendar_account

EVENT = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:{uid}
DTSTART:20261202T090000Z
END:VEVENT
END:VCALENDAR
"""


@dataclass
class Home:
    """A home with calendars that know etags and ctags but no sync-collection, and faults as told, by path."""

    calendars: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[str, Reply] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply:
        if request.path in self.faults:
            return self.faults[request.path]
        if request.path == "/":
            return self._list() if request.headers.get("Depth") == "1" else self._home()
        events = self.calendars[request.path.strip("/")]
        if request.method == "PROPFIND":
            return multistatus(*(_etag(request.path + name, etag) for name, etag in events.items()))
        wanted = {name: etag for name, etag in events.items() if f"{request.path}{name}</D:href>" in request.body}
        return multistatus(*(_body(request.path + name, etag) for name, etag in wanted.items()))

    def _home(self) -> Reply:
        homes = "<C:calendar-home-set><D:href>/</D:href></C:calendar-home-set>"
        return multistatus(response("/", properties=homes))

    def _list(self) -> Reply:
        kind = "<D:resourcetype><C:calendar/></D:resourcetype>"
        tag = '<S:getctag xmlns:S="http://calendarserver.org/ns/">{}</S:getctag>'
        return multistatus(
            *(
                response(f"/{slug}/", properties=kind + tag.format(sum(map(int, events.values()))))
                for slug, events in self.calendars.items()
            )
        )


def _etag(href: str, etag: str) -> str:
    return response(href, properties=f"<D:getetag>{etag}</D:getetag>")


def _body(href: str, etag: str) -> str:
    uid = href.rpartition("/")[2]
    data = f"<C:calendar-data>{EVENT.format(uid=uid)}</C:calendar-data>"
    return response(href, properties=f"<D:getetag>{etag}</D:getetag>{data}")


@pytest.fixture
def home() -> Home:
    return Home({"one": {"a": "1"}, "two": {"b": "1", "c": "1"}, "three": {"d": "1"}})


@pytest.fixture
def server(home: Home) -> Iterator[BadCalDavServer]:
    with bad_server(home) as running:
        yield running


@pytest.fixture
def account(database: Database, server: BadCalDavServer) -> CalendarAccount:
    return calendar_account(database, url=server.url, username="ann", password="secret")


def uids(sql: psycopg.Connection) -> str:
    rows = sql.execute("SELECT uid FROM calendar_events WHERE deleted_at IS NULL ORDER BY uid").fetchall()
    return "".join(uid for (uid,) in rows)


def test_without_sync_collection_etags_tell_what_changed(
    account: CalendarAccount, home: Home, server: BadCalDavServer, sql: psycopg.Connection
) -> None:
    assert account.sync() == {"calendars": 3, "created": 4, "changed": 0, "deleted": 0, "unreadable": 0}
    server.requests.clear()
    assert account.sync()["created"] == 0
    # Nothing but discovery: every ctag is the same.
    assert [request.path for request in server.requests] == ["/", "/"]

    del home.calendars["two"]["b"]
    home.calendars["two"]["e"] = "5"
    home.calendars["one"]["a"] = "2"
    result = account.sync()
    assert (result["created"], result["deleted"]) == (1, 1)
    # The etag is another, the text is not: the object is written, its event stays as it was.
    assert result["changed"] == 1
    assert uids(sql) == "acde"


def test_one_failing_calendar_does_not_hold_up_the_others(
    account: CalendarAccount, home: Home, sql: psycopg.Connection
) -> None:
    home.faults["/two/"] = Reply(500)
    with pytest.raises(ServerFailed, match="/two/ answered 500"):
        account.sync()
    assert uids(sql) == "ad"

    del home.faults["/two/"]
    assert account.sync()["created"] == 2
    assert uids(sql) == "abcd"


def test_a_calendar_that_answers_nonsense_does_not_hold_up_the_others(
    account: CalendarAccount, home: Home, sql: psycopg.Connection
) -> None:
    home.faults["/two/"] = Reply(200, b"<html>login</html>", {"Content-Type": "text/html"})
    with pytest.raises(UnexpectedReply, match="answered 200 with text/html; expected 207"):
        account.sync()
    assert uids(sql) == "ad"


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_calendar_that_may_not_be_read_is_an_anomaly(
    status: int, account: CalendarAccount, home: Home, sql: psycopg.Connection
) -> None:
    home.faults["/two/"] = Reply(status)
    assert account.sync()["unreadable"] == 1
    assert uids(sql) == "ad"
    ((name, fields),) = account.anomalies
    assert name == "calendar_unreadable"
    assert f"/two/ answered {status}" in fields["reason"]


def test_a_limit_in_the_middle_keeps_what_was_written(
    account: CalendarAccount, home: Home, sql: psycopg.Connection
) -> None:
    account.sync()
    for slug, name in (("one", "e"), ("two", "f"), ("three", "g")):
        home.calendars[slug][name] = "1"
    home.faults["/two/"] = Reply(429, headers={"Retry-After": "30"})
    with pytest.raises(RateLimited, match="/two/ answered 429"):
        account.sync()
    assert uids(sql) == "abcde"


def test_an_event_that_cannot_be_fetched_is_an_anomaly_and_keeps_what_is_known(
    account: CalendarAccount, home: Home, server: BadCalDavServer, sql: psycopg.Connection
) -> None:
    account.sync()
    home.calendars["two"] = {"b": "2", "c": "2"}

    def without_b(request: Request) -> Reply:
        if request.method == "REPORT":
            return multistatus(_body("/two/c", "2"), response("/two/b", status=403))
        return home(request)

    server.answer = without_b
    assert account.sync()["unreadable"] == 1
    assert uids(sql) == "abcd"
    ((name, fields),) = account.anomalies
    assert (name, fields["href"]) == ("event_unreadable", "/two/b")
