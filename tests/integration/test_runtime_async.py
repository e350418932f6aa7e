"""Coroutine handlers in a real servant process: one event loop, under the same leases, fences and limits as threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import psycopg
import pytest

from infra.postgres.job_actions import cancel_jobs
from retinue import AsyncJob, Completed, Outcome, PermanentError, ServantType, TransientError, seconds, servant
from servants.runtime import process as runtime
from tests.support.assertions import assert_consistent, history_of, row_of, state_of
from tests.support.race import DEADLINE_SECONDS, wait_until
from tests.support.runtime import AT_ONCE, TYPE, House, Say, captured_logs, open_house

INSERT = "INSERT INTO accounts (name) VALUES (%s)"

TENANT = ContextVar("TENANT", default="nobody")


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def kind(handler: Callable[[AsyncJob[Say]], Coroutine[Any, Any, Outcome | None]], **rules: Any) -> ServantType[Say]:
    async def handle(job: AsyncJob[Say]) -> Outcome | None:
        return await handler(job)

    all_rules: dict[str, Any] = {"slots": 50, "retry": AT_ONCE} | rules
    return servant(TYPE, **all_rules)(handle)


def written(house: House) -> list[str]:
    return [row[0] for row in house.sql.execute("SELECT name FROM accounts ORDER BY name")]


def cancel(house: House, *jobs: int) -> None:
    with house.sql.transaction():
        cancel_jobs(house.sql, jobs)


async def for_ever(job: AsyncJob[Say]) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def test_a_coroutine_is_performed_and_its_result_kept(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        await asyncio.sleep(0)
        return Completed({"said": job.payload.text})

    house.start(kind(handler))
    (job,) = house.run({"text": "hello"})
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "result") == ({"said": "hello"},)


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (TransientError("no luck"), ("failed", "exhausted")),
        (PermanentError("no use"), ("failed", "permanent")),
        (SystemExit(3), ("failed", "exhausted")),
        (asyncio.CancelledError("of its own"), ("failed", "exhausted")),
    ],
)
def test_what_a_coroutine_raises_is_what_it_is_on_a_thread(
    house: House, error: BaseException, end: tuple[str, str]
) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        raise error

    house.start(kind(handler))
    (job,) = house.run()
    house.wait(job, *end)


def test_nothing_is_left_in_the_context_for_the_next_job(house: House) -> None:
    seen: list[str] = []

    async def handler(job: AsyncJob[Say]) -> Outcome:
        seen.append(TENANT.get())
        TENANT.set(job.payload.text)
        return Completed()

    house.start(kind(handler, slots=1))
    house.send(*house.add({"text": "one"}, {"text": "two"}, {"text": "three"}))
    house.wait_for("(SELECT count(*) FROM job_history WHERE state = 'completed') = 3")
    assert seen == ["nobody"] * 3


def test_a_task_that_is_cancelled_after_its_handler_costs_no_slot(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        # As one that asked for a connection: its end is worked out in a thread.
        job.connected = True
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return Completed()

    house.start(kind(handler, slots=1))
    for job in house.run({}, {}):
        house.wait(job, "failed", "exhausted")


def test_nothing_lands_through_a_coroutines_commit_that_is_over(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        async with job.commit() as tx:
            await tx.execute(INSERT, ("within",))
        with pytest.raises(psycopg.InterfaceError, match="this commit is over"):
            await tx.execute(INSERT, ("after",))
        return Completed()

    house.start(kind(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert written(house) == ["within"]


def test_thousands_run_at_once_in_one_thread(house: House) -> None:
    count = 2000
    inside: set[int] = set()
    threads: set[int] = set()
    opened = asyncio.Event()

    async def handler(job: AsyncJob[Say]) -> Outcome:
        inside.add(job.id)
        threads.add(threading.get_ident())
        if len(inside) == count:
            opened.set()
        await opened.wait()
        return Completed()

    house.start(kind(handler, slots=count))
    ids = house.add(*[{}] * count)
    for first in range(0, count, 500):
        house.send(*ids[first : first + 500])
    house.wait_for("(SELECT count(*) FROM job_history WHERE state = 'completed') = %s", count)
    assert len(threads) == 1


def test_no_more_run_than_there_are_slots(house: House) -> None:
    running, most = 0, 0

    async def handler(job: AsyncJob[Say]) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Completed()

    house.start(kind(handler, slots=3))
    ids = house.add(*[{}] * 30)
    house.send(*ids)
    house.wait_for("(SELECT count(*) FROM job_history WHERE state = 'completed') = 30")
    assert most == 3


def test_a_commit_lands_with_its_checkpoint_and_its_completion(house: House) -> None:
    seen: list[object] = []

    async def handler(job: AsyncJob[Say]) -> Outcome:
        seen.append(job.checkpoint)
        async with job.commit() as tx:
            await tx.execute(INSERT, (f"attempt {job.attempt}",))
            tx.checkpoint({"page": job.attempt})
            if job.attempt == 2:
                tx.complete(Completed({"in": "commit"}))
        seen.append(job.checkpoint)
        raise TransientError("no luck")

    house.start(kind(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "attempt, result") == (2, {"in": "commit"})
    # The handler goes on after the commit that the test has seen.
    wait_until(lambda: len(seen) == 4, f"the handler saw no more than {seen}")
    assert seen == [None, {"page": 1}, {"page": 1}, {"page": 2}]
    assert written(house) == ["attempt 1", "attempt 2"]


def test_a_commit_that_raises_leaves_nothing(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        async with job.commit() as tx:
            await tx.execute(INSERT, ("nobody",))
            raise PermanentError("no use")

    house.start(kind(handler))
    (job,) = house.run()
    house.wait(job, "failed", "permanent")
    assert written(house) == []


def test_more_commits_than_connections_wait_for_their_turn(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        async with job.commit() as tx:
            await tx.execute(INSERT, (f"{job.id:06}",))
            tx.complete(Completed())
        return Completed()

    house.start(kind(handler, slots=100))
    ids = house.add(*[{}] * 100)
    house.send(*ids)
    house.wait_for("(SELECT count(*) FROM job_history WHERE state = 'completed') = 100")
    assert written(house) == sorted(f"{job:06}" for job in ids)


def test_a_commit_of_an_attempt_that_lost_its_job_leaves_nothing(house: House) -> None:
    begun, taken_by_another = threading.Event(), threading.Event()

    async def handler(job: AsyncJob[Say]) -> Outcome:
        if job.attempt > 1:
            return Completed({"by": job.attempt})
        begun.set()
        await asyncio.to_thread(taken_by_another.wait, DEADLINE_SECONDS)
        async with job.commit() as tx:
            await tx.execute(INSERT, ("late",))
            tx.complete(Completed({"by": 1}))
        return Completed()

    # It does not beat in time, so that it learns of its loss only by the fence.
    house.start(kind(handler), heartbeat_seconds=60, lease_seconds=180)
    (job,) = house.run()
    assert begun.wait(DEADLINE_SECONDS)

    def is_rescued() -> bool:
        house.sql.execute("UPDATE jobs SET lease_until = now() - interval '1 minute' WHERE id = %s", (job,))
        return house.rescue() == 1

    # The heartbeat of its beginning may still be on its way and renews the lease once.
    wait_until(is_rescued, "its lease is renewed again and again")
    with captured_logs() as lines:
        taken_by_another.set()
        lines.wait("lease_lost")
    assert written(house) == []
    assert row_of(house.sql, job, "state") == ("pending",)


def test_a_job_may_stop_when_it_is_asked(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        assert await job.cancelled.wait(DEADLINE_SECONDS)
        job.stop_if_cancelled()
        return Completed()

    house.start(kind(handler, grace=seconds(60)))
    (job,) = house.run()
    house.wait_for("EXISTS (SELECT FROM jobs WHERE state = 'running')")
    cancel(house, job)
    house.wait(job, "cancelled", "cancel")


def test_waiting_to_be_asked_ends_with_its_time(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        return Completed({"asked": await job.cancelled.wait(0.01)})

    house.start(kind(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "result") == ({"asked": False},)


def test_a_job_that_does_not_look_is_cancelled_past_its_grace(house: House) -> None:
    process = house.start(kind(for_ever, grace=seconds(0.1)))
    (job,) = house.run()
    house.wait_for("EXISTS (SELECT FROM jobs WHERE state = 'running')")
    cancel(house, job)
    house.wait(job, "cancelled", "cancel")
    assert process.exit_code == 0


def test_a_cancelled_commit_leaves_nothing(house: House) -> None:
    inside = threading.Event()

    async def handler(job: AsyncJob[Say]) -> Outcome:
        async with job.commit() as tx:
            await tx.execute(INSERT, ("nobody",))
            tx.complete(Completed())
            inside.set()
            await asyncio.Event().wait()
        return Completed()

    house.start(kind(handler, grace=seconds(0.05)))
    (job,) = house.run()
    assert inside.wait(DEADLINE_SECONDS)
    cancel(house, job)
    house.wait(job, "cancelled", "cancel")
    assert written(house) == []


def test_a_job_past_its_time_limit_is_tried_again(house: House) -> None:
    process = house.start(kind(for_ever, timeout=seconds(0.05), grace=seconds(0.05)))
    (job,) = house.run()
    house.wait(job, "failed", "exhausted")
    assert history_of(house.sql, job, "failures, error->>'kind'") == (3, "JobTimeout")
    assert process.exit_code == 0


def test_a_job_that_swallows_its_cancellation_is_an_overrun(house: House) -> None:
    end = asyncio.Event()

    async def handler(job: AsyncJob[Say]) -> Outcome:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue
        return Completed()

    process = house.start(kind(handler, timeout=seconds(0.05), grace=seconds(0.05)))
    (job,) = house.run()
    house.wait(job, "failed", "overrun")
    assert process.wait_until_asked(DEADLINE_SECONDS)
    assert process.exit_code == runtime.EXIT_OVERRUN
    process._slots._loop.call_soon_threadsafe(end.set)  # type: ignore[attr-defined]  # only an event loop has it


def test_a_drain_lets_jobs_end_and_hands_back_those_that_do_not(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        await asyncio.sleep(0.1 if job.payload.text == "short" else 3600)
        return Completed()

    process = house.start(kind(handler), drain_grace_seconds=4)
    short, long = house.run({"text": "short"}, {"text": "long"})
    house.wait_for("(SELECT count(*) FROM jobs WHERE state = 'running') = 2")
    process.drain()
    assert state_of(house.sql, short) == ("completed", "complete")
    assert row_of(house.sql, long, "state, failures") == ("pending", 0)
    assert process._slots_ended


def test_jobs_that_have_not_begun_are_handed_back_by_a_drain(house: House) -> None:
    process = house.start(kind(for_ever, slots=1, grace=seconds(0.1)))
    ids = house.add({}, {}, {})
    house.send(*ids)
    wait_until(lambda: len(process._held) == 3, "nothing was claimed")
    process.drain()
    assert house.sql.execute("SELECT state, failures FROM jobs ORDER BY id").fetchall() == [("pending", 0)] * 3


def test_a_handler_that_blocks_the_loop_is_found_out(house: House) -> None:
    release = threading.Event()

    async def handler(job: AsyncJob[Say]) -> Outcome:
        hold_up_everybody(release)
        return Completed()

    with captured_logs() as lines:
        house.start(kind(handler))
        (job,) = house.run()
        (told,) = lines.wait("loop_blocked")
        release.set()
        house.wait(job, "completed", "complete")
    assert (told["job"], told["attempt"]) == (job, 1)
    assert told["seconds"] >= 0.25
    assert "hold_up_everybody" in told["stack"]
    assert len(lines.all("loop_blocked")) == 1


def hold_up_everybody(release: threading.Event) -> None:
    assert release.wait(DEADLINE_SECONDS)


def test_jobs_that_wait_do_not_count_as_blocking(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        await asyncio.sleep(0.6)
        return Completed()

    with captured_logs() as lines:
        house.start(kind(handler))
        (job,) = house.run()
        house.wait(job, "completed", "complete")
        assert lines.all("loop_blocked") == []


def test_a_crowd_keeps_its_leases(house: House) -> None:
    """Their leases are renewed in turn; none runs out while they wait, long past the first lease."""
    opened = threading.Event()

    async def handler(job: AsyncJob[Say]) -> Outcome:
        while not opened.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.05)
        return Completed()

    house.start(kind(handler, slots=400), lease_seconds=2, heartbeat_seconds=0.1)
    house.send(*house.add(*[{}] * 400))
    house.wait_for("(SELECT count(*) FROM jobs WHERE state = 'running') = 400")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 3, "time stands still")
    assert house.sql.execute("SELECT count(*) FROM jobs WHERE lease_until < now()").fetchone() == (0,)
    opened.set()
    house.wait_for("(SELECT count(*) FROM job_history WHERE state = 'completed') = 400")
