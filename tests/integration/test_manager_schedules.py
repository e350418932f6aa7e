"""The schedules' pages: what they say, and what operators can do with one."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.audit import actions_on
from infra.postgres.connect import Database
from infra.postgres.schedule_lines import find_schedule
from infra.roles import Role
from tests.support.factories import ECHO, add_schedule
from tests.support.manager_server import manager_app, seen_in, signed_in, submit
from tests.support.overview_rows import add_account
from tests.support.rule_rows import Rules, add_rules

FORM = {"name": "upkeep", "rule": "every", "every": "5", "unit": "minutes", "timezone": "UTC", "jitter": "0"}
FORM |= {"catch_up": "1", "overlap": "skip", "priority": "5", "payload": "{}"}


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def rules(sql: psycopg.Connection) -> Rules:
    return add_rules(sql)


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).replace("\u202f", " ").replace("\u00a0", " ").split())


def row_of(page: str, schedule_id: int) -> str:
    found = re.search(rf'<tr role="row" id="schedule-{schedule_id}">.*?</tr>', page, re.DOTALL)
    assert found, page
    return text_of(found[0])


def listed(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr role="row" id="schedule-(\d+)">', page)]


def test_each_schedule_is_told_in_plain_words(client: FlaskClient, rules: Rules) -> None:
    page = client.get("/schedules").text
    assert "connection 1 calendar.sync Northwind Traders Every 5 minutes active in" in row_of(page, rules.often)
    assert "completed job 8999 , 4 min" in row_of(page, rules.often)
    assert "At 06:00, Monday through Friday (Europe/Berlin)" in row_of(page, rules.mornings)
    assert "the system Every day paused –" in row_of(page, rules.paused)
    assert "paused it has 2 fields" in row_of(page, rules.broken)
    assert "late, due 4 min" in row_of(page, rules.late)


def test_the_coming_hour_is_a_picture_and_a_table(client: FlaskClient, rules: Rules) -> None:
    page = client.get("/schedules").text
    section = page[page.index('id="hour"') : page.index("</section>", page.index('id="hour"'))]
    assert "calendar.sync: 12 jobs in the coming hour" in section
    assert section.count('<rect class="bar"') == section.count('<tr><th scope="row"') > 12
    assert "style=" not in section


def test_an_empty_hour_says_so(client: FlaskClient) -> None:
    page = text_of(client.get("/schedules").text)
    assert "No schedule fires within the hour." in page
    assert "retinue schedules add" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=paused", ["paused", "broken"]),
        ("state=late", ["late"]),
        ("type=calendar.sync", ["often"]),
        ("words=NORTHWIND", ["often"]),
        ("words=over", ["late"]),
        ("words=nothing+like+it", []),
        ("after=what", None),
        ("state=nonsense", None),
    ],
)
def test_the_list_is_narrowed(client: FlaskClient, rules: Rules, query: str, found: list[str] | None) -> None:
    shown = listed(client.get(f"/schedules?{query}").text)
    assert shown == ([getattr(rules, name) for name in found] if found is not None else shown)
    assert found is not None or len(shown) == 9


def test_a_long_list_goes_on_and_back(client: FlaskClient, sql: psycopg.Connection) -> None:
    made = [add_schedule(sql, f"s{n}") for n in range(120)]
    first = client.get("/schedules").text
    assert listed(first) == made[:50]
    assert 'rel="prev"' not in first
    second = client.get(_link(first, "next")).text
    assert listed(second) == made[50:100]
    third = client.get(_link(second, "next")).text
    assert listed(third) == made[100:]
    assert 'rel="next"' not in third
    back = client.get(_link(third, "prev")).text
    assert listed(back) == made[50:100]
    assert listed(client.get(_link(back, "prev")).text) == made[:50]


def _link(page: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    assert found, page
    return found[1].replace("&amp;", "&")


def test_a_schedules_own_page(client: FlaskClient, rules: Rules) -> None:
    words = text_of(client.get(f"/schedules/{rules.often}").text)
    assert "job 8998 failed" in words
    assert "240 ms 5.2 s" in words
    assert "a fire makes no job while the last one is unfinished" in words
    assert "It was paused because it cannot be used: it has 2 fields" in text_of(
        client.get(f"/schedules/{rules.broken}").text
    )
    assert "It should have fired" in text_of(client.get(f"/schedules/{rules.late}").text)
    assert client.get("/schedules/4711").status_code == 404


def test_pause_resume_and_run(client: FlaskClient, rules: Rules, sql: psycopg.Connection) -> None:
    answer = submit(client, f"/schedules/{rules.often}/pause")
    assert (answer.status_code, answer.location) == (303, f"/schedules/{rules.often}")
    assert find_schedule(sql, rules.often).state == "paused"
    submit(client, f"/schedules/{rules.often}/pause")
    assert "is paused already" in client.get("/schedules").text

    submit(client, f"/schedules/{rules.often}/resume")
    assert "active again and fires next at" in client.get("/schedules").text

    submit(client, f"/schedules/{rules.often}/run")
    ((job,),) = sql.execute("SELECT id FROM jobs").fetchall()
    assert f"Job {job} was made." in text_of(client.get("/schedules").text)
    submit(client, f"/schedules/{rules.often}/run")
    assert "no other was made" in client.get("/schedules").text

    done = [action.action for action in actions_on(sql, "schedule", rules.often)]
    assert done == ["schedule.run", "schedule.run", "schedule.resume", "schedule.pause"]


def test_a_new_one(client: FlaskClient, sql: psycopg.Connection) -> None:
    account = add_account(sql, "Acme")
    assert "Add a schedule" in client.get("/schedules/new").text

    answer = submit(client, "/schedules", **FORM | {"type": ECHO, "account": "Acme", "payload": '{"message": "hi"}'})

    assert answer.status_code == 303
    line = find_schedule(sql, int(answer.location.rpartition("/")[2]))
    assert (line.type, line.account_id, line.every_seconds) == (ECHO, account, 300)
    assert line.payload["message"] == "hi"
    assert actions_on(sql, "schedule", line.id)[0].account_id == account


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"name": ""}, "name"),
        ({"every": "soon"}, "The interval is a number, got 'soon'"),
        ({"every": "inf"}, "The interval cannot be inf"),
        ({"every": "0"}, "An interval is 1 second to 366 days"),
        ({"rule": "cron", "cron": "every day"}, "Give five fields"),
        ({"timezone": "Nowhere"}, "Unknown time zone"),
        ({"payload": "{"}, "The payload is no JSON"),
        ({"payload": "[]"}, "The payload is a JSON object"),
        ({"payload": '{"massage": 1}'}, "massage"),
        ({"catch_up": "0"}, "catch-up is 1 to 100"),
        ({"priority": "12"}, "priority is 0"),
        ({"jitter": "nan"}, "The jitter cannot be nan"),
        ({"overlap": "maybe"}, "overlap is skip or allow"),
        ({"type": "no.such"}, "Unknown job type"),
        ({"account": "nobody"}, "nobody"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_written(
    client: FlaskClient, sql: psycopg.Connection, field: dict[str, str], words: str
) -> None:
    answer = submit(client, "/schedules", **FORM | {"type": ECHO, "name": "kept as it was written"} | field)
    assert answer.status_code == 422
    told = re.search(r'id="problem" role="alert">.*?</div></div>', answer.text, re.DOTALL)
    assert told
    assert words in text_of(told[0]).replace("&#39;", "'").replace("&#34;", '"')
    assert "kept as it was written" in answer.text or "name" in field
    assert sql.execute("SELECT count(*) FROM schedules").fetchone() == (0,)


def test_an_edit_changes_what_was_changed_and_writes_that_down(client: FlaskClient, sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, payload={"message": "hi"})
    page = client.get(f"/schedules/{schedule}/edit").text
    assert 'value="every" checked' in page
    assert "&#34;message&#34;: &#34;hi&#34;" in page

    form = FORM | {"name": "every minute", "every": "1", "payload": '{"message": "hi"}', "priority": "2"}
    answer = submit(client, f"/schedules/{schedule}", **form)

    assert answer.status_code == 303
    line = find_schedule(sql, schedule)
    assert (line.priority, line.every_seconds, line.name) == (2, 60, "every minute")
    (action,) = actions_on(sql, "schedule", schedule)
    assert "priority" in action.detail["changed"]
    assert "rule" not in action.detail["changed"]


def test_an_edit_of_what_another_has_changed_meanwhile_is_refused(client: FlaskClient, sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql)
    seen = seen_in(client.get(f"/schedules/{schedule}/edit").text)
    assert submit(client, f"/schedules/{schedule}", **FORM | {"every": "1", "seen": seen}).status_code == 303

    answer = submit(client, f"/schedules/{schedule}", **FORM | {"priority": "2", "seen": seen})

    assert (answer.status_code, find_schedule(sql, schedule).every_seconds) == (422, 60)
    assert "Somebody has changed this" in answer.text
    # Whoever has read that may send it again.
    again = FORM | {"priority": "2", "seen": seen_in(answer.text)}
    assert submit(client, f"/schedules/{schedule}", **again).status_code == 303
    assert find_schedule(sql, schedule).priority == 2


@pytest.mark.parametrize("payload", ['{"message":' + "[" * 100 + "]" * 100 + "}", '{"a":' * 1_100])
def test_a_payload_that_is_nested_too_deep_is_refused(client: FlaskClient, payload: str) -> None:
    answer = submit(client, "/schedules", **FORM | {"type": ECHO, "payload": payload})
    assert answer.status_code == 422
    assert "nested deeper than" in answer.text


def test_an_edit_that_cannot_be_is_shown_with_what_was_written(client: FlaskClient, sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql)
    answer = submit(client, f"/schedules/{schedule}", **FORM | {"rule": "cron", "cron": "99 * * * *"})
    assert answer.status_code == 422
    assert 'value="99 * * * *"' in answer.text
    assert 'value="cron" checked' in answer.text


def test_what_people_named_is_shown_as_text(client: FlaskClient, sql: psycopg.Connection) -> None:
    evil = "<img src=x>"
    account = add_account(sql, evil)
    schedule = add_schedule(sql, evil, account_id=account, payload={"message": evil}, cron=evil, problem=evil)
    for path in ("/schedules", f"/schedules/{schedule}", f"/schedules/{schedule}/edit", f"/schedules?words={evil}"):
        assert evil not in client.get(path).text


def test_a_viewer_looks_and_does_nothing(app: Flask, rules: Rules, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)
    for path in ("/schedules", f"/schedules/{rules.often}"):
        page = viewer.get(path).text
        assert "Run now" not in page
        assert "/edit" not in page
    for path in ("/schedules/new", f"/schedules/{rules.often}/edit"):
        assert viewer.get(path).status_code == 403
    for path in ("/schedules", f"/schedules/{rules.often}", f"/schedules/{rules.often}/run"):
        assert submit(viewer, path, **FORM).status_code == 403
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
