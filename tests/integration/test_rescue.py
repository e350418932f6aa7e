"""Rescue: expired leases, poison, lost messages, silent servants; each once, whoever looks."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from retinue.outcomes import Retry
from retinue.settlement import Settlement
from retinue.states import JobState, Reason
from scheduler.rescue import POISON_DEATHS, Rescue
from tests.support.assertions import assert_consistent, events_of, history_of, row_of, state_of, states
from tests.support.factories import (
    ECHO,
    add_jobs,
    add_servant,
    add_type,
    claim_jobs,
    expire_leases,
    heartbeat_params,
    queue_jobs,
    run_jobs,
    settle_one,
)
from tests.support.race import together


@pytest.fixture
def rescue(database: Database) -> Rescue:
    return Rescue(database, queued_timeout_seconds=30, lost_seconds=60)


def die(sql: psycopg.Connection, job_id: int, rescue: Rescue) -> None:
    """One more servant takes the job and falls silent."""
    queue_jobs(sql, [job_id])
    claim_jobs(sql, [job_id], servant_id=1)
    expire_leases(sql, [job_id])
    assert rescue.run_once().done == 1


def test_nothing_lost_is_nothing_done(sql: psycopg.Connection, rescue: Rescue) -> None:
    add_jobs(sql)
    run_jobs(sql)
    sent = add_jobs(sql)
    queue_jobs(sql, sent)
    assert rescue.run_once().done == 0
    assert states(sql) == {"pending": 1, "running": 1, "queued": 1}


def test_a_job_whose_lease_ran_out_waits_again(sql: psycopg.Connection, rescue: Rescue) -> None:
    (held,) = run_jobs(sql, servant_id=4)
    expire_leases(sql, [held.id])
    assert rescue.run_once().done == 1
    assert row_of(sql, held.id, "state, reason, attempt, failures, deaths, servant_id, lease_until") == (
        "pending",
        "rescue",
        1,
        0,
        1,
        None,
        None,
    )
    assert row_of(sql, held.id, "run_at <= now(), error->>'message'") == (
        True,
        "servant 4 stopped renewing its lease",
    )
    assert events_of(sql, held.id) == ["running → pending (rescue)"]
    assert_consistent(sql)


def test_from_the_second_death_on_it_waits_a_little(sql: psycopg.Connection, rescue: Rescue) -> None:
    (job_id,) = add_jobs(sql)
    die(sql, job_id, rescue)
    die(sql, job_id, rescue)
    assert row_of(sql, job_id, "deaths, run_at - now() BETWEEN interval '3 s' AND interval '5 s'") == (2, True)


def test_a_job_that_fells_every_servant_is_poison(sql: psycopg.Connection, rescue: Rescue) -> None:
    (job_id,) = add_jobs(sql)
    for _ in range(POISON_DEATHS):
        die(sql, job_id, rescue)
    assert state_of(sql, job_id) == ("failed", "poison")
    assert history_of(sql, job_id, "attempt, error->>'message'") == (
        3,
        "servant 1 was the 3. in a row to die with this job",
    )
    assert events_of(sql, job_id) == ["running → pending (rescue)"] * 2 + ["running → failed (poison)"]
    assert_consistent(sql)


def test_a_neighbour_that_never_began_is_no_poison(sql: psycopg.Connection, rescue: Rescue) -> None:
    (job_id,) = add_jobs(sql)
    for _ in range(POISON_DEATHS + 2):
        queue_jobs(sql, [job_id])
        claim_jobs(sql, [job_id], servant_id=1, begin=False)
        expire_leases(sql, [job_id])
        assert rescue.run_once().done == 1
    assert row_of(sql, job_id, "state, reason, deaths") == ("pending", "rescue", POISON_DEATHS - 1)


def test_a_trial_is_of_one_attempt(sql: psycopg.Connection, rescue: Rescue) -> None:
    (job_id,) = add_jobs(sql)
    for _ in range(POISON_DEATHS - 1):
        die(sql, job_id, rescue)
    queue_jobs(sql, [job_id])
    (tried,) = claim_jobs(sql, [job_id], servant_id=1)
    release = Settlement(job_id=job_id, attempt=tried.attempt, state=JobState.PENDING, reason=Reason.RELEASE)
    with sql.transaction():
        settle_jobs(sql, [(release, 0.0)], shard=0)
    queue_jobs(sql, [job_id])
    claim_jobs(sql, [job_id], servant_id=1, begin=False)
    assert row_of(sql, job_id, "on_trial, deaths") == (False, POISON_DEATHS - 1)
    assert sql.execute(statement("begin_trial"), {"id": job_id, "attempt": tried.attempt}).fetchall() == []
    expire_leases(sql, [job_id])
    rescue.run_once()
    assert row_of(sql, job_id, "state") == ("pending",)


def test_an_attempt_that_ends_in_between_begins_the_count_anew(sql: psycopg.Connection, rescue: Rescue) -> None:
    (job_id,) = add_jobs(sql)
    for _ in range(POISON_DEATHS - 1):
        die(sql, job_id, rescue)
    queue_jobs(sql, [job_id])
    (held,) = claim_jobs(sql, [job_id], servant_id=1)
    settle_one(sql, held, Retry())
    assert row_of(sql, job_id, "deaths") == (0,)
    die(sql, job_id, rescue)
    assert row_of(sql, job_id, "state, deaths") == ("pending", 1)


def test_a_job_asked_to_stop_whose_servant_died_is_cancelled(sql: psycopg.Connection, rescue: Rescue) -> None:
    (held,) = run_jobs(sql)
    sql.execute(statement("request_cancel"), {"ids": [held.id]})
    expire_leases(sql, [held.id])
    assert rescue.run_once().done == 1
    assert state_of(sql, held.id) == ("cancelled", "cancel")
    assert_consistent(sql)


def test_a_lease_renewed_in_time_is_left_alone(sql: psycopg.Connection, rescue: Rescue) -> None:
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])
    assert sql.execute(statement("heartbeat"), heartbeat_params([held])).fetchall() == [(held.id, 1, False, None)]
    assert rescue.run_once().done == 0


def test_a_heartbeat_after_the_rescue_renews_nothing(sql: psycopg.Connection, rescue: Rescue) -> None:
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])
    rescue.run_once()
    assert sql.execute(statement("heartbeat"), heartbeat_params([held])).fetchall() == []
    assert row_of(sql, held.id, "state, lease_until") == ("pending", None)


def test_a_job_whose_message_was_lost_waits_again(sql: psycopg.Connection, rescue: Rescue) -> None:
    old, new = add_jobs(sql, 2)
    queue_jobs(sql, [old, new])
    (run_at,) = row_of(sql, old, "run_at")
    sql.execute("UPDATE jobs SET queued_at = now() - interval '31 seconds' WHERE id = %s", (old,))
    assert rescue.run_once().done == 1
    assert row_of(sql, old, "state, reason, run_at, attempt, deaths") == ("pending", "undelivered", run_at, 0, 0)
    assert row_of(sql, new, "state") == ("queued",)
    assert events_of(sql, old) == ["queued → pending (undelivered)"]
    assert_consistent(sql)


def test_the_lost_message_that_turns_up_after_all_claims_nothing(sql: psycopg.Connection, rescue: Rescue) -> None:
    (job_id,) = add_jobs(sql)
    queue_jobs(sql, [job_id])
    sql.execute("UPDATE jobs SET queued_at = now() - interval '1 hour'")
    rescue.run_once()
    assert claim_jobs(sql, [job_id], servant_id=1) == []


def test_a_rescued_job_frees_its_place_in_a_full_lane(sql: psycopg.Connection, rescue: Rescue) -> None:
    add_type(sql, lane_limit=1)
    (held,) = run_jobs(sql)
    sql.execute("DELETE FROM lane_wakes")
    expire_leases(sql, [held.id])
    rescue.run_once()
    assert sql.execute("SELECT lane FROM lane_wakes").fetchall() == [("account:1",)]


def test_two_rescuers_take_each_job_once(sql: psycopg.Connection, database: Database) -> None:
    expired = run_jobs(sql, 40)
    expire_leases(sql, [held.id for held in expired])
    lost = add_jobs(sql, 40)
    queue_jobs(sql, lost)
    sql.execute("UPDATE jobs SET queued_at = now() - interval '1 hour' WHERE id = ANY(%s)", (lost,))
    rescuers = [Rescue(database, queued_timeout_seconds=30, lost_seconds=60) for _ in range(3)]
    done = together([rescuer.run_once for rescuer in rescuers])
    assert sum(result.done for result in done) == 80
    assert states(sql) == {"pending": 80}
    assert sql.execute("SELECT count(*), count(DISTINCT job_id) FROM job_events").fetchone() == (80, 80)
    assert sql.execute("SELECT DISTINCT deaths FROM jobs WHERE reason = 'rescue'").fetchall() == [(1,)]


def test_rescue_passes_over_a_job_that_is_being_settled(
    sql: psycopg.Connection, rescue: Rescue, database_url: str
) -> None:
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])
    with psycopg.connect(database_url) as settling:
        settle_one(settling, held)
        assert rescue.run_once().done == 0
        settling.commit()
    assert state_of(sql, held.id) == ("completed", "complete")


def test_a_silent_servant_is_lost_and_comes_back_with_its_next_heartbeat(
    sql: psycopg.Connection, rescue: Rescue
) -> None:
    servant_id = add_servant(sql)
    add_servant(sql)
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '61 s', busy = 3 WHERE id = %s", (servant_id,))
    rescue.run_once()
    assert sql.execute("SELECT id, busy FROM servants WHERE state = 'lost'").fetchall() == [(servant_id, 0)]
    sql.execute(statement("heartbeat"), heartbeat_params([]) | {"servant_id": servant_id})
    assert sql.execute("SELECT count(*) FROM servants WHERE state = 'active'").fetchone() == (2,)


def test_a_stopped_servant_is_not_lost(sql: psycopg.Connection, rescue: Rescue) -> None:
    servant_id = add_servant(sql)
    sql.execute(statement("stop_servant"), {"servant_id": servant_id})
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '1 hour'")
    rescue.run_once()
    assert sql.execute("SELECT state FROM servants").fetchall() == [("stopped",)]


def test_a_full_batch_asks_for_the_next_one_at_once(
    sql: psycopg.Connection, rescue: Rescue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.rescue.BATCH", 3)
    expire_leases(sql, [held.id for held in run_jobs(sql, 4)])
    first, second = rescue.run_once(), rescue.run_once()
    assert (first.done, first.again_after) == (3, 0)
    assert (second.done, second.again_after) == (1, None)


def test_only_its_own_type_is_woken(sql: psycopg.Connection, rescue: Rescue) -> None:
    (held,) = run_jobs(sql, lane="account:1")
    add_jobs(sql, job_type="system.sleep", lane="account:1")
    sql.execute("DELETE FROM lane_wakes")
    expire_leases(sql, [held.id])
    rescue.run_once()
    assert sql.execute("SELECT type FROM lane_wakes").fetchall() == [(ECHO,)]
