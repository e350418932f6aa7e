"""A coroutine that makes jobs in its own commits, in a real servant process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest

from infra.postgres.bell import CHANNEL
from infra.postgres.enqueue import NewJob
from retinue import AsyncJob, Completed, Outcome, PermanentError, Unique, servant
from tests.support.assertions import assert_consistent
from tests.support.factories import ECHO
from tests.support.race import DEADLINE_SECONDS
from tests.support.runtime import AT_ONCE, TYPE, House, Say, open_house

Handler = Callable[[AsyncJob[Say]], Coroutine[Any, Any, Outcome | None]]


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def start(house: House, handler: Handler) -> int:
    """A servant for the handler, and one job of it."""

    async def handle(job: AsyncJob[Say]) -> Outcome | None:
        return await handler(job)

    house.start(servant(TYPE, slots=5, retry=AT_ONCE)(handle))
    return house.run()[0]


def echo(message: str, **rules: Any) -> NewJob:
    return NewJob(type=ECHO, payload={"message": message}, **rules)


def waiting(house: House) -> list[str]:
    query = "SELECT payload->>'message' FROM jobs WHERE type = %s ORDER BY id"
    return [row[0] for row in house.sql.execute(query, (ECHO,))]


def test_a_job_is_made_if_the_commit_lands_and_the_schedulers_hear_of_it(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        async with job.commit() as tx:
            assert (await tx.enqueue(echo("landed"))).created
        return Completed()

    with psycopg.connect(house.url, autocommit=True) as ears:
        ears.execute(f"LISTEN {CHANNEL}")
        job = start(house, handler)
        heard = next(ears.notifies(timeout=DEADLINE_SECONDS, stop_after=1), None)
    assert heard is not None
    house.wait(job, "completed", "complete")
    assert waiting(house) == ["landed"]


def test_no_job_is_made_by_a_commit_that_does_not_land(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        async with job.commit() as tx:
            await tx.enqueue(echo("lost"))
            raise PermanentError("no use")

    house.wait(start(house, handler), "failed", "permanent")
    assert waiting(house) == []


def test_every_rule_of_a_unique_key_holds(house: House) -> None:
    effects: list[str] = []

    async def handler(job: AsyncJob[Say]) -> Outcome:
        for message, rule in (("one", "ignore"), ("two", "ignore"), ("three", "replace")):
            async with job.commit() as tx:
                unique = Unique("key", over="waiting", on_conflict=rule)
                effects.append((await tx.enqueue(echo(message, unique=unique))).effect)
        return Completed()

    house.wait(start(house, handler), "completed", "complete")
    assert (effects, waiting(house)) == (["created", "ignored", "replaced"], ["three"])


async def leave_in_the_middle(job: AsyncJob[Say]) -> None:
    async with job.commit() as tx:
        making = asyncio.create_task(tx.enqueue(echo("late")))
        # Let it begin: its thread then has the first statement under way.
        await asyncio.sleep(0)
        making.cancel()
        raise TimeoutError


def test_what_a_commit_that_was_left_is_still_making_lands_nowhere(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await leave_in_the_middle(job)
            async with job.commit() as tx:
                await tx.enqueue(echo("next", unique_key="next"))
        return Completed()

    house.wait(start(house, handler), "completed", "complete")
    assert waiting(house) == ["next"]
