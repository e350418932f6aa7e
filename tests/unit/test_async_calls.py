"""Calls of coroutines: what a thread has begun for one that is gone is given back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from retinue.connection import Call, UncountedCall
from servants.runtime.async_services import AsyncCountedCalls
from tests.support.race import DEADLINE_SECONDS


class SlowCalls:
    """Lets a call begin once `lend` is set; counts those that go on."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.lend = threading.Event()
        self.ended = threading.Event()
        self.going_on = 0

    @contextmanager
    def begin(self, cost: int, *, urgent: bool | None) -> Iterator[Call]:
        self.asked.set()
        assert self.lend.wait(DEADLINE_SECONDS)
        self.going_on += 1
        try:
            yield UncountedCall()
        finally:
            self.going_on -= 1
            self.ended.set()


async def cancelled_while_it_waits(calls: SlowCalls) -> None:
    async def call() -> None:
        async with AsyncCountedCalls(calls).begin(1, urgent=None):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(call())
    await asyncio.to_thread(calls.asked.wait, DEADLINE_SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    calls.lend.set()
    assert await asyncio.to_thread(calls.ended.wait, DEADLINE_SECONDS), "the call goes on for ever"


def test_a_call_that_begins_after_its_job_was_cancelled_ends_at_once() -> None:
    """Its place among the calls at the same time would never be free again."""
    calls = SlowCalls()
    asyncio.run(cancelled_while_it_waits(calls))
    assert calls.going_on == 0
