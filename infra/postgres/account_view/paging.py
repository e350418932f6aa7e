"""Pages of a list: each ends at a position, which a link carries, and the next begins beyond it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from retinue.errors import InvalidPayload

T = TypeVar("T")

#: Lines of a page, and the most that anybody may ask for.
LIMIT, MOST = 50, 200

#: Before all numbers and texts when counting down, and no text is beyond it.
LAST_NUMBER = 2**63 - 1
LAST_TEXT = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some lines of a list; `after` is the token of where the next page begins, None where there is none."""

    items: list[T]
    after: str | None


def token_of(*position: datetime | int | str) -> str:
    """A position as a link carries it."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in position]
    written = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


def position_of(token: str | None, *first: datetime | int | str) -> tuple[Any, ...]:
    """The values of a token, of the same types as those of `first`, which is the position before the first line.

    Raises:
        InvalidPayload: it is no token of such a list.
    """
    if token is None:
        return first
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return tuple(_like(value, example) for value, example in zip(found, first, strict=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidPayload(
            "The place in the list is not one that a page gave out. Begin again at its top."
        ) from error


def _like(value: object, example: datetime | int | str) -> datetime | int | str:
    if isinstance(example, datetime) and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment
    elif isinstance(value, str) and isinstance(example, str) and "\0" not in value:
        # Half of a surrogate pair cannot be sent.
        return value.encode().decode()
    elif type(value) is int and isinstance(example, int) and abs(value) <= LAST_NUMBER:
        return value
    raise ValueError("not of this list")


def page_of(found: Sequence[T], limit: int, position: Callable[[T], tuple[Any, ...]]) -> Page[T]:
    """The page of lines of which one more than `limit` were asked for."""
    items = list(found[:limit])
    return Page(items, token_of(*position(items[-1])) if len(found) > limit else None)


def bounded(limit: int) -> int:
    """A number of lines that may be asked for."""
    return max(1, min(limit, MOST))
