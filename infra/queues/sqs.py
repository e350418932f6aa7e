"""Queues on Amazon SQS, or on any server that speaks its protocol."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import Session

from infra.logs import get_logger
from infra.queues.body import UnparsableMessage, pack, unpack
from infra.queues.names import DEAD_SUFFIX, queue_name
from infra.queues.transport import MAX_BATCH, MAX_WAIT_SECONDS, Message, QueueDepth, QueueUnreachable, SendResult
from infra.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

#: A received message stays hidden this long; claims take milliseconds, so a lost one is back soon.
VISIBILITY_SECONDS = 30

#: Receives after which SQS moves a message to the dead-letter queue. The row is the count of attempts, not this.
MAX_RECEIVES = 20

#: Retention of the queue (SQS's default) and of what is dead (the most SQS keeps), in seconds.
RETENTION_SECONDS = 4 * 24 * 3600
DEAD_RETENTION_SECONDS = 14 * 24 * 3600

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

T = TypeVar("T")
log = get_logger(__name__)


class SqsQueues:
    """`Queues` over one client that all threads share."""

    def __init__(self, client: SQSClient, *, prefix: str, environment: str) -> None:
        self._client = client
        self._prefix = prefix
        self._environment = environment
        self._urls: dict[str, str] = {}
        self._calls: Counter[str] = Counter()

    @classmethod
    def from_settings(cls, settings: Settings) -> SqsQueues:
        """The queues these settings name; credentials come from boto's own chain."""
        client = make_client(settings.sqs_endpoint_url, settings.aws_region)
        return cls(client, prefix=settings.queue_prefix, environment=settings.environment)

    @property
    def calls(self) -> Mapping[str, int]:
        return dict(self._calls)

    def ensure(self, job_type: str) -> None:
        name = queue_name(self._prefix, self._environment, job_type)
        dead_url = self._make(name + DEAD_SUFFIX, {"MessageRetentionPeriod": str(DEAD_RETENTION_SECONDS)})
        arn = self._call(
            "GetQueueAttributes",
            lambda: self._client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"]),
        )["Attributes"]["QueueArn"]
        attributes = {
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "ReceiveMessageWaitTimeSeconds": str(MAX_WAIT_SECONDS),
            "MessageRetentionPeriod": str(RETENTION_SECONDS),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}),
        }
        self._urls[job_type] = self._make(name, attributes)

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        sent: list[int] = []
        failed: list[int] = []
        for entries in _chunks(batches):
            bad = self._send_entries(job_type, entries)
            for n, ids in enumerate(entries):
                (failed if n in bad else sent).extend(ids)
        return SendResult(tuple(sent), tuple(failed))

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        reply = self._on_queue(
            job_type,
            "ReceiveMessage",
            lambda url: self._client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            ),
        )
        return [_message(job_type, received) for received in reply.get("Messages", [])]

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        for batch in _chunks(messages):
            entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(batch)]
            reply = self._on_queue(
                job_type,
                "DeleteMessageBatch",
                lambda url, entries=entries: self._client.delete_message_batch(QueueUrl=url, Entries=entries),  # type: ignore[misc]
            )
            for failure in reply.get("Failed", []):
                log.warning("message_not_deleted", type=job_type, problem=failure.get("Message"))

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        for batch in _chunks(messages):
            entries = [
                {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                for n, message in enumerate(batch)
            ]
            self._on_queue(
                job_type,
                "ChangeMessageVisibilityBatch",
                lambda url, entries=entries: self._client.change_message_visibility_batch(  # type: ignore[misc]
                    QueueUrl=url, Entries=entries
                ),
            )

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        attribute = {"reason": {"DataType": "String", "StringValue": reason}}
        self._on_queue(
            job_type,
            "SendMessage",
            lambda url: self._client.send_message(
                QueueUrl=url + DEAD_SUFFIX,
                MessageBody=message.body,
                MessageAttributes=attribute,  # type: ignore[arg-type]
            ),
        )
        self.delete(job_type, [message])

    def depth(self, job_type: str) -> QueueDepth:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        own, dead = (
            self._on_queue(
                job_type,
                "GetQueueAttributes",
                lambda url, suffix=suffix: self._client.get_queue_attributes(  # type: ignore[misc]
                    QueueUrl=url + suffix,
                    AttributeNames=names,
                ),
            )["Attributes"]
            for suffix in ("", DEAD_SUFFIX)
        )
        return QueueDepth(int(own[names[0]]), int(own[names[1]]), int(dead[names[0]]))

    def close(self) -> None:
        self._client.close()

    def _send_entries(self, job_type: str, batches: Sequence[Sequence[int]]) -> set[int]:
        entries: Any = [{"Id": str(n), "MessageBody": pack(ids)} for n, ids in enumerate(batches)]
        reply = self._on_queue(
            job_type,
            "SendMessageBatch",
            lambda url: self._client.send_message_batch(QueueUrl=url, Entries=entries),
        )
        for failure in reply.get("Failed", []):
            log.warning("message_not_sent", type=job_type, problem=failure.get("Message"))
        return {int(failure["Id"]) for failure in reply.get("Failed", [])}

    def _make(self, name: str, attributes: dict[str, str]) -> str:
        """Make a queue, or bring the attributes of one that stands in line."""
        attrs: Any = attributes
        try:
            return str(
                self._call("CreateQueue", lambda: self._client.create_queue(QueueName=name, Attributes=attrs))[
                    "QueueUrl"
                ]
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("QueueAlreadyExists", "QueueNameExists"):
                raise
        url = str(self._call("GetQueueUrl", lambda: self._client.get_queue_url(QueueName=name))["QueueUrl"])
        self._call("SetQueueAttributes", lambda: self._client.set_queue_attributes(QueueUrl=url, Attributes=attrs))
        return url

    def _on_queue(self, job_type: str, action: str, call: Callable[[str], Any]) -> Any:
        """Call with the queue's URL; a queue that vanished is made again, once."""
        if job_type not in self._urls:
            self.ensure(job_type)
        try:
            return self._call(action, lambda: call(self._urls[job_type]))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise QueueUnreachable(f"SQS refused {action}: {error}") from error
        log.warning("queue_recreated", type=job_type)
        self.ensure(job_type)
        return self._call(action, lambda: call(self._urls[job_type]))

    def _call(self, action: str, call: Callable[[], T]) -> T:
        self._calls[action] += 1
        try:
            return call()
        except ClientError:
            raise
        except (BotoCoreError, NoCredentialsError) as error:
            raise QueueUnreachable(
                f"SQS at {self._client.meta.endpoint_url} cannot be reached: {error}. Check RETINUE_SQS_ENDPOINT_URL, "
                "the region and the AWS credentials."
            ) from error


def make_client(endpoint_url: str | None, region: str) -> SQSClient:
    """A client with timeouts that outlast a long poll."""
    config = Config(
        connect_timeout=5,
        read_timeout=MAX_WAIT_SECONDS + 10,
        retries={"mode": "standard", "max_attempts": 2},
        max_pool_connections=20,
        tcp_keepalive=True,
    )
    made: Any = Session().create_client("sqs", region_name=region, endpoint_url=endpoint_url, config=config)
    client: SQSClient = made
    return client


def _message(job_type: str, received: Any) -> Message:
    body = received["Body"]
    count = int(received.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    try:
        return Message(job_type, unpack(body), received["ReceiptHandle"], body, count)
    except UnparsableMessage as error:
        return Message(job_type, (), received["ReceiptHandle"], body, count, error.message)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), MAX_BATCH):
        yield items[start : start + MAX_BATCH]
