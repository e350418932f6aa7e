from __future__ import annotations

import json
import os
import subprocess
import sys

import psycopg
import pytest

from cli import processes
from infra.logs import configure_logs
from retinue.errors import TransientError
from tests.support.command_line import KEY, CommandLine, bare_environment, retinue
from tests.support.moto_server import MotoServer, aws_credentials, moto_server
from tests.support.postgres import DatabaseServer

__all__ = ["aws_credentials", "bare_environment", "moto_server", "retinue"]

#: What a servant process cannot afford, or has no business with.
FOREIGN = (
    "alembic",
    "apscheduler",
    "caldav",
    "flask",
    "manager",
    "moto",
    "rich",
    "scheduler",
    "sqlalchemy",
    "waitress",
)

#: Starts as `retinue servant` does, and looks around instead of working.
LOOK_AROUND = f"""
import json, sys
from cli import processes
from cli.main import cli

def look_around(self):
    print(json.dumps([name for name in {FOREIGN!r} if name in sys.modules]))
    return 3

def patiently(event, attempt):
    if event == "queue_awaited":
        # The command has imported it: importing it here first would change what is looked at.
        sys.modules["servants.runtime.process"].ServantProcess.run = look_around
    return attempt()

processes.patiently = patiently
cli(["servant", "system.echo"], prog_name="retinue")
"""

NOWHERE = "postgresql://me:hunter2@127.0.0.1:1/x"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gives up at the first failure."""
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0)


def test_a_servant_loads_nothing_that_it_does_not_need(
    bare_environment: None, database_url: str, moto_server: MotoServer
) -> None:
    environment = {"RETINUE_DATABASE_URL": database_url, "RETINUE_SECRET_KEY": KEY, **moto_server.environment}

    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", LOOK_AROUND],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("command", [["scheduler"], ["servant", "system.echo"], ["manager"]])
def test_a_database_that_does_not_come_ends_the_process(
    retinue: CommandLine, impatient: None, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("RETINUE_DATABASE_URL", NOWHERE)

    said = retinue.refusal(*command, exit_code=69)

    assert said.startswith("Error: The database 'x' at 127.0.0.1:1 cannot be reached as user 'me'")
    assert "hunter2" not in said


def test_a_queue_server_that_does_not_come_ends_the_servant(
    retinue: CommandLine,
    impatient: None,
    aws_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
    sql: psycopg.Connection,
) -> None:
    monkeypatch.setenv("RETINUE_SQS_ENDPOINT_URL", "http://127.0.0.1:1")

    said = retinue.refusal("servant", "system.echo", exit_code=69)

    assert "Error: SQS at http://127.0.0.1:1 cannot be reached" in said
    assert sql.execute("SELECT count(*) FROM servants").fetchone() == (0,)


@pytest.mark.parametrize("command", [["scheduler"], ["servant", "system.echo"], ["manager"]])
def test_a_missing_migration_ends_the_process_for_good(
    retinue: CommandLine, postgres: DatabaseServer, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    with postgres.fresh_database() as empty:
        monkeypatch.setenv("RETINUE_DATABASE_URL", empty)
        said = retinue.refusal(*command, exit_code=78)

    assert said.startswith("Error: A migration is missing")


def test_a_wrong_setting_ends_the_process_for_good(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINUE_LEASE_SECONDS", "long")

    assert "RETINUE_LEASE_SECONDS='long'" in retinue.refusal("scheduler", exit_code=78)


def test_a_servant_without_a_key_ends_for_good(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETINUE_SECRET_KEY")

    assert "RETINUE_SECRET_KEY" in retinue.refusal("servant", "system.echo", exit_code=78)


def test_a_type_that_nobody_offers_ends_the_servant_for_good(retinue: CommandLine) -> None:
    assert "Unknown job type 'system.ecko'" in retinue.refusal("servant", "system.ecko", exit_code=78)


def test_a_server_that_comes_late_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "PAUSE_SECONDS", 0.01)
    configure_logs("json", "info")
    answers = iter([TransientError("not yet"), TransientError("not quite"), None])

    def attempt() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "there"

    assert processes.patiently("database_awaited", attempt) == "there"
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["message"], line["problem"]) for line in lines] == [
        ("database_awaited", "not yet"),
        ("database_awaited", "not quite"),
    ]


def test_what_waiting_cannot_mend_is_not_waited_for() -> None:
    tried = []

    def attempt() -> None:
        tried.append(1)
        raise ValueError("for good")

    with pytest.raises(ValueError, match="for good"):
        processes.patiently("database_awaited", attempt)
    assert len(tried) == 1
