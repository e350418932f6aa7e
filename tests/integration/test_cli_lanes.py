"""`retinue lanes` and `retinue types`."""

from __future__ import annotations

import re

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.queues.memory import MemoryQueues
from retinue.holds import Hold, HoldKind
from scheduler.dispatch import Dispatch
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import ECHO, add_jobs, add_servant
from tests.support.lanes import fold

__all__ = ["bare_environment", "retinue"]

KEYS = {"type", "lane", "weight", "own_limit", "lane_limit", "state", "due_at", "pending", "in_flight", "mean_seconds"}
KEYS |= {"account_id", "account_name", "holds"}


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return Dispatch(database, MemoryQueues(), alive_seconds=30)


def test_a_lane_is_paused_and_resumed(retinue: CommandLine, sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_jobs(sql)
    line = retinue.json("lanes", "pause", ECHO, "account:1", "--reason", "the customer asked")
    assert set(line) == KEYS
    assert [(hold["kind"], hold["reason"]) for hold in line["holds"]] == [("pause", "the customer asked")]
    assert dispatch.run_once().done == 0
    assert retinue.json("lanes", "list", "--held")["lanes"] == [line | {"due_at": _due(retinue), "pending": 1}]
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +pause: ", retinue.say("lanes", "list", "--held"))
    assert "Lane account:1 of system.echo is resumed." in retinue.say("lanes", "resume", ECHO, "account:1")
    assert dispatch.run_once().done == 1
    assert "was not paused" in retinue.say("lanes", "resume", ECHO, "account:1")


def _due(retinue: CommandLine) -> object:
    return retinue.json("lanes", "list")["lanes"][0]["due_at"]


def test_resuming_by_hand_leaves_an_incident_alone(retinue: CommandLine, sql: psycopg.Connection) -> None:
    from infra.postgres.holds import hold_lanes

    add_servant(sql)
    hold_lanes(sql, [((ECHO, "account:1"), Hold(HoldKind.INCIDENT, "connection:3", None, "revoked"))])
    retinue.say("lanes", "pause", ECHO, "account:1")
    assert retinue.say("lanes", "resume", ECHO, "account:1").endswith("is resumed. It is held: incident.\n")


def test_weight_and_limit_are_set_each_for_itself(
    retinue: CommandLine, sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    add_servant(sql, slots=50, lane_limit=1)
    line = retinue.json("lanes", "set", ECHO, "account:1", "--weight", "2.5", "--limit", 3)
    assert (line["weight"], line["lane_limit"], line["state"]) == (2.5, 3, "idle")
    add_jobs(sql, 5)
    assert dispatch.run_once().done == 3
    assert retinue.json("lanes", "list")["lanes"][0]["state"] == "full"
    retinue.say("lanes", "set", ECHO, "account:1", "--limit", 4)
    assert dispatch.run_once().done == 1
    line = retinue.json("lanes", "set", ECHO, "account:1", "--weight", 1)
    assert (line["weight"], line["lane_limit"]) == (1, 4)
    assert retinue.json("lanes", "set", ECHO, "account:1", "--limit", "none")["lane_limit"] == 1


def test_in_strict_order_the_limit_is_one_whatever_was_set(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_servant(sql, lane_limit=1, order_policy="skip")
    assert retinue.json("lanes", "set", ECHO, "account:1", "--limit", 5)["lane_limit"] == 1


def test_what_a_lane_waits_for_shows(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_servant(sql)
    add_jobs(sql, lane="account:2")
    fold(sql)
    assert [line["state"] for line in retinue.json("lanes", "list", "--type", ECHO)["lanes"]] == ["ready"]
    assert "account:2" in retinue.say("lanes", "list")
    assert retinue.json("lanes", "list", "--lane", "account:9")["lanes"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lanes", "set", ECHO, "account:1"), "Give --weight, --limit, or both."),
        (("lanes", "set", ECHO, "account:1", "--weight", "0"), "A weight is 0.001 to 1000, got 0."),
        (("lanes", "set", ECHO, "account:1", "--limit", "0"), "A limit is at least 1, got 0."),
        (("lanes", "set", ECHO, "account:1", "--limit", "99999999999"), "A limit is at most 1000000, got 99999999999."),
        (("lanes", "set", ECHO, "account:1", "--weight", "nan"), "A weight is 0.001 to 1000, got nan."),
        # Bytes of the command line that are no UTF-8.
        (("lanes", "list", "--lane", "acc\udcff"), "What was given is not text"),
        (("lanes", "set", ECHO, "account:1", "--limit", "few"), "--limit is a number or 'none', got 'few'."),
    ],
)
def test_bad_input(retinue: CommandLine, sql: psycopg.Connection, arguments: tuple[str, ...], words: str) -> None:
    add_servant(sql)
    assert words in retinue.refusal(*arguments, exit_code=2)


def test_no_lane_has_a_name_that_cannot_be_kept(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_servant(sql)
    refused = retinue.refusal("lanes", "pause", ECHO, "acc\udcff", exit_code=1)
    assert "There is no such lane: lane is at most 500 printable characters" in refused


@pytest.mark.parametrize(
    "command",
    [
        ("lanes", "pause", "no.such", "account:1"),
        ("lanes", "resume", "no.such", "account:1"),
        ("lanes", "set", "no.such", "account:1", "--limit", "1"),
        ("types", "pause", "no.such"),
    ],
)
def test_a_type_that_never_was(retinue: CommandLine, command: tuple[str, ...]) -> None:
    assert "No servant of type 'no.such' was ever started here." in retinue.refusal(*command, exit_code=1)


def test_a_type_is_paused_and_resumed(retinue: CommandLine, sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, type_limit=7)
    add_jobs(sql)
    assert retinue.say("types", "pause", ECHO) == f"Type {ECHO} is paused.\n"
    (line,) = retinue.json("types", "list")["types"]
    assert (line["type"], line["type_limit"], line["paused_at"] is not None) == (ECHO, 7, True)
    assert dispatch.run_once().done == 0
    assert "system.echo" in retinue.say("types", "list")
    assert retinue.say("types", "resume", ECHO) == f"Type {ECHO} is resumed.\n"
    dispatch.run_once()
    assert dispatch.run_once().done + sql.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchall()[0][0]


def test_the_limits_of_a_type_are_set_each_for_itself(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_servant(sql, lane_limit=2)
    assert retinue.say("types", "set", ECHO, "--type-limit", 7) == f"Type {ECHO} has new limits.\n"
    assert _limits(retinue) == (2, 7, True)
    retinue.say("types", "set", ECHO, "--lane-limit", "none")
    assert _limits(retinue) == (None, 7, True)
    assert retinue.say("types", "set", ECHO, "--declared") == f"Type {ECHO} has its declared limits.\n"
    assert _limits(retinue) == (2, None, False)


def _limits(retinue: CommandLine) -> tuple[object, object, object]:
    (line,) = retinue.json("types", "list")["types"]
    return line["lane_limit"], line["type_limit"], line["limits_by_hand"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "Give --lane-limit, --type-limit, or both; or --declared alone."),
        (("--declared", "--type-limit", "1"), "Give --lane-limit, --type-limit, or both; or --declared alone."),
        (("--type-limit", "many"), "--type-limit is a number or 'none', got 'many'."),
        (("--lane-limit", "0"), "A limit is 1 to 1000000, got 0."),
    ],
)
def test_limits_that_cannot_be_are_refused(
    retinue: CommandLine, sql: psycopg.Connection, options: tuple[str, ...], says: str
) -> None:
    add_servant(sql)
    assert says in retinue.refusal("types", "set", ECHO, *options, exit_code=2)
