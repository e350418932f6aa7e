"""`retinue servants`: the live processes and what they are doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection
from cli.params import json_option

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.servants import ServantLine


@click.group()
def servants() -> None:
    """Look at servants."""


@servants.command("list", short_help="List servants and what they are doing.")
@click.option("--type", "job_type", metavar="TYPE", help="Only this type.")
@click.option("--all", "ended", is_flag=True, help="Those too that stopped or were lost, for a day.")
@json_option
def list_servants(job_type: str | None, ended: bool, as_json: bool) -> None:
    """List servants: slots, current jobs, age of the last heartbeat, memory, jobs a second."""
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


def _columns(lease_seconds: float) -> list[Column[ServantLine]]:
    from cli.output import Column
    from infra.words import size

    def is_silent(line: ServantLine) -> bool:
        return line.state in ("active", "draining") and line.heartbeat_seconds > lease_seconds

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Type", lambda line: line.type),
        Column("Where", lambda line: f"{line.host} pid {line.pid}"),
        Column(
            "State",
            lambda line: "silent" if is_silent(line) else line.state,
            style=lambda line: "bold red" if is_silent(line) else "",
        ),
        Column("Busy", lambda line: f"{line.busy}/{line.slots}", right=True),
        Column("Heartbeat", lambda line: f"{line.heartbeat_seconds:.1f} s ago", right=True),
        Column("Memory", lambda line: size(line.memory_bytes) if line.memory_bytes else "", right=True),
        Column("Jobs/s", lambda line: f"{line.rate:.3g}" if line.rate else "", right=True),
        Column("Current jobs", lambda line: ", ".join(_job_words(job) for job in line.current_jobs)),
    ]


def _job_words(job: dict[str, Any]) -> str:
    progress = f", {job['done']} of {job['total'] or '?'}" if job.get("done") is not None else ""
    return f"{job['job']} ({job['seconds']:.0f} s{progress})"
