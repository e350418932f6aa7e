"""What a servant process is asked to do with itself: by a signal, by its watch, or by an operator."""

from __future__ import annotations

from enum import Enum, auto
from queue import Empty, SimpleQueue

from retinue.servant_requests import ServantRequest


class Ask(Enum):
    """Rest: take nothing more, and wait. Leave: drain, and end the process."""

    REST = auto()
    LEAVE = auto()


class Asks:
    """Holds what was asked until the process's main thread takes it."""

    def __init__(self) -> None:
        # Not an event: its lock is not made for a signal handler that interrupts whoever holds it.
        self._asked: SimpleQueue[Ask] = SimpleQueue()

    def put(self, ask: Ask) -> None:
        """May be called anywhere, in a signal handler too."""
        self._asked.put(ask)

    def heed(self, request: ServantRequest) -> None:
        """What an operator asks of this servant."""
        self.put(Ask.REST if request is ServantRequest.DRAIN else Ask.LEAVE)

    def take(self, timeout: float | None = None) -> Ask | None:
        """Wait for the next one; None after `timeout` seconds."""
        try:
            return self._asked.get(timeout=timeout)
        except Empty:
            return None
