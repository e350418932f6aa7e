"""A fan-out from its first job to its follow-up, through the real passes and real servants of `retinue.testing`."""

from __future__ import annotations

from infra.postgres.enqueue import NewJob
from infra.postgres.groups import followed_group, list_children, list_groups
from retinue import Completed, Fail, Job, NoPayload, Outcome, Payload, servant
from retinue.testing import RetinueDatabase, drain, run
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


class Part(Payload):
    number: int = 0


@servant("test.part")
def part(job: Job[Part]) -> Outcome:
    """Every third one fails."""
    if job.payload.number % 3 == 0:
        return Fail("no use")
    return Completed({"number": job.payload.number})


@servant("test.report")
def report(job: Job[NoPayload]) -> Outcome:
    """Tell how the group ended."""
    with job.commit() as tx:
        group = followed_group(tx.connection, job.id)
        failed = list_children(tx.connection, group.id, state="failed")
    return Completed({"completed": group.completed, "failed": [child.payload["number"] for child in failed]})


@servant("test.whole")
def whole(job: Job[NoPayload]) -> None:
    """Fan out into seven parts."""
    with job.commit() as tx:
        children = [NewJob(type="test.part", payload={"number": number}) for number in range(7)]
        tx.group(children, name="parts", follow_up=NewJob(type="test.report", payload={}))
        tx.complete(Completed())


def test_a_fan_out_is_followed_up(retinue_database: RetinueDatabase) -> None:
    database = retinue_database
    database.enqueue(whole)
    done = drain(database, whole, part, report, slots=4)
    assert (len(done.completed), len(done.failed), done.pending, done.raised) == (6, 3, [], [])
    (group,) = list_groups(database.sql)
    assert (group.state, group.total, group.follow_up_job_id) == ("failed", 7, done.completed[-1])
    assert database.job(done.completed[-1]).result == {"completed": 4, "failed": [0, 3, 6]}


def test_a_group_needs_a_database() -> None:
    ran = run(whole)
    assert (ran.reason, ran.commits) == ("retry", [])
    assert ran.error is not None
    assert ran.error["message"].startswith("tx.group needs a database")
