"""`retinue incidents` and `breakers`: what keeps jobs away from a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.params import ID, json_option

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.breakers import BreakerLine
    from infra.postgres.incidents import IncidentLine


@click.group()
def incidents() -> None:
    """Look at broken integrations, and have one tried again."""


@incidents.command("list")
@click.option("--resolved", is_flag=True, help="Those that are over, too.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_incidents(resolved: bool, limit: int, as_json: bool) -> None:
    """List open incidents, the newest first."""
    from cli.output import print_json, print_table
    from infra.postgres import incidents as stored

    with database_connection() as connection:
        found = stored.list_incidents(connection, resolved=resolved, limit=limit)
    if as_json:
        print_json({"incidents": found})
    else:
        print_table(found, _incident_columns(), empty="No incident is open.")


@incidents.command("show")
@click.argument("incident_id", metavar="ID", type=ID)
@json_option
def show_incident(incident_id: int, as_json: bool) -> None:
    """Show one incident: what broke, since when, and when it is tried next."""
    from cli.output import print_fields, print_json
    from infra.postgres.incidents import find_incident

    with database_connection() as connection:
        line = find_incident(connection, incident_id)
    if as_json:
        print_json(line)
    else:
        print_fields(_facts(line))


@incidents.command("probe")
@click.argument("incident_id", metavar="ID", type=ID)
@json_option
def probe_incident(incident_id: int, as_json: bool) -> None:
    """Let the next job of the incident's connection through, as a probe. If it succeeds, all of them go on."""
    from cli.output import print_json
    from infra.postgres.incidents import find_incident, request_probe

    settings = current_settings()
    with database_connection(settings) as connection:
        line = find_incident(connection, incident_id)
        asked = request_probe(connection, line.connection_id) if _is_probed(line) else []
    ring_bell(settings)
    if as_json:
        print_json({"incident_id": incident_id, "probing": bool(asked)})
    elif asked:
        click.echo(f"The next job of connection {line.connection_id} is the probe.")
    elif line.resolved_at is None:
        click.echo(f"Incident {incident_id} holds no job: each sync looks for what is missing.")
    else:
        click.echo(f"Incident {incident_id} is resolved: there is nothing to probe.")


@click.command(short_help="List open circuit breakers.")
@json_option
def breakers(as_json: bool) -> None:
    """List the circuit breakers that are not closed, the longest open first."""
    from cli.output import print_json, print_table
    from infra.postgres.breakers import list_breakers

    with database_connection() as connection:
        found = list_breakers(connection)
    if as_json:
        print_json({"breakers": found})
    else:
        print_table(found, _breaker_columns(), empty="Every breaker is closed.")


def _is_probed(line: IncidentLine) -> bool:
    """Whether jobs wait for a probe of it."""
    from infra.postgres.incidents import PART

    return line.resolved_at is None and line.kind != PART


def _facts(line: IncidentLine) -> list[tuple[str, object]]:
    from cli.job_views import account_words
    from infra.redaction import mask_text
    from infra.words import moment

    state = "open" if line.resolved_at is None else f"resolved at {moment(line.resolved_at)} by {line.resolved_by}"
    facts: list[tuple[str, object]] = [
        ("Incident", line.id),
        ("State", state),
        ("Kind", line.kind),
        ("Account", account_words(line.account_id, line.account_name)),
        ("Connection", f"{line.connection_id} ({line.provider} {line.connection_name})"),
        ("Reason", mask_text(line.reason)),
        ("Opened", f"{moment(line.opened_at)} by job {line.job_id}"),
    ]
    if _is_probed(line):
        facts += [("Lanes held", line.lanes), ("Next probe", moment(line.probe_at))]
    if line.probed_at is not None:
        facts.append(("Last probe", moment(line.probed_at)))
    if line.probe_error is not None:
        facts.append(("It said", mask_text(line.probe_error)))
    return facts


def _incident_columns() -> list[Column[IncidentLine]]:
    from cli.job_views import account_words, short_moment
    from cli.output import Column, one_line
    from infra.redaction import mask_text

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Account", lambda line: account_words(line.account_id, line.account_name)),
        Column("Connection", lambda line: f"{line.connection_id} ({line.provider} {line.connection_name})"),
        Column("Kind", lambda line: line.kind),
        Column("State", lambda line: "open" if line.resolved_at is None else "resolved"),
        Column("Opened (UTC)", lambda line: short_moment(line.opened_at)),
        Column("Lanes", lambda line: line.lanes, right=True),
        Column("Next probe (UTC)", lambda line: short_moment(line.probe_at) if _is_probed(line) else ""),
        Column("Reason", lambda line: one_line(mask_text(line.reason))),
    ]


def _breaker_columns() -> list[Column[BreakerLine]]:
    from cli.job_views import short_moment
    from cli.output import Column, one_line
    from infra.redaction import mask_text

    return [
        Column("Of", lambda line: line.scope),
        Column("State", lambda line: line.state.replace("_", "-")),
        Column("Openings", lambda line: line.openings, right=True),
        Column("Open since (UTC)", lambda line: short_moment(line.opened_at)),
        Column("Next probe (UTC)", lambda line: short_moment(line.probe_at)),
        Column("Reason", lambda line: one_line(mask_text(line.reason))),
    ]
