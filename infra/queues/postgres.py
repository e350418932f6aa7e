"""Queues in PostgreSQL itself: for those without AWS, and for the lowest latency.

A message is a row, hidden while somebody has it and deleted when it is done with. Receivers skip one another's rows,
and NOTIFY wakes them on a channel for each type. PostgreSQL takes one lock for the whole server at the commit of
whatever calls NOTIFY; a send holds it for microseconds, because its commit writes no log and waits for no disk.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.postgres.arrays import numbers, texts
from infra.postgres.connect import DatabaseUnreachable, unreachable
from infra.postgres.statements import statement
from infra.queues.body import pack, readable_reason
from infra.queues.lines import Line, Lines
from infra.queues.transport import (
    DEAD_RETENTION_SECONDS,
    MAX_BATCH,
    MAX_WAIT_SECONDS,
    RETENTION_SECONDS,
    Message,
    QueueDepth,
    QueueOptions,
    QueueUnreachable,
    SendResult,
)

#: How often a receive that waits looks by itself, in seconds: nobody rings when a hidden message comes back, and a
#: connection that was cut without a word is noticed by it.
POLL_SECONDS = 1.0

log = get_logger(__name__)


def channel_of(job_type: str) -> str:
    """The channel on which a type's receivers are woken; with the longest type it has 55 of the 63 bytes allowed."""
    return f"retinue_queue_{job_type}"


class PostgresQueues:
    """`Queues` in the tables of `infra.postgres.schema_queues`. Calls are statements, by the name SQS has for them."""

    def __init__(self, url: str, *, options: QueueOptions | None = None) -> None:
        self._url = url
        self._options = options or QueueOptions()
        self._lines = Lines(url)
        self._calls: Counter[str] = Counter()
        self._calls_lock = threading.Lock()

    @property
    def calls(self) -> Mapping[str, int]:
        with self._calls_lock:
            return dict(self._calls)

    def ensure(self, job_type: str) -> None:
        if self._make(job_type) is False:
            log.info("queue_brought_in_line", queue=job_type)
        ages = {"seconds": RETENTION_SECONDS, "dead_seconds": DEAD_RETENTION_SECONDS}
        self._ask("PurgeQueue", "forget_old_messages", job_type, **ages)

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        bodies = [pack(ids) for ids in batches]
        taken = {row[0] for row in self._send(job_type, bodies)} if bodies else set()
        return _result(job_type, batches, bodies, taken)

    def send_in(
        self, connection: psycopg.Connection, job_type: str, batches: Sequence[Sequence[int]]
    ) -> Callable[[], SendResult]:
        bodies = [pack(ids) for ids in batches]
        self._count("SendMessageBatch")
        params = {"type": job_type, "bodies": texts(bodies), "channel": channel_of(job_type)}
        cursor = connection.execute(statement("send_messages"), params)

        def result() -> SendResult:
            taken = {row[0] for row in cursor}
            # None at all: the queue is missing, and is made by a send that is not part of anything.
            return _result(job_type, batches, bodies, taken) if taken else self.send(job_type, batches)

        return result

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        most = min(max_messages, MAX_BATCH)
        deadline = time.monotonic() + min(wait_seconds, MAX_WAIT_SECONDS)
        with self._named_failures():
            try:
                return self._receive(job_type, most, deadline)
            except psycopg.OperationalError as error:
                log.warning("listen_failed", type=job_type, error=str(error))
            self._lines.drop_idle()
            return self._receive(job_type, most, deadline)

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        try:
            self._tidy("DeleteMessageBatch", "delete_messages", job_type, messages)
        except QueueUnreachable as error:
            log.warning("messages_not_deleted", type=job_type, messages=len(messages), problem=error.message)

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        try:
            self._tidy("ChangeMessageVisibilityBatch", "release_messages", job_type, messages)
        except QueueUnreachable as error:
            log.warning("messages_not_released", type=job_type, messages=len(messages), problem=error.message)

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        self._ask("SendMessage", "reject_message", job_type, body=message.body, reason=readable_reason(reason))
        self.delete(job_type, [message])

    def depth(self, job_type: str) -> QueueDepth:
        rows = self._ask("GetQueueAttributes", "read_queue_depth", job_type)
        if not rows:
            self._remake(job_type)
            rows = self._ask("GetQueueAttributes", "read_queue_depth", job_type)
        return QueueDepth(*rows[0])

    def interrupt(self) -> None:
        self._lines.end_waits()

    def close(self) -> None:
        self.interrupt()
        self._lines.close()

    def _send(self, job_type: str, bodies: Sequence[str]) -> list[tuple[Any, ...]]:
        params = {"bodies": texts(bodies), "channel": channel_of(job_type)}
        rows = self._ask("SendMessageBatch", "send_messages", job_type, **params)
        if not rows:
            self._remake(job_type)
            rows = self._ask("SendMessageBatch", "send_messages", job_type, **params)
        return rows

    def _receive(self, job_type: str, most: int, deadline: float) -> list[Message]:
        with self._lines.lend(channel_of(job_type)) as line:
            while not self._lines.ended:
                taken = self._take(line, job_type, most)
                left = deadline - time.monotonic()
                if taken or left <= 0:
                    return taken
                line.wait(min(left, POLL_SECONDS))
        return []

    def _take(self, line: Line, job_type: str, most: int) -> list[Message]:
        self._count("ReceiveMessage")
        rows = line.ask("take_messages", {"type": job_type, "most": most})
        if not rows:
            self._remake(job_type)
        return [
            Message.read(job_type, body, f"{identity}/{receives}", receives)
            for identity, body, receives in rows
            if identity is not None
        ]

    def _tidy(self, action: str, name: str, job_type: str, messages: Sequence[Message]) -> None:
        receipts = [message.receipt.split("/") for message in messages]
        ours = [(receipt[0], receipt[1]) for receipt in receipts if len(receipt) == 2]
        if ours:
            ids, receives = (numbers(map(int, column)) for column in zip(*ours, strict=True))
            self._ask(action, name, job_type, ids=ids, receives=receives, channel=channel_of(job_type))

    def _remake(self, job_type: str) -> None:
        """Make the queue that is missing, unless somebody else just did."""
        if self._make(job_type):
            log.warning("queue_recreated", type=job_type)

    def _make(self, job_type: str) -> bool | None:
        """True when the queue was made, False when it was brought in line, None when it was as it should be."""
        rows = self._ask("CreateQueue", "ensure_queue", job_type, **asdict(self._options))
        return rows[0][0] if rows else None

    def _ask(self, action: str, name: str, job_type: str, **params: Any) -> list[tuple[Any, ...]]:
        self._count(action)
        with self._named_failures():
            return self._lines.ask(name, {"type": job_type, **params})

    def _count(self, action: str) -> None:
        with self._calls_lock:
            self._calls[action] += 1

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        try:
            yield
        except DatabaseUnreachable as error:
            raise QueueUnreachable(error.message) from error
        except psycopg.OperationalError as error:
            raise QueueUnreachable(unreachable(self._url, error).message) from error
        except psycopg.Error as error:
            raise QueueUnreachable(f"PostgreSQL refused what the queues need: {error}. Look at its log.") from error


def _result(
    job_type: str, batches: Sequence[Sequence[int]], bodies: Sequence[str], taken: Collection[str]
) -> SendResult:
    """The result when the bodies in `taken` were inserted; a trigger may have kept others out."""
    sent = [n for n, body in enumerate(bodies) if body in taken]
    if len(sent) < len(bodies):
        log.warning("messages_not_sent", type=job_type, messages=len(bodies) - len(sent), problem="not inserted")
    return SendResult.of(batches, sent)
