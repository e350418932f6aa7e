"""The last log lines of one attempt, kept in memory until it is known whether anybody will want them.

`infra.logs` hands every line that it writes to the lines of the attempt in whose context it was logged:

    lines = keep_lines()
    log.info("page_read", rows=200)
    lines.taken()  # [{"at": 1764000000.123, "level": "info", "event": "page_read", "rows": 200}]
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from infra.postgres.texts import storable

#: Lines kept of one attempt: the last ones.
MAX_LINES = 100

#: Characters kept of one value, and fields of one line.
MAX_TEXT = 500
MAX_FIELDS = 20

#: Every line of an attempt carries these: they are known without it.
_CONTEXT = frozenset({"request", "account", "job", "attempt", "servant"})

#: What PostgreSQL can keep as a number without a thought.
_LARGEST = 2**63

_Value = str | int | float | bool | None


class LogLines:
    """One attempt's lines. Another thread may take them while they are added to."""

    __slots__ = ("_ended", "_kept", "left_out")

    def __init__(self) -> None:
        # Most attempts log nothing: the room for lines is made with the first one.
        self._kept: deque[dict[str, Any]] | None = None
        self._ended = False
        #: Lines that were logged before the first one kept.
        self.left_out = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Keep this line, whose secrets are masked already."""
        if self._ended:
            return
        if self._kept is None:
            self._kept = deque(maxlen=MAX_LINES)
        if len(self._kept) == MAX_LINES:
            self.left_out += 1
        self._kept.append(_bounded(event))

    def end(self) -> None:
        """Keep no more: what is logged from here on is about the attempt, and not by it."""
        self._ended = True

    def taken(self) -> list[dict[str, Any]]:
        """The lines so far, the oldest first, as JSON that PostgreSQL can keep."""
        return [] if self._kept is None else [_storable(line) for line in self._kept.copy()]


_current: ContextVar[LogLines | None] = ContextVar("log_lines", default=None)


def keep_lines() -> LogLines:
    """Keep the lines that are logged from here on in this context and in those copied from it."""
    lines = LogLines()
    _current.set(lines)
    return lines


def keep_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The step of `infra.logs` that hands lines over; the line goes on as it is."""
    lines = _current.get()
    if lines is not None:
        lines.add(event)
    return event


def _bounded(event: Mapping[str, Any]) -> dict[str, Any]:
    """The line without what is known, no larger than so much."""
    line: dict[str, Any] = {"at": round(time.time(), 3)}
    for name, value in event.items():
        if name not in _CONTEXT:
            line[name] = _plain(value)
        if len(line) > MAX_FIELDS:
            break
    return line


def _plain(value: Any) -> _Value:
    """A line's value as one that needs no second look: a text unless it is a number."""
    kind = type(value)
    if kind is str:
        return value[:MAX_TEXT]  # type: ignore[no-any-return] # its type was just compared
    if kind is bool or kind is float or value is None or (kind is int and -_LARGEST <= value < _LARGEST):
        return value  # type: ignore[no-any-return] # likewise
    return "a number of more than 64 bits" if kind is int else json.dumps(value, ensure_ascii=False)[:MAX_TEXT]


def _storable(line: Mapping[str, _Value]) -> dict[str, _Value]:
    return {storable(name): storable(value) if isinstance(value, str) else value for name, value in line.items()}
