"""What Retinue asks of a queue, whatever carries it.

A message is a hint that jobs wait (the truth stands in PostgreSQL), so a transport may lose, double, delay and reorder
messages, and what it reports may be approximate. What it must do: deliver nearly every message once, soon, and to one
receiver at a time; show a message again whose receiver neither deleted nor released it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from infra.queues.body import UnparsableMessage, unpack
from retinue.errors import TransientError

if TYPE_CHECKING:
    import psycopg

#: Entries of one batch call (Amazon SQS Developer Guide, "Amazon SQS message quotas").
MAX_BATCH = 10

#: The longest long poll in seconds (API Reference, `ReceiveMessage`: WaitTimeSeconds).
MAX_WAIT_SECONDS = 20

#: The longest that a received message can stay hidden, 12 hours ("Amazon SQS message quotas").
MAX_VISIBILITY_SECONDS = 12 * 3600

#: Bytes of one message, and of all messages of one batch call together ("Amazon SQS message quotas").
MAX_BATCH_BYTES = 1024 * 1024

#: How long a message is kept (SQS's default), and one that is dead (the most SQS keeps), in seconds.
RETENTION_SECONDS = 4 * 24 * 3600
DEAD_RETENTION_SECONDS = 14 * 24 * 3600


class QueueUnreachable(TransientError):
    """The queue server cannot be reached."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `problem` says why it cannot be read; then `ids` is empty."""

    job_type: str
    ids: tuple[int, ...]
    receipt: str
    body: str
    receive_count: int
    problem: str | None = None

    @classmethod
    def read(cls, job_type: str, body: str, receipt: str, receive_count: int) -> Message:
        """The message with this body, readable or not."""
        try:
            return cls(job_type, unpack(body), receipt, body, receive_count)
        except UnparsableMessage as error:
            return cls(job_type, (), receipt, body, receive_count, error.message)


@dataclass(frozen=True, slots=True)
class SendResult:
    """Which job IDs went out and which did not."""

    sent_ids: tuple[int, ...]
    failed_ids: tuple[int, ...]

    @classmethod
    def of(cls, batches: Sequence[Sequence[int]], sent: Collection[int]) -> SendResult:
        """The result when the batches numbered in `sent` went out."""
        return cls(
            sent_ids=tuple(identity for n, ids in enumerate(batches) if n in sent for identity in ids),
            failed_ids=tuple(identity for n, ids in enumerate(batches) if n not in sent for identity in ids),
        )


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages that wait, that are in flight, and that lie in the dead-letter queue; approximate."""

    visible: int
    in_flight: int
    dead: int


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What a type's queues are made with.

    A received message stays hidden for `visibility_seconds`: a claim takes milliseconds, so a lost one is soon back.
    After `max_receives` it goes to the dead-letter queue: the last resort against a message that ends every receiver.
    """

    visibility_seconds: int = 30
    max_receives: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.visibility_seconds <= MAX_VISIBILITY_SECONDS:
            raise ValueError(f"visibility_seconds must be 1 to {MAX_VISIBILITY_SECONDS}, got {self.visibility_seconds}")
        if self.max_receives < 1:
            raise ValueError(f"max_receives must be at least 1, got {self.max_receives}")


class Queues(Protocol):
    """One queue and one dead-letter queue for each job type. All threads of a process share one of these.

    A queue that is missing, because it was never made or because the server lost it, is made where it is needed.
    A method that needs an answer raises `QueueUnreachable` when there is none; its message says what to check.
    """

    def ensure(self, job_type: str) -> None:
        """Make the type's queues where they are missing, and bring in line those whose attributes differ."""

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        """Send one message for each batch of IDs.

        Raises:
            QueueUnreachable: nothing was sent. When the server is lost half-way, the rest is reported as failed.
        """

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        """Some messages as soon as there are any; none when `wait_seconds` pass, or after `interrupt`.

        Both arguments are cut to what the transport can do, ten messages and 20 seconds on SQS.
        """

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        """Forget these messages. One that cannot be deleted is logged; it comes back and is harmless."""

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        """Let another receiver have them at once. One that cannot be released is logged; it reappears by itself."""

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        """Move a message that cannot be read to the dead-letter queue, with the reason."""

    def depth(self, job_type: str) -> QueueDepth:
        """How many messages there are."""

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests made so far, by action: what SQS charges for."""

    def interrupt(self) -> None:
        """End every receive that waits; it and all later ones return nothing. Everything else goes on working.

        What a drain begins with: deletes and releases are still to come.
        """

    def close(self) -> None:
        """Interrupt, and close every connection."""


@runtime_checkable
class Metered(Queues, Protocol):
    """Queues whose owner charges for each request."""

    @property
    def charged(self) -> Mapping[tuple[str, str], int]:
        """Requests that are charged for so far, by type and action; a large one counts as several."""


@runtime_checkable
class QueuesInDatabase(Queues, Protocol):
    """Queues in the database of the jobs, to which the transaction that dispatches jobs can write their messages."""

    def send_in(
        self, connection: psycopg.Connection, job_type: str, batches: Sequence[Sequence[int]]
    ) -> Callable[[], SendResult]:
        """Send one message for each batch of IDs when the connection's transaction commits.

        What it returns is to be called after the commit, and tells what went out; it raises what `send` does.
        """
