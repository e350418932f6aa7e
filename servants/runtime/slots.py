"""The slots: threads that take claimed jobs from the inbox and perform them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

from servants.runtime.held import HeldJob
from servants.runtime.performer import Performed, Performer


class Slots:
    """As many threads as the type has slots, fed from one inbox."""

    def __init__(self, count: int, performer: Performer, on_performed: Callable[[Performed], None]) -> None:
        self._performer = performer
        self._on_performed = on_performed
        self._inbox: SimpleQueue[HeldJob | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name=f"slot-{n}", daemon=True) for n in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def put(self, jobs: Iterable[HeldJob]) -> None:
        """Let the slots perform these, in order."""
        for held in jobs:
            self._inbox.put(held)

    def take_back(self) -> list[HeldJob]:
        """Empty the inbox: the jobs no slot has begun."""
        unstarted: list[HeldJob] = []
        while True:
            try:
                held = self._inbox.get_nowait()
            except Empty:
                return unstarted
            if held is not None:
                unstarted.append(held)

    def stop(self) -> None:
        """Let each thread end after the job it is performing."""
        for _ in self._threads:
            self._inbox.put(None)

    def _serve(self) -> None:
        while (held := self._inbox.get()) is not None:
            self._on_performed(self._performer.perform(held))
