"""The slots: threads that take claimed jobs from the inbox and perform them."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from servants.runtime.held import HeldJob
from servants.runtime.performer import Performed, Performer


class AnySlots(Protocol):
    """`Slots` or `AsyncSlots`."""

    def start(self) -> None: ...

    def put(self, jobs: Sequence[HeldJob]) -> bool: ...

    def take_back(self, *, keep: int) -> list[HeldJob]: ...

    def close(self) -> list[HeldJob]: ...

    def interrupt(self, held: HeldJob) -> bool:
        """End its handler from outside; False where that cannot be done."""

    def end(self, timeout: float) -> bool:
        """After `close` and the last job: free what the slots had; False if something still runs."""


class Slots:
    """As many threads as the type has slots, fed from one inbox."""

    def __init__(self, count: int, performer: Performer, on_performed: Callable[[Performed], None]) -> None:
        self._performer = performer
        self._on_performed = on_performed
        self._inbox: SimpleQueue[HeldJob | None] = SimpleQueue()
        #: For those who fill or empty the inbox; the slots only take from it.
        self._filling = threading.Lock()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, name=f"slot-{n}", daemon=True) for n in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def put(self, jobs: Sequence[HeldJob]) -> bool:
        """Let the slots perform these, in order; False when they are closed, and then none of these begins."""
        with self._filling:
            if self._closed:
                return False
            for held in jobs:
                self._inbox.put(held)
        return True

    def take_back(self, *, keep: int) -> list[HeldJob]:
        """Take the jobs no slot has begun from the inbox, but for the `keep` oldest."""
        with self._filling:
            if self._closed:
                return []
            waiting = self._empty()
            for held in waiting[:keep]:
                self._inbox.put(held)
        return waiting[keep:]

    def close(self) -> list[HeldJob]:
        """Let each thread end after the job it is performing; the jobs no slot has begun, now or ever."""
        with self._filling:
            self._closed = True
            unstarted = self._empty()
            for _ in self._threads:
                self._inbox.put(None)
        return unstarted

    def interrupt(self, held: HeldJob) -> bool:
        """A thread cannot be ended from outside."""
        return False

    def end(self, timeout: float) -> bool:
        """Nothing to do: a thread that still runs ends with the process."""
        return True

    def _empty(self) -> list[HeldJob]:
        unstarted: list[HeldJob] = []
        while True:
            try:
                held = self._inbox.get_nowait()
            except Empty:
                return unstarted
            if held is not None:
                unstarted.append(held)

    def _serve(self) -> None:
        while (held := self._inbox.get()) is not None:
            self._on_performed(self._perform(held))

    def _perform(self, held: HeldJob) -> Performed:
        try:
            # What one job's handler leaves in its context is not there for the next one.
            return contextvars.copy_context().run(self._performer.perform, held)
        except Exception as error:  # noqa: BLE001 - what goes wrong at a job's end must not cost its slot
            return self._performer.broken(held, error)
