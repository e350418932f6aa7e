"""One command at a time in a data directory, and an orderly end of those that a signal stops."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import threading
import time
from collections.abc import Iterator

from infra.local.layout import Layout
from infra.local.steps import Reporter
from retinue.errors import ConfigurationError

#: How long `up` and `down` wait for another one that is at work in the same directory.
_LOCK_SECONDS = 60

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def locked(layout: Layout, reporter: Reporter) -> Iterator[None]:
    """Alone at work in the data directory.

    Raises:
        ConfigurationError: another `up` or `down` has been at work for too long.
    """
    with layout.lock.open("a") as file:
        if not _try_lock(file.fileno()):
            reporter.notice(f"Waiting for another command that is at work in {layout.root}")
            _wait_for_lock(file.fileno(), layout)
        yield


def _wait_for_lock(descriptor: int, layout: Layout) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"Another `retinue up` or `retinue down` is at work in {layout.root}")
        time.sleep(_POLL_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C: a container's end and a closed terminal send them; but not under nohup."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, signal.default_int_handler) for number in heeded}
    try:
        yield
    finally:
        for number, earlier in previous.items():
            signal.signal(number, earlier)
