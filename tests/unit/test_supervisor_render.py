"""What supervisord's own parser makes of the rendered configuration."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from infra.supervisor.exits import CONFIGURATION_EXIT_CODE
from infra.supervisor.programs import Program, Tier
from infra.supervisor.render import PRODUCTION, Place, render_supervisord
from retinue.errors import ConfigurationError


def program(*command: str, **changes: Any) -> Program:
    plain = Program(name="thing", description="a thing", command=command or ("/bin/true",), tier=Tier.ENGINE)
    return replace(plain, **changes)


def place(directory: Path, **changes: Any) -> Place:
    plain = Place(socket=directory / "s.sock", pidfile=directory / "s.pid", log_dir=directory)
    return replace(plain, **changes)


def parse(text: str, directory: Path) -> Any:
    """supervisord's options as read from the text, its process groups among them."""
    path = directory / "supervisord.conf"
    path.write_text(text)
    options = ServerOptions()
    options.realize(["-c", str(path)])
    return options


def parse_one(text: str, directory: Path) -> Any:
    (group,) = parse(text, directory).process_group_configs
    return group.process_configs[0]


@pytest.mark.parametrize(
    "argument", ["plain", "two words", "100%", "%(here)s", "a #b ;c", "it's", '"', "", "$HOME", "\\"]
)
def test_every_argument_arrives_as_it_is(argument: str, tmp_path: Path) -> None:
    config = parse_one(render_supervisord([program("/bin/echo", argument)], place(tmp_path)), tmp_path)
    assert shlex.split(config.command) == ["/bin/echo", argument]


def test_an_odd_directory_is_used_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "50%it's;#"
    directory.mkdir()
    options = parse(render_supervisord([program()], place(directory)), tmp_path)
    (group,) = options.process_group_configs
    assert options.pidfile == str(directory / "s.pid")
    assert options.logfile == str(directory / "supervisord.log")
    assert options.server_configs[0]["file"] == str(directory / "s.sock")
    assert group.process_configs[0].stdout_logfile == str(directory / "thing.log")


@pytest.mark.parametrize("name", ["two\nlines", "a #comment", "a ;comment"])
def test_a_path_that_supervisord_cannot_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="supervisord cannot use"):
        render_supervisord([program()], place(tmp_path / name))


def test_several_processes_have_names_and_logs_of_their_own(tmp_path: Path) -> None:
    several = program(processes=3)
    (group,) = parse(render_supervisord([several], place(tmp_path)), tmp_path).process_group_configs
    assert tuple(config.name for config in group.process_configs) == several.process_names
    logs = [config.stdout_logfile for config in group.process_configs]
    assert logs == [str(tmp_path / f"thing-{number}.log") for number in range(3)]


def test_several_processes_in_a_directory_with_a_percent_sign(tmp_path: Path) -> None:
    directory = tmp_path / "50%"
    directory.mkdir()
    config = parse_one(render_supervisord([program(processes=2)], place(directory)), tmp_path)
    assert config.stdout_logfile == str(directory / "thing-0.log")


def test_only_wrong_configuration_ends_a_program_for_good(tmp_path: Path) -> None:
    config = parse_one(render_supervisord([program(start_retries=7)], place(tmp_path)), tmp_path)
    assert config.exitcodes == [CONFIGURATION_EXIT_CODE]
    assert config.autorestart.__name__ == "RestartWhenExitUnexpected"
    assert config.startretries == 7


def test_a_program_is_kept_as_declared(tmp_path: Path) -> None:
    declared = program(stop_signal="INT", stop_seconds=42, start_seconds=3)
    config = parse_one(render_supervisord([declared], place(tmp_path), autostart=False), tmp_path)
    assert (config.stopsignal, config.stopwaitsecs, config.startsecs) == (2, 42, 3)
    assert config.priority == Tier.ENGINE
    assert config.autostart is False
    assert config.redirect_stderr is True


def test_the_environment_of_a_program(tmp_path: Path) -> None:
    declared = program(environment={"A": "1%2", "B": "x, y=z"})
    config = parse_one(render_supervisord([declared], place(tmp_path)), tmp_path)
    assert config.environment == {"A": "1%2", "B": "x, y=z"}


@pytest.mark.parametrize("value", ['say "hi"', "a #b", "two\nlines", "'quoted'"])
def test_an_environment_that_supervisord_cannot_hold_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="supervisord cannot be given A="):
        render_supervisord([program(environment={"A": value})], place(tmp_path))


def test_production_reads_its_settings_from_a_file_and_holds_none(tmp_path: Path) -> None:
    secrets = tmp_path / "retinue.env"
    secrets.write_text("RETINUE_SECRET_KEY='k1:a b'\n")
    printing = program(sys.executable, "-c", "import os; print(os.environ['RETINUE_SECRET_KEY'], os.getpid())")
    text = render_supervisord([printing], place(tmp_path, environment_file=secrets))
    command = shlex.split(parse_one(text, tmp_path).command)
    environment = {"PATH": os.defpath}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - ours
        output, _ = process.communicate(timeout=20)
    assert output.split("\n")[0] == f"k1:a b {process.pid}"
    assert "k1:" not in text


def test_production_is_found_where_system_services_are() -> None:
    text = render_supervisord([program()], PRODUCTION)
    assert "/etc/retinue/retinue.env" in text
    assert "file=/run/retinue/supervisor.sock" in text
    assert "chmod=0700" in text


def test_a_listener_talks_on_its_output_and_logs_on_the_other(tmp_path: Path) -> None:
    listening = program("/bin/listen", "for it", events=("PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL"))
    (pool,) = parse(render_supervisord([listening], place(tmp_path)), tmp_path).process_group_configs
    (config,) = pool.process_configs
    assert {event.__name__ for event in pool.pool_events} == {"ProcessStateExitedEvent", "ProcessStateFatalEvent"}
    assert (config.stdout_logfile, config.stderr_logfile) == (None, str(tmp_path / "thing.log"))
    assert shlex.split(config.command) == ["/bin/listen", "for it"]
    assert pool.buffer_size == 1000
