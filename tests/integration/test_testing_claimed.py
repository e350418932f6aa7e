"""`run(…, database=…)`: one attempt inline whose commits are real transactions under a real fence."""

from __future__ import annotations

import pytest

from retinue import (
    Completed,
    Connection,
    CredentialError,
    Exponential,
    Fail,
    Job,
    Outcome,
    Payload,
    TransientError,
    servant,
)
from retinue.testing import RetinueDatabase, run
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


class Note(Payload):
    text: str = ""
    connection_id: int = 0
    inside: bool = False


@servant("test.note", retry=Exponential(base=5, cap=5, attempts=3))
def write_note(job: Job[Note]) -> Outcome:
    """Write a row, then do what the text says."""
    with job.commit() as tx:
        tx.connection.execute(
            "INSERT INTO echoes (job_id, attempt, message) VALUES (%s, %s, 'raw')", (job.id, job.attempt)
        )
        tx.execute("INSERT INTO echoes (job_id, attempt, message) VALUES (%s, %s, %s)", (job.id, job.attempt, "note"))
        tx.checkpoint({"written": job.attempt})
        if job.payload.inside:
            tx.complete(Completed({"inside": True}))
    if job.payload.text == "transient":
        raise TransientError("not yet")
    return Fail("no use") if job.payload.text == "fail" else Completed({"text": job.payload.text})


def messages(database: RetinueDatabase) -> list[tuple[int, str]]:
    return database.sql.execute("SELECT attempt, message FROM echoes ORDER BY attempt, message").fetchall()


@pytest.mark.parametrize(
    ("payload", "state", "reason"),
    [
        ({"text": "hello"}, "completed", "complete"),
        ({"inside": True}, "completed", "complete"),
        ({"text": "fail"}, "failed", "permanent"),
        ({"text": "transient"}, "pending", "retry"),
    ],
)
def test_the_database_says_what_the_run_says(
    retinue_database: RetinueDatabase, payload: dict[str, object], state: str, reason: str
) -> None:
    ran = run(write_note, payload, database=retinue_database)
    job = retinue_database.job(ran.job.id)
    assert (ran.state, ran.reason) == (job.state, job.reason) == (state, reason)
    assert (ran.result, ran.checkpoint) == (job.result, job.checkpoint)
    assert messages(retinue_database) == [(1, "note"), (1, "raw")]
    assert [statement.params for statement in ran.statements] == [(ran.job.id, 1, "note")]


def test_the_next_attempt_is_claimed_again(retinue_database: RetinueDatabase) -> None:
    first = run(write_note, {"text": "transient"}, database=retinue_database, failures=1, checkpoint={"written": 0})
    last = first.again()
    assert (last.state, last.reason, last.job.attempt) == ("failed", "exhausted", 3)
    assert retinue_database.job(last.job.id).failures == 3
    assert [attempt for attempt, _ in messages(retinue_database)] == [2, 2, 3, 3]


@servant("test.outrun")
def outrun(job: Job[Note]) -> None:
    """Commit when told that the job was taken away meanwhile."""
    with job.commit() as tx:
        tx.execute("INSERT INTO echoes (job_id, attempt, message) VALUES (%s, %s, 'late')", (job.id, job.attempt))


def test_a_lease_taken_away_is_the_fence_s_business(retinue_database: RetinueDatabase) -> None:
    ran = run(outrun, database=retinue_database, lose_lease_after=0)
    assert (ran.state, messages(retinue_database)) == (None, [])


@servant("test.connected")
def connected(job: Job[Note]) -> Outcome:
    """Say whose credentials these are, after a call that is counted where there is a budget."""
    remote = job.connection(job.payload.connection_id)
    with remote.call() as call:
        if job.payload.text == "refused":
            raise CredentialError("the sign-in was refused")
        call.learn({}, status=200)
    return Completed({"user": remote.credentials["user"]})


def test_connections_are_the_database_s_or_made_up(retinue_database: RetinueDatabase) -> None:
    account = retinue_database.account()
    real = retinue_database.connection(account, "crm", credentials={"user": "jane"})
    made_up = Connection(999, account, "crm", "main", {}, {"user": "joe"})
    for identity, user in ((real, "jane"), (999, "joe")):
        ran = run(
            connected,
            {"connection_id": identity},
            database=retinue_database,
            account_id=account,
            connections=[made_up],
        )
        assert ran.result == {"user": user}


def test_a_refused_sign_in_opens_the_incident_that_production_would(retinue_database: RetinueDatabase) -> None:
    account = retinue_database.account()
    connection = retinue_database.connection(account, "crm", credentials={"user": "jane"})
    given = {"text": "refused", "connection_id": connection}
    ran = run(connected, given, database=retinue_database, account_id=account)
    assert (ran.state, ran.reason) == ("pending", "snooze")
    assert retinue_database.sql.execute("SELECT connection_id FROM incidents").fetchall() == [(connection,)]
