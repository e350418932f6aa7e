"""What an event of supervisord's says of an end, with the cause from its log."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.postgres.process_exits import ExitKind, NewExit, cause_words
from infra.supervisor.client import Supervisor, SupervisorUnreachable
from infra.supervisor.event_listener import _socket, read_event
from infra.supervisor.exits import CONFIGURATION_EXIT_CODE

LOG = """\
2026-11-21 13:45:01,200 INFO spawned: 'a-0' with pid 200
2026-11-21 13:45:03,300 WARN exited: a-0 (terminated by SIGKILL; not expected)
"""

TOLD = {"processname": "a-0", "groupname": "a", "from_state": "RUNNING", "expected": "0", "pid": "200"}


class Told(Supervisor):
    """A supervisord whose log is known."""

    def __init__(self, log: str | None) -> None:
        super().__init__(Path("/nowhere"))
        self._log = log

    def log_tail(self, size: int) -> str:
        if self._log is None:
            raise SupervisorUnreachable("nobody answers")
        return self._log


def test_an_exit_is_told_with_its_signal() -> None:
    note = read_event("PROCESS_STATE_EXITED", TOLD, Told(LOG))
    assert note is not None
    assert (note.kind, note.program, note.process, note.pid) == (ExitKind.EXITED, "a", "a-0", 200)
    assert (note.exit_status, note.signal, note.host) == (None, "SIGKILL", socket.gethostname())
    assert note.seconds_ago >= 0


@pytest.mark.parametrize("log", ["", None])
def test_without_the_log_it_is_told_without_its_cause(log: str | None) -> None:
    note = read_event("PROCESS_STATE_EXITED", TOLD, Told(log))
    assert note == NewExit(host=socket.gethostname(), program="a", process="a-0", kind=ExitKind.EXITED, pid=200)


def test_what_failed_to_start_has_its_pid_from_the_log_and_what_was_given_up_has_none() -> None:
    told = {"processname": "a-0", "groupname": "a", "from_state": "STARTING", "tries": "3"}
    failed = read_event("PROCESS_STATE_BACKOFF", told, Told(LOG))
    assert failed is not None
    assert (failed.kind, failed.pid) == (ExitKind.START_FAILED, 200)
    given_up = read_event("PROCESS_STATE_FATAL", told, Told(LOG))
    assert given_up is not None
    assert (given_up.kind, given_up.pid, given_up.signal) == (ExitKind.GIVEN_UP, None, None)


def test_other_events_tell_of_no_end() -> None:
    assert read_event("PROCESS_STATE_RUNNING", TOLD, Told(LOG)) is None


def test_the_socket_is_found_whatever_its_directory_is_called() -> None:
    assert _socket({"SUPERVISOR_SERVER_URL": "unix:///tmp/50% a#b?c/s.sock"}) == Path("/tmp/50% a#b?c/s.sock")  # noqa: S108 - a name, never opened


def test_by_hand_it_says_that_it_has_no_use() -> None:
    command = [sys.executable, "-m", "infra.supervisor.event_listener"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.defpath}, timeout=60, check=False)  # noqa: S603 - our own module
    assert done.returncode == CONFIGURATION_EXIT_CODE
    assert done.stderr == "Error: The event listener is for supervisord to start; it has no use by hand.\n"


@pytest.mark.parametrize(
    ("kind", "status", "signal", "words"),
    [
        ("exited", None, "SIGKILL", "killed by SIGKILL"),
        ("exited", 70, None, "left with status 70"),
        ("exited", None, None, "ended, how is not known"),
        ("stopped", 0, None, "stopped by supervisor"),
        ("stopped", None, "SIGKILL", "stopped by supervisor, killed by SIGKILL"),
        ("start_failed", 1, None, "left with status 1 before its start counted"),
        ("given_up", None, None, "given up by supervisor after too many failed starts"),
    ],
)
def test_every_end_has_words(kind: str, status: int | None, signal: str | None, words: str) -> None:
    assert cause_words(kind, status, signal) == words
