"""How a process ended, from supervisord's log: its events tell a pid, but neither an exit status nor a signal.

The lines are those of `supervisor.process.Subprocess.finish` and `spawn`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

_LINE = re.compile(r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) [A-Z]+ (?P<message>.*)")
_SPAWNED = re.compile(r"spawned: '(?P<process>[^']*)' with pid (?P<pid>\d+)")
_ENDED = re.compile(
    r"(?:exited|stopped): (?P<process>\S+) \((?:exit status (?P<status>\d+)|terminated by (?P<signal>\w+))"
)


@dataclass(frozen=True, slots=True)
class LoggedEnd:
    """One process that ended; `at` by this machine's clock. `pid` is None where its start is no longer in the log."""

    process: str
    pid: int | None
    at: datetime
    exit_status: int | None
    signal: str | None


def find_end(log: str, process: str, pid: int | None) -> LoggedEnd | None:
    """How the process with this pid ended; without a pid, how the last one of that name did.

    One that was started before the log begins is the first of its name that ends there.
    """
    ends = [end for end in _ends(log.splitlines()) if end.process == process]
    if pid is None:
        return ends[-1] if ends else None
    exact = [end for end in ends if end.pid == pid]
    return next(iter([*exact, *(end for end in ends if end.pid is None)]), None)


def _ends(lines: Iterable[str]) -> Iterator[LoggedEnd]:
    pids: dict[str, int] = {}
    for line in lines:
        logged = _LINE.fullmatch(line)
        if logged is None:
            continue
        if spawned := _SPAWNED.fullmatch(logged["message"]):
            pids[spawned["process"]] = int(spawned["pid"])
        elif ended := _ENDED.match(logged["message"]):
            yield _end(ended, pids.pop(ended["process"], None), logged["at"])


def _end(ended: re.Match[str], pid: int | None, at: str) -> LoggedEnd:
    return LoggedEnd(
        process=ended["process"],
        pid=pid,
        at=datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").astimezone(),
        exit_status=None if ended["status"] is None else int(ended["status"]),
        signal=ended["signal"],
    )
