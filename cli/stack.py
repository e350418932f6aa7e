"""`retinue up`, `down`, `status`, `doctor` and `supervisor-config`: the programs as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.errors import Failure
from cli.params import json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from infra.doctor.check import Check
    from infra.local.environment import Addresses
    from infra.local.stack import Hooks
    from infra.local.status import ProgramStatus
    from infra.settings import Settings

PORT = click.IntRange(1, 65_535)


@click.command(short_help="Start everything on this machine.")
@needs(Permission.MACHINE_RUN)
@click.option("-d", "--detach", is_flag=True, help="Return as soon as everything is ready.")
@click.option("--manager-port", type=PORT, help="Port of the manager; a free one near 8600 unless given.")
@click.option("--postgres-port", type=PORT, help="Port of PostgreSQL.")
@click.option("--sqs-port", type=PORT, help="Port of the SQS server.")
@click.option("--caldav-port", type=PORT, help="Port of the CalDAV server.")
@click.option("--imap-port", type=PORT, help="Port of the IMAP server.")
@click.option("--salesforce-port", type=PORT, help="Port of the sandbox Salesforce org.")
def up(detach: bool, **ports: int | None) -> None:
    """Start everything on this machine: PostgreSQL, SQS, CalDAV, IMAP and Salesforce with demo data, and Retinue.

    With RETINUE_TRANSPORT=postgres there is no SQS server: PostgreSQL carries the messages too.
    Stays until Ctrl-C, which stops all of it again. Data is kept in RETINUE_DATA_DIR.
    """
    from cli.reporter import reporter
    from infra.local import stack
    from infra.settings import load_settings

    settings = load_settings()
    given = {name.removesuffix("_port"): port for name, port in ports.items() if port is not None}
    with reporter() as progress:
        summary = stack.up(settings, progress, hooks=_hooks(settings), ports=given)
    _print_summary(summary.addresses, settings, was_up=summary.was_up, stays=not detach and not summary.was_up)
    if not detach and not summary.was_up:
        with reporter() as progress:
            stack.stay(settings, progress)


@click.command(short_help="Stop it.")
@needs(Permission.MACHINE_RUN)
def down() -> None:
    """Stop the stack of this data directory, and whatever a crash left of it."""
    from cli.reporter import reporter
    from infra.local import stack
    from infra.settings import load_settings

    settings = load_settings()
    with reporter() as progress:
        ran = stack.down(settings, progress)
    click.echo("Everything is stopped." if ran else f"Nothing runs in {settings.data_dir}.")


@click.command(short_help="Show its programs.")
@needs(Permission.MACHINE_RUN)
@json_option
def status(as_json: bool) -> None:
    """Show the programs of the stack; exits with 1 when it is not up."""
    from cli.output import print_json, print_table
    from infra.local.status import status as look
    from infra.settings import load_settings

    settings = load_settings()
    programs = look(settings)
    url = _manager_url(settings) if programs else None
    if as_json:
        print_json({"up": bool(programs), "manager_url": url, "programs": programs})
    elif programs:
        print_table(programs, _program_columns(), empty="")
        click.echo(f"\nManager: {url}")
    if not programs:
        raise Failure(f"No stack is up in {settings.data_dir}. `retinue up` starts one.")


@click.command(short_help="Look for what is wrong, and say how to mend it.")
@needs(Permission.MACHINE_RUN)
@json_option
def doctor(as_json: bool) -> None:
    """Check database, queues, clocks, key, schedulers, servants, work; exits with 1 if something does not work."""
    from cli.environment import current_settings
    from cli.output import print_json
    from infra.doctor.check import Status
    from infra.doctor.examine import examine

    checks = []
    for check in examine(current_settings()):
        checks.append(check)
        if not as_json:
            _print_check(check)
    if as_json:
        print_json({"checks": checks})
    if any(check.status is Status.FAILED for check in checks):
        raise click.exceptions.Exit(1)


@click.command("supervisor-config", short_help="Print supervisord's configuration for production.")
@needs(Permission.MACHINE_RUN)
def supervisor_config() -> None:
    """Print supervisord's configuration for production: the same programs without the embedded servers."""
    from infra.settings import load_settings
    from infra.supervisor.programs import programs
    from infra.supervisor.render import PRODUCTION, render_supervisord

    settings = load_settings()
    declared = programs(settings, _servant_types(settings), None)
    click.echo(render_supervisord(declared, PRODUCTION), nl=False)


def _servant_types(settings: Settings) -> Mapping[str, int]:
    """How many processes each type gets: as the settings say, else one of each installed type.

    Raises:
        UnknownType: the settings name a type that is not installed.
    """
    from retinue.servant import load_servant, registered_types

    for name in settings.servants:
        load_servant(name)
    return settings.servants or dict.fromkeys(registered_types(), 1)


def _hooks(settings: Settings) -> Hooks:
    from cli.demo import seed_accounts, seed_calendars, seed_mail, seed_salesforce
    from infra.local.stack import Hooks
    from infra.postgres.migrate import migrate

    types = _servant_types(settings)
    return Hooks(
        servant_types=types,
        migrate=migrate,
        seed_calendars=seed_calendars,
        seed_mail=seed_mail,
        seed_salesforce=seed_salesforce,
        seed_accounts=seed_accounts,
        missing_servants=lambda url: _missing_servants(url, types, settings.lease_seconds),
    )


def _missing_servants(database_url: str, types: Mapping[str, int], alive_seconds: float) -> str | None:
    from infra.postgres.connect import connect
    from infra.postgres.statements import statement

    with connect(database_url, application_name="retinue-up", autocommit=True) as connection:
        params = {"types": list(types), "alive_seconds": alive_seconds}
        alive = {row[0]: row[1] for row in connection.execute(statement("count_live_servants"), params)}
    missing = [name for name, count in types.items() if alive.get(name, 0) < count]
    return f"no heartbeat yet of {', '.join(missing)}" if missing else None


def _manager_url(settings: Settings) -> str | None:
    from infra.local.environment import addresses, layout_of
    from infra.local.ports import read_ports

    ports = read_ports(layout_of(settings).ports)
    return None if ports is None else addresses(settings, ports).manager_url


def _print_summary(addresses: Addresses, settings: Settings, *, was_up: bool, stays: bool) -> None:
    from cli.output import print_fields

    click.echo("\nRetinue is up already." if was_up else "\nRetinue is up.")
    print_fields(
        [
            ("Manager", addresses.manager_url),
            ("Sign in", f"{addresses.manager_user} / {addresses.manager_password}"),
            ("Data", settings.data_dir),
        ]
    )
    click.echo("\nPress Ctrl-C to stop everything." if stays else "\n`retinue down` stops everything.")


def _program_columns() -> list[Any]:
    from datetime import timedelta

    from cli.output import Column
    from infra.words import duration

    def fault(program: ProgramStatus) -> str:
        return program.error or ("" if program.exit_status is None else f"exit status {program.exit_status}")

    return [
        Column("Program", lambda program: program.name),
        Column(
            "State",
            lambda program: program.state.lower(),
            style=lambda program: "" if program.state == "RUNNING" else "bold red",
        ),
        Column("Pid", lambda program: program.pid, right=True),
        Column("Up", lambda program: duration(timedelta(seconds=program.uptime_seconds)), right=True),
        Column("Restarts", lambda program: program.restarts, right=True),
        Column("Problem", fault),
        Column("Log", lambda program: program.log),
    ]


def _print_check(check: Check) -> None:
    from cli.output import one_line

    colour = {"ok": "green", "warning": "yellow", "failed": "red"}[check.status]
    mark = click.style(f"{check.status:<8}", fg=colour, bold=check.status == "failed")
    click.echo(f"{mark} {check.name:<13} {one_line(check.sentence, width=2000)}")
    if check.mend:
        click.echo(f"{'':<23}→ {one_line(check.mend, width=2000)}")
