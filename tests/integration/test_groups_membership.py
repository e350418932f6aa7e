"""Who joins a group and until when, and that it ends once, whoever comes in between."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.enqueue import NewJob, enqueue
from infra.postgres.groups import (
    Parent,
    cancel_groups,
    enqueue_group,
    list_groups,
    open_group,
    show_group,
)
from retinue import Unique
from retinue.errors import NotAllowed, NotFound
from retinue.outcomes import Completed, Fail, Outcome
from scheduler.groups import Groups
from scheduler.retain import Retain
from tests.support.assertions import assert_consistent
from tests.support.factories import ECHO, settle_one
from tests.support.groups import claim, echoes, end, figures, follow_ups, jobs_of, make, settle_groups
from tests.support.race import in_background, together, wait_until_blocked


def test_jobs_join_in_pages_until_it_is_sealed(sql: psycopg.Connection, database: Database) -> None:
    group = make(sql, 1, sealed=False)
    end(sql, group.id, Completed())
    settle_groups(database)
    assert figures(sql, group.id) == ("open", 1, 1, 0, 0)
    with sql.transaction():
        again = open_group(sql, group.id)
        assert again.add(echoes(2)) == 2
        again.seal()
    with pytest.raises(NotAllowed, match=f"No job can join group {group.id}: it is sealed"):
        open_group(sql, group.id).add(echoes(1))
    end(sql, group.id, Completed(), Completed())
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (("completed", 3, 3, 0, 0), 1)


def test_no_job_joins_a_group_that_is_being_cancelled(sql: psycopg.Connection) -> None:
    group = make(sql, 1, sealed=False)
    cancel_groups(sql, [group.id], reason="enough")
    with pytest.raises(NotAllowed, match="it is being cancelled: enough"):
        group.add(echoes(1))
    with pytest.raises(NotFound, match="There is no group 999"):
        open_group(sql, 999).add(echoes(1))


def test_sealing_waits_for_who_is_adding(sql: psycopg.Connection, database_url: str, database: Database) -> None:
    group = make(sql, 0, sealed=False)
    with psycopg.connect(database_url) as adding, psycopg.connect(database_url) as sealing:
        open_group(adding, group.id).add(echoes(2))
        with in_background(open_group(sealing, group.id).seal):
            wait_until_blocked(sql, by=adding)
            adding.commit()
        sealing.commit()
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (("running", 2, 0, 0, 0), 0)


def test_a_parent_that_runs_again_finds_the_group_it_made(sql: psycopg.Connection) -> None:
    parent = Parent(enqueue(sql, ECHO).id, None)
    first = make(sql, parent=parent)
    again = make(sql, parent=parent)
    assert (first.created, again.created, again.id) == (True, False, first.id)
    assert figures(sql, first.id) == ("running", 3, 0, 0, 0)
    assert make(sql, parent=parent, name="another").created


@pytest.mark.parametrize(("outcome", "state"), [(Completed(), "running"), (Fail("no use"), "cancelled")])
def test_a_group_that_its_parent_left_open_is_sealed_or_cancelled(
    sql: psycopg.Connection, database: Database, outcome: Outcome, state: str
) -> None:
    parent = enqueue(sql, ECHO).id
    group = make(sql, parent=Parent(parent, None), sealed=False)
    (held,) = claim(sql, [parent])
    settle_groups(database)
    assert show_group(sql, group.id).state == "open"
    settle_one(sql, held, outcome)
    settle_groups(database)
    found = show_group(sql, group.id)
    assert found.state == state
    if state == "cancelled":
        assert found.cancel_reason == "its parent ended before it was sealed: failed"


def test_a_child_whose_key_is_held_does_not_join(sql: psycopg.Connection, database: Database) -> None:
    enqueue(sql, ECHO, unique_key="k")
    children = [NewJob(type=ECHO, payload={}, unique=Unique("k")), *echoes(1)]
    with sql.transaction():
        group = enqueue_group(sql, children, name="onboard")
    assert figures(sql, group.id) == ("running", 1, 0, 0, 0)
    end(sql, group.id, Completed())
    settle_groups(database)
    assert figures(sql, group.id) == ("completed", 1, 1, 0, 0)


def test_two_schedulers_fold_and_end_at_once_and_each_follow_up_comes_once(
    sql: psycopg.Connection, database_url: str
) -> None:
    groups = [make(sql, 4) for _ in range(12)]
    databases = [Database(database_url, application_name="test") for _ in range(2)]
    for _ in range(4):
        for group in groups:
            end(sql, group.id, Completed())
        together([Groups(each).run_once for each in databases] * 2)
    for each in databases:
        settle_groups(each)
        each.close()
    assert {figures(sql, group.id) for group in groups} == {("completed", 4, 4, 0, 0)}
    assert follow_ups(sql) == 12
    assert sql.execute("SELECT count(*) FROM group_notes").fetchone() == (0,)


def test_children_end_while_the_group_is_cancelled(sql: psycopg.Connection, database: Database) -> None:
    """Cancel races with settles: whatever wins, each job is counted once."""
    group = make(sql, 40)
    held = claim(sql, jobs_of(sql, group.id)[:20])

    def settle_all() -> None:
        for job in held:
            settle_one(sql, job)

    def cancel() -> None:
        with database.transaction() as connection:
            cancel_groups(connection, [group.id], reason="enough")
        settle_groups(database)

    together([settle_all, cancel])
    settle_groups(database)
    assert figures(sql, group.id) == ("cancelled", 40, 20, 0, 20)
    assert_consistent(sql)


def test_a_crash_before_the_end_is_written_leaves_the_follow_up_to_the_next(
    sql: psycopg.Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make(sql, 1)
    end(sql, group.id, Completed())

    def crash(*_: object, **__: object) -> int:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("scheduler.groups.make_follow_up", crash)
        with pytest.raises(RuntimeError, match="killed"):
            Groups(database).run_once()
    assert (show_group(sql, group.id).state, follow_ups(sql)) == ("running", 0)
    settle_groups(database)
    assert (show_group(sql, group.id).state, follow_ups(sql)) == ("completed", 1)


def test_old_groups_are_dropped_with_their_history(sql: psycopg.Connection, database: Database) -> None:
    old, new, unfinished = make(sql, 0), make(sql, 0), make(sql, 1)
    settle_groups(database)
    sql.execute("UPDATE job_groups SET finished_at = now() - interval '15 days' WHERE id = %s", (old.id,))
    Retain(database, history_days=14).run_once()
    assert [group.id for group in list_groups(sql)] == [unfinished.id, new.id]
    assert [group.id for group in list_groups(sql, unfinished=True)] == [unfinished.id]
