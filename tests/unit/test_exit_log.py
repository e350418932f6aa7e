"""How a process ended, as supervisord's log tells it."""

from __future__ import annotations

from datetime import datetime

import pytest

from infra.supervisor.exit_log import LoggedEnd, find_end

LOG = """\
2026-11-21 13:45:01,100 WARN exited: servant-a (terminated by SIGSEGV (core dumped); not expected)
2026-11-21 13:45:01,200 INFO spawned: 'servant-a' with pid 200
2026-11-21 13:45:02,200 INFO success: servant-a entered RUNNING state, process has stayed up for > than 1 seconds
2026-11-21 13:45:03,300 WARN exited: servant-a (terminated by SIGKILL; not expected)
2026-11-21 13:45:03,400 INFO spawned: 'servant-a-b' with pid 300
2026-11-21 13:45:04,400 INFO spawned: 'servant-a' with pid 201
2026-11-21 13:45:05,500 WARN exited: servant-a (exit status 70; not expected)
2026-11-21 13:45:06,500 WARN stopped: servant-a-b (exit status 0)
2026-11-21 13:45:07,500 INFO gave up: servant-a entered FATAL state, too many start retries too quickly
2026-11-21 13:45:08,5
"""


def cause(process: str, pid: int | None) -> tuple[int | None, int | None, str | None] | None:
    end = find_end(LOG, process, pid)
    return None if end is None else (end.pid, end.exit_status, end.signal)


@pytest.mark.parametrize(
    ("process", "pid", "told"),
    [
        ("servant-a", 200, (200, None, "SIGKILL")),
        ("servant-a", 201, (201, 70, None)),
        ("servant-a-b", 300, (300, 0, None)),
        # Its start is no longer in the log.
        ("servant-a", 150, (None, None, "SIGSEGV")),
        # A start that failed has no pid in its event.
        ("servant-a", None, (201, 70, None)),
        ("servant-c", None, None),
        ("servant-a-b", 301, None),
    ],
)
def test_each_end_is_told_by_its_pid(
    process: str, pid: int | None, told: tuple[int | None, int | None, str | None] | None
) -> None:
    assert cause(process, pid) == told


def test_the_moment_is_this_machines() -> None:
    end = find_end(LOG, "servant-a", 200)
    at = datetime(2026, 11, 21, 13, 45, 3, 300_000).astimezone()
    assert end == LoggedEnd("servant-a", 200, at, None, "SIGKILL")


def test_an_empty_log_tells_nothing() -> None:
    assert find_end("", "servant-a", 1) is None
