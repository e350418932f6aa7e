"""Groups: progress adds up, each policy for a failed job, cancelling, groups inside groups, one follow-up."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.enqueue import NewJob, enqueue
from infra.postgres.groups import (
    Parent,
    cancel_groups,
    enqueue_group,
    followed_group,
    list_children,
    list_groups,
    show_group,
)
from infra.postgres.job_actions import Deed, cancel_jobs
from retinue.errors import InvalidPayload, NotFound, UnknownType
from retinue.groups import GroupState
from retinue.outcomes import Cancelled, Completed, Fail, Retry
from tests.support.assertions import assert_consistent, states
from tests.support.factories import ECHO, settle_one
from tests.support.groups import claim, echoes, end, figures, follow_ups, jobs_of, make, settle_groups


def test_progress_adds_up_and_a_follow_up_runs_when_all_are_done(sql: psycopg.Connection, database: Database) -> None:
    group = make(sql)
    assert figures(sql, group.id) == ("running", 3, 0, 0, 0)
    end(sql, group.id, Completed(), Completed({"rows": 4}))
    # Exact before the pass and after it.
    assert figures(sql, group.id) == ("running", 3, 2, 0, 0)
    settle_groups(database)
    assert figures(sql, group.id) == ("running", 3, 2, 0, 0)
    assert follow_ups(sql) == 0

    end(sql, group.id, Completed())
    settle_groups(database)
    details = show_group(sql, group.id)
    assert (details.state, details.done, details.follow_up_type) == (GroupState.COMPLETED, 3, ECHO)
    row = sql.execute(
        "SELECT payload->>'message', account_id, lane, group_id FROM jobs WHERE id = %s", (details.follow_up_job_id,)
    ).fetchone()
    assert row == ("all done", 7, "account:7", None)
    assert details.follow_up_job_id is not None
    assert followed_group(sql, details.follow_up_job_id) == details
    assert sorted(str(child.result) for child in list_children(sql, group.id)) == ["None", "None", "{'rows': 4}"]
    settle_groups(database)
    assert follow_ups(sql) == 1
    assert_consistent(sql)


def test_a_retry_is_not_an_end(sql: psycopg.Connection, database: Database) -> None:
    group = make(sql, 1)
    end(sql, group.id, Retry())
    settle_groups(database)
    assert figures(sql, group.id) == ("running", 1, 0, 0, 0)
    end(sql, group.id, Completed())
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (("completed", 1, 1, 0, 0), 1)


@pytest.mark.parametrize(
    ("policy", "counts", "follows"),
    [
        ("continue", ("failed", 3, 2, 1, 0), 1),
        ("withhold", ("failed", 3, 2, 1, 0), 0),
        ("cancel", ("failed", 3, 0, 1, 2), 0),
    ],
)
def test_a_failed_job_follows_the_policy(
    sql: psycopg.Connection, database: Database, policy: str, counts: tuple[Any, ...], follows: int
) -> None:
    group = make(sql, on_failure=policy)
    end(sql, group.id, Fail("no use"))
    settle_groups(database)
    end(sql, group.id, *[Completed()] * len(jobs_of(sql, group.id)))
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (counts, follows)
    (failed,) = list_children(sql, group.id, state="failed")
    assert failed.error["message"] == "no use"
    assert_consistent(sql)


def test_cancelling_a_group_cancels_what_waits_and_asks_what_runs(sql: psycopg.Connection, database: Database) -> None:
    group = make(sql, 5)
    running, finished = claim(sql, jobs_of(sql, group.id)[:2])
    settle_one(sql, finished)
    assert cancel_groups(sql, [group.id], reason="enough") == {group.id}
    assert cancel_groups(sql, [group.id], reason="enough") == set()
    settle_groups(database)
    assert figures(sql, group.id) == ("cancelling", 5, 1, 0, 3)
    asked = sql.execute("SELECT id FROM jobs WHERE cancel_requested_at IS NOT NULL").fetchall()
    assert asked == [(running.id,)]
    settle_one(sql, running)
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (("cancelled", 5, 2, 0, 3), 0)
    assert show_group(sql, group.id).cancel_reason == "enough"
    assert_consistent(sql)


@pytest.mark.parametrize("stage", ["waiting", "running", "completed"])
def test_cancelling_the_parent_cancels_the_rest(sql: psycopg.Connection, database: Database, stage: str) -> None:
    parent = enqueue(sql, ECHO, {"message": "parent"}).id
    group = make(sql, parent=Parent(parent, None))
    held = [] if stage == "waiting" else claim(sql, [parent])
    if stage == "completed":
        settle_one(sql, held[0])
    (result,) = cancel_jobs(sql, [parent])
    deeds = {"waiting": Deed.CANCELLED, "running": Deed.CANCEL_REQUESTED, "completed": Deed.GROUP_CANCELLED}
    assert result.deed == deeds[stage]
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (("cancelled", 3, 0, 0, 3), 0)
    # There is nothing left to cancel.
    if stage == "completed":
        assert cancel_jobs(sql, [parent])[0].deed == Deed.NOTHING


def test_a_group_that_a_job_makes_after_it_was_asked_to_stop_goes_with_it(
    sql: psycopg.Connection, database: Database
) -> None:
    parent = enqueue(sql, ECHO).id
    (held,) = claim(sql, [parent])
    assert cancel_jobs(sql, [parent])[0].deed == Deed.CANCEL_REQUESTED
    group = make(sql, parent=Parent(parent, None))
    settle_one(sql, held, Cancelled())
    settle_groups(database)
    assert figures(sql, group.id) == ("cancelled", 3, 0, 0, 3)


def test_a_group_inside_a_group_adds_to_it(sql: psycopg.Connection, database: Database) -> None:
    outer = make(sql, 2)
    (child,) = claim(sql, jobs_of(sql, outer.id)[:1])
    inner_follow_up = NewJob(type=ECHO, payload={"message": "inner done"})
    inner = make(sql, 2, name="inner", parent=Parent(child.id, outer.id), follow_up=inner_follow_up)
    settle_one(sql, child)
    end(sql, outer.id, Completed())
    settle_groups(database)
    # Its own two are done, but not those inside it.
    assert figures(sql, outer.id) == ("running", 4, 2, 0, 0)
    assert show_group(sql, outer.id).inner_groups == 1
    end(sql, inner.id, Completed(), Completed())
    settle_groups(database)
    assert figures(sql, inner.id) == ("completed", 2, 2, 0, 0)
    # The inner one's follow-up belongs to the outer group, which waits for it.
    assert (figures(sql, outer.id), follow_ups(sql)) == (("running", 5, 4, 0, 0), 0)
    end(sql, outer.id, Completed())
    settle_groups(database)
    assert (figures(sql, outer.id), follow_ups(sql)) == (("completed", 5, 5, 0, 0), 1)
    assert_consistent(sql)


@pytest.mark.parametrize(
    ("policy", "state", "follows"), [("continue", "failed", 1), ("withhold", "failed", 0), ("cancel", "failed", 0)]
)
def test_a_failure_inside_is_a_failure_of_what_is_around(
    sql: psycopg.Connection, database: Database, policy: str, state: str, follows: int
) -> None:
    outer = make(sql, 3, on_failure=policy)
    (child,) = claim(sql, jobs_of(sql, outer.id)[:1])
    inner = make(sql, 2, name="inner", parent=Parent(child.id, outer.id), follow_up=None)
    settle_one(sql, child)
    end(sql, inner.id, Fail("no use"), Completed())
    settle_groups(database)
    left = len(jobs_of(sql, outer.id))
    assert left == (0 if policy == "cancel" else 2)
    end(sql, outer.id, *[Completed()] * left)
    settle_groups(database)
    assert (figures(sql, outer.id)[0], follow_ups(sql)) == (state, follows)


def test_cancelling_reaches_groups_inside_groups(sql: psycopg.Connection, database: Database) -> None:
    outer = make(sql, 2)
    middle = make(sql, 2, name="middle", parent=Parent(jobs_of(sql, outer.id)[0], outer.id))
    inner = make(sql, 2, name="inner", parent=Parent(jobs_of(sql, middle.id)[0], middle.id))
    cancel_groups(sql, [outer.id], reason="enough")
    settle_groups(database)
    assert [show_group(sql, one.id).state for one in (outer, middle, inner)] == ["cancelled"] * 3
    assert (states(sql), follow_ups(sql)) == ({"cancelled": 6}, 0)


def test_an_empty_group_ends_at_once(sql: psycopg.Connection, database: Database) -> None:
    group = make(sql, 0)
    settle_groups(database)
    assert (figures(sql, group.id), follow_ups(sql)) == (("completed", 0, 0, 0, 0), 1)


def test_what_cannot_be_is_refused(sql: psycopg.Connection) -> None:
    refused = partial(enqueue_group, sql, echoes(1))
    with pytest.raises(InvalidPayload, match="A group's name is 1 to 200 printable characters"):
        refused(name="")
    with pytest.raises(InvalidPayload, match="on_failure is one of continue, withhold, cancel, got 'stop'"):
        refused(name="x", on_failure="stop")
    with pytest.raises(InvalidPayload, match="takes no unique key"):
        refused(name="x", follow_up=NewJob(type=ECHO, payload={}, unique_key="k"))
    with pytest.raises(UnknownType):
        refused(name="x", follow_up=NewJob(type="no.such", payload={}))
    with pytest.raises(NotFound, match="follows no group"):
        followed_group(sql, 1)
    assert (states(sql), list_groups(sql)) == ({}, [])
