"""moto's SQS, fit to serve several processes at once: it is made for one test at a time.

- moto's delete rebuilds the queue's list of messages while a send appends to the old one, and that message is lost; two
  receives may take the same message. Here both happen under the queue's lock.
- Its long poll goes on after the client has gone (a servant was killed, or drains), takes the next message and answers
  nobody: the message is hidden until its visibility timeout. Here the poll ends.
- A released message wakes no long poll there, and does here.
- For every message received it reads all attributes of the queue, and counting its messages is among them: receiving
  ten of a hundred takes three times as long as it needs to.
"""

from __future__ import annotations

from typing import Any

import flask
from moto.core.utils import unix_time
from moto.sqs import models
from waitress.channel import ClientDisconnected


class SharedQueue(models.Queue):
    """A queue that several threads use."""

    def delete_message(self, receipt_handle: str) -> None:
        with self._messages_lock:
            super().delete_message(receipt_handle)

    def wait_for_messages(self, timeout: int) -> None:
        """Raise `ClientDisconnected` when nobody waits any more. moto waits a second at a time."""
        super().wait_for_messages(timeout)
        if flask.request.environ["waitress.client_disconnected"]():
            raise ClientDisconnected


class SharedBackend(models.SQSBackend):
    """All queues. Waiting for a message gives the lock away meanwhile."""

    # By this moto finds the service's URLs.
    __module__ = models.__name__

    def receive_message(self, queue_name: str, *args: Any, **kwargs: Any) -> list[models.Message]:
        with self.get_queue(queue_name)._messages_lock:
            return super().receive_message(queue_name, *args, **kwargs)

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        with (lock := self.get_queue(queue_name)._messages_lock):
            super().change_message_visibility(queue_name, receipt_handle, visibility_timeout)
            lock.notify_all()

    def is_message_valid_based_on_retention_period(self, queue_name: str, message: Any) -> bool:
        queue: Any = self.get_queue(queue_name)
        return bool(queue.message_retention_period + message.sent_timestamp / 1000 > unix_time())


def install() -> None:
    """Have moto use these. Before its application is made, in a process of its own."""
    models.Queue = SharedQueue  # type: ignore[misc]  # moto offers no other way
    models.sqs_backends.backend = SharedBackend
