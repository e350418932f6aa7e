"""Checks of the queues. They make no queue: that is left to the servants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.doctor.check import Check, failed, ok, warning
from infra.queues.client import make_client, unreachable
from infra.queues.names import DEAD_SUFFIX, queue_name
from infra.words import counted
from retinue.errors import ConfigurationError
from retinue.servant import registered_types

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

    from infra.settings import Settings

#: More messages than this in a queue that ought to be shallow, and receiving grows slow.
DEEP = 200

_WAITING: Final = "ApproximateNumberOfMessages"
_HIDDEN: Final = "ApproximateNumberOfMessagesNotVisible"


def reachable(settings: Settings) -> Iterator[Check]:
    """Whether the queue server answers, then each type's queue."""
    client = make_client(settings.sqs_endpoint_url, settings.aws_region)
    try:
        for job_type in registered_types():
            yield from _queue(client, settings, job_type)
    except ConfigurationError as error:
        yield failed("queues", error.message, "`retinue check-config` shows every setting.")
    except (BotoCoreError, ClientError) as error:
        message = unreachable(error, client.meta.endpoint_url).message
        yield failed("queues", message, "Without queues no job starts; none is lost.")
    finally:
        client.close()


def _queue(client: SQSClient, settings: Settings, job_type: str) -> Iterator[Check]:
    name = queue_name(settings.queue_prefix, settings.environment, job_type)
    own, dead = _attributes(client, name), _attributes(client, name + DEAD_SUFFIX)
    if own is None or dead is None:
        missing = name if own is None else name + DEAD_SUFFIX
        yield warning("queues", f"The queue {missing} does not exist.", f"`retinue servant {job_type}` makes it.")
        return
    waiting, hidden, lost = int(own[_WAITING]), int(own[_HIDDEN]), int(dead[_WAITING])
    sentence = f"{name}: {waiting} messages wait, {hidden} are in flight."
    if waiting > DEEP:
        yield warning("queues", sentence, f"Is a servant alive? `retinue servants list --type {job_type}`")
    else:
        yield ok("queues", sentence)
    if lost:
        yield warning(
            "dead letters",
            f"{name + DEAD_SUFFIX} holds {counted(lost, 'message')} that could not be read.",
            "No job is lost by that: rescue sends them again. Look at one and find out who sends to this queue.",
        )


def _attributes(client: SQSClient, name: str) -> dict[str, str] | None:
    """The queue's figures; None when there is no such queue."""
    try:
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
        reply = client.get_queue_attributes(QueueUrl=url, AttributeNames=[_WAITING, _HIDDEN])
    except client.exceptions.QueueDoesNotExist:
        return None
    return {str(key): value for key, value in reply["Attributes"].items()}
