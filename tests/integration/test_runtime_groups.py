"""A job that fans out in its own commits, in a real servant process."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.enqueue import NewJob
from infra.postgres.groups import list_groups
from retinue import Completed, Job, Outcome, TransientError
from tests.support.assertions import assert_consistent, history_of
from tests.support.factories import ECHO
from tests.support.runtime import House, Say, kind_of, open_house


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def children(house: House) -> list[str]:
    query = "SELECT payload->>'message' FROM jobs WHERE type = %s AND group_id IS NOT NULL ORDER BY id"
    return [row[0] for row in house.sql.execute(query, (ECHO,))]


def echoes(*messages: str) -> list[NewJob]:
    return [NewJob(type=ECHO, payload={"message": message}) for message in messages]


def test_a_parent_that_runs_again_after_its_commit_does_not_fan_out_twice(house: House) -> None:
    made: list[bool] = []

    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            made.append(tx.group(echoes("a", "b"), name="onboard", on_failure="withhold").created)
        if job.attempt == 1:
            raise TransientError("the power went after the commit")
        return Completed()

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert (made, children(house)) == ([True, False], ["a", "b"])
    (group,) = list_groups(house.sql)
    assert (group.parent_job_id, group.state, group.total, group.on_failure) == (job, "running", 2, "withhold")


def test_what_is_not_committed_makes_no_group(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.group(echoes("a"), name="onboard")
            if job.attempt == 1:
                raise TransientError("the power went before the commit")
        return Completed()

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert (children(house), [group.total for group in list_groups(house.sql)]) == (["a"], [1])


def test_pages_join_one_by_one_and_a_later_attempt_goes_on_after_the_last(house: House) -> None:
    pages = [("a", "b"), ("c", "d"), ("e",)]

    def handler(job: Job[Say]) -> Outcome:
        for number in range(job.checkpoint or 0, len(pages)):
            with job.commit() as tx:
                group = tx.group(name="onboard", sealed=False)
                group.add(echoes(*pages[number]))
                tx.checkpoint(number + 1)
                if number == len(pages) - 1:
                    group.seal()
            if (job.attempt, number) == (1, 1):
                raise TransientError("the power went")
        return Completed()

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert children(house) == ["a", "b", "c", "d", "e"]
    (group,) = list_groups(house.sql)
    assert (group.state, group.total) == ("running", 5)


def test_a_child_makes_a_group_inside_its_own_and_completes_with_it(house: House) -> None:
    def handler(job: Job[Say]) -> None:
        with job.commit() as tx:
            tx.group(echoes("inner"), name="inner")
            tx.complete(Completed({"fanned": 1}))

    house.sql.execute("INSERT INTO job_groups (id, name, on_failure, total) VALUES (77, 'outer', 'continue', 1)")
    house.start(kind_of(handler))
    (job,) = house.run(group_id=77)
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "group_id, result") == (77, {"fanned": 1})
    outer, inner = list_groups(house.sql)
    assert (inner.name, inner.parent_group_id, inner.parent_job_id) == ("inner", 77, job)
    assert (outer.total, outer.completed, outer.inner_groups) == (2, 1, 1)
