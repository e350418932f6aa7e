"""The pages of accounts, connections, incidents, anomalies and costs, and what operators do there."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.anomalies import list_anomalies
from infra.postgres.audit import actions_on
from infra.postgres.breakers import Attempt
from infra.postgres.budgets import show_budgets
from infra.postgres.connect import Database
from infra.postgres.incidents import find_incident, list_incidents, tell_of_part
from infra.postgres.trouble_notes import notes_of_anomaly, notes_of_incident
from infra.roles import Role
from tests.support.account_rows import Customers, add_customers
from tests.support.manager_server import manager_app, signed_in, submit


@pytest.fixture
def customers(sql: psycopg.Connection) -> Customers:
    return add_customers(sql)


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    return signed_in(app, Role.OPERATOR)


@pytest.fixture
def viewer(app: Flask) -> FlaskClient:
    return signed_in(app, Role.VIEWER)


def text_of(client: FlaskClient, path: str, *, status: int = 200) -> str:
    """What a page says, without its marks."""
    answer = client.get(path)
    assert answer.status_code == status, path
    told = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", told).replace("\u202f", " ").replace("\u00a0", " ").split())


def act(client: FlaskClient, path: str, **form: str) -> str:
    """Send a form, and what the page says to which it leads."""
    answer = submit(client, path, **form)
    assert answer.status_code == 303, path
    return text_of(client, answer.headers["Location"])


def test_the_list_tells_how_each_stands(viewer: FlaskClient, customers: Customers) -> None:
    told = text_of(viewer, "/accounts")
    assert re.search(r"Acme \d+ importing 3 caldav, imap, salesforce 3 min( \d+ s)? ago 1 never read 76 769", told)
    assert re.search(r"Globex \d+ 1 broken", told)
    assert "Umbrella &amp; &lt;Sons&gt;" in told
    assert "Acme" not in text_of(viewer, "/accounts?troubled=1").partition("Find")[2]
    assert "Wayne" in text_of(viewer, "/accounts?named=WAY")
    assert "No such account" in text_of(viewer, "/accounts?named=nobody")


def test_pages_of_accounts_follow(viewer: FlaskClient, customers: Customers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manager.accounts.SHOWN", 2)
    page = viewer.get("/accounts").text
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    told = text_of(viewer, older.replace("&amp;", "&"))
    assert "Initech" in told
    assert "Acme" not in told.partition("Find")[2]


def test_an_account_s_page_tells_all_of_it(viewer: FlaskClient, customers: Customers) -> None:
    told = text_of(viewer, f"/accounts/{customers.accounts['Acme']}")
    for words in ("sales imap", "team caldav", "production salesforce", "61 %", "message_malformed", "1 200 completed"):
        assert words in told
    assert "Half within" in told
    assert re.search(r"email.sync this day 120 52 000 \$0.0208", told)
    chart = viewer.get(f"/accounts/{customers.accounts['Acme']}/charts/throughput?span=day").get_json()
    assert sum(chart["lines"][0]["values"]) == 1200
    assert viewer.get(f"/accounts/{customers.accounts['Acme']}/charts/nonsense").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/99999",
        "/accounts/99999999999999999999999",
        "/connections/99999",
        "/incidents/99999",
        "/anomalies/99999",
        "/anomalies/99999999999999999999999",
        "/anomalies?state=strange",
        "/cost?period=year",
        "/accounts/1/charts/run?span=century",
    ],
)
def test_what_is_not_there(viewer: FlaskClient, customers: Customers, path: str) -> None:
    assert viewer.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/incidents/all?before=x&id=y",
        "/incidents/all?before=2026-01-01T00:00:00%2B00:00&id=99999999999999999999",
        "/anomalies?before=2026-01-01&id=1&account=x",
        "/cost?before=nan&id=1",
        "/cost?at=0001-01-01T00:00:00%2B00:00",
        "/accounts?after=~&named=%27",
    ],
)
def test_addresses_that_make_no_sense_lead_somewhere(viewer: FlaskClient, customers: Customers, path: str) -> None:
    assert viewer.get(path).status_code == 200


def test_a_connection_s_page_tells_all_of_it(viewer: FlaskClient, customers: Customers) -> None:
    told = text_of(viewer, f"/connections/{customers.org}")
    assert re.search(
        r"At this rate the day&#39;s 5,000 calls but for the 500 kept for urgent ones end at \d\d:\d\d UTC", told
    )
    assert re.search(r"Opportunity Deal object history 2 min( \d+ s)? ago 1 203", told)
    assert "49 414 of 80 000" in told
    assert "Test now" not in told
    told = text_of(viewer, f"/connections/{customers.broken}")
    assert "An incident is open" in told
    assert "sales@globex.example" in told


def test_a_connection_is_tried(operator: FlaskClient, customers: Customers, sql: psycopg.Connection) -> None:
    told = act(operator, f"/connections/{customers.broken}/try")
    assert "tries it now. Its next job is the probe of its incident." in told
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    (did,) = actions_on(sql, "connection", customers.broken)
    assert (did.action, did.account_id) == ("connection.try", customers.accounts["Globex"])
    # Without a schedule nothing is done, and the page says why.
    sql.execute("DELETE FROM schedules")
    assert "has no schedule" in act(operator, f"/connections/{customers.mail}/try")
    assert actions_on(sql, "connection", customers.mail) == []


def test_a_connection_is_paused_and_resumed(operator: FlaskClient, customers: Customers) -> None:
    assert "pause: moving house" in act(operator, f"/connections/{customers.mail}/pause", reason="moving house")
    told = act(operator, f"/connections/{customers.mail}/resume")
    assert "1 lane resumed." in told
    assert "moving house" not in told.partition("What operators did")[0]


def test_an_object_is_read_anew_after_a_question(
    operator: FlaskClient, customers: Customers, sql: psycopg.Connection
) -> None:
    assert "Opportunity" in text_of(operator, f"/connections/{customers.org}/resync")
    assert "begins to read it anew" in act(operator, f"/connections/{customers.org}/resync", object="Opportunity")
    row = sql.execute("SELECT payload ->> 'resync' FROM jobs WHERE type = 'salesforce.sync'").fetchone()
    assert row == ('["Opportunity"]',)
    assert "name the objects" in act(operator, f"/connections/{customers.org}/resync")


def test_a_budget_is_set_and_forgotten(operator: FlaskClient, customers: Customers, sql: psycopg.Connection) -> None:
    path = f"/connections/{customers.mail}/budget"
    assert "The budget is set." in act(operator, path, per_day="100", reserve_percent="10")
    assert [(line.call_limit, line.reserve) for line in show_budgets(sql, customers.mail)] == [(100, 0.1)]
    assert "budget needs limits" in act(operator, path, per_day="0")
    assert submit(operator, path, per_day="many").status_code == 400
    assert submit(operator, path).status_code == 400
    assert "forgotten" in act(operator, f"{path}/clear")
    assert show_budgets(sql, customers.mail) == []


def test_incidents_stand_by_what_they_say(viewer: FlaskClient, customers: Customers, sql: psycopg.Connection) -> None:
    told = text_of(viewer, "/incidents")
    fingerprint = list_incidents(sql)[0].fingerprint
    assert re.search(rf"{fingerprint} open 3 3 ", told)
    alike = text_of(viewer, f"/incidents/all?alike={fingerprint}")
    assert all(name in alike for name in ("Globex", "Initech", "Umbrella"))
    assert "Globex" in text_of(viewer, "/incidents/all")


def test_an_incident_is_marked_and_ended(operator: FlaskClient, customers: Customers, sql: psycopg.Connection) -> None:
    (line,) = list_incidents(sql, connection_id=customers.broken)
    path = f"/incidents/{line.id}"
    assert "ann sees to it." in act(operator, f"{path}/assign", to=" ann ")
    assert "Nobody sees to it." in act(operator, f"{path}/assign", to="")
    assert "asked &lt;b&gt;them" in act(operator, f"{path}/note", text="asked <b>them")
    assert "A note is 1 to 4,000" in act(operator, f"{path}/note", text=" ")
    assert "muted by a operator" in act(operator, f"{path}/mute", days="7")
    assert submit(operator, f"{path}/mute", days="8").status_code == 400
    assert "told of again" in act(operator, f"{path}/unmute")
    assert "next job is the probe" in act(operator, f"{path}/probe")
    assert "go on at once" in text_of(operator, f"{path}/resolve")
    assert "It is resolved" in act(operator, f"{path}/resolve")
    assert "nothing to probe" in act(operator, f"{path}/probe")
    assert [note.text for note in notes_of_incident(sql, line.id)] == ["asked <b>them"]
    done = [one.action for one in actions_on(sql, "incident", line.id)]
    assert done[::-1] == [
        f"incident.{verb}" for verb in ("assign", "assign", "note", "mute", "unmute", "probe", "resolve", "probe")
    ]


def test_an_incident_of_a_part_holds_nothing_and_is_not_probed(
    operator: FlaskClient, customers: Customers, sql: psycopg.Connection
) -> None:
    tell_of_part(sql, customers.mail, "Invoice__c is not there.", attempt=Attempt(1, 1))
    (line,) = list_incidents(sql, connection_id=customers.mail)
    path = f"/incidents/{line.id}"
    told = text_of(operator, path)
    assert "A part of it is missing; the rest goes on." in told
    assert "Probe now" not in told
    assert "Lanes parked" not in told
    assert "Everything else goes on." in text_of(operator, f"/connections/{customers.mail}")
    assert "nothing to probe" in act(operator, f"{path}/probe")
    assert "Nothing waits for it." in text_of(operator, f"{path}/resolve")
    assert "It is resolved" in act(operator, f"{path}/resolve")
    assert find_incident(sql, line.id).resolved_by == "a operator"


def test_all_that_say_the_same_are_marked_at_once(
    operator: FlaskClient, customers: Customers, sql: psycopg.Connection
) -> None:
    alike = f"/incidents/alike/{list_incidents(sql)[0].fingerprint}"
    assert "bob sees to 3 of them." in act(operator, f"{alike}/assign", to="bob")
    assert "those that are still to come" in act(operator, f"{alike}/mute", days="")
    assert {line.muted_by for line in list_incidents(sql)} == {"a operator"}
    assert "told of again" in act(operator, f"{alike}/unmute")


def test_an_anomaly_is_marked(operator: FlaskClient, customers: Customers, sql: psycopg.Connection) -> None:
    line = next(line for line in list_anomalies(sql) if line.name == "message_malformed")
    path = f"/anomalies/{line.id}"
    told = text_of(operator, path)
    assert "72 times by 3 accounts" in told
    assert "uid 17" in told
    assert "ann sees to it." in act(operator, f"{path}/assign", to="ann")
    assert "a known sender" in act(operator, f"{path}/note", text="a known sender")
    assert "It is muted" in act(operator, f"{path}/mute", days="")
    assert "message_malformed" not in text_of(operator, "/anomalies")
    assert "message_malformed" in text_of(operator, "/anomalies?state=muted")
    assert "It is open." in act(operator, f"{path}/reopen")
    assert "It is resolved" in act(operator, f"{path}/resolve")
    assert "message_malformed" in text_of(operator, "/anomalies?state=resolved&type=email.sync")
    assert len(notes_of_anomaly(sql, line.id)) == 1


def test_costs_are_told_by_type_and_account(viewer: FlaskClient, customers: Customers) -> None:
    for period in ("hour", "day", "month"):
        told = text_of(viewer, f"/cost?period={period}")
        assert "email.sync" in told
        assert re.search(r"Acme 120 52 000 \$0.0208", told)
        assert "nobody&#39;s" in told or "nobody's" in told
    chart = viewer.get("/cost/calls?period=hour").get_json()
    assert [line["name"] for line in chart["lines"]] == ["calendar.sync", "email.sync"]
    assert sum(sum(line["values"]) for line in chart["lines"]) > 24 * 900 * 6


def test_nothing_there_is_told_as_well(viewer: FlaskClient) -> None:
    assert "No account yet" in text_of(viewer, "/accounts")
    assert "No incident is open" in text_of(viewer, "/incidents")
    assert "None is open" in text_of(viewer, "/anomalies")
    assert "No calls yet" in text_of(viewer, "/cost")


@pytest.mark.parametrize(
    "path",
    [
        "/connections/{c.mail}/try",
        "/connections/{c.mail}/pause",
        "/connections/{c.mail}/resync",
        "/connections/{c.mail}/budget",
        "/incidents/1/resolve",
        "/incidents/1/mute",
        "/anomalies/1/resolve",
        "/anomalies/1/note",
    ],
)
def test_who_may_only_look_does_nothing(viewer: FlaskClient, customers: Customers, path: str) -> None:
    assert submit(viewer, path.format(c=customers)).status_code == 403
