from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from infra.postgres.job_queries import JobFilter, list_jobs, masked_payload, show_job
from retinue.errors import NotFound
from retinue.outcomes import Completed, Fail, Retry
from retinue.settlement import kept_error
from retinue.states import JobState
from tests.support.factories import (
    ECHO,
    add_account,
    add_jobs,
    add_servant,
    claim_jobs,
    queue_jobs,
    run_jobs,
    settle_one,
)


def ids(sql: psycopg.Connection, wanted: JobFilter | None = None, **options: float) -> list[int]:
    return [job.id for job in list_jobs(sql, wanted or JobFilter(), **options).jobs]  # type: ignore[arg-type] # limit and search_seconds


def one_in_each_state(sql: psycopg.Connection) -> dict[JobState, int]:
    pending, queued = add_jobs(sql, 2)
    queue_jobs(sql, [queued])
    running, completed, failed = run_jobs(sql, 3)
    settle_one(sql, completed)
    settle_one(sql, failed, Fail("no use"))
    return {
        JobState.PENDING: pending,
        JobState.QUEUED: queued,
        JobState.RUNNING: running.id,
        JobState.COMPLETED: completed.id,
        JobState.FAILED: failed.id,
    }


def test_unfinished_and_finished_jobs_come_together_the_newest_first(sql: psycopg.Connection) -> None:
    made = one_in_each_state(sql)

    assert ids(sql) == sorted(made.values(), reverse=True)


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.CANCELLED])
def test_one_state(sql: psycopg.Connection, state: JobState) -> None:
    made = one_in_each_state(sql)

    assert ids(sql, JobFilter(states=[state])) == [made[state]]


def test_several_states_from_both_tables(sql: psycopg.Connection) -> None:
    made = one_in_each_state(sql)

    wanted = [JobState.RUNNING, JobState.FAILED]
    assert ids(sql, JobFilter(states=wanted)) == sorted((made[state] for state in wanted), reverse=True)


def test_type_and_account(sql: psycopg.Connection) -> None:
    account = add_account(sql)
    (other_type,) = add_jobs(sql, job_type="other.type", account_id=account)
    (mine,) = add_jobs(sql, account_id=account)
    add_jobs(sql, account_id=account + 1)

    assert ids(sql, JobFilter(account_id=account)) == [mine, other_type]
    assert ids(sql, JobFilter(type=ECHO, account_id=account)) == [mine]
    assert list_jobs(sql, JobFilter(type=ECHO, account_id=account)).jobs[0].account_name == "acme"


def test_the_limit_counts_over_both_tables(sql: psycopg.Connection) -> None:
    made = sorted(one_in_each_state(sql).values(), reverse=True)

    assert ids(sql, limit=3) == made[:3]


def add_finished(sql: psycopg.Connection, count: int, state: str = "completed", reason: str = "complete") -> None:
    sql.execute(
        """
        INSERT INTO job_history (id, type, lane, state, reason, finished_at)
        SELECT nextval('jobs_id_seq'), 'system.echo', 'system', %s, %s, now() FROM generate_series(1, %s)
        """,
        (state, reason, count),
    )


def test_a_rare_job_is_found_behind_many_others(sql: psycopg.Connection) -> None:
    add_finished(sql, 1, "failed", "permanent")
    add_finished(sql, 12_000)

    found = list_jobs(sql, JobFilter(states=[JobState.FAILED]))
    assert [job.id for job in found.jobs] == [1]
    assert found.searched_to is None


def test_a_search_that_would_take_long_says_how_far_it_got(sql: psycopg.Connection) -> None:
    add_finished(sql, 1, "failed", "permanent")
    add_finished(sql, 12_000)

    found = list_jobs(sql, JobFilter(states=[JobState.FAILED]), search_seconds=0)
    assert found.jobs == []
    assert found.searched_to == 12_001 - 2_000 + 1


def test_a_search_through_unfinished_jobs_ends_too(sql: psycopg.Connection) -> None:
    (first,) = add_jobs(sql, account_id=1)
    add_jobs(sql, 9_000, account_id=2)

    assert ids(sql, JobFilter(account_id=1)) == [first]
    assert list_jobs(sql, JobFilter(account_id=1), search_seconds=0).searched_to is not None


def test_a_failed_job_shows_its_error_and_events(sql: psycopg.Connection) -> None:
    servant = add_servant(sql)
    (held,) = run_jobs(sql, servant_id=servant)
    settle_one(sql, held, Retry(message="the server failed", kind="ServerFailed"))
    queue_jobs(sql, [held.id])
    (again,) = claim_jobs(sql, [held.id], servant_id=servant)
    settle_one(sql, again, Fail("no use", kind="PermanentError"))

    job = show_job(sql, held.id)
    assert (job.state, job.attempt, job.failures) == (JobState.FAILED, 2, 2)
    assert job.error == kept_error("PermanentError", "no use")
    assert [(event.attempt, event.to_state, event.detail) for event in job.events] == [
        (1, JobState.PENDING, kept_error("ServerFailed", "the server failed")),
        (2, JobState.FAILED, kept_error("PermanentError", "no use")),
    ]
    assert (job.servant_id, job.servant_host, job.servant_pid) == (servant, "here", 1)
    assert job.run_seconds == 0.25
    assert job.coming_tries == []


def test_a_job_that_waits_for_its_retry_shows_the_coming_tries(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Retry(after=timedelta(seconds=40)))

    job = show_job(sql, held.id)
    # system.echo: five attempts, base 1 s; the first of those left comes when the job is due.
    assert [one.number for one in job.coming_tries] == [2, 3, 4, 5]
    assert job.coming_tries[0].earliest == job.coming_tries[0].latest == job.run_at
    assert job.coming_tries[2].latest - job.run_at == timedelta(seconds=2 + 4)


def test_a_job_that_waits_for_its_time_has_no_coming_tries(sql: psycopg.Connection) -> None:
    (made,) = add_jobs(sql)

    assert show_job(sql, made).coming_tries == []


def test_there_is_no_such_job(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match="There is no job 4711"):
        show_job(sql, 4711)


def test_secrets_in_results_and_errors_are_masked(sql: psycopg.Connection) -> None:
    completed, failed = run_jobs(sql, 2)
    settle_one(sql, completed, Completed({"api_key": "hunter2", "rows": 3}))
    settle_one(sql, failed, Fail("cannot reach http://me:hunter2@server/"))

    assert show_job(sql, completed.id).result == {"api_key": "***", "rows": 3}
    assert "hunter2" not in str(show_job(sql, failed.id))
    assert "hunter2" not in str(list_jobs(sql, JobFilter()))


def test_a_payload_whose_type_is_not_installed_here_is_masked_whole() -> None:
    assert masked_payload("nobody.knows", {"body": "private"}) == {"body": "***"}


def test_a_payload_that_its_type_cannot_read_is_masked_whole() -> None:
    assert masked_payload(ECHO, {"message": ["not", "a", "text"]}) == {"message": "***"}
