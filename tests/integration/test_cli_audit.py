"""`retinue audit`."""

from __future__ import annotations

import json

import psycopg
import pytest

from infra.postgres.accounts import add_account
from infra.postgres.audit import Act, Actor, ActorKind, note
from tests.support.audit_tampering import ACTIONS, relink, tamper, write_down
from tests.support.command_line import CommandLine, bare_environment, retinue

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def written(retinue: CommandLine, sql: psycopg.Connection) -> str:
    """Ten actions; the head that somebody noted elsewhere."""
    write_down(sql)
    return str(retinue.json("audit", "verify")["head"])


def test_an_audit_that_holds_says_its_head(retinue: CommandLine, written: str) -> None:
    assert written.startswith(f"{ACTIONS}:")
    assert retinue.say("audit", "verify", "--head", written) == f"{ACTIONS} actions verified. Head: {written}\n"
    assert retinue.json("audit", "verify") == {"verified": ACTIONS, "head": written, "break": None}


def test_an_empty_audit_holds(retinue: CommandLine) -> None:
    assert retinue.say("audit", "verify") == "0 actions verified. Head: none yet\n"


def test_a_broken_audit_is_told_and_the_status_is_one(
    retinue: CommandLine, written: str, sql: psycopg.Connection
) -> None:
    tamper(sql, "DELETE FROM operator_actions WHERE id = 5")

    sentence = "The action 5 at position 5 is gone: it was taken out."
    said = retinue.refusal("audit", "verify", exit_code=1)
    assert said == f"Error: The audit is broken behind 4 actions. {sentence}\n"
    found = retinue.json("audit", "verify", exit_code=1)
    assert (found["verified"], found["head"].partition(":")[0]) == (4, "4")
    assert found["break"] == {"kind": "missing", "position": 5, "action_id": 5, "sentence": sentence}


def test_a_chain_that_was_made_anew_does_not_contain_the_head(
    retinue: CommandLine, written: str, sql: psycopg.Connection
) -> None:
    tamper(sql, "DELETE FROM operator_actions WHERE id = 5")
    relink(sql, 5)

    assert retinue.run("audit", "verify").exit_code == 0
    assert "10 was noted" in retinue.refusal("audit", "verify", "--head", written, exit_code=1)


@pytest.mark.parametrize("head", ["", "12", "x:00", "0:" + "00" * 32, "12:" + "00" * 31, "12:" + "zz" * 32])
def test_what_is_no_head_is_refused(retinue: CommandLine, head: str) -> None:
    assert "write POSITION:HEX" in retinue.refusal("audit", "verify", "--head", head, exit_code=2)


def test_the_export_is_a_line_of_json_for_each_action(retinue: CommandLine, written: str) -> None:
    *lines, own = [json.loads(line) for line in retinue.say("audit", "export").splitlines()]
    assert [line["position"] for line in lines] == list(range(1, ACTIONS + 1))
    assert f"{lines[-1]['position']}:{lines[-1]['chain']}" == written
    # That somebody took it all along is written down before.
    assert (own["position"], own["action"]) == (ACTIONS + 1, "audit.export")


def test_actions_are_listed_the_newest_first(retinue: CommandLine, written: str, sql: psycopg.Connection) -> None:
    account = add_account(sql, "acme")
    note(sql, Actor(ActorKind.PERSON, 2, "Bob"), Act("job.retry", "job", 7, account.id))

    assert [line["id"] for line in retinue.json("audit", "list", "--action", "job.")["actions"]] == [11, 10, 6, 5, 1]
    (line,) = retinue.json("audit", "list", "--account", "acme")["actions"]
    assert (line["id"], line["actor_name"], line["target_id"]) == (11, "Bob", "7")
    assert [line["id"] for line in retinue.json("audit", "list", "--actor", "ada")["actions"]] == [9, 6, 4, 1]


def test_the_list_says_where_it_goes_on(retinue: CommandLine, written: str) -> None:
    said = retinue.say("audit", "list", "--limit", 4)
    assert said.endswith("\nOlder ones: --before 7\n")
    assert '{"why": "<b>asked</b>"}' in said
    assert retinue.json("audit", "list", "--limit", 4, "--before", 7)["actions"][0]["id"] == 6
    assert retinue.say("audit", "list", "--actor", "nobody") == "No such actions.\n"
