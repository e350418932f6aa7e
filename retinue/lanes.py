"""Lanes: the jobs of one type that share one key, and with it a limit, a pause switch and a turn."""

from __future__ import annotations

from pydantic import BaseModel

#: Use the account as the lane; what a type gets when it names nothing else.
ACCOUNT = "account"

#: The lane of jobs that belong to no account.
SYSTEM_LANE = "system"

#: A job of one level less urgent goes first once it has waited this much longer: nothing waits for ever.
AGE_SECONDS = 600.0


def lane_key(field: str, account_id: int | None, payload: BaseModel) -> str:
    """The key of the lane a job joins: `account:7`, `connection_id:12` or `system`.

    `field` is `ACCOUNT` or the name of a payload field.
    """
    if field == ACCOUNT:
        return SYSTEM_LANE if account_id is None else f"{ACCOUNT}:{account_id}"
    return f"{field}:{getattr(payload, field)}"
