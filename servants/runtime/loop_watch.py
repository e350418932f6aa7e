"""Finds out a handler that blocks the event loop, and with it every other job of the process."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

from infra.logs import get_logger
from infra.loop import PassResult
from servants.runtime.held import HeldJob

#: How often the loop is asked for a sign: while jobs run, and else, in seconds.
BUSY_LOOK_SECONDS = 0.1
LOOK_SECONDS = 1.0

#: A loop that gives no sign for so long is blocked, in seconds.
BLOCKED_SECONDS = 0.25

#: How much of the stack is told, the innermost frames.
FRAMES = 12

log = get_logger(__name__)


class LoopWatch:
    """Asks the loop for a sign each time `look` is called, from a thread of its own."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, thread: threading.Thread, tasks: Mapping[HeldJob, asyncio.Task[Any]]
    ) -> None:
        self._loop = loop
        self._thread = thread
        self._tasks = tasks
        self._asked_at: float | None = None
        self._told = False

    def look(self) -> PassResult:
        """Tell once of each time that the loop is blocked."""
        if self._loop.is_closed():
            return PassResult()
        now, asked_at = time.monotonic(), self._asked_at
        if asked_at is None:
            self._asked_at, self._told = now, False
            self._loop.call_soon_threadsafe(self._answer)
        elif now - asked_at > BLOCKED_SECONDS and not self._told:
            self._told = True
            self._tell(now - asked_at)
        waits = self._tasks or self._asked_at is not None
        return PassResult(again_after=BUSY_LOOK_SECONDS if waits else None)

    def _answer(self) -> None:
        self._asked_at = None

    def _tell(self, seconds: float) -> None:
        task = asyncio.current_task(self._loop)
        held = next((held for held, running in list(self._tasks.items()) if running is task), None)
        log.warning(
            "loop_blocked",
            job=held and held.facts.id,
            attempt=held and held.facts.attempt,
            seconds=round(seconds, 2),
            stack=self._stack(),
        )

    def _stack(self) -> str:
        """Where the loop's thread is at this moment."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)[-FRAMES:]) if frame is not None else ""
