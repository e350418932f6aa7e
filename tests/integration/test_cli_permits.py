"""Every command × every role: who may run it, that what is done is written down, that nothing is left undeclared."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import click
import psycopg
import pytest
from click.testing import CliRunner

from cli.main import cli
from cli.permits import Declared, close_undeclared, declared_by
from infra.permissions import HOLDERS, Permission, operator_may
from infra.postgres.people import add_person, disable_person
from infra.roles import Role
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_account, add_jobs, add_servant

__all__ = ["bare_environment", "retinue"]

#: Nothing of Retinue's is touched by them, or they only show: the manager lets every viewer.
LOOKS = (Permission.WORK_LOOK, Permission.MACHINE_RUN)

#: What is written down for `--as`, and lists that viewers do not see.
WITHOUT_BY = {"assume", "members list", "tokens list", "users list"}


#: What only shows where it is given no more than it needs.
SHOWS = {"connections budget"}


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(leaves(cli))


def declared(command: click.Command) -> Declared:
    found = declared_by(command)
    assert found is not None
    return found


ACTING = [name for name, command in COMMANDS.items() if declared(command).acts]


def example(parameter: click.Parameter) -> str:
    """Something that the parameter takes."""
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    return "-" if isinstance(kind, click.File) else "1"


def arguments(command: click.Command) -> list[str]:
    """The fewest that it can be given."""
    given = []
    for parameter in command.params:
        if parameter.required:
            given += [parameter.opts[0]] if isinstance(parameter, click.Option) else []
            given += [example(parameter)] * max(1, parameter.nargs)
    return given


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands that ran; they do nothing else."""
    ran: list[str] = []
    for name, command in COMMANDS.items():
        monkeypatch.setattr(command.callback, "__wrapped__", partial(_tell, ran, name))
    return ran


def _tell(ran: list[str], command: str, /, **_given: Any) -> None:
    ran.append(command)


def as_somebody(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("LOGNAME", name)


def acts(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    query = "SELECT action, actor_kind, actor_name, target_kind, target_id, detail FROM operator_actions ORDER BY id"
    return sql.execute(query).fetchall()


def test_every_command_declares_who_may_run_it() -> None:
    assert [name for name, command in COMMANDS.items() if declared_by(command) is None] == []


def test_whatever_acts_is_written_down() -> None:
    silent = [
        name
        for name in ACTING
        if declared(COMMANDS[name]).notes is None and not any(one.name == "operator" for one in COMMANDS[name].params)
    ]
    assert set(silent) == WITHOUT_BY


@pytest.mark.parametrize("role", Role)
def test_who_may_run_what(
    retinue: CommandLine, sql: psycopg.Connection, effects: list[str], monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    add_person(sql, "somebody", role, password_hash=None)
    as_somebody(monkeypatch, "somebody")
    wrong = []
    for name, command in COMMANDS.items():
        effects.clear()
        said = retinue.run(*name.split(), *arguments(command), stdin="{}")
        permission = declared(command).permission
        may = permission in LOOKS or name in SHOWS or operator_may(role, permission)
        if (said.exit_code == 0, effects) != ((True, [name]) if may else (False, [])):
            wrong.append(f"{name}: {said.exit_code} {effects} {said.output}")
        if not may and f"it needs the role {HOLDERS[permission].role}" not in said.output:
            wrong.append(f"{name}: {said.output}")
    assert wrong == []
    refused = [act for act in acts(sql) if act[0] == "act.refused"]
    asked = [declared(COMMANDS[name]).permission for name in ACTING if name not in SHOWS]
    assert len(refused) == sum(not operator_may(role, permission) for permission in asked)


def test_what_shows_without_more_acts_with_it(
    retinue: CommandLine, sql: psycopg.Connection, effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(sql, "somebody", Role.VIEWER, password_hash=None)
    as_somebody(monkeypatch, "somebody")
    assert "needs the role operator" in retinue.refusal("connections", "budget", 1, "--per-day", 10, exit_code=1)
    assert effects == []
    assert [act[0] for act in acts(sql)] == ["act.refused"]


def test_whoever_was_shut_out_does_nothing(
    retinue: CommandLine, sql: psycopg.Connection, effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(sql, "boss", Role.ADMIN, password_hash="x")
    person = add_person(sql, "somebody", Role.ADMIN, password_hash=None)
    disable_person(sql, person.id)
    as_somebody(monkeypatch, "somebody")
    assert "somebody may do nothing here" in retinue.refusal("jobs", "cancel", 1, exit_code=1)
    assert effects == []


def test_what_is_done_is_written_down_for_each_target_under_the_name(
    retinue: CommandLine, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_somebody(monkeypatch, "grace")
    first, second = add_jobs(sql, 2)
    retinue.say("jobs", "cancel", first, second)
    detail = {"command": "retinue jobs cancel"}
    assert acts(sql) == [("job.cancel", "command line", "grace", "job", str(job), detail) for job in (first, second)]


def test_what_fails_is_written_down_as_that(
    retinue: CommandLine, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_somebody(monkeypatch, "grace")
    retinue.refusal("schedules", "pause", 7, exit_code=1)
    told = [(action, kind, target) for action, _, _, kind, target, _ in acts(sql)]
    assert told == [("schedule.pause", "schedule", "7"), ("act.failed", "schedule", "7")]


def test_what_was_refused_is_no_deed_and_what_is_told_tells_of_nobody(
    retinue: CommandLine, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_somebody(monkeypatch, "grace")
    account = add_account(sql, "Kestrel")
    add_servant(sql)
    (job,) = add_jobs(sql, account_id=account)
    retinue.run("jobs", "retry", job)
    retinue.say("lanes", "pause", "system.echo", "account:1", "--reason", "the provider asked")
    told = "SELECT action, target_id, account_id, detail - 'command' FROM operator_actions ORDER BY id"
    assert sql.execute(told).fetchall() == [
        ("job.retry", str(job), account, {}),
        ("act.failed", str(job), account, {}),
        ("lane.pause", "system.echo account:1", None, {"reason": "the provider asked"}),
    ]


def test_many_targets_are_one_entry(
    retinue: CommandLine, sql: psycopg.Connection, effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    retinue.say("jobs", "retry", *range(1, 202))
    ((_, _, _, kind, target, detail),) = acts(sql)
    assert (kind, target, detail) == ("job", None, {"command": "retinue jobs retry", "targets": 201})


def test_a_command_that_declares_nothing_refuses_to_run(retinue: CommandLine) -> None:
    ran = []
    group = click.Group("things", commands=[click.Command("do", callback=lambda: ran.append(1))])
    said = CliRunner().invoke(close_undeclared(group), ["do"])
    assert (said.exit_code, ran) == (1, [])
    assert "it declares no permission" in said.output
