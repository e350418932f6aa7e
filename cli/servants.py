"""`retinue servants`: the live processes and what they are doing; drains and restarts one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection
from cli.params import ID, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.servants import ServantLine
    from retinue.servant_requests import ServantRequest


@click.group()
def servants() -> None:
    """Look at servants, drain and restart one."""


@servants.command("list", short_help="List servants and what they are doing.")
@needs(Permission.WORK_LOOK)
@click.option("--type", "job_type", metavar="TYPE", help="Only this type.")
@click.option("--all", "ended", is_flag=True, help="Those too that stopped or were lost, for a day.")
@json_option
def list_servants(job_type: str | None, ended: bool, as_json: bool) -> None:
    """List servants: slots, current jobs, age of the last heartbeat, memory, jobs a second, last exit."""
    from cli.output import print_json, print_table
    from infra.postgres import servants as processes

    settings = current_settings()
    with database_connection(settings) as connection:
        found = processes.list_servants(connection, type=job_type, ended=ended)
    if as_json:
        print_json({"servants": found})
    else:
        empty = "No servant is alive. `retinue servant TYPE` starts one, `retinue up` the whole stack."
        print_table(found, _columns(settings.lease_seconds), empty=empty)


@servants.command("drain", short_help="Let a servant finish what it runs, and rest.")
@needs(Permission.WORK_ACT, notes="servant.drain", of="servant_id")
@click.argument("servant_id", metavar="ID", type=ID)
@json_option
def drain(servant_id: int, as_json: bool) -> None:
    """Let servant ID take nothing new, finish what it runs, and rest until it is restarted."""
    from retinue.servant_requests import ServantRequest

    _request(servant_id, ServantRequest.DRAIN, as_json=as_json)


@servants.command("restart", short_help="Have a servant started anew.")
@needs(Permission.WORK_ACT, notes="servant.restart", of="servant_id")
@click.argument("servant_id", metavar="ID", type=ID)
@json_option
def restart(servant_id: int, as_json: bool) -> None:
    """Let servant ID hand back what its grace is too short for, and leave; supervisor starts it anew."""
    from retinue.servant_requests import ServantRequest

    _request(servant_id, ServantRequest.RESTART, as_json=as_json)


def _request(servant_id: int, request: ServantRequest, *, as_json: bool) -> None:
    from cli.output import print_json
    from infra.postgres.servants import find_servant, request_servant

    with database_connection() as connection:
        process = request_servant(connection, servant_id, request)
        line = find_servant(connection, servant_id)
    if as_json:
        print_json(line)
        return
    click.echo(f"Servant {servant_id} ({line.type}) is asked to {request}; it hears of it with its next heartbeat.")
    if process is None:
        click.echo("It was started by hand: once it has left, nothing starts it anew.")


def _columns(lease_seconds: float) -> list[Column[ServantLine]]:
    from cli.job_views import short_moment
    from cli.output import Column
    from infra.words import size

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Type", lambda line: line.type),
        Column("Where", lambda line: f"{line.host} pid {line.pid}"),
        Column(
            "State",
            lambda line: _state(line, lease_seconds),
            style=lambda line: "bold red" if _state(line, lease_seconds) in ("lost", "silent") else "",
        ),
        Column("Busy", lambda line: f"{line.busy}/{line.slots}", right=True),
        Column("Heartbeat", lambda line: f"{line.heartbeat_seconds:.1f} s ago", right=True),
        Column("Memory", lambda line: size(line.memory_bytes) if line.memory_bytes else "", right=True),
        Column("Jobs/s", lambda line: f"{line.rate:.3g}" if line.rate else "", right=True),
        Column("Exits", lambda line: line.exits or "", right=True),
        Column("Last exit (UTC)", lambda line: f"{short_moment(line.exit_at)} {line.last_exit or ''}".strip()),
        Column("Current jobs", lambda line: ", ".join(_job_words(job) for job in line.current_jobs)),
    ]


def _state(line: ServantLine, lease_seconds: float) -> str:
    """Lost: no heartbeat any more. Silent: it beats, and its queue does not answer it."""
    if line.state in ("active", "draining") and line.heartbeat_seconds > lease_seconds:
        return "lost"
    if line.is_silent(lease_seconds):
        return "silent"
    return "resting" if line.is_resting else line.state


def _job_words(job: dict[str, Any]) -> str:
    progress = f", {job['done']} of {job['total'] or '?'}" if job.get("done") is not None else ""
    return f"{job['job']} ({job['seconds']:.0f} s{progress})"
