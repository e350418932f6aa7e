"""Forced interleavings: hold one side at a chosen point, and prove that the other one waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import psycopg

T = TypeVar("T")

#: Longer than anything a test waits for takes, however busy the machine.
DEADLINE_SECONDS = 20


@contextmanager
def in_background(work: Callable[[], T]) -> Iterator[Future[T]]:
    """`work` in a thread of its own; at the end of the block it must have come to an end."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="race") as pool:
        future = pool.submit(work)
        yield future
        future.result(DEADLINE_SECONDS)


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run all of `works` at once, each started only when every thread is ready; their results in order."""
    ready = threading.Barrier(len(works), timeout=DEADLINE_SECONDS)

    def start(work: Callable[[], T]) -> T:
        ready.wait()
        return work()

    with ThreadPoolExecutor(max_workers=len(works), thread_name_prefix="race") as pool:
        futures = [pool.submit(start, work) for work in works]
        return [future.result(DEADLINE_SECONDS) for future in futures]


def wait_until_blocked(sql: psycopg.Connection, *, by: psycopg.Connection, count: int = 1) -> None:
    """Wait until that many backends wait for a lock that the connection `by` holds."""
    query = "SELECT count(*) >= %s FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    params = (count, by.info.backend_pid)
    wait_until(lambda: sql.execute(query, params).fetchone() == (True,), "nobody waits for the lock")


def wait_until(condition: Callable[[], bool], problem: str) -> None:
    """Wait until `condition` holds; fails with `problem` after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.005)  # what another process does gives this one no signal
