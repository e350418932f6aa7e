"""Receives messages, has the jobs they name claimed, and hands these on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import psycopg

from infra.logs import get_logger
from infra.queues.transport import MAX_BATCH, MAX_WAIT_SECONDS, Message, Queues
from retinue.errors import TransientError
from servants.runtime.capacity import Capacity
from servants.runtime.claimer import Claimer
from servants.runtime.deleter import Deleter
from servants.runtime.held import HeldJob

#: Pause after a failed receive, in seconds.
FAULT_PAUSE_SECONDS = 1.0

log = get_logger(__name__)


class Receiver:
    """One thread, one long poll at a time."""

    def __init__(
        self,
        queues: Queues,
        claimer: Claimer,
        capacity: Capacity,
        *,
        job_type: str,
        on_claimed: Callable[[list[HeldJob]], None],
    ) -> None:
        self._queues = queues
        self._claimer = claimer
        self._capacity = capacity
        self._job_type = job_type
        self._on_claimed = on_claimed
        self._deleter = Deleter(queues, job_type)
        self._ids_per_message = 1.0
        #: When the last receive call returned, monotonic seconds: a servant that hears nothing any more shows by it.
        self.received_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="receive", daemon=True)

    def start(self) -> None:
        self._deleter.start()
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Receive nothing more. Returns when no claim is under way, or after `timeout` seconds."""
        self._stopped.set()
        self._capacity.wake()
        self._queues.interrupt()
        self._thread.join(timeout)

    def finish(self, timeout: float) -> None:
        """Delete the messages whose claims have committed, and end."""
        self._deleter.stop(timeout)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                self._receive_once()
            except (TransientError, psycopg.Error) as error:
                if not self._stopped.is_set():
                    log.warning("receive_failed", type=self._job_type, error=str(error))
                self._stopped.wait(FAULT_PAUSE_SECONDS)
            except Exception:
                # A servant that lives on, and beats, without receiving would look well and do nothing.
                log.exception("receive_raised", type=self._job_type)
                self._stopped.wait(FAULT_PAUSE_SECONDS)

    def _receive_once(self) -> None:
        room = self._capacity.wait_for_room(self._stopped)
        if room <= 0:
            return
        wanted = max(1, min(MAX_BATCH, int(room / self._ids_per_message)))
        messages = self._queues.receive(self._job_type, max_messages=wanted, wait_seconds=MAX_WAIT_SECONDS)
        self.received_at = time.monotonic()
        readable = [message for message in messages if self._is_readable(message)]
        if readable:
            self._claim(readable)

    def _is_readable(self, message: Message) -> bool:
        if message.problem is None:
            return True
        log.error("message_rejected", type=self._job_type, problem=message.problem)
        try:
            self._queues.reject(self._job_type, message, message.problem)
        except TransientError as error:
            # It comes back; those that were received with it are not to wait for that.
            log.warning("reject_failed", type=self._job_type, error=str(error))
        return False

    def _claim(self, messages: Sequence[Message]) -> None:
        ids = [identity for message in messages for identity in message.ids]
        self._ids_per_message = len(ids) / len(messages)
        try:
            claimed = self._claimer.claim(ids)
        except (TransientError, psycopg.Error):
            # The messages reappear by themselves; handing them back once the database answers is only faster.
            self._claimer.wait_for_database(self._stopped)
            self._queues.release(self._job_type, messages)
            raise
        self._on_claimed(claimed)
        self._deleter.put(messages)
