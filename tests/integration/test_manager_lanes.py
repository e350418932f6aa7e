"""The pages of types and lanes: what waits and who holds what, and what operators can change."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.audit import actions_on
from infra.postgres.connect import Database
from infra.postgres.holds import hold_lanes
from infra.postgres.lanes import find_lane, set_lane
from infra.postgres.types import TypeLine, list_types
from infra.roles import Role
from retinue.holds import Hold, HoldKind
from tests.support.factories import add_type
from tests.support.lane_rows import TYPE, Lanes, add_lanes
from tests.support.manager_server import manager_app, seen_in, signed_in, submit


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def lanes(sql: psycopg.Connection) -> Lanes:
    return add_lanes(sql)


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).replace("\u202f", " ").replace("\u00a0", " ").split())


def kind(sql: psycopg.Connection) -> TypeLine:
    (found,) = list_types(sql, alive_seconds=30)
    return found


def test_types_and_backlogs(client: FlaskClient, lanes: Lanes) -> None:
    words = text_of(client.get("/lanes").text)
    assert "crm.sync active 1 249 4 3 0 of 8 3 any" in words
    assert "Bolt Insurance 1 200 1 1" in words
    assert words.index("Bolt Insurance") < words.index("Acme Freight") < words.index("Oda Clinics")
    assert "no one account 2 1 0" in words


def test_where_nothing_is_known_it_says_how_to_begin(client: FlaskClient) -> None:
    words = text_of(client.get("/lanes").text)
    assert "No type is known yet" in words
    assert "Nothing waits" in words
    assert "No such lane" in text_of(client.get("/lanes/all").text)


def test_lanes_tell_what_holds_them(client: FlaskClient, lanes: Lanes) -> None:
    words = text_of(client.get("/lanes/all").text)
    assert f"{lanes.busy} crm.sync Acme Freight ready 40 3" in words
    assert f"{lanes.held} crm.sync Bolt Insurance held incident 1 200 0" in words
    assert f"{lanes.paused} crm.sync Oda Clinics held paused 7 0" in words
    held = text_of(client.get("/lanes/all?which=held").text)
    assert (lanes.held in held, lanes.paused in held, lanes.busy in held) == (True, True, False)
    assert lanes.busy in text_of(client.get("/lanes/all?which=waiting").text)
    only = text_of(client.get(f"/lanes/all?lane={lanes.busy}").text)
    assert (lanes.busy in only, lanes.held in only) == (True, False)


def test_a_long_list_goes_on(client: FlaskClient, sql: psycopg.Connection) -> None:
    add_type(sql, TYPE)
    sql.execute(
        "INSERT INTO lanes (type, lane) SELECT %s, 'lane:' || lpad(n::text, 3, '0') FROM generate_series(1, 120) AS n",
        (TYPE,),
    )
    seen, path = [], "/lanes/all"
    while path:
        page = client.get(path).text
        seen += re.findall(r">(lane:\d+)</a>", page)
        link = re.search(r'rel="next" href="([^"]+)"', page)
        path = link[1].replace("&amp;", "&") if link else ""
    assert seen == [f"lane:{n:03}" for n in range(1, 121)]


def test_a_lanes_own_page_says_in_words_what_holds_it(client: FlaskClient, lanes: Lanes) -> None:
    held = text_of(client.get(f"/lanes/one?type={TYPE}&lane={lanes.held}").text)
    assert f"The lane {lanes.held} is parked by an incident since" in held
    assert "the credential was revoked." in held
    busy = text_of(client.get(f"/lanes/one?type={TYPE}&lane={lanes.busy}").text)
    assert len(re.findall(r"job \d+", busy)) == 3
    assert "Limit 3 its own Weight 2" in busy
    assert client.get(f"/lanes/one?type={TYPE}&lane=none").status_code == 404
    assert client.get("/lanes/one").status_code == 404


def test_a_lane_is_paused_and_resumed(client: FlaskClient, lanes: Lanes, sql: psycopg.Connection) -> None:
    lane = {"type": TYPE, "lane": lanes.busy}
    answer = submit(client, "/lanes/pause", **lane, reason="the customer asked")
    assert (answer.status_code, answer.location) == (303, f"/lanes/one?type={TYPE}&lane={lanes.busy}")
    assert "is paused since" in client.get(answer.location).text
    submit(client, "/lanes/resume", **lane)
    assert find_lane(sql, TYPE, lanes.busy).holds == []
    submit(client, "/lanes/resume", **lane)
    assert "was not paused" in client.get("/lanes").text
    done = [(action.action, action.detail) for action in actions_on(sql, "lane", f"{TYPE} {lanes.busy}")]
    assert [name for name, _ in done] == ["lane.resume", "lane.resume", "lane.pause"]
    assert done[-1][1] == {"why": "the customer asked"}


def test_a_lane_of_any_name(client: FlaskClient, sql: psycopg.Connection) -> None:
    odd = "a/b?c=1&d <script>"
    add_type(sql, TYPE)
    set_lane(sql, TYPE, odd, weight=1)
    answer = submit(client, "/lanes/pause", type=TYPE, lane=odd)
    page = client.get(answer.location).text
    assert "<script>alert" not in page
    assert odd not in page
    assert "a/b?c=1&amp;d &lt;script&gt;" in page


def test_weight_and_limit_of_a_lane(client: FlaskClient, lanes: Lanes, sql: psycopg.Connection) -> None:
    lane = {"type": TYPE, "lane": lanes.busy}
    submit(client, "/lanes/set", **lane, weight="0.5", limit="")
    found = find_lane(sql, TYPE, lanes.busy)
    assert (found.weight, found.own_limit, found.lane_limit) == (0.5, None, 3)
    submit(client, "/lanes/set", **lane, weight="", limit="7")
    found = find_lane(sql, TYPE, lanes.busy)
    assert (found.weight, found.own_limit) == (0.5, 7)


def test_forms_that_another_has_overtaken_change_nothing(
    client: FlaskClient, lanes: Lanes, sql: psycopg.Connection
) -> None:
    lane = {"type": TYPE, "lane": lanes.busy}
    of_lane = seen_in(client.get("/lanes/one", query_string=lane).text)
    of_type = seen_in(client.get(f"/lanes/types/{TYPE}").text)
    submit(client, "/lanes/set", **lane, weight="0.5", limit="", seen=of_lane)
    submit(client, f"/lanes/types/{TYPE}/limits", lane_limit="2", type_limit="", seen=of_type)

    submit(client, "/lanes/set", **lane, weight="1", limit="7", seen=of_lane)
    submit(client, f"/lanes/types/{TYPE}/limits", lane_limit="3", type_limit="12", seen=of_type)

    found = find_lane(sql, TYPE, lanes.busy)
    assert (found.weight, found.own_limit) == (0.5, None)
    assert (kind(sql).lane_limit, kind(sql).type_limit) == (2, None)
    assert "Somebody has changed this" in client.get("/lanes").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weight": "much"}, "A weight is a number, got &#39;much&#39;."),
        ({"weight": "nan"}, "A weight is 0.001 to 1000, got nan."),
        ({"weight": "5000"}, "A weight is 0.001 to 1000, got 5000."),
        ({"limit": "1.5"}, "A limit is a whole number, got 1.5."),
        ({"limit": "0"}, "A limit is at least 1, got 0."),
        ({"limit": "inf"}, "A limit is a whole number, got inf."),
    ],
)
def test_what_cannot_be_set_is_refused_in_words(
    client: FlaskClient, lanes: Lanes, sql: psycopg.Connection, fields: dict[str, str], words: str
) -> None:
    answer = submit(client, "/lanes/set", type=TYPE, lane=lanes.busy, **fields)
    assert answer.status_code == 303
    assert words in client.get("/lanes").text
    assert actions_on(sql, "lane", f"{TYPE} {lanes.busy}") == []


def test_a_types_page_with_its_queue(client: FlaskClient, lanes: Lanes) -> None:
    words = text_of(client.get(f"/lanes/types/{TYPE}").text)
    assert "1 249 in 4 lanes" in words
    assert "Dead letters" in words
    assert lanes.held in words
    assert client.get("/lanes/types/no.such").status_code == 404


def test_a_type_is_paused_once_that_was_asked(client: FlaskClient, lanes: Lanes, sql: psycopg.Connection) -> None:
    asks = text_of(client.get(f"/lanes/types/{TYPE}/pause/confirm").text)
    assert "1 249 jobs wait now and more will come; 3 are under way and go on" in asks
    assert kind(sql).paused_at is None
    submit(client, f"/lanes/types/{TYPE}/pause")
    assert kind(sql).paused_at is not None
    assert "It is paused since" in text_of(client.get(f"/lanes/types/{TYPE}").text)
    submit(client, f"/lanes/types/{TYPE}/resume")
    assert kind(sql).paused_at is None
    assert [action.action for action in actions_on(sql, "type", TYPE)] == ["type.resume", "type.pause"]


def test_the_limits_of_a_type(client: FlaskClient, lanes: Lanes, sql: psycopg.Connection) -> None:
    submit(client, f"/lanes/types/{TYPE}/limits", lane_limit="", type_limit="12")
    assert (kind(sql).lane_limit, kind(sql).type_limit, kind(sql).limits_by_hand) == (None, 12, True)
    assert "by hand; its code says 3" in text_of(client.get(f"/lanes/types/{TYPE}").text)
    submit(client, f"/lanes/types/{TYPE}/limits", lane_limit="0", type_limit="")
    assert "A limit is 1 to 1000000, got 0." in client.get("/lanes").text
    submit(client, f"/lanes/types/{TYPE}/limits", declared="1")
    assert (kind(sql).lane_limit, kind(sql).type_limit, kind(sql).limits_by_hand) == (3, None, False)


def test_every_kind_of_hold_has_a_word(client: FlaskClient, lanes: Lanes, sql: psycopg.Connection) -> None:
    hold_lanes(sql, [((TYPE, lanes.busy), Hold(kind, "x", None, "so")) for kind in HoldKind])
    words = text_of(client.get(f"/lanes/all?lane={lanes.busy}").text)
    for word in ("paused", "incident", "budget used up", "breaker open", "order waits"):
        assert word in words


def test_a_viewer_looks_and_changes_nothing(app: Flask, lanes: Lanes, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)
    for path in ("/lanes", "/lanes/all", f"/lanes/one?type={TYPE}&lane={lanes.busy}", f"/lanes/types/{TYPE}"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert 'action="/lanes' not in page.text.replace('action="/lanes/all"', "")
    assert viewer.get(f"/lanes/types/{TYPE}/pause/confirm").status_code == 403
    for path in ("/lanes/pause", "/lanes/resume", "/lanes/set", f"/lanes/types/{TYPE}/pause"):
        assert submit(viewer, path, type=TYPE, lane=lanes.busy).status_code == 403
    assert kind(sql).paused_at is None
