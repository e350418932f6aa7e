"""Queues on Amazon SQS, or on any server that speaks its protocol."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from infra.logs import get_logger
from infra.queues.body import pack, readable_reason
from infra.queues.client import make_client, unreachable
from infra.queues.names import DEAD_SUFFIX, queue_name
from infra.queues.polls import LongPolls, PollEnded
from infra.queues.transport import (
    DEAD_RETENTION_SECONDS,
    MAX_BATCH,
    MAX_BATCH_BYTES,
    MAX_WAIT_SECONDS,
    RETENTION_SECONDS,
    Message,
    QueueDepth,
    QueueOptions,
    QueueUnreachable,
    SendResult,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

    from infra.settings import Settings

__all__ = ["SqsQueues", "make_client"]

# Errors have an old code, which botocore reports, and the name they have in the service's model.
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_DIFFERS = ("QueueAlreadyExists", "QueueNameExists")

#: Every so many bytes of a request's payload are charged as a request (https://aws.amazon.com/sqs/pricing/).
CHARGED_BYTES = 64 * 1024

_WAITING: Final = "ApproximateNumberOfMessages"
_HIDDEN: Final = "ApproximateNumberOfMessagesNotVisible"

T = TypeVar("T")
log = get_logger(__name__)


class SqsQueues:
    """`Queues` over one client that all threads share."""

    def __init__(
        self, client: SQSClient, *, prefix: str, environment: str, options: QueueOptions | None = None
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._environment = environment
        self._options = options or QueueOptions()
        self._polls = LongPolls(client)
        self._urls: dict[str, str] = {}
        self._calls: Counter[str] = Counter()
        self._charged: Counter[tuple[str, str]] = Counter()
        self._asking = threading.local()
        self._calls_lock = threading.Lock()
        client.meta.events.register("before-send.sqs", self._count)

    @classmethod
    def from_settings(cls, settings: Settings) -> SqsQueues:
        """The queues these settings name; credentials come from boto's own chain."""
        client = make_client(settings.sqs_endpoint_url, settings.aws_region)
        return cls(client, prefix=settings.queue_prefix, environment=settings.environment)

    @property
    def calls(self) -> Mapping[str, int]:
        with self._calls_lock:
            return dict(self._calls)

    @property
    def charged(self) -> Mapping[tuple[str, str], int]:
        with self._calls_lock:
            return dict(self._charged)

    def ensure(self, job_type: str) -> None:
        with self._named_failures(job_type):
            self._ensure(job_type)

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        bodies = [pack(ids) for ids in batches]
        sent: set[int] = set()
        try:
            for start in range(0, len(bodies), MAX_BATCH):
                sent |= self._send_batch(job_type, dict(enumerate(bodies[start : start + MAX_BATCH], start)))
        except QueueUnreachable as error:
            if not sent:
                raise
            log.warning("send_broken_off", type=job_type, messages=len(bodies) - len(sent), problem=error.message)
        return SendResult.of(batches, sent)

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        def ask(url: str) -> Any:
            return self._client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(max_messages, MAX_BATCH),
                WaitTimeSeconds=min(wait_seconds, MAX_WAIT_SECONDS),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )

        try:
            with self._polls.poll():
                reply = self._on_queue(job_type, ask)
        except PollEnded:
            return []
        return [_message(job_type, received) for received in reply.get("Messages", [])]

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        def ask(batch: Sequence[Message], url: str) -> Any:
            entries: Any = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(batch)]
            return self._client.delete_message_batch(QueueUrl=url, Entries=entries)

        self._tidy(job_type, messages, ask, event="messages_not_deleted")

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        def ask(batch: Sequence[Message], url: str) -> Any:
            entries: Any = [
                {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                for n, message in enumerate(batch)
            ]
            return self._client.change_message_visibility_batch(QueueUrl=url, Entries=entries)

        self._tidy(job_type, messages, ask, event="messages_not_released")

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        attributes: Any = {"reason": {"DataType": "String", "StringValue": readable_reason(reason)}}
        # The reason counts as part of the message: a body as large as SQS takes has to make room for it.
        body = message.body.encode()[: MAX_BATCH_BYTES - 1024].decode(errors="ignore")
        self._on_queue(
            job_type,
            lambda url: self._client.send_message(
                QueueUrl=url + DEAD_SUFFIX, MessageBody=body, MessageAttributes=attributes
            ),
        )
        self.delete(job_type, [message])

    def depth(self, job_type: str) -> QueueDepth:
        own = self._on_queue(job_type, self._figures)
        dead = self._on_queue(job_type, lambda url: self._figures(url + DEAD_SUFFIX))
        return QueueDepth(visible=int(own[_WAITING]), in_flight=int(own[_HIDDEN]), dead=int(dead[_WAITING]))

    def interrupt(self) -> None:
        self._polls.end()

    def close(self) -> None:
        self.interrupt()
        self._client.close()

    def _send_batch(self, job_type: str, bodies: Mapping[int, str]) -> set[int]:
        """Send these bodies; the numbers of those that SQS took."""
        entries: Any = [{"Id": str(n), "MessageBody": body} for n, body in bodies.items()]
        reply = self._on_queue(job_type, lambda url: self._client.send_message_batch(QueueUrl=url, Entries=entries))
        refused = reply.get("Failed", [])
        if refused:
            log.warning("messages_not_sent", type=job_type, messages=len(refused), problem=refused[0].get("Message"))
        return set(bodies) - {int(entry["Id"]) for entry in refused}

    def _tidy(
        self, job_type: str, messages: Sequence[Message], ask: Callable[[Sequence[Message], str], Any], *, event: str
    ) -> None:
        """Ask for each ten of the messages. What fails comes back by itself, so it is only logged."""
        for start in range(0, len(messages), MAX_BATCH):
            try:
                reply = self._on_queue(job_type, partial(ask, messages[start : start + MAX_BATCH]))
            except QueueUnreachable as error:
                log.warning(event, type=job_type, messages=len(messages) - start, problem=error.message)
                return
            if failed := reply.get("Failed", []):
                log.warning(event, type=job_type, messages=len(failed), problem=failed[0].get("Message"))

    def _on_queue(self, job_type: str, ask: Callable[[str], T]) -> T:
        """Ask with the queue's URL; queues that are missing are made, once."""
        with self._named_failures(job_type):
            try:
                return ask(self._url(job_type))
            except ClientError as error:
                if _code(error) not in _MISSING:
                    raise
            log.warning("queue_recreated", type=job_type)
            self._ensure(job_type)
            return ask(self._url(job_type))

    def _url(self, job_type: str) -> str:
        if job_type not in self._urls:
            self._urls[job_type] = self._client.get_queue_url(QueueName=self._name(job_type))["QueueUrl"]
        return self._urls[job_type]

    def _ensure(self, job_type: str) -> None:
        name = self._name(job_type)
        dead_url = self._make(name + DEAD_SUFFIX, {"MessageRetentionPeriod": str(DEAD_RETENTION_SECONDS)})
        dead = self._client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]
        redrive = {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": self._options.max_receives}
        self._urls[job_type] = self._make(
            name,
            {
                "VisibilityTimeout": str(self._options.visibility_seconds),
                "ReceiveMessageWaitTimeSeconds": str(MAX_WAIT_SECONDS),
                "MessageRetentionPeriod": str(RETENTION_SECONDS),
                "RedrivePolicy": json.dumps(redrive),
            },
        )

    def _make(self, name: str, attributes: Any) -> str:
        """The URL of the queue, made or brought in line."""
        try:
            return self._client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        except ClientError as error:
            if _code(error) not in _DIFFERS:
                raise
        url = self._client.get_queue_url(QueueName=name)["QueueUrl"]
        self._client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        log.info("queue_brought_in_line", queue=name)
        return url

    def _figures(self, url: str) -> Any:
        return self._client.get_queue_attributes(QueueUrl=url, AttributeNames=[_WAITING, _HIDDEN])["Attributes"]

    def _name(self, job_type: str) -> str:
        return queue_name(self._prefix, self._environment, job_type)

    def _count(self, event_name: str, request: Any = None, **_: Any) -> None:
        """Each attempt, for SQS charges each: the event is `before-send.sqs.<action>`."""
        action = event_name.rpartition(".")[2]
        size = len(getattr(request, "body", None) or b"")
        with self._calls_lock:
            self._calls[action] += 1
            self._charged[self._asking.job_type, action] += max(1, math.ceil(size / CHARGED_BYTES))

    @contextmanager
    def _named_failures(self, job_type: str) -> Iterator[None]:
        self._asking.job_type = job_type
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise unreachable(error, self._client.meta.endpoint_url) from error


def _message(job_type: str, received: Any) -> Message:
    count = int(received.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Message.read(job_type, received["Body"], received["ReceiptHandle"], count)


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
