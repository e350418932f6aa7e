"""What a message says: a version and job IDs, nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from retinue.errors import RetinueError

#: IDs in one message. Ten messages of so many of the longest IDs stay far below what one batch call may carry.
MAX_IDS_PER_MESSAGE = 1000

#: PostgreSQL's largest bigint.
MAX_ID = 2**63 - 1

#: Characters of a rejection's reason that are kept.
MAX_REASON = 200

VERSION = 1


class UnparsableMessage(RetinueError):
    """The message does not say what a message says."""


def split(ids: Sequence[int], per_message: int) -> list[list[int]]:
    """`ids` in order, in lists of at most `per_message`."""
    return [list(ids[start : start + per_message]) for start in range(0, len(ids), per_message)]


def pack(ids: Sequence[int]) -> str:
    """One message's body.

    Raises:
        ValueError: not 1 to 1000 IDs, or one that no job has: whoever receives them would have to reject the message.
    """
    if fault := _fault(ids):
        raise ValueError(fault)
    return f'{{"v":{VERSION},"ids":[{",".join(map(str, ids))}]}}'


def unpack(text: str) -> tuple[int, ...]:
    """The IDs of a body; keys beyond `v` and `ids` are left alone.

    Raises:
        UnparsableMessage: says what is wrong.
    """
    said = _read(text)
    if not isinstance(said, dict) or type(said.get("v")) is not int or said["v"] != VERSION:
        raise UnparsableMessage(f"the body is not a version {VERSION} message")
    ids = said.get("ids")
    if not isinstance(ids, list):
        raise UnparsableMessage("ids is not a list")
    if fault := _fault(ids):
        raise UnparsableMessage(fault)
    return tuple(ids)


def readable_reason(reason: str) -> str:
    """Why a message was rejected, as a message attribute takes it: some text, not long, no control characters."""
    text = "".join(character if character.isprintable() else " " for character in reason)
    return text.strip()[:MAX_REASON] or "no reason given"


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnparsableMessage(f"the body is not JSON: {error}") from error


def _fault(ids: Sequence[Any]) -> str | None:
    if not 1 <= len(ids) <= MAX_IDS_PER_MESSAGE:
        return f"a message holds 1 to {MAX_IDS_PER_MESSAGE} job IDs, not {len(ids)}"
    # `type` and not `isinstance`, because True is an int.
    strangers = [identity for identity in ids if type(identity) is not int or not 0 < identity <= MAX_ID]
    return f"{str(strangers[0])[:40]!r} is no job ID" if strangers else None
