"""`retinue anomalies`, and what people do with incidents."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.incidents import list_incidents
from infra.postgres.trouble_notes import notes_of_incident
from tests.support.account_rows import Customers, add_customers
from tests.support.command_line import CommandLine, bare_environment, retinue

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def customers(sql: psycopg.Connection) -> Customers:
    return add_customers(sql)


def test_anomalies_are_listed_and_shown(retinue: CommandLine, customers: Customers) -> None:
    listed = retinue.json("anomalies", "list")["anomalies"]
    assert {line["name"]: line["accounts"] for line in listed} == {"message_malformed": 3, "salesforce_drift": 1}
    assert len(retinue.json("anomalies", "list", "--account", "Wayne")["anomalies"]) == 1
    assert len(retinue.json("anomalies", "list", "--type", "salesforce.reconcile")["anomalies"]) == 1
    shown = retinue.say("anomalies", "show", listed[0]["fingerprint"])
    assert "Acme: 12×, last by job 1001" in shown
    assert retinue.json("anomalies", "show", listed[0]["id"])["anomaly"]["seen"] == listed[0]["seen"]
    assert "no anomaly 'nothing'" in retinue.refusal("anomalies", "show", "nothing", exit_code=1)


def test_an_anomaly_is_marked(retinue: CommandLine, customers: Customers) -> None:
    line = retinue.json("anomalies", "list")["anomalies"][0]
    print_ = line["fingerprint"]
    assert "is assigned to ann" in retinue.say("anomalies", "assign", print_, "ann")
    assert "Noted" in retinue.say("anomalies", "note", print_, "a known sender", "--by", "ann")
    assert "is resolved" in retinue.say("anomalies", "resolve", print_)
    assert len(retinue.json("anomalies", "list")["anomalies"]) == 1
    assert "is muted" in retinue.say("anomalies", "mute", print_, "--days", 7, "--by", "ann")
    shown = retinue.say("anomalies", "show", print_)
    assert "muted by ann" in shown
    assert "ann: a known sender" in shown
    assert "is open" in retinue.say("anomalies", "mute", print_, "--off")
    assert "nobody" in retinue.say("anomalies", "assign", print_)
    assert len(retinue.json("anomalies", "list", "--all")["anomalies"]) == 2


def test_an_incident_is_marked(retinue: CommandLine, sql: psycopg.Connection, customers: Customers) -> None:
    (line,) = list_incidents(sql, connection_id=customers.broken)
    assert "assigned to ann" in retinue.say("incidents", "assign", line.id, "ann")
    assert "Noted" in retinue.say("incidents", "note", line.id, "asked them", "--by", "ann")
    assert "is muted" in retinue.say("incidents", "mute", line.id, "--days", 1, "--by", "ann")
    shown = retinue.say("incidents", "show", line.id)
    assert "Muted by" in shown
    assert "Assigned to" in shown
    assert "told of again" in retinue.say("incidents", "mute", line.id, "--off")
    retinue.say("incidents", "mute", line.id, "--alike", "--by", "bob")
    assert {one["muted_by"] for one in retinue.json("incidents", "list")["incidents"]} == {"bob"}
    assert "muted" in retinue.say("incidents", "list")
    assert "is resolved" in retinue.say("incidents", "resolve", line.id, "--by", "ann")
    assert len(retinue.json("incidents", "list")["incidents"]) == 2
    assert [(note.author, note.text) for note in notes_of_incident(sql, line.id)] == [("ann", "asked them")]


def test_a_budget_tells_how_long_it_lasts(retinue: CommandLine, customers: Customers) -> None:
    assert "At this rate the day's 5,000 calls" in retinue.say("connections", "budget", customers.org)
