"""Regions of open pages: looked at once for all, sent as they change, and ended with their session."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from flask import Flask, render_template_string
from werkzeug.exceptions import BadRequest

from infra.postgres.connect import Database
from infra.roles import Role
from manager.live import LiveHub, Region
from manager.live import hub as hub_module
from manager.live.regions import Fragment, live, read_region
from retinue.errors import NotFound
from tests.support.browser import session_cookie
from tests.support.manager_server import AwayDatabase, manager_app, serving
from tests.support.overview_rows import add_servant
from tests.support.race import wait_until

TEMPLATE = "{{ text }}"


@dataclass
class Part:
    """A part that shows what it is told to, and counts how often it was asked."""

    text: str = "first"
    error: Exception | None = None
    looks: int = 0
    given: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, given: dict[str, str]) -> str:
        self.looks += 1
        self.given.append(given)
        if self.error is not None:
            raise self.error
        return render_template_string(TEMPLATE, text=self.text)


@dataclass
class Listener:
    """A page's stream, read in the test's own thread."""

    response: HTTPResponse

    def next(self, *kinds: str) -> tuple[str, Any, str]:
        """The next event of one of these kinds: what it is, what it says, and its ID."""
        while True:
            told = {}
            for line in iter(lambda: self.response.readline().decode().rstrip("\n"), ""):
                name, _, value = line.partition(": ")
                told[name] = value
            assert told, "the stream has ended"
            if told["event"] in kinds:
                return told["event"], json.loads(told["data"]), told.get("id", "")


@dataclass
class Site:
    app: Flask
    address: str
    part: Part
    hub: LiveHub

    @contextmanager
    def listen(
        self, role: Role = Role.ADMIN, *, part: str = "shown", regions: int = 1, seen: str = ""
    ) -> Iterator[Listener]:
        with self.app.test_request_context():
            tokens = [str(live(part, a=number + 1)).split('"')[1] for number in range(regions)]
        name, value = session_cookie(self.app, role)
        connection = HTTPConnection(self.address.removeprefix("http://"), timeout=15)
        query = urlencode({"r": tokens, "seen": seen}, doseq=True)
        connection.request("GET", f"/live?{query}", headers={"Cookie": f"{name}={value}"})
        response = connection.getresponse()
        try:
            yield Listener(response)
        finally:
            response.close()
            connection.close()


@pytest.fixture
def away(database: Database) -> AwayDatabase:
    return AwayDatabase(None, database)


@pytest.fixture
def open_site(database: Database) -> Iterator[Site]:
    app = manager_app(database)
    hub: LiveHub = app.extensions["live"]
    part = Part()
    hub.part("shown", Role.OPERATOR)(part)
    with serving(app) as address:
        yield Site(app, address, part, hub)


def test_a_region_is_sent_at_once_and_then_as_it_changes(open_site: Site) -> None:
    with open_site.listen() as page:
        assert page.next("show")[1] == [0, "first"]

        open_site.part.text = "second"

        assert page.next("show")[1] == [0, "second"]
        assert open_site.part.given[0] == {"a": "1"}


def test_one_look_serves_all_who_look(open_site: Site) -> None:
    with open_site.listen() as one, open_site.listen() as other:
        one.next("show"), other.next("show")
        before = open_site.part.looks
        open_site.part.text = "second"
        one.next("show"), other.next("show")

        assert open_site.part.looks - before <= 3  # two pages would have taken twice as many


def test_nobody_looks_while_nobody_listens(open_site: Site) -> None:
    with open_site.listen() as page:
        page.next("show")
    wait_until(lambda: not open_site.hub._watchers, "the stream to be left")
    open_site.hub.ring()
    looks = open_site.part.looks

    with open_site.listen() as page:
        page.next("show")
    assert open_site.part.looks <= looks + 2


def test_a_page_that_knows_what_is_shown_is_not_told_again(open_site: Site) -> None:
    with open_site.listen() as page:
        _, _, known = page.next("show")
    assert known == Fragment.of("first").digest

    with open_site.listen(seen=known) as page:
        open_site.part.text = "second"
        assert page.next("show")[1] == [0, "second"]


def test_what_an_address_says_of_the_page_never_comes_back_as_a_line_of_the_stream(open_site: Site) -> None:
    with open_site.listen(regions=2, seen="a\nretry: 1.b\nevent: again\ndata: null\n\n") as page:
        _, _, known = page.next("show", "again")

    assert re.fullmatch(r"[0-9a-f]{12}\.([0-9a-f]{12})?|\.[0-9a-f]{12}", known)


def test_ages_are_no_change() -> None:
    shown = '<time datetime="2026-11-20T08:00:00Z">{}</time>'

    assert Fragment.of(shown.format("1 s ago")).digest == Fragment.of(shown.format("2 s ago")).digest
    assert Fragment.of(shown.format("1 s ago")).digest != Fragment.of(shown.replace("08", "09")).digest


def test_a_servant_that_comes_or_changes_is_told_before_the_next_tick(
    open_site: Site, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "TICK_SECONDS", 60)
    with open_site.listen() as page:
        page.next("show")
        wait_until(lambda: _listeners(sql) == 1, "the manager to listen")
        open_site.part.text = "second"
        servant = add_servant(sql, "a.sync")
        assert page.next("show")[1] == [0, "second"]
        open_site.part.text = "third"
        sql.execute("UPDATE servants SET state = 'draining' WHERE id = %s", (servant,))
        assert page.next("show")[1] == [0, "third"]


def _listeners(sql: psycopg.Connection) -> int:
    found = sql.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'retinue-listen' AND query LIKE 'LISTEN%'"
        " AND datname = current_database()"
    ).fetchone()
    assert found is not None
    return int(found[0])


def test_while_the_database_is_away_pages_are_told_since_when(database: Database) -> None:
    away = AwayDatabase(None, database)
    app = manager_app(away)
    app.extensions["test_database"] = database
    app.extensions["live"].part("shown")(Part())
    with serving(app) as address:
        site = Site(app, address, Part(), app.extensions["live"])
        with site.listen() as page:
            page.next("show")
            away.error = psycopg.OperationalError("gone")
            _, told, _ = page.next("stale")
            assert told["message"].startswith("The database cannot be reached")
            assert told["since"].endswith("Z")

            away.error = None

            page.next("fresh")


def test_a_part_that_is_broken_says_so_and_the_log_why(open_site: Site) -> None:
    with open_site.listen() as page:
        page.next("show")
        open_site.part.error = RuntimeError("no secret of a stranger")
        _, told, _ = page.next("stale")

        assert told["message"] == "Something went wrong here. The log says what."


def test_a_stream_ends_with_its_session(open_site: Site, sql: psycopg.Connection) -> None:
    with open_site.listen() as page:
        page.next("show")
        sql.execute("DELETE FROM sessions")

        page.next("again")
        assert page.response.read() == b""


def test_a_stream_ends_when_its_person_has_another_role(open_site: Site, sql: psycopg.Connection) -> None:
    with open_site.listen(Role.OPERATOR) as page:
        page.next("show")
        sql.execute("UPDATE people SET role = 'viewer' WHERE name = 'a operator'")

        page.next("again")


@pytest.mark.parametrize(("role", "part", "status"), [(Role.VIEWER, "shown", 403), (Role.ADMIN, "none", 404)])
def test_what_is_not_there_or_not_for_one_is_refused(open_site: Site, role: Role, part: str, status: int) -> None:
    with open_site.listen(role, part=part) as page:
        assert page.response.status == status


def test_nobody_can_name_a_region_of_their_own(open_site: Site) -> None:
    with open_site.app.test_request_context(), pytest.raises(BadRequest):
        read_region('["shown",{"a":"2"}].c2lnbmF0dXJl', Role.ADMIN)


def test_a_parameter_that_is_not_known_is_left_out(open_site: Site) -> None:
    template = '{{ live("shown", a=given.a, b=given.b, c=given.c) }}'
    with open_site.app.test_request_context():
        shown = render_template_string(template, given={"a": 1, "b": None}).split('"')[1]
        assert read_region(shown, Role.VIEWER).given == {"a": "1"}


def test_a_region_is_the_same_however_its_parameters_are_ordered(open_site: Site) -> None:
    with open_site.app.test_request_context():
        one, other = (str(live("shown", **given)).split('"')[1] for given in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
        assert read_region(one, Role.VIEWER) == read_region(other, Role.VIEWER)
        assert read_region(one, Role.VIEWER) == Region("shown", (("a", "1"), ("b", "2")), Role.VIEWER)


def test_beyond_the_last_stream_pages_are_told_to_come_again(open_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_STREAMS", 1)
    with open_site.listen() as page, open_site.listen() as refused:
        page.next("show")
        assert refused.response.status == 503
        assert refused.response.headers["Retry-After"] == "30"


def test_one_person_has_not_all_streams(open_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_OF_ONE", 2)
    with open_site.listen() as first, open_site.listen() as second, open_site.listen() as third:
        assert [page.response.status for page in (first, second, third)] == [200, 200, 503]


def test_a_part_whose_subject_is_gone_says_so_and_is_no_outage(open_site: Site) -> None:
    with open_site.listen() as page:
        page.next("show")
        open_site.part.error = NotFound("There is no schedule 7.")
        kind, told, _ = page.next("show", "stale")
        assert (kind, told[1]) == ("show", '<p class="quiet">It is not there any more.</p>')


def test_a_part_that_stays_broken_is_logged_once(open_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(hub_module.log, "error", lambda event, **_: logged.append(event))
    with open_site.listen() as page:
        page.next("show")
        open_site.part.error = RuntimeError("broken")
        page.next("stale")
        looks = open_site.part.looks
        open_site.hub.ring()
        wait_until(lambda: open_site.part.looks > looks, "another look")
    assert logged == ["live_look_failed"]


def test_each_stream_is_given_a_thread_and_gives_it_back(open_site: Site) -> None:
    given: list[int] = []
    back = threading.Event()

    def take(streams: int) -> None:
        given.append(streams)
        if not streams:
            back.set()

    open_site.hub.take_threads(take)
    with open_site.listen() as page:
        page.next("show")
        assert given == [1]
    open_site.part.text = "second"  # whoever writes to a page that is gone learns that it is
    open_site.hub.ring()

    assert back.wait(15)
