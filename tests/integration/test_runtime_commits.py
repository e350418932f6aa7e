"""What a handler writes in its job's own commits, in a real servant process."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from retinue import Completed, Job, Outcome, TransientError
from tests.support.assertions import assert_consistent, history_of, row_of
from tests.support.runtime import CountedConnection, House, Say, captured_logs, kind_of, open_house

INSERT = "INSERT INTO accounts (name) VALUES (%s)"


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def written(house: House) -> list[str]:
    return [row[0] for row in house.sql.execute("SELECT name FROM accounts ORDER BY name")]


def test_a_checkpoint_outlives_its_attempt(house: House) -> None:
    seen: list[object] = []

    def handler(job: Job[Say]) -> Outcome:
        seen.append(job.checkpoint)
        with job.commit() as tx:
            tx.checkpoint({"page": job.attempt})
        if job.attempt < 3:
            raise TransientError("no luck")
        return Completed({"from": job.checkpoint})

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert seen == [None, {"page": 1}, {"page": 2}]
    # Within its attempt, too
    assert history_of(house.sql, job, "result") == ({"from": {"page": 3}},)


def test_nothing_lands_through_a_commit_that_is_over(house: House) -> None:
    """Its connection is somebody else's by then, and no fence guards it."""

    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.execute(INSERT, ("within",))
        with pytest.raises(psycopg.InterfaceError, match="this commit is over"):
            tx.execute(INSERT, ("after",))
        return Completed()

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert written(house) == ["within"]


def test_two_commits_in_one_attempt_both_land(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        for page in ("a", "b"):
            with job.commit() as tx:
                tx.execute(INSERT, (page,))
                tx.checkpoint(page)
        return Completed({"last": job.checkpoint})

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert written(house) == ["a", "b"]
    assert history_of(house.sql, job, "attempt, result") == (1, {"last": "b"})


def test_results_and_completion_land_together(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.execute(INSERT, ("acme",))
            tx.complete(Completed({"written": 1}))
            gate(job)
        assert job.settled
        return Completed({"written": 1})

    house.start(kind_of(handler))
    (job,) = house.run()
    running = gate.await_entry()
    assert (written(house), row_of(house.sql, job, "state::text"), running.settled) == ([], ("running",), False)
    gate.open()
    house.wait(job, "completed", "complete")
    assert (written(house), history_of(house.sql, job, "result")) == (["acme"], ({"written": 1},))
    assert CountedConnection.counts["finish_jobs"] == 1


def test_what_is_raised_after_completing_changes_nothing(house: House) -> None:
    jobs: list[Job[Say]] = []

    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.complete(Completed())
        jobs.append(job)
        raise RuntimeError("too late")

    with captured_logs() as logs:
        process = house.start(kind_of(handler))
        (job,) = house.run()
        house.wait(job, "completed", "complete")
        logs.wait("job_raised")
        process.drain()
        assert logs.all("outcome_superseded") == logs.all("lease_lost") == []
    assert history_of(house.sql, job, "error") == (None,)
    assert jobs[0].settled


def test_a_commit_after_completing_is_refused_and_the_job_stays_completed(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.complete(Completed())
        try:
            with job.commit() as tx:
                tx.execute(INSERT, ("afterwards",))
        finally:
            states.append(job.settled)
        return Completed()

    states: list[bool] = []
    process = house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    process.drain()
    assert (states, written(house)) == ([True], [])


@pytest.mark.parametrize("completing", [True, False])
def test_an_exception_inside_the_commit_leaves_nothing(house: House, completing: bool) -> None:
    settled: list[bool] = []

    def handler(job: Job[Say]) -> Outcome:
        try:
            with job.commit() as tx:
                tx.execute(INSERT, ("half",))
                tx.checkpoint("half")
                if completing:
                    tx.complete(Completed())
                raise TransientError("in the middle")
        finally:
            settled.append(job.settled)

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "failed", "exhausted")
    assert written(house) == []
    assert settled == [False] * 3
    assert history_of(house.sql, job, "checkpoint, failures") == (None, 3)


def test_a_statement_that_fails_inside_the_commit_fails_only_its_job(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.execute(INSERT, (job.payload.text,))
        return Completed()

    house.start(kind_of(handler, slots=1))
    bad, good = house.run({}, {"text": "good"})
    house.wait(bad, "failed", "exhausted")
    house.wait(good, "completed", "complete")
    assert history_of(house.sql, bad, "error->>'kind'") == ("CheckViolation",)
    assert written(house) == ["good"]


def test_a_result_that_cannot_be_kept_undoes_the_commit(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.execute(INSERT, ("half",))
            tx.complete(Completed({"handler": handler}))
        return Completed()

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "failed", "permanent")
    assert written(house) == []
