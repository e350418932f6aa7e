"""moto's queues under several threads: the interleavings that would lose or double a message are forced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from moto.sqs.models import Message

from infra.local.sqs_backend import SharedBackend, SharedQueue

QUEUE = "letters"
ACCOUNT = "123456789012"

#: How long the one in the middle waits for the other, who cannot come through: this much is spent when all is well.
MEANWHILE_SECONDS = 0.3


class HeldMessage(Message):
    """Lets another thread in as it is received."""

    meanwhile: Callable[[], None] | None = None

    def mark_received(self, visibility_timeout: int | None = None) -> None:
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        super().mark_received(visibility_timeout)


class HeldQueue(SharedQueue):
    """Lets another thread in before its messages are replaced by those that are left."""

    meanwhile: Callable[[], None] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_messages" and self.meanwhile:
            self.meanwhile()
        super().__setattr__(name, value)


@pytest.fixture
def backend() -> SharedBackend:
    made = SharedBackend("us-east-1", ACCOUNT)
    made.queues[QUEUE] = HeldQueue(QUEUE, region="us-east-1", account_id=ACCOUNT)  # type: ignore[abstract]  # as moto's is
    return made


@pytest.fixture
def others() -> Others:
    return Others()


class Others:
    """What other threads do meanwhile."""

    def __init__(self) -> None:
        self.returned: list[Any] = []
        self._threads: list[threading.Thread] = []

    def come(self, work: Callable[[], object]) -> Callable[[], None]:
        """Have another thread do this, and give it time."""

        def start() -> None:
            thread = threading.Thread(target=lambda: self.returned.append(work()))
            self._threads.append(thread)
            thread.start()
            thread.join(MEANWHILE_SECONDS)

        return start

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


def test_a_send_during_a_delete_is_kept(backend: SharedBackend, others: Others) -> None:
    queue: Any = backend.queues[QUEUE]
    letter = put(queue, Message("1", "deleted"))
    receive(backend, count=1)
    queue.meanwhile = others.come(lambda: put(queue, Message("2", "sent meanwhile")))
    queue.delete_message(letter.receipt_handle)
    others.finish()
    assert [message.body for message in queue._messages] == ["sent meanwhile"]


def test_a_message_is_taken_by_one_receive(backend: SharedBackend, others: Others) -> None:
    letter = put(backend.queues[QUEUE], HeldMessage("1", "only one"))
    letter.meanwhile = others.come(lambda: receive(backend, count=1))
    assert receive(backend, count=1) == ["only one"]
    others.finish()
    assert others.returned == [[]]


def test_a_message_kept_too_long_is_not_received(backend: SharedBackend) -> None:
    queue: Any = backend.queues[QUEUE]
    put(queue, Message("1", "old"))
    queue.message_retention_period = -1
    assert receive(backend, count=1) == []


def put(queue: Any, message: Any) -> Any:
    message.mark_sent()
    queue.add_message(message)
    return message


def receive(backend: SharedBackend, *, count: int) -> list[str]:
    return [message.body for message in backend.receive_message(QUEUE, count, 0, 30)]
