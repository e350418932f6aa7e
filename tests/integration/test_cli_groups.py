"""`retinue groups`, and `retinue jobs cancel` of a parent."""

from __future__ import annotations

import re

import psycopg
import pytest

from infra.postgres.enqueue import NewJob, enqueue
from infra.postgres.groups import Parent, enqueue_group
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import ECHO, add_account, claim_jobs, queue_jobs, settle_one

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def group_id(sql: psycopg.Connection) -> int:
    """A group of two jobs, one of them completed; its parent is completed, too."""
    account = add_account(sql, "Kestrel Freight")
    parent = enqueue(sql, ECHO).id
    children = [NewJob(type=ECHO, payload={}, account_id=account) for _ in range(2)]
    follow_up = NewJob(type=ECHO, payload={})
    rules = {"account_id": account, "follow_up": follow_up}
    with sql.transaction():
        group = enqueue_group(sql, children, name="onboard", parent=Parent(parent, None), **rules)  # type: ignore[arg-type] # two kinds of value
    first = sql.execute("SELECT min(id) FROM jobs WHERE group_id = %s", (group.id,)).fetchall()[0][0]
    queue_jobs(sql, [first, parent])
    for held in claim_jobs(sql, [first, parent], servant_id=1):
        settle_one(sql, held)
    return group.id


def test_a_group_is_listed_and_shown(retinue: CommandLine, group_id: int) -> None:
    add = ("--account", "Kestrel Freight", "--unfinished")
    (line,) = retinue.json("groups", "list", *add)["groups"]
    counts = {"total": 2, "completed": 1, "failed": 0, "cancelled": 0}
    shown = retinue.json("groups", "show", group_id)
    assert shown == line
    assert {name: shown[name] for name in counts} == counts
    assert (shown["state"], shown["name"], shown["follow_up_type"]) == ("running", "onboard", ECHO)
    assert "onboard" in retinue.say("groups", "list")
    said = retinue.say("groups", "show", group_id)
    assert "1 (1 completed, 0 failed, 0 cancelled)" in said


def test_a_group_that_reads_a_history_tells_how_far_it_is(
    retinue: CommandLine, sql: psycopg.Connection, group_id: int
) -> None:
    assert "Reads" not in retinue.say("groups", "show", group_id)
    sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " SELECT id, 'imap', 'main', '{}', '' FROM accounts"
    )
    sql.execute(
        "INSERT INTO imports (account_id, connection_id, kind, group_id, total, done, recent_at)"
        " SELECT account_id, id, 'email', %s, 400, 100, now() FROM connections",
        (group_id,),
    )
    assert "the history of connection 1: 25 %" in retinue.say("groups", "show", group_id)
    sql.execute("UPDATE imports SET finished_at = now()")
    assert "the history of connection 1: all of it is in" in retinue.say("groups", "show", group_id)


def test_a_group_is_cancelled(retinue: CommandLine, sql: psycopg.Connection, group_id: int) -> None:
    assert retinue.say("groups", "cancel", group_id) == f"What is left of group {group_id} is being cancelled.\n"
    assert retinue.json("groups", "show", group_id)["state"] == "cancelling"
    said = retinue.refusal("groups", "cancel", group_id, exit_code=1)
    assert said == f"Group {group_id} has ended, is being cancelled already, or is not there.\n"


def test_cancelling_a_finished_parent_cancels_the_rest(
    retinue: CommandLine, sql: psycopg.Connection, group_id: int
) -> None:
    ((parent,),) = sql.execute("SELECT parent_job_id FROM job_groups").fetchall()
    said = retinue.say("jobs", "cancel", parent)
    assert said == f"Job {parent} is finished; what is left of the groups it made is being cancelled.\n"
    assert retinue.json("groups", "show", group_id)["cancel_reason"] == "its parent was cancelled"


def test_no_group(retinue: CommandLine) -> None:
    assert retinue.say("groups", "list") == "No group.\n"
    assert "There is no group 5." in retinue.refusal("groups", "show", 5, exit_code=1)


def test_a_job_tells_its_group(retinue: CommandLine, sql: psycopg.Connection, group_id: int) -> None:
    ((waiting,),) = sql.execute("SELECT id FROM jobs").fetchall()
    ((ended,),) = sql.execute("SELECT id FROM job_history WHERE group_id IS NOT NULL").fetchall()
    for job in (waiting, ended):
        assert retinue.json("jobs", "show", job)["group_id"] == group_id
        assert re.search(rf"^Group +{group_id}$", retinue.say("jobs", "show", job), flags=re.MULTILINE)
