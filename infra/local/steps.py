"""The steps of a start: each begins when those it needs are done, ends within its deadline, and is reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol

from retinue.errors import RetinueError

_POLL_SECONDS = 0.05


class StepFailed(RetinueError):
    """A step of the start failed; `process` names the one whose log says why, if not the step's own."""

    def __init__(self, message: str, *, process: str | None = None) -> None:
        super().__init__(message)
        self.process = process


class StackError(RetinueError):
    """The stack could not be started or stopped."""

    def __init__(
        self, step: str, reason: str, *, program: str | None = None, log_tail: Sequence[str] = (), advice: str = ""
    ) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason
        self.program = program
        self.log_tail = tuple(log_tail)
        self.advice = advice


class Reporter(Protocol):
    """Who is told how a start or a stop goes; called from one thread only."""

    def step_started(self, step: str) -> None: ...

    def step_done(self, step: str, seconds: float) -> None: ...

    def step_failed(self, step: str, error: StackError) -> None: ...

    def notice(self, text: str) -> None: ...


class Patience:
    """How long a step may wait, and whether it still should."""

    def __init__(self, seconds: float, cancelled: Event) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._cancelled = cancelled

    def until(self, missing: Callable[[], str | None]) -> None:
        """Wait until `missing` returns None; until then it says what is not there yet.

        Raises:
            StepFailed: the time was up, or another step failed.
        """
        while (reason := missing()) is not None:
            if time.monotonic() > self._deadline:
                raise StepFailed(f"not within {self.seconds:g} s: {reason}")
            if self._cancelled.wait(_POLL_SECONDS):
                raise StepFailed("given up, because another step failed")


@dataclass(frozen=True)
class Step:
    """One step; `run` gets its patience. `log` is the process whose log explains a failure."""

    name: str
    run: Callable[[Patience], object]
    after: frozenset[str] = frozenset()
    log: str | None = None
    seconds: float = 30
    advice: str = ""


@dataclass(frozen=True)
class _Ended:
    step: Step
    error: Exception | None


def run_steps(steps: Sequence[Step], reporter: Reporter, *, explain: Callable[[Step, Exception], StackError]) -> None:
    """Run every step as soon as those it comes `after` are done, side by side where that allows it.

    Raises:
        StackError: what `explain` makes of the first step that failed and its error; the other steps are given up.
    """
    cancelled = Event()
    run = _Run(list(steps), reporter, cancelled)
    try:
        while run.is_going:
            run.start_what_can()
            ended = run.wait()
            if ended.error is None:
                run.finish(ended.step)
            else:
                failure = explain(ended.step, ended.error)
                reporter.step_failed(ended.step.name, failure)
                raise failure from ended.error
    finally:
        cancelled.set()


def reason(error: Exception) -> str:
    """What went wrong, for people."""
    return error.message if isinstance(error, RetinueError) else f"{type(error).__name__}: {error}"


class _Run:
    """Which steps wait, go and are done. Steps work in threads of their own; all of this belongs to the caller's."""

    #: What a step gets on top of its own time before it counts as hung, in seconds.
    GRACE = 5

    def __init__(self, steps: list[Step], reporter: Reporter, cancelled: Event) -> None:
        self._waiting = steps
        self._going: dict[str, tuple[Step, float]] = {}
        self._done: set[str] = set()
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._reporter = reporter
        self._cancelled = cancelled

    @property
    def is_going(self) -> bool:
        return bool(self._waiting or self._going)

    def start_what_can(self) -> None:
        for step in [step for step in self._waiting if step.after <= self._done]:
            self._waiting.remove(step)
            self._going[step.name] = (step, time.monotonic())
            self._reporter.step_started(step.name)
            Thread(target=self._work, args=(step,), name=step.name, daemon=True).start()
        if not self._going:
            raise ValueError(f"these steps wait for one another: {', '.join(step.name for step in self._waiting)}")

    def wait(self) -> _Ended:
        """The next step to end; one that overran its time counts as ended, although its thread may still hang."""
        step, began = min(self._going.values(), key=lambda going: going[1] + going[0].seconds)
        try:
            return self._ended.get(timeout=max(0, began + step.seconds + self.GRACE - time.monotonic()))
        except Empty:
            return _Ended(step, StepFailed(f"not within {step.seconds:g} s"))

    def finish(self, step: Step) -> None:
        _, began = self._going.pop(step.name)
        self._done.add(step.name)
        self._reporter.step_done(step.name, time.monotonic() - began)

    def _work(self, step: Step) -> None:
        try:
            step.run(Patience(step.seconds, self._cancelled))
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for the step
            self._ended.put(_Ended(step, error))
        else:
            self._ended.put(_Ended(step, None))
