"""The processes of one stack, found and ended by number.

supervisord tells every program where its own socket is. Our supervisord is told so too, so this variable names the
stack in each of its processes, those included that a killed supervisord left behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import psutil

MARK = "SUPERVISOR_SERVER_URL"

_POLL_SECONDS = 0.03


def mark(socket_path: Path) -> dict[str, str]:
    """The environment variable that marks the processes of the stack with this socket."""
    return {MARK: f"unix://{socket_path}"}


def stack_processes(socket_path: Path) -> list[psutil.Process]:
    """Every live process of the stack and its descendants, but not this one."""
    wanted = f"unix://{socket_path}"
    found = [process for process in psutil.process_iter() if _environment(process).get(MARK) == wanted]
    # PostgreSQL's backends overwrite the memory of their environment with their title.
    family = {process.pid: process for parent in found for process in [parent, *_descendants(parent)]}
    family.pop(os.getpid(), None)
    return [process for process in family.values() if is_alive(process)]


def end_processes(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Ask the stack's processes to leave, after `seconds` kill those that did not; returns those that live even so.

    What they started themselves is theirs to end: PostgreSQL takes a backend that leaves unasked for a crash.
    """
    alive = [process for process in processes if is_alive(process)]
    for process in alive:
        environment = _environment(process)
        if MARK in environment:
            _signal(process, _polite_signal(environment))
    alive = wait_for_end(alive, seconds=seconds)
    for process in alive:
        _signal(process, SIGKILL)
    return wait_for_end(alive, seconds=seconds)


def wait_for_end(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wait until the processes are gone, at most `seconds`; returns those that are not."""
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if is_alive(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        alive = [process for process in alive if is_alive(process)]
    return alive


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs. A zombie does not: it only waits for its parent to look."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        # Gone meanwhile, or another user's: then it is none of ours.
        return {}


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _polite_signal(environment: Mapping[str, str]) -> int:
    """SIGTERM, but SIGINT for PostgreSQL, which on SIGTERM would wait for its clients."""
    return SIGINT if environment.get("SUPERVISOR_PROCESS_NAME") == "postgres" else SIGTERM


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
