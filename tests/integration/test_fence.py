"""The fence: results and completion commit together, or, once the attempt has lost its job, not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from infra.keys import generate_key
from infra.postgres.bell import Bell
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.secrets import Keyring
from retinue.errors import LeaseLost, PermanentError
from retinue.job import Job, JobFacts
from retinue.outcomes import Completed, Fail
from scheduler.rescue import Rescue
from servants.runtime.services import Services
from servants.system import Echo
from tests.support.assertions import assert_consistent, history_of, row_of, state_of
from tests.support.factories import (
    ECHO,
    Held,
    add_type,
    claim_jobs,
    expire_leases,
    heartbeat_params,
    queue_jobs,
    run_jobs,
    settle_one,
)
from tests.support.race import in_background, wait_until_blocked


@pytest.fixture
def services(database: Database, database_url: str) -> Iterator[Services]:
    bell = Bell(database_url)
    yield Services(database, Keyring(generate_key()), bell, servant_id=1)
    bell.close()


@pytest.fixture
def rescue(database: Database) -> Rescue:
    return Rescue(database, queued_timeout_seconds=30, lost_seconds=60)


def job_of(services: Services, held: Held, *, checkpoint: object = None) -> Job[Echo]:
    """What the handler of this attempt has in hand."""
    facts = JobFacts(
        id=held.id,
        type=ECHO,
        attempt=held.attempt,
        account_id=None,
        lane="account:1",
        failures=0,
        checkpoint=checkpoint,
        request_id=None,
        fire_at=None,
    )
    return Job(facts, Echo(), services)


def echo(message: str, held: Held) -> tuple[str, tuple[int, int, str]]:
    """An effect in the handler's own data."""
    return "INSERT INTO echoes (job_id, attempt, message) VALUES (%s, %s, %s)", (held.id, held.attempt, message)


def echoes(sql: psycopg.Connection) -> list[str]:
    return [row[0] for row in sql.execute("SELECT message FROM echoes ORDER BY at")]


def take_away(sql: psycopg.Connection, held: Held) -> Held:
    """Rescue the job and have another servant claim it."""
    expire_leases(sql, [held.id])
    params = {"poison_deaths": 3, "backoff_seconds": 0, "limit": 10}
    assert len(sql.execute(statement("rescue_expired_jobs"), params).fetchall()) == 1
    queue_jobs(sql, [held.id])
    (taken,) = claim_jobs(sql, [held.id], servant_id=2)
    return taken


def test_effects_checkpoint_and_completion_land_together(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    job = job_of(services, held)
    with job.commit() as tx:
        tx.execute(*echo("once", held))
        tx.checkpoint({"page": 2})
        tx.complete(Completed({"ok": True}))
        assert echoes(sql) == []
        assert state_of(sql, held.id) == ("running", "claim")
    assert echoes(sql) == ["once"]
    assert history_of(sql, held.id, "state, result, checkpoint") == ("completed", {"ok": True}, {"page": 2})
    assert history_of(sql, held.id, "run_seconds > 0") == (True,)
    assert job.settled
    assert_consistent(sql)


def test_the_servants_own_settle_after_a_completing_commit_changes_nothing(
    sql: psycopg.Connection, services: Services
) -> None:
    (held,) = run_jobs(sql)
    with job_of(services, held).commit() as tx:
        tx.complete(Completed({"by": "commit"}))
    assert settle_one(sql, held, Fail("late")).done == frozenset()
    assert history_of(sql, held.id, "state, result") == ("completed", {"by": "commit"})


def test_a_checkpoint_is_where_the_next_attempt_starts(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    job = job_of(services, held)
    with job.commit() as tx:
        tx.checkpoint([1, 2])
    assert job.checkpoint == [1, 2]
    assert not job.settled
    assert row_of(sql, take_away(sql, held).id, "checkpoint") == ([1, 2],)


def test_an_error_in_the_block_leaves_nothing(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    job = job_of(services, held, checkpoint="before")

    def write_and_fail() -> None:
        with job.commit() as tx:
            tx.execute(*echo("never", held))
            tx.checkpoint("after")
            tx.complete(Completed())
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_and_fail()
    assert echoes(sql) == []
    assert state_of(sql, held.id) == ("running", "claim")
    assert (job.checkpoint, job.settled) == ("before", False)


@pytest.mark.parametrize("result", [{"x": float("nan")}, {"x": datetime(2026, 1, 1, tzinfo=UTC)}, {"x": "\0"}])
def test_a_result_that_cannot_be_kept_fails_the_job_and_its_effects_with_it(
    sql: psycopg.Connection, services: Services, result: dict[str, object]
) -> None:
    (held,) = run_jobs(sql)

    def complete_with_it() -> None:
        with job_of(services, held).commit() as tx:
            tx.execute(*echo("never", held))
            tx.complete(Completed(result))

    with pytest.raises(PermanentError, match="the result cannot be written as JSON"):
        complete_with_it()
    assert echoes(sql) == []


def test_an_attempt_that_lost_its_job_commits_nothing(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    take_away(sql, held)
    entered = False
    with (
        pytest.raises(LeaseLost, match=f"attempt 1 no longer holds job {held.id}; nothing was written"),
        job_of(services, held).commit(),
    ):
        entered = True
    assert not entered


def test_the_new_attempt_is_not_disturbed_by_the_old_one(sql: psycopg.Connection, services: Services) -> None:
    (old,) = run_jobs(sql)
    new = take_away(sql, old)
    with pytest.raises(LeaseLost), job_of(services, old).commit() as tx:
        tx.complete(Completed())
    params = {"id": old.id, "attempt": old.attempt, "checkpoint": '"stale"'}
    assert sql.execute(statement("save_checkpoint"), params).rowcount == 0
    with job_of(services, new).commit() as tx:
        tx.execute(*echo("new", new))
        tx.complete(Completed())
    assert echoes(sql) == ["new"]
    assert_consistent(sql)


def test_a_finished_job_is_committed_to_no_more(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held)
    with pytest.raises(LeaseLost), job_of(services, held).commit():
        pass


def test_a_job_that_was_asked_to_stop_still_commits_while_it_holds_its_lease(
    sql: psycopg.Connection, services: Services
) -> None:
    (held,) = run_jobs(sql)
    sql.execute(statement("request_cancel"), {"ids": [held.id]})
    with job_of(services, held).commit() as tx:
        tx.execute(*echo("in time", held))
    assert echoes(sql) == ["in time"]


def test_rescue_never_takes_a_job_whose_commit_is_open(
    sql: psycopg.Connection, services: Services, rescue: Rescue
) -> None:
    """Its lease has run out, yet the row is locked: rescue passes over it, and the commit lands."""
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])
    with job_of(services, held).commit() as tx:
        tx.execute(*echo("kept", held))
        assert rescue.run_once().done == 0
        tx.complete(Completed())
    assert echoes(sql) == ["kept"]
    assert state_of(sql, held.id) == ("completed", "complete")
    assert rescue.run_once().done == 0


def test_rescue_takes_it_once_the_commit_has_ended_without_completing(
    sql: psycopg.Connection, services: Services, rescue: Rescue
) -> None:
    (held,) = run_jobs(sql)
    with job_of(services, held).commit() as tx:
        tx.checkpoint("kept")
        expire_leases(sql, [held.id])
    assert rescue.run_once().done == 1
    assert row_of(sql, held.id, "state, reason, checkpoint") == ("pending", "rescue", "kept")


def test_a_commit_that_meets_a_rescue_under_way_waits_and_then_knows_it_lost(
    sql: psycopg.Connection, services: Services, database_url: str
) -> None:
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])

    def commit() -> None:
        with job_of(services, held).commit() as tx:
            tx.execute(*echo("never", held))

    def expect_loss() -> bool:
        try:
            commit()
        except LeaseLost:
            return True
        return False

    with psycopg.connect(database_url) as rescuing:
        rescuing.execute(
            statement("rescue_expired_jobs"), {"poison_deaths": 3, "backoff_seconds": 0, "limit": 10}
        ).fetchall()
        with in_background(expect_loss) as lost:
            wait_until_blocked(sql, by=rescuing)
            rescuing.commit()
        assert lost.result()
    assert echoes(sql) == []


def test_a_heartbeat_is_not_held_up_by_an_open_commit(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])
    with job_of(services, held).commit():
        sql.execute("SET lock_timeout = '1s'")
        renewed = sql.execute(statement("heartbeat"), heartbeat_params([held])).fetchall()
        assert renewed == [(held.id, 1, False, None)]
    assert row_of(sql, held.id, "lease_until > now() + interval '20 s'") == (True,)


def test_a_renewed_lease_under_an_open_commit_still_fences(
    sql: psycopg.Connection, services: Services, rescue: Rescue
) -> None:
    """The heartbeat makes a new version of the row; the commit's lock goes along with it."""
    (held,) = run_jobs(sql)
    with job_of(services, held).commit() as tx:
        sql.execute(statement("heartbeat"), heartbeat_params([held]))
        expire_leases(sql, [held.id])
        assert rescue.run_once().done == 0
        tx.execute(*echo("kept", held))
        tx.complete(Completed())
    assert echoes(sql) == ["kept"]


def test_a_request_to_cancel_is_not_held_up_by_an_open_commit(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    with job_of(services, held).commit() as tx:
        sql.execute("SET lock_timeout = '1s'")
        assert sql.execute(statement("request_cancel"), {"ids": [held.id]}).fetchall() == [(held.id,)]
        tx.complete(Completed())
    assert state_of(sql, held.id) == ("completed", "complete")


def test_two_attempts_never_commit_side_by_side(sql: psycopg.Connection, services: Services, rescue: Rescue) -> None:
    """The old attempt is inside its commit: nobody can start a new one before it ends."""
    (old,) = run_jobs(sql)
    expire_leases(sql, [old.id])
    with job_of(services, old).commit() as tx:
        tx.execute(*echo("old", old))
        rescue.run_once()
        assert claim_jobs(sql, [old.id], servant_id=2) == []
    assert row_of(sql, old.id, "attempt, servant_id") == (1, 1)


def test_completing_wakes_the_lane_it_frees(sql: psycopg.Connection, services: Services) -> None:
    add_type(sql, lane_limit=1)
    (held,) = run_jobs(sql)
    sql.execute("DELETE FROM lane_wakes")
    with job_of(services, held).commit() as tx:
        tx.complete(Completed())
    assert sql.execute("SELECT lane FROM lane_wakes").fetchall() == [("account:1",)]


def test_the_fence_only_grows(sql: psycopg.Connection, services: Services) -> None:
    (held,) = run_jobs(sql)
    taken = take_away(sql, held)
    fences = [tuple(map(int, job_of(services, each).fence.split("."))) for each in (held, taken)]
    assert fences[0] < fences[1]
