"""`test.call`: a servant that calls the provider double once per job, as a servant's author would write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests

from infra.postgres.connections import NewConnection, add_connection
from infra.secrets import Keyring
from retinue import CredentialError, Job, Outcome, Payload, RateLimited, ServantType, TransientError, servant
from retinue.limits import retry_after
from retinue.retry import Exponential

TYPE = "test.call"


class CallOnce(Payload):
    """Which connection to use; `urgent` says so for the call."""

    connection_id: int
    urgent: bool | None = None
    cost: int = 1


def call_once(job: Job[CallOnce]) -> Outcome | None:
    """One request."""
    connection = job.connection(job.payload.connection_id)
    with connection.call(job.payload.cost, urgent=job.payload.urgent) as call:
        answer = requests.get(
            f"{connection.config['url']}/customers/{connection.name}",
            headers={"Authorization": connection.credentials["password"]},
            timeout=10,
        )
        call.learn(answer.headers, status=answer.status_code)
        check(answer)
    return None


def check(answer: requests.Response) -> None:
    """Raise what the status stands for."""
    if answer.status_code == 401:
        raise CredentialError("the password was refused")
    if answer.status_code == 429:
        now = datetime.now(UTC)
        raise RateLimited(
            reset_at=retry_after(answer.headers.get("Retry-After"), now=now) or now + timedelta(minutes=1)
        )
    if answer.status_code >= 500:
        raise TransientError(f"the provider answered {answer.status_code}")


def caller(**rules: Any) -> ServantType[CallOnce]:
    """The type; two slots and tries without a wait unless a rule says other."""
    at_once = Exponential(base=0, cap=0, floor=0, attempts=5)
    given: dict[str, Any] = {"slots": 2, "lane": "connection_id", "retry": at_once} | rules
    return servant(TYPE, **given)(call_once)


def connect_customer(
    sql: psycopg.Connection, keyring: Keyring, url: str, *, account_id: int, name: str, provider: str = "double"
) -> int:
    """A connection of this account to the double; returns its ID."""
    new = NewConnection(
        account_id=account_id, provider=provider, name=name, config={"url": url}, credentials={"password": "right"}
    )
    return add_connection(sql, keyring, new)


#: The type as processes of their own find it, by the entry point that `offer` writes.
CALL = caller(slots=4, retry=Exponential(base=0.2, cap=1, floor=0.1, attempts=20))


def offer(directory: Path) -> None:
    """Make the type known to whoever has `directory` on its path."""
    metadata = directory / "retinue_test_caller-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: retinue-test-caller\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[retinue.servants]\n{TYPE} = tests.support.caller:CALL\n")
