from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from infra.supervisor import client
from infra.supervisor.client import ProcessInfo, ProcessState, Supervisor, SupervisorUnreachable, last_lines
from infra.supervisor.exits import CONFIGURATION_EXIT_CODE, leave_misconfigured

INFO = {
    "name": "servant-echo-1",
    "group": "servant-echo",
    "statename": "RUNNING",
    "pid": 42,
    "start": 100,
    "stop": 90,
    "now": 160,
    "exitstatus": 0,
    "spawnerr": "",
    "stdout_logfile": "/logs/servant-echo-1.log",
    "stderr_logfile": "",
}


def test_a_process_is_read_from_what_supervisord_says() -> None:
    process = ProcessInfo.parse(INFO)
    assert (process.program, process.name, process.pid) == ("servant-echo", "servant-echo-1", 42)
    assert process.state is ProcessState.RUNNING
    assert process.uptime_seconds == 60
    assert process.log == Path("/logs/servant-echo-1.log")


def test_the_log_of_a_process_that_talks_to_supervisord_is_its_standard_error() -> None:
    info = INFO | {"stdout_logfile": "", "stderr_logfile": "/logs/exits.log"}
    assert ProcessInfo.parse(info).log == Path("/logs/exits.log")


def test_a_process_that_does_not_run_is_up_for_no_time() -> None:
    assert ProcessInfo.parse({**INFO, "pid": 0, "statename": "BACKOFF"}).uptime_seconds == 0


@pytest.mark.parametrize("state", ProcessState)
def test_only_states_without_a_process_now_or_soon_are_at_rest(state: ProcessState) -> None:
    assert state.is_at_rest == (state in {"STOPPED", "EXITED", "FATAL"})


def test_nobody_at_the_socket(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "none.sock")
    assert not supervisor.is_running()
    with pytest.raises(SupervisorUnreachable, match=r"none\.sock"):
        supervisor.processes()


def test_a_socket_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.05)
    with closing(socket.socket(socket.AF_UNIX)) as deaf:
        deaf.bind(str(tmp_path / "s"))
        deaf.listen()
        with pytest.raises(SupervisorUnreachable, match="timed out"):
            Supervisor(tmp_path / "s").state()


@pytest.mark.parametrize(
    ("text", "expected"), [("", []), ("a\n", ["a"]), ("a\nb\nc\n", ["b", "c"]), ("a\nb\nhalf", ["b", "half"])]
)
def test_the_last_lines_of_a_log(text: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "log").write_text(text)
    assert last_lines(tmp_path / "log", 2) == expected


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 200_000 + "\nlast\n")
    assert last_lines(tmp_path / "log", 1) == ["last"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log", 5) == []


def test_leaving_misconfigured_says_why(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_ENABLED", raising=False)
    with pytest.raises(SystemExit) as left:
        leave_misconfigured("RETINUE_LANE is wrong")
    assert left.value.code == CONFIGURATION_EXIT_CODE
    assert capsys.readouterr().err == "RETINUE_LANE is wrong\n"
