"""What Retinue asks of a queue, whatever carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from retinue.errors import TransientError

#: Entries of one batch call (Amazon SQS message quotas).
MAX_BATCH = 10

#: The longest long poll (Amazon SQS message quotas).
MAX_WAIT_SECONDS = 20


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


@dataclass(frozen=True, slots=True)
class SendResult:
    """Which job IDs went out and which did not."""

    sent_ids: tuple[int, ...]
    failed_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages that wait, that are in flight, and that lie in the dead-letter queue; approximate."""

    visible: int
    in_flight: int
    dead: int


class Queues(Protocol):
    """One queue and one dead-letter queue for each job type. Threads may share it.

    Every method raises `QueueUnreachable` when nothing answers.
    """

    def ensure(self, job_type: str) -> None:
        """Make the type's queues where they are missing and bring their attributes in line."""

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        """Send one message for each batch of IDs."""

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        """Wait up to `wait_seconds` for messages."""

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        """Forget these messages; one that cannot be deleted comes back and is harmless."""

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        """Let another receive have them at once."""

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        """Move a message that cannot be read to the dead-letter queue, with the reason."""

    def depth(self, job_type: str) -> QueueDepth:
        """How many messages there are."""

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls made so far, by action: what SQS charges for."""

    def close(self) -> None:
        """Close every connection."""
