"""Writing down what an operator does with a page or the API."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import request

from infra.postgres import audit
from infra.postgres.audit import ActorKind
from manager.access_log import ENVIRONMENT_KEY
from manager.roles import User, current_user


def note(
    connection: psycopg.Connection, action: str, target_kind: str, target_id: str | int | None, **detail: Any
) -> None:
    """Write down that the present user does this, in the transaction of the action: `note(c, "job.retry", "job", 7)`.

    `account_id` among the details is the account that is concerned. The others are JSON, and hold nothing secret.
    """
    account_id = detail.pop("account_id", None)
    audit.note(connection, actor(current_user()), audit.Act(action, target_kind, target_id, account_id, detail))


def actor(user: User) -> audit.Actor:
    """This user as one who acts, from where the request comes: of a member that is nobody's business, and stays."""
    return audit.Actor(
        kind=user.kind,
        id=user.id,
        name=user.name,
        address=None if user.kind is ActorKind.MEMBER else request.remote_addr,
        request_id=request.environ.get(ENVIRONMENT_KEY),
    )
