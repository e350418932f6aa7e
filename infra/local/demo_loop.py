"""What the programs that keep the demo moving have in common: they do one thing at an interval until they are ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from infra.loop import LoopRunner, PassResult
from retinue.clock import SystemClock
from retinue.retry import Exponential

STOP_SECONDS = 15

#: Short, so that things go on soon after a server is back.
BACKOFF = Exponential(base=1.0, cap=10.0)


def run_until_stopped(name: str, run_once: Callable[[], PassResult], *, interval_seconds: float) -> None:
    """Run at this interval until SIGTERM or SIGINT; a server that is away is waited for."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    loop = LoopRunner(name, run_once, interval_seconds=interval_seconds, clock=SystemClock(), backoff=BACKOFF)
    loop.start()
    stopped.wait()
    loop.stop(STOP_SECONDS)
