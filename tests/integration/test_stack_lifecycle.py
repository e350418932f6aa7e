"""The life of the embedded stack, with small programs in place of its own: order, failures, kills, and nothing left."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from infra.local import stack, start
from infra.local.environment import Addresses, layout_of, local_environment
from infra.local.layout import Layout
from infra.local.ports import LocalPorts
from infra.local.processes import is_alive, stack_processes
from infra.local.readiness import missing_answer
from infra.local.stack import Hooks, StackSummary, down, stay, up
from infra.local.status import status
from infra.local.steps import Patience, StackError
from infra.settings import Settings, load_settings
from infra.supervisor.client import ProcessState, Supervisor
from infra.supervisor.exits import CONFIGURATION_EXIT_CODE
from infra.supervisor.programs import Program, programs
from retinue.errors import ConfigurationError
from tests.support.postgres import free_port

STAND_IN = Path(__file__).parents[1] / "support/stand_in.py"

#: Enough for anything here on a busy machine.
PATIENCE = 60.0


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.notices: list[str] = []
        self.failures: list[StackError] = []

    def step_started(self, step: str) -> None: ...

    def step_done(self, step: str, seconds: float) -> None:
        self.done.append(step)

    def step_failed(self, step: str, error: StackError) -> None:
        self.failures.append(error)

    def notice(self, text: str) -> None:
        self.notices.append(text)


class Trial:
    """One stack of stand-ins in a directory of its own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = load_settings(env_file=None, data_dir=root / "data", manager_port=free_port())
        self.ports = {name: free_port() for name in ("postgres", "sqs", "caldav", "imap", "salesforce")}
        self.roles: dict[str, tuple[str, ...]] = {}
        self.calls: list[str] = []
        self.hooks = Hooks(
            servant_types={"system.echo": 2},
            migrate=lambda url: self.calls.append("migrate"),
            seed_calendars=lambda addresses: self.calls.append("seed_calendars"),
            seed_mail=lambda addresses: self.calls.append("seed_mail"),
            seed_salesforce=lambda addresses: self.calls.append("seed_salesforce"),
            seed_accounts=lambda addresses: self.calls.append("seed_accounts"),
            missing_servants=lambda url: None,
        )
        monkeypatch.setattr(stack, "programs", self._programs)
        monkeypatch.setattr(start, "missing_database", self._missing_database)
        monkeypatch.setattr(start, "missing_greeting", lambda port: missing_answer(f"http://127.0.0.1:{port}"))

    def up(self, recorder: Recorder | None = None, **hooks: object) -> StackSummary:
        changed = replace(self.hooks, **hooks)  # type: ignore[arg-type]  # each test gives what it changes
        return up(self.settings, recorder or Recorder(), hooks=changed, ports=self.ports)

    def down(self) -> bool:
        return down(self.settings, Recorder())

    @property
    def layout(self) -> Layout:
        return layout_of(self.settings)

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.layout.socket)

    @property
    def pids(self) -> dict[str, int]:
        return {process.name: process.pid for process in self.supervisor.processes()}

    def _missing_database(self, url: str) -> str | None:
        return missing_answer(f"http://127.0.0.1:{urlsplit(url).port}")

    def _programs(self, settings: Settings, types: Mapping[str, int], local: LocalPorts) -> list[Program]:
        roles = {name: ("serve", str(port)) for name, port in asdict(local).items()} | self.roles
        return [
            replace(
                program,
                command=(sys.executable, str(STAND_IN), *roles.get(program.name, ("idle",))),
                environment={"PYTHONPATH": str(STAND_IN.parents[2])},
                stop_signal="TERM",
                stop_seconds=2,
            )
            for program in programs(settings, types, local)
        ]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    trial = Trial(tmp_path, monkeypatch)
    yield trial
    trial.down()
    assert stack_processes(trial.layout.socket) == []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end by itself is killed sooner."""
    monkeypatch.setattr("infra.local.stop._ORPHAN_SECONDS", 1)
    monkeypatch.setattr("infra.local.stop._MARGIN_SECONDS", 1)


@contextmanager
def answering(port: int) -> Iterator[None]:
    """A server of somebody else."""
    with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)  # the state of other processes gives no signal


def alive(pids: Mapping[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if psutil.pid_exists(pid) and is_alive(psutil.Process(pid))]


def test_everything_starts_in_an_order_that_works(trial: Trial) -> None:
    recorder = Recorder()
    summary = trial.up(recorder)
    place = {step: number for number, step in enumerate(recorder.done)}
    assert recorder.done[0] == "supervisor"
    assert place["postgres"] < place["migrations"] < place["scheduler"]
    assert place["caldav"] < place["demo calendars"] < place["demo-editor"]
    assert place["imap"] < place["demo mail"] < place["demo-postman"]
    assert place["salesforce"] < place["demo org"] < place["demo-salesperson"]
    seeds = ("migrations", "demo calendars", "demo mail", "demo org")
    assert max(place[step] for step in seeds) < place["demo accounts"]
    assert max(place["scheduler"], place["servant-system-echo"]) < place["first heartbeats"]
    assert sorted(trial.calls) == ["migrate", "seed_accounts", "seed_calendars", "seed_mail", "seed_salesforce"]
    assert not summary.was_up
    assert summary.addresses.manager_url == f"http://127.0.0.1:{trial.settings.manager_port}"


def test_without_an_sqs_server_everything_else_starts(trial: Trial) -> None:
    trial.settings = trial.settings.model_copy(update={"transport": "postgres"})
    recorder = Recorder()
    summary = trial.up(recorder)
    assert "sqs" not in recorder.done
    assert {"caldav", "imap", "demo accounts", "first heartbeats", "manager ready"} <= set(recorder.done)
    assert summary.addresses.environment["RETINUE_TRANSPORT"] == "postgres"
    assert "RETINUE_SQS_ENDPOINT_URL" not in summary.addresses.environment


def test_down_ends_every_process_and_says_whether_there_was_any(trial: Trial) -> None:
    trial.up()
    before = {process.pid: process for process in stack_processes(trial.layout.socket)}
    assert set(trial.pids.values()) < set(before)
    assert trial.down()
    assert [process for process in before.values() if is_alive(process)] == []
    assert not trial.layout.socket.exists()
    assert not trial.down()


def test_down_where_no_stack_ever_was_changes_nothing(tmp_path: Path) -> None:
    settings = load_settings(env_file=None, data_dir=tmp_path / "nothing")
    assert not down(settings, Recorder())
    assert not (tmp_path / "nothing").exists()


def test_a_second_up_finds_the_first(trial: Trial) -> None:
    first = trial.up()
    pids = trial.pids
    recorder = Recorder()
    second = trial.up(recorder)
    assert second.was_up
    assert second.addresses == first.addresses
    assert trial.pids == pids
    assert recorder.done == []


def test_ports_and_secrets_survive_a_restart(trial: Trial) -> None:
    first = trial.up().addresses
    trial.down()
    trial.ports = {}
    assert trial.up().addresses == first


def test_a_program_that_fails_is_named_with_its_last_words(trial: Trial) -> None:
    trial.roles["sqs"] = ("fail", "3", "cannot find my shoes")
    recorder = Recorder()
    with pytest.raises(StackError, match="sqs leaves as soon as it is started") as caught:
        trial.up(recorder)
    error = caught.value
    assert recorder.failures == [error]
    assert (error.step, error.program) == ("sqs", "sqs")
    assert "cannot find my shoes" in error.log_tail
    assert str(trial.layout.logs / "sqs.log") in error.advice
    assert stack_processes(trial.layout.socket) == []


@pytest.mark.parametrize("name", ["sqs", "caldav", "imap", "salesforce"])
def test_another_server_at_the_port_does_not_pass_for_ours(
    trial: Trial, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The program itself comes up, and never listens.
    trial.roles[name] = ("idle",)
    monkeypatch.setattr(start, "SERVER_SECONDS", 2)
    launch = start._launch
    with ExitStack() as strangers:

        def launch_after_a_stranger(chosen: start.Stack, patience: Patience) -> None:
            strangers.enter_context(answering(trial.ports[name]))
            launch(chosen, patience)

        monkeypatch.setattr(start, "_launch", launch_after_a_stranger)
        with pytest.raises(StackError, match=f"{name} does not listen on port {trial.ports[name]}"):
            trial.up()


def test_two_starts_at_once_get_ports_of_their_own(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Trial(tmp_path / "other", monkeypatch)
    trial.ports = other.ports = {}
    both_chose = threading.Barrier(2, timeout=PATIENCE)
    launch = start._launch

    def launch_once_both_chose(chosen: start.Stack, patience: Patience) -> None:
        both_chose.wait()
        launch(chosen, patience)

    monkeypatch.setattr(start, "_launch", launch_once_both_chose)
    with ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(one.up) for one in (trial, other)]
        try:
            first, second = (started.result() for started in starts)
            assert first.addresses.caldav_url != second.addresses.caldav_url
            assert first.addresses.sqs_endpoint_url != second.addresses.sqs_endpoint_url
        finally:
            other.down()


def test_wrong_configuration_is_tried_once(trial: Trial) -> None:
    trial.roles["scheduler"] = ("misconfigured",)
    with pytest.raises(StackError, match="scheduler finds its configuration wrong") as caught:
        trial.up(missing_servants=lambda url: "no heartbeat yet")
    assert caught.value.program == "scheduler"
    assert caught.value.log_tail == ("RETINUE_THING is wrong",)


def test_one_of_several_processes_that_fails_is_found(trial: Trial) -> None:
    trial.roles["servant-system-echo"] = ("fail", "1", "no echo")
    with pytest.raises(StackError, match=r"servant-system-echo-[01] (leaves as soon|left with)") as caught:
        trial.up(missing_servants=lambda url: "no heartbeat yet")
    assert "no echo" in caught.value.log_tail


def test_a_manager_that_is_not_ready_says_why(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    trial.roles["manager"] = ("refuse", str(trial.settings.manager_port), "no live scheduler")
    monkeypatch.setattr(start, "READY_SECONDS", 2)
    with pytest.raises(StackError, match="/readyz answers 503: no live scheduler"):
        trial.up()


def test_a_migration_that_fails_stops_the_start(trial: Trial) -> None:
    def fail(url: str) -> None:
        raise ConfigurationError("revision 7 is unknown")

    with pytest.raises(StackError, match="migrations: revision 7 is unknown") as caught:
        trial.up(migrate=fail)
    assert caught.value.program == "postgres"
    assert stack_processes(trial.layout.socket) == []


def test_the_start_goes_again_after_it_failed(trial: Trial) -> None:
    trial.roles["caldav"] = ("fail", "1", "once")
    with pytest.raises(StackError):
        trial.up()
    del trial.roles["caldav"]
    assert not trial.up().was_up


def test_an_interrupted_start_leaves_nothing(trial: Trial) -> None:
    def interrupt(url: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        trial.up(migrate=interrupt)
    assert stack_processes(trial.layout.socket) == []


def test_a_killed_supervisord_and_its_orphans_are_cleared_by_the_next_up(trial: Trial) -> None:
    trial.up()
    orphans = trial.pids
    os.kill(trial.supervisor.pid(), signal.SIGKILL)
    wait_for(lambda: not trial.supervisor.is_running())
    assert sorted(alive(orphans)) == sorted(orphans)
    recorder = Recorder()
    assert not trial.up(recorder).was_up
    assert alive(orphans) == []
    assert any("broken start" in notice for notice in recorder.notices)


def test_down_ends_the_orphans_of_a_killed_supervisord(trial: Trial, hasty: None) -> None:
    trial.roles["scheduler"] = ("stubborn",)
    trial.up()
    orphans = trial.pids
    os.kill(trial.supervisor.pid(), signal.SIGKILL)
    assert trial.down()
    assert alive(orphans) == []


def test_a_stopped_supervisord_is_killed(trial: Trial, hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.supervisor.client.TIMEOUT_SECONDS", 0.5)
    trial.up()
    everything = {**trial.pids, "supervisord": trial.supervisor.pid()}
    os.kill(everything["supervisord"], signal.SIGSTOP)
    assert trial.down()
    assert alive(everything) == []


def test_a_program_that_ignores_its_signal_and_a_child_left_behind_are_killed(trial: Trial, hasty: None) -> None:
    trial.roles["demo-editor"] = ("parent",)
    trial.roles["scheduler"] = ("stubborn",)
    trial.up()
    parent = psutil.Process(trial.pids["demo-editor"])
    # Up says that the program runs, not that it has got as far as its child.
    wait_for(lambda: bool(parent.children()))
    (child,) = parent.children()
    pids = {**trial.pids, "child": child.pid}
    assert trial.down()
    assert alive(pids) == []


def test_a_killed_program_comes_back_and_is_counted(trial: Trial) -> None:
    trial.up()
    before = trial.pids["scheduler"]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: trial.pids["scheduler"] not in (0, before))
    wait_for(lambda: {row.state for row in status(trial.settings)} == {ProcessState.RUNNING})
    rows = {row.name: row for row in status(trial.settings)}
    assert rows["scheduler"].restarts == 1
    assert rows["manager"].restarts == 0
    assert rows["manager"].pid == trial.pids["manager"]
    assert {"servant-system-echo-0", "servant-system-echo-1"} < rows.keys()


def test_status_of_a_stack_that_is_down_is_empty(trial: Trial) -> None:
    assert status(trial.settings) == []


def test_ctrl_c_stops_a_stack_in_the_foreground(trial: Trial) -> None:
    trial.up()
    pids = trial.pids
    interrupter = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    interrupter.start()
    stay(trial.settings, Recorder())
    interrupter.join()
    assert alive(pids) == []


def test_staying_ends_when_the_stack_is_stopped_from_elsewhere(trial: Trial) -> None:
    trial.up()
    stopper = threading.Timer(0.5, trial.down)
    stopper.start()
    recorder = Recorder()
    stay(trial.settings, recorder)
    stopper.join()
    assert any("from elsewhere" in notice for notice in recorder.notices)


def test_staying_tells_of_a_program_that_gave_up(trial: Trial, tmp_path: Path) -> None:
    trial.roles["demo-editor"] = ("frail", str(CONFIGURATION_EXIT_CODE), str(tmp_path / "frail"))
    trial.up()
    wait_for((tmp_path / "frail").exists)
    wait_for(lambda: {row.state for row in status(trial.settings)} == {ProcessState.RUNNING})
    os.kill(trial.pids["demo-editor"], signal.SIGUSR1)
    recorder = Recorder()

    def stop_once_told() -> None:
        wait_for(lambda: bool(recorder.notices))
        trial.down()

    stopper = threading.Thread(target=stop_once_told)
    stopper.start()
    stay(trial.settings, recorder)
    stopper.join()
    assert "demo-editor does not run any more" in recorder.notices[0]


def test_a_stack_of_another_version_is_left_alone(trial: Trial) -> None:
    trial.up()
    trial.layout.record.write_text(json.dumps({"version": "0.0.1"}))
    with pytest.raises(ConfigurationError, match=r"Retinue 0.0.1 is up in .* stop it with `retinue down`"):
        trial.up()
    assert trial.supervisor.is_running()


def test_a_start_that_was_killed_half_way_is_begun_again(trial: Trial) -> None:
    trial.up()
    trial.layout.record.unlink()
    before = trial.pids
    assert not trial.up().was_up
    assert alive(before) == []


def test_a_deep_data_directory_gets_its_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Trial(tmp_path / ("long" * 20), monkeypatch)
    try:
        deep.up()
        assert not deep.layout.socket.is_relative_to(tmp_path)
        assert deep.layout.socket.parent.stat().st_mode & 0o777 == 0o700
    finally:
        deep.down()
    assert stack_processes(deep.layout.socket) == []
    assert not deep.layout.socket.parent.exists()


def test_a_directory_with_odd_characters_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Trial(tmp_path / "it's 50%", monkeypatch)
    try:
        assert not odd.up().was_up
    finally:
        odd.down()


def test_programs_get_their_settings_and_no_real_credentials(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    addresses = trial.up().addresses
    environment = psutil.Process(trial.pids["scheduler"]).environ()
    assert environment["RETINUE_DATABASE_URL"] == addresses.database_url
    assert environment["RETINUE_SQS_ENDPOINT_URL"] == addresses.sqs_endpoint_url
    assert environment["AWS_ACCESS_KEY_ID"] == "retinue"
    assert "AWS_PROFILE" not in environment


def test_secrets_are_in_no_file_that_others_read(trial: Trial) -> None:
    addresses = trial.up().addresses
    assert addresses.manager_password not in trial.layout.configuration.read_text()
    for path in (trial.layout.manager_password, trial.layout.postgres_password, trial.layout.secret_keys):
        assert path.stat().st_mode & 0o777 == 0o600
    for directory in (trial.layout.run, trial.layout.logs):
        assert directory.stat().st_mode & 0o077 == 0


def test_other_commands_find_the_stack(trial: Trial) -> None:
    assert local_environment(trial.settings) == {}
    environment = trial.up().addresses.environment
    assert local_environment(trial.settings) == environment
    elsewhere = load_settings(env_file=None, data_dir=trial.settings.data_dir, database_url="postgresql://h/d")
    assert local_environment(elsewhere) == {}


def test_a_database_of_ones_own_is_refused(tmp_path: Path, trial: Trial) -> None:
    trial.settings = load_settings(env_file=None, data_dir=tmp_path / "data", database_url="postgresql://h/d")
    with pytest.raises(ConfigurationError, match="RETINUE_DATABASE_URL is set"):
        trial.up()


def test_an_unusable_data_directory_is_named(tmp_path: Path, trial: Trial) -> None:
    (tmp_path / "file").write_text("")
    trial.settings = load_settings(env_file=None, data_dir=tmp_path / "file")
    with pytest.raises(ConfigurationError, match=f"The data directory {tmp_path}/file cannot be used"):
        trial.up()
    trial.settings = load_settings(env_file=None, data_dir=tmp_path / "data")


def test_addresses_reach_the_seed(trial: Trial) -> None:
    seen: list[Addresses] = []
    hear = seen.append
    summary = trial.up(seed_calendars=hear, seed_mail=hear, seed_salesforce=hear, seed_accounts=hear)
    assert seen == [summary.addresses] * 4
    assert seen[0].caldav_url == f"http://127.0.0.1:{trial.ports['caldav']}"
    assert seen[0].imap_port == trial.ports["imap"]
    assert seen[0].salesforce_url == f"http://127.0.0.1:{trial.ports['salesforce']}"
