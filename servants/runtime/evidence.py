"""What is kept of a failed attempt beside its error: the traceback, and what it logged last."""

from __future__ import annotations

import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from infra.log_lines import LogLines, keep_lines
from infra.postgres.texts import storable
from infra.redaction import mask_text
from retinue.settlement import Settlement
from retinue.states import Reason

#: Frames and characters kept of one traceback: the last ones, where it was raised.
MAX_FRAMES = 40
MAX_TRACEBACK = 16_000

#: How an attempt ends that somebody will want to understand.
_FAILED = frozenset({Reason.RETRY, Reason.EXHAUSTED, Reason.PERMANENT, Reason.OVERRUN})

#: Our own frames stand above the handler's in every traceback and say nothing.
_OURS = ("servants.runtime.performer", "servants.runtime.async_performer")


class Evidence:
    """Gathered while one attempt runs, by its own thread or task."""

    __slots__ = ("_lines", "_servant_id", "_thread_id", "_traceback")

    def __init__(self, lines: LogLines, servant_id: int, thread_id: int | None) -> None:
        self._lines = lines
        self._servant_id = servant_id
        self._thread_id = thread_id
        self._traceback: str | None = None

    def end(self) -> None:
        """Its handler has ended: what is logged from here on is said about it."""
        self._lines.end()

    def raised(self, error: BaseException, trace: TracebackType | None) -> None:
        """Its handler raised this, and failed by it."""
        try:
            self._traceback = told(error, trace)
        except Exception as fault:  # noqa: BLE001 - the error's class is the author's, and may refuse to be shown
            self._traceback = f"The traceback cannot be shown: {type(fault).__name__}."

    def standing(self) -> None:
        """Its handler does not return: keep where its thread stands now. A coroutine has no thread of its own."""
        frame = None if self._thread_id is None else sys._current_frames().get(self._thread_id)
        if frame is not None:
            stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=MAX_FRAMES)
            stack.reverse()
            self._traceback = _bounded("Where it stood (most recent call last):\n" + "".join(stack.format()))

    def told(self, run_seconds: float) -> dict[str, Any]:
        """All of it, as JSON that PostgreSQL can keep."""
        return {
            "servant": self._servant_id,
            "ran": round(run_seconds, 3),
            "traceback": self._traceback,
            "lines": self._lines.taken(),
            "left_out": self._lines.left_out,
        }


def gather(servant_id: int, *, on_thread: bool = True) -> Evidence:
    """Begin with an attempt, in its own context; `on_thread` says that its handler has this thread to itself."""
    return Evidence(keep_lines(), servant_id, threading.get_ident() if on_thread else None)


def with_evidence(settlement: Settlement, evidence: Evidence | None, *, run_seconds: float) -> Settlement:
    """The settlement with what was gathered, where the attempt failed or parked its lane."""
    parked = settlement.reason is Reason.SNOOZE and settlement.hold is not None and settlement.error is not None
    if evidence is None or not (settlement.reason in _FAILED or parked):
        return settlement
    return settlement._replace(evidence=evidence.told(run_seconds))


def told(error: BaseException, trace: TracebackType | None) -> str | None:
    """The traceback of an error and of what caused it, secrets masked; None where there is none."""
    trace = _handlers_own(trace)
    if trace is None and error.__cause__ is None:
        return None
    lines = traceback.TracebackException(type(error), error, trace, limit=-MAX_FRAMES, compact=True).format()
    return _bounded("".join(lines))


def _handlers_own(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in _OURS:
        trace = trace.tb_next
    return trace


def _bounded(text: str) -> str:
    masked = mask_text(text)
    return storable(masked if len(masked) <= MAX_TRACEBACK else f"…\n{masked[-MAX_TRACEBACK:]}")
