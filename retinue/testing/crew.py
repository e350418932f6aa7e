"""The real scheduler's passes and real servant processes, in this process."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from infra.settings import load_settings
from retinue.job import Job
from retinue.servant import ServantType, lent
from retinue.testing.database import RetinueDatabase
from scheduler.process import SchedulerProcess
from servants.runtime.process import ServantProcess

#: Passes that are not part of each round: reports, what is done once a day, and what only a lost message needs.
_APART = frozenset({"heartbeat", "rescue", "retain", "rollup"})

#: Below what any test waits for; the drain itself decides when a message counts as lost.
_QUICK = {"heartbeat_seconds": 0.05, "lease_seconds": 60, "drain_grace_seconds": 0, "queued_timeout_seconds": 0.001}


class Crew:
    """One servant process for each type and a scheduler whose passes run when told; drained at the end."""

    def __init__(self, database: RetinueDatabase, servants: Sequence[ServantType[Any]], *, slots: int) -> None:
        #: What handlers raised, in order.
        self.raised: list[BaseException] = []
        self._database = database
        self._watched = [dataclasses.replace(kind, slots=slots, handler=self._watch(kind)) for kind in servants]
        self._settings = load_settings(env_file=None, database_url=database.url, **_QUICK)
        self._scheduler = SchedulerProcess(self._settings, database=database.pool, queues=database.queues)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._database.queues.resume()
        # Before the first job can finish, its day must have its partition.
        self._scheduler.loops["retain"].run_once()
        self._stack.enter_context(lent(*self._watched))
        for kind in self._watched:
            self._stack.callback(self._start(kind).drain)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A receive that waits would wait for the fake clock.
        self._database.queues.interrupt()
        self._stack.close()
        self._scheduler.stop()

    def passes(self) -> int:
        """Run the passes that move jobs, each once; how much they did.

        Raises:
            Exception: what a pass raised.
        """
        return sum(loop.run_once().done for name, loop in self._scheduler.loops.items() if name not in _APART)

    def rescue(self) -> None:
        """Take back what is queued and was never delivered."""
        self._scheduler.loops["rescue"].run_once()

    def _start(self, kind: ServantType[Any]) -> ServantProcess:
        process = ServantProcess(
            kind,
            self._settings,
            database=self._database.pool,
            queues=self._database.queues,
            keyring=self._database.keyring,
        )
        process.start()
        return process

    def _watch(self, kind: ServantType[Any]) -> Callable[[Job[Any]], Any]:
        """The type's handler; what it raises is kept."""
        handler: Callable[[Job[Any]], Any] = kind.handler
        if inspect.iscoroutinefunction(handler):
            return self._watch_coroutine(handler)

        @functools.wraps(handler)
        def watched(job: Job[Any]) -> Any:
            try:
                return handler(job)
            except BaseException as error:
                self.raised.append(error)
                raise

        return watched

    def _watch_coroutine(self, handler: Callable[[Job[Any]], Awaitable[Any]]) -> Callable[[Job[Any]], Awaitable[Any]]:
        @functools.wraps(handler)
        async def watched(job: Job[Any]) -> Any:
            try:
                return await handler(job)
            except BaseException as error:
                self.raised.append(error)
                raise

        return watched
