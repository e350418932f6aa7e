"""What a message says: a version and job IDs, nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

from retinue.errors import RetinueError

#: IDs in one message.
MAX_IDS_PER_MESSAGE = 1000

VERSION = 1


class UnparsableMessage(RetinueError):
    """The message does not say what a message says."""


def split(ids: Sequence[int], per_message: int) -> list[list[int]]:
    """`ids` in order, in lists of at most `per_message`."""
    return [list(ids[start : start + per_message]) for start in range(0, len(ids), per_message)]


def pack(ids: Sequence[int]) -> str:
    """One message's body."""
    return f'{{"v":{VERSION},"ids":[{",".join(map(str, ids))}]}}'


def unpack(text: str) -> tuple[int, ...]:
    """The IDs of a body; keys beyond `v` and `ids` are left alone.

    Raises:
        UnparsableMessage: says what is wrong.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise UnparsableMessage(f"the body is not JSON: {error}") from error
    if not isinstance(said, dict) or said.get("v") != VERSION:
        raise UnparsableMessage(f"the body is not a version {VERSION} message")
    ids = said.get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_IDS_PER_MESSAGE:
        raise UnparsableMessage(f"ids is not a list of 1 to {MAX_IDS_PER_MESSAGE}")
    if not all(type(identity) is int and 0 < identity < 2**63 for identity in ids):
        raise UnparsableMessage("ids holds something that is no job ID")
    return tuple(ids)
