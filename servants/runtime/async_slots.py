"""The slots of a type whose handler is a coroutine: one thread, one event loop, a task for each job that runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from infra.loop import LoopRunner
from retinue.clock import SystemClock
from servants.runtime.async_performer import AsyncPerformer
from servants.runtime.held import HeldJob
from servants.runtime.loop_watch import LOOK_SECONDS, LoopWatch
from servants.runtime.performer import Performed
from servants.runtime.registration import BESIDE_LOOP


class AsyncSlots:
    """As many jobs at once as the type has slots, fed from one inbox. An idle slot costs nothing."""

    def __init__(self, count: int, performer: AsyncPerformer, on_performed: Callable[[Performed], None]) -> None:
        self._performer = performer
        self._on_performed = on_performed
        self._inbox: deque[HeldJob] = deque()
        #: For those who fill or empty the inbox.
        self._filling = threading.Lock()
        self._closed = False
        # These belong to the loop.
        self._count = self._free = count
        self._tasks: dict[HeldJob, asyncio.Task[None]] = {}
        self._performed: list[Performed] = []
        self._context = contextvars.copy_context()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="event-loop", daemon=True)
        watch = LoopWatch(self._loop, self._thread, self._tasks)
        self._watch = LoopRunner("loop watch", watch.look, interval_seconds=LOOK_SECONDS, clock=SystemClock())

    def start(self) -> None:
        self._loop.set_default_executor(ThreadPoolExecutor(BESIDE_LOOP, thread_name_prefix="beside-loop"))
        self._thread.start()
        self._watch.start()

    def put(self, jobs: Sequence[HeldJob]) -> bool:
        """Let the slots perform these, in order; False when they are closed, and then none of these begins."""
        with self._filling:
            if self._closed:
                return False
            self._inbox.extend(jobs)
            # Under the lock, so that the loop is not closed meanwhile.
            self._loop.call_soon_threadsafe(self._fill)
        return True

    def take_back(self, *, keep: int) -> list[HeldJob]:
        """Take the jobs no slot has begun from the inbox, but for the `keep` oldest."""
        with self._filling:
            if self._closed:
                return []
            waiting = list(self._inbox)
            self._inbox = deque(waiting[:keep])
        return waiting[keep:]

    def close(self) -> list[HeldJob]:
        """Begin nothing more, and end the loop after the last job; the jobs no slot has begun, now or ever."""
        with self._filling:
            self._closed = True
            unstarted = list(self._inbox)
            self._inbox.clear()
        self._call(self._end_when_idle)
        return unstarted

    def interrupt(self, held: HeldJob) -> bool:
        """Cancel the handler's task."""
        self._call(lambda: self._cancel(held))
        return True

    def end(self, timeout: float) -> bool:
        """Wait for the loop's end; False if a job still runs."""
        self._watch.stop(timeout)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _call(self, function: Callable[[], None]) -> None:
        """In the loop; once that has ended nothing is left to do there."""
        if self._thread.is_alive() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_ended())

    async def _until_ended(self) -> None:
        self._fill()
        await self._ended.wait()
        await self._performer.services.close()

    def _fill(self) -> None:
        """Begin what is waiting, as far as there are free slots."""
        with self._filling:
            taken = [self._inbox.popleft() for _ in range(min(self._free, len(self._inbox)))]
        self._free -= len(taken)
        for held in taken:
            # What one job's handler leaves in its context is not there for the next one.
            self._tasks[held] = self._loop.create_task(self._perform(held), context=self._context.copy())

    async def _perform(self, held: HeldJob) -> None:
        try:
            performed = await self._performer.run(held)
        except BaseException as error:  # noqa: BLE001 - whatever comes late from a handler must not cost its slot
            performed = self._performer.broken(held, error)
        finally:
            del self._tasks[held]
        self._performed.append(performed)
        if len(self._performed) == 1:
            # What ends in the same turn of the loop is handed over together.
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        performed, self._performed = self._performed, []
        self._free += len(performed)
        for one in performed:
            self._on_performed(one)
        self._fill()
        if self._closed:
            self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._free == self._count:
            self._ended.set()

    def _cancel(self, held: HeldJob) -> None:
        task = self._tasks.get(held)
        if task is not None and held.interruptible:
            task.cancel(held.asked_why)
