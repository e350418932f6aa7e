from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from cli.environment import current_settings
from infra.local.layout import Layout, prepare
from infra.local.ports import LocalPorts, write_ports
from infra.postgres.revision import HEAD, current_revision
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_servant
from tests.support.postgres import DatabaseServer

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def restored_environment(monkeypatch: pytest.MonkeyPatch, bare_environment: None) -> None:
    """`current_settings` adds to the environment: let that end with the test."""
    for name in ("DATA_DIR", "DATABASE_URL", "SQS_ENDPOINT_URL", "MANAGER_PORT", "MANAGER_PASSWORD", "SECRET_KEY_FILE"):
        monkeypatch.setenv(f"RETINUE_{name}", "")
        monkeypatch.delenv(f"RETINUE_{name}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def stack(tmp_path: Path) -> Layout:
    """The data directory of a stack that was up once."""
    layout = Layout(tmp_path / ".retinue")
    prepare(layout)
    write_ports(layout.ports, LocalPorts(manager=18600, postgres=18610, sqs=18620, caldav=18630))
    return layout


def test_migrate_brings_an_empty_database_up_to_date(
    retinue: CommandLine, postgres: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.fresh_database() as empty:
        monkeypatch.setenv("RETINUE_DATABASE_URL", empty)
        assert "Run `retinue migrate`." in retinue.refusal("jobs", "list", exit_code=78)

        assert retinue.json("migrate")["revision"] == HEAD
        assert retinue.say("migrate") == f"Nothing to do: the database is at revision {HEAD}.\n"
        with psycopg.connect(empty) as connection:
            assert current_revision(connection) == HEAD
        assert retinue.say("jobs", "list") == "No such jobs.\n"


def test_check_config_shows_every_setting_and_no_secret(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINUE_MANAGER_PASSWORD", "hunter2")

    shown = retinue.json("check-config")
    by_name = {row["name"]: row for row in shown["settings"]}
    assert by_name["RETINUE_LEASE_SECONDS"]["source"] == "default"
    assert by_name["RETINUE_MANAGER_PASSWORD"]["value"] == "***"
    assert shown["findings"] == []
    said = retinue.say("check-config")
    assert "RETINUE_DATABASE_URL" in said
    assert "hunter2" not in said + json.dumps(shown)


def test_check_config_tells_warnings_and_fails_on_errors(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINUE_LAESE_SECONDS", "20")
    result = retinue.run("check-config")
    assert result.exit_code == 0
    assert (
        "warning: RETINUE_LAESE_SECONDS: There is no such setting. Did you mean RETINUE_LEASE_SECONDS?" in result.stderr
    )

    monkeypatch.setenv("RETINUE_LEASE_SECONDS", "6")
    said = retinue.refusal("check-config", exit_code=78)
    assert "error: RETINUE_HEARTBEAT_SECONDS: " in said
    assert said.endswith("Error: 1 of these must be mended.\n")


def test_a_setting_that_does_not_load_is_told_with_its_value(
    retinue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETINUE_LOG_LEVEL", "loud")

    said = retinue.refusal("check-config", exit_code=78)
    assert "RETINUE_LOG_LEVEL='loud'" in said
    assert "Example: RETINUE_LOG_LEVEL=info" in said


def test_commands_work_with_the_stack_of_the_data_directory(restored_environment: None, stack: Layout) -> None:
    settings = current_settings()

    assert "@127.0.0.1:18610/" in settings.database_url
    assert settings.sqs_endpoint_url == "http://127.0.0.1:18620"
    assert settings.secret_key_file == stack.secret_keys
    rows = {row["name"]: row["source"] for row in CommandLine().json("check-config")["settings"]}
    assert rows["RETINUE_DATABASE_URL"] == "env"


def test_check_config_tells_what_comes_from_the_stack(restored_environment: None, stack: Layout) -> None:
    rows = {row["name"]: row["source"] for row in CommandLine().json("check-config")["settings"]}

    assert rows["RETINUE_DATABASE_URL"] == "stack"
    assert rows["RETINUE_LOG_LEVEL"] == "default"


def test_a_database_of_one_s_own_comes_before_the_stack(
    restored_environment: None, stack: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETINUE_DATABASE_URL", "postgresql://me@elsewhere/x")

    assert current_settings().database_url == "postgresql://me@elsewhere/x"


def test_no_stack_is_up(retinue: CommandLine, tmp_path: Path) -> None:
    result = retinue.run("status", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"up": False, "manager_url": None, "programs": []}
    assert f"No stack is up in {tmp_path}/.retinue. `retinue up` starts one." in result.stderr
    assert retinue.say("down") == f"Nothing runs in {tmp_path}/.retinue.\n"


def test_the_doctor_fails_when_something_does(retinue: CommandLine) -> None:
    result = retinue.run("doctor")

    assert result.exit_code == 1
    assert "failed   schedulers    No scheduler is alive" in result.stdout
    assert "→ Start one: `retinue scheduler`" in result.stdout
    checks = retinue.json("doctor", exit_code=1)["checks"]
    assert {"name", "status", "sentence", "mend"} == set(checks[0])


def test_production_has_a_program_for_each_type(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    said = retinue.say("supervisor-config")
    for program in ("scheduler", "servant-calendar-sync", "servant-system-echo", "manager"):
        assert f"[program:{program}]" in said
    assert "[program:postgres]" not in said

    monkeypatch.setenv("RETINUE_SERVANTS", "system.echo=2")
    said = retinue.say("supervisor-config")
    assert "numprocs=2" in said
    assert "calendar" not in said


def test_servants_are_listed(retinue: CommandLine, sql: psycopg.Connection) -> None:
    assert "No servant is alive." in retinue.say("servants", "list")
    first, second, third = add_servant(sql, rate=41.7), add_servant(sql), add_servant(sql, "calendar.sync")
    shown = '[{"job": 7, "attempt": 1, "account": 3, "lane": "account:3", "seconds": 12.3, "done": 4, "total": null}]'
    sql.execute(
        "UPDATE servants SET busy = 1, current_jobs = %s, memory_bytes = 52428800 WHERE id = %s", (shown, first)
    )
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '1 minute' WHERE id = %s", (second,))
    sql.execute("UPDATE servants SET state = 'stopped' WHERE id = %s", (third,))

    busy, lost = retinue.say("servants", "list").splitlines()[2:]
    for words in ("system.echo", "here pid 1", "active", "1/8", "50.0 MiB", "41.7", "7 (12 s, 4 of ?)"):
        assert words in busy
    assert " lost " in lost
    found = retinue.json("servants", "list")["servants"]
    assert [line["id"] for line in found] == [first, second]
    assert found[0]["current_jobs"][0]["job"] == 7
    assert [line["id"] for line in retinue.json("servants", "list", "--all")["servants"]] == [third, first, second]
    assert [
        line["id"] for line in retinue.json("servants", "list", "--all", "--type", "calendar.sync")["servants"]
    ] == [third]
