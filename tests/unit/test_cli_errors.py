from __future__ import annotations

import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cli.errors import explain
from infra.local.steps import StackError
from infra.postgres.accounts import InvalidName
from infra.postgres.connect import DatabaseUnreachable
from infra.postgres.revision import SchemaMismatch
from infra.queues.transport import QueueUnreachable
from infra.secrets import SecretError
from retinue.errors import (
    ConfigurationError,
    InvalidPayload,
    InvalidSchedule,
    NotAllowed,
    NotFound,
    PermanentError,
    UnknownType,
)

REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage")


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (UnknownType("x"), 2),
        (InvalidPayload("x"), 2),
        (InvalidSchedule("x"), 2),
        (InvalidName("x"), 2),
        (ConfigurationError("x"), 78),
        (SchemaMismatch("x"), 78),
        (SecretError("x"), 78),
        (DatabaseUnreachable("x"), 69),
        (QueueUnreachable("x"), 69),
        (psycopg.OperationalError("x"), 69),
        (psycopg.InterfaceError("x"), 69),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), 69),
        (REFUSED, 1),
        (NotFound("x"), 1),
        (NotAllowed("x"), 1),
        (PermanentError("x"), 1),
        (psycopg.errors.InsufficientPrivilege("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_known_error_has_its_exit_status(error: Exception, exit_code: int) -> None:
    failure = explain(error)

    assert failure is not None
    assert failure.exit_code == exit_code
    assert failure.message


def test_what_nobody_expected_is_left_alone() -> None:
    assert explain(ZeroDivisionError("division by zero")) is None


def test_no_message_shows_a_password() -> None:
    failure = explain(psycopg.OperationalError("cannot reach postgresql://retinue:hunter2@db/retinue"))

    assert failure is not None
    assert "hunter2" not in failure.message


def test_a_failed_step_shows_the_log_and_what_to_do() -> None:
    error = StackError(
        "manager",
        "it left",
        program="manager",
        log_tail=["first line", "last line"],
        advice="The whole log is manager.log",
    )

    failure = explain(error)

    assert failure is not None
    assert failure.message.splitlines() == [
        "manager: it left",
        "The last lines of manager's log:",
        "  first line",
        "  last line",
        "The whole log is manager.log",
    ]
