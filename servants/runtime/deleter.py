"""Deletes the messages whose claims have committed, in batches, out of the way of the next receive."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from infra.logs import get_logger
from infra.queues.transport import MAX_BATCH, Message, Queues

#: How long a delete waits for company, in seconds: fewer calls, and the job just claimed has the processor first.
LINGER_SECONDS = 0.1

log = get_logger(__name__)


class Deleter:
    """One thread that empties its list ten at a time."""

    def __init__(self, queues: Queues, job_type: str) -> None:
        self._queues = queues
        self._job_type = job_type
        self._claimed: SimpleQueue[Message | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="delete", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._claimed.put(message)

    def stop(self, timeout: float) -> None:
        """Delete what was put, and end."""
        self._claimed.put(None)
        self._thread.join(timeout)

    def _serve(self) -> None:
        while (message := self._claimed.get()) is not None:
            batch = [message, *self._waiting()]
            try:
                self._queues.delete(self._job_type, batch)
            except Exception as error:  # noqa: BLE001 - they come back and claim nothing; the next are deleted
                log.warning("delete_failed", type=self._job_type, messages=len(batch), error=str(error))

    def _waiting(self) -> list[Message]:
        """What else comes while it lingers, up to a full batch."""
        waiting: list[Message] = []
        until = time.monotonic() + LINGER_SECONDS
        while len(waiting) < MAX_BATCH - 1:
            try:
                message = self._claimed.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if message is None:
                self._claimed.put(None)
                break
            waiting.append(message)
        return waiting
