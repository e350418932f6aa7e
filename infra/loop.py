"""The one loop that every pass and servant thread runs on.

A loop runs its pass at once, then again after its interval, as soon as it is woken, or when the pass asks for it. It
waits on a condition, so an idle loop costs nothing. A pass that raises is logged, counted and tried again with
exponential backoff; it never ends the loop.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from infra.logs import get_logger
from infra.redaction import mask_text
from retinue.clock import Clock
from retinue.retry import Exponential

log = get_logger(__name__)

#: A loop never gives up, so the number of attempts plays no part.
BACKOFF = Exponential(base=1.0, cap=60.0, floor=0.5)


@dataclass(frozen=True, slots=True)
class PassResult:
    """What one run did: how many items, and when it wants to run again, in seconds from its end.

    `again_after=0` runs again at once, as a pass does that took a full batch; None waits for the interval or a wake.
    """

    done: int = 0
    again_after: float | None = None

    def __post_init__(self) -> None:
        if self.done < 0 or (self.again_after is not None and not self.again_after >= 0):
            raise ValueError(f"done and again_after cannot be negative, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStats:
    """A loop's counts at one moment. `runs` counts those that raised too; `last_seconds` is how long the last took."""

    name: str
    alive: bool = False
    runs: int = 0
    errors: int = 0
    consecutive_errors: int = 0
    done: int = 0
    last_seconds: float | None = None
    last_error: str | None = None
    last_success_at: datetime | None = None


@dataclass(slots=True)
class _Due:
    """When the next run comes, by the monotonic clock: at `at`, or once woken at `when_woken` if that is sooner."""

    at: float = -math.inf
    when_woken: float = -math.inf
    woken: bool = False

    def moment(self) -> float:
        return min(self.at, self.when_woken) if self.woken else self.at


class LoopRunner:
    """Runs `run_once` in a thread of its own until stopped.

    `interval_seconds` counts from the end of one run to the start of the next; None runs on wakes alone. After an
    error the next run comes after `backoff`, which a wake shortens no further than to its floor.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], PassResult],
        *,
        interval_seconds: float | None,
        clock: Clock,
        backoff: Exponential = BACKOFF,
    ) -> None:
        if interval_seconds is not None and not interval_seconds > 0:
            raise ValueError(f"{name}: interval_seconds must be above 0, got {interval_seconds}")
        self.name = name
        self._pass = run_once
        self._interval = math.inf if interval_seconds is None else interval_seconds
        self._clock = clock
        self._backoff = backoff
        self._changed = threading.Condition()
        self._one_run = threading.Lock()
        self._due = _Due()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._stats = LoopStats(name=name)

    @property
    def stopping(self) -> bool:
        """Whether the loop was asked to stop; a pass that takes long looks at it."""
        return self._stopping

    @property
    def stats(self) -> LoopStats:
        """The counts as they are now."""
        with self._changed:
            return replace(self._stats, alive=self._thread is not None and self._thread.is_alive())

    def start(self) -> None:
        """Begin to run. The thread has the caller's log context. Starting twice changes nothing.

        Raises:
            RuntimeError: the loop was stopped and its last run has not ended yet.
        """
        with self._changed:
            if self._thread is not None and self._thread.is_alive():
                if self._stopping:
                    raise RuntimeError(f"{self.name} is still stopping")
                return
            self._stopping, self._due = False, _Due()
            context = contextvars.copy_context()
            # A daemon: a pass that hangs must not keep alive a process that is done with waiting for it.
            self._thread = threading.Thread(target=context.run, args=(self._run,), name=self.name, daemon=True)
            self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Ask the loop to end, wait at most `timeout` seconds for it, and return whether it has. No run is cut short.

        May be called again, and from the pass itself, which then of course is not waited for.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return True
        if thread is not threading.current_thread():
            thread.join(timeout)
        return not thread.is_alive()

    def wake(self) -> None:
        """Have the pass run soon. Wakes before that run starts are one; a wake during a run causes one more."""
        with self._changed:
            self._due.woken = True
            self._changed.notify_all()

    def run_once(self) -> PassResult:
        """One run here and now, counted like any other; waits for one that is going on.

        Raises:
            Exception: whatever the pass raised, after it was counted.
        """
        with self._one_run:
            began = self._clock.monotonic()
            try:
                result = self._pass()
                self._count_success(result, self._clock.monotonic() - began)
            except Exception as error:
                self._count_error(error, self._clock.monotonic() - began)
                raise
            return result

    def wait_for_runs(self, count: int, timeout: float) -> bool:
        """Wait until `count` runs have ended in all, those that raised among them; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stats.runs >= count, timeout)

    def _run(self) -> None:
        while self._wait_until_due():
            try:
                self.run_once()
            except Exception:  # a loop outlives whatever its pass raises, which was counted
                log.exception("pass_failed", loop=self.name, **self._backing_off())

    def _wait_until_due(self) -> bool:
        """Wait for the next run; False when the loop is to end. From here on a wake asks for another run."""
        with self._changed:
            while not self._stopping:
                wait = self._due.moment() - self._clock.monotonic()
                if wait <= 0:
                    self._due.woken = False
                    return True
                self._changed.wait(min(wait, threading.TIMEOUT_MAX))
            return False

    def _count_success(self, result: PassResult, seconds: float) -> None:
        with self._changed:
            failed = self._stats.consecutive_errors
            delay = self._interval if result.again_after is None else result.again_after
            self._due.at, self._due.when_woken = self._clock.monotonic() + delay, -math.inf
            self._stats = replace(
                self._stats,
                runs=self._stats.runs + 1,
                done=self._stats.done + result.done,
                consecutive_errors=0,
                last_seconds=seconds,
                last_success_at=self._clock.now(),
            )
            self._changed.notify_all()
        if failed:
            log.info("pass_recovered", loop=self.name, failed_runs=failed)

    def _count_error(self, error: Exception, seconds: float) -> None:
        with self._changed:
            failures = self._stats.consecutive_errors + 1
            now = self._clock.monotonic()
            self._due.at, self._due.when_woken = now + self._backoff.delay(failures), now + self._backoff.floor
            self._stats = replace(
                self._stats,
                runs=self._stats.runs + 1,
                errors=self._stats.errors + 1,
                consecutive_errors=failures,
                last_seconds=seconds,
                last_error=mask_text(f"{type(error).__name__}: {error}"),
            )
            self._changed.notify_all()

    def _backing_off(self) -> dict[str, float]:
        retry_seconds = max(0.0, self._due.at - self._clock.monotonic())
        return {"consecutive_errors": self._stats.consecutive_errors, "retry_seconds": round(retry_seconds, 3)}
