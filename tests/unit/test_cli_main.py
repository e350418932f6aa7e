from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cli.main import cli
from infra.version import VERSION

#: What takes long to load and no help text needs.
HEAVY = ("alembic", "botocore", "flask", "psycopg", "pydantic", "rich", "sqlalchemy", "structlog")


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group below `group`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = {" ".join(path): command for path, command in commands()}


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(cli, [*name.split(), "--help"])

    assert result.exit_code == 0
    assert ALL[name].get_short_help_str(80)
    assert not ALL[name].get_short_help_str(80).endswith("...")


@pytest.mark.parametrize(
    "name", [name for name in ALL if name.split()[-1] in ("list", "show", "why", "status", "doctor", "check-config")]
)
def test_whatever_shows_something_shows_it_as_json_too(name: str) -> None:
    assert "--json" in [option for parameter in ALL[name].params for option in parameter.opts]


def test_the_design_s_commands_are_there() -> None:
    wanted = """up down status doctor migrate check-config supervisor-config scheduler servant manager
        jobs/list jobs/show jobs/enqueue jobs/retry jobs/cancel jobs/why servants/list accounts/list accounts/add
        schedules/list schedules/add schedules/pause schedules/resume schedules/run
        connections/list connections/add/caldav connections/test"""

    assert {name.replace("/", " ") for name in wanted.split()} <= set(ALL)


def test_the_version() -> None:
    assert CliRunner().invoke(cli, ["--version"], prog_name="retinue").output == f"retinue, version {VERSION}\n"


def test_a_misspelt_command_is_refused() -> None:
    result = CliRunner().invoke(cli, ["jbos"])

    assert result.exit_code == 2
    assert "No such command 'jbos'" in result.stderr


def test_help_loads_none_of_the_heavy_libraries() -> None:
    script = f"""
import json, sys
from cli.main import cli
cli(["--help"], standalone_mode=False)
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter and script

    assert "Commands:" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) == []
