"""The botocore client of the queues: what `boto3.client("sqs")` returns, without what the queues never use of boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.loaders import Loader
from botocore.session import Session

from infra.queues.transport import MAX_WAIT_SECONDS, QueueUnreachable

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

CONNECT_TIMEOUT_SECONDS = 5

#: An answer may take a full long poll, and moto's ends up to a second late.
READ_TIMEOUT_SECONDS = MAX_WAIT_SECONDS + 10

#: A connection that the server closed while it was idle costs one attempt; waits between attempts are a fraction of a
#: second, or of a few seconds when SQS throttles.
ATTEMPTS = 3

# What credentials may be fetched from: an assumed role, a single sign-on.
_SERVICES = frozenset({"sqs", "sts", "sso", "oidc", "portal.sso"})


def make_client(endpoint_url: str | None, region: str) -> SQSClient:
    """A client that all threads of a process may share; credentials come from botocore's own chain.

    Without parameter validation, which costs a twentieth of a call and checks what our own types already say.
    """
    session = Session()
    session.register_component("data_loader", _SmallLoader())
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=20,
        parameter_validation=False,
        tcp_keepalive=True,
    )
    client = session.create_client("sqs", region_name=region, endpoint_url=endpoint_url, config=config)
    return cast("SQSClient", client)


def unreachable(error: BotoCoreError | ClientError, endpoint: str) -> QueueUnreachable:
    """The error for people: which server, what happened, what to check."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        advice = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role."
        return QueueUnreachable(f"SQS at {endpoint} cannot be asked: {error}. {advice}")
    if isinstance(error, ClientError):
        advice = "Check RETINUE_AWS_REGION, the AWS credentials and what they allow."
        return QueueUnreachable(f"SQS at {endpoint} refused: {error}. {advice}")
    advice = "Check RETINUE_SQS_ENDPOINT_URL, whether that server runs, and the network."
    return QueueUnreachable(f"SQS at {endpoint} cannot be reached: {error}. {advice}")


class _SmallLoader(Loader):
    """Keeps, of botocore's catalogue of every service's endpoints, only those asked here: 7 MiB less."""

    def load_data_with_path(self, name: str) -> Any:
        data, path = super().load_data_with_path(name)
        if name == "endpoints":
            for partition in data["partitions"]:
                partition["services"] = {
                    service: endpoints for service, endpoints in partition["services"].items() if service in _SERVICES
                }
        return data, path
