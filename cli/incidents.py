"""`retinue incidents` and `breakers`: what keeps jobs away from a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.params import ID, json_option, operator_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.breakers import BreakerLine
    from infra.postgres.incidents import IncidentLine


@click.group()
def incidents() -> None:
    """Look at broken integrations, and have one tried again."""


@incidents.command("list")
@needs(Permission.WORK_LOOK)
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
@needs(Permission.WORK_LOOK)
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
@needs(Permission.WORK_ACT, notes="incident.probe", of="incident_id")
@click.argument("incident_id", metavar="ID", type=ID)
@json_option
def probe_incident(incident_id: int, as_json: bool) -> None:
    """Let the next job of the incident's connection through, as a probe. If it succeeds, all of them go on."""
    from cli.output import print_json
    from infra.postgres.incidents import find_incident, request_probe

    settings = current_settings()
    with database_connection(settings) as connection:
        line = find_incident(connection, incident_id)
        asked = request_probe(connection, line.connection_id) if line.is_probed else []
    ring_bell(settings)
    if as_json:
        print_json({"incident_id": incident_id, "probing": bool(asked)})
    elif asked:
        click.echo(f"The next job of connection {line.connection_id} is the probe.")
    elif line.resolved_at is None:
        click.echo(f"Incident {incident_id} holds no job: each sync looks for what is missing.")
    else:
        click.echo(f"Incident {incident_id} is resolved: there is nothing to probe.")


@incidents.command("assign")
@needs(Permission.WORK_ACT, notes="incident.assign", of="incident_id")
@click.argument("incident_id", metavar="ID", type=ID)
@click.argument("to", metavar="[WHO]", required=False)
def assign_incident(incident_id: int, to: str | None) -> None:
    """Say who sees to an incident; nobody if WHO is left out."""
    from infra.postgres import incident_marks as marks

    with database_connection() as connection:
        marks.assign_incident(connection, incident_id, to)
    click.echo(f"Incident {incident_id} is {f'assigned to {to}' if to else 'nobody’s'}.")


@incidents.command("note")
@needs(Permission.WORK_ACT, notes="incident.note", of="incident_id")
@click.argument("incident_id", metavar="ID", type=ID)
@click.argument("text")
@operator_option
def note_incident(incident_id: int, text: str, operator: str) -> None:
    """Note something about an incident for those who look next."""
    from infra.postgres import trouble_notes as notes

    with database_connection() as connection:
        notes.note_incident(connection, incident_id, author=operator, text=text)
    click.echo(f"Noted for incident {incident_id}.")


@incidents.command("mute")
@needs(Permission.WORK_ACT, notes="incident.mute", of="incident_id")
@click.argument("incident_id", metavar="ID", type=ID)
@click.option("--days", type=click.IntRange(1, 3650), help="For so many days; else until it is ended.")
@click.option("--alike", is_flag=True, help="All whose reasons say the same, those to come, too.")
@click.option("--off", is_flag=True, help="End the mute.")
@operator_option
def mute_incident(incident_id: int, days: int | None, alike: bool, off: bool, operator: str) -> None:
    """Count an incident among the troubles no more. Its lanes stay parked."""
    from cli.anomalies import mute_end
    from infra.postgres import incident_marks as marks
    from infra.postgres.incidents import find_incident

    with database_connection() as connection:
        if off:
            marks.unmute_incident(connection, incident_id)
        elif alike:
            found = find_incident(connection, incident_id)
            marks.mute_incidents(connection, found.fingerprint, by=operator, until=mute_end(days))
        else:
            marks.mute_incident(connection, incident_id, by=operator, until=mute_end(days))
    click.echo(f"Incident {incident_id} is {'told of again' if off else 'muted'}.")


@incidents.command("resolve")
@needs(Permission.WORK_ACT, notes="incident.resolve", of="incident_id")
@click.argument("incident_id", metavar="ID", type=ID)
@operator_option
def resolve_incident(incident_id: int, operator: str) -> None:
    """Say that an incident is over: its lanes go on. If it is not, their next job opens another."""
    from infra.postgres import incident_marks as marks

    settings = current_settings()
    with database_connection(settings) as connection:
        marks.resolve_incident(connection, incident_id, by=operator)
    ring_bell(settings)
    click.echo(f"Incident {incident_id} is resolved.")


@click.command(short_help="List open circuit breakers.")
@needs(Permission.WORK_LOOK)
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
    if line.assigned_to is not None:
        facts.append(("Assigned to", line.assigned_to))
    if line.muted_by is not None:
        facts.append(("Muted by", line.muted_by))
    if line.is_probed:
        facts += [("Lanes held", line.lanes), ("Next probe", moment(line.probe_at))]
    if line.probed_at is not None:
        facts.append(("Last probe", moment(line.probed_at)))
    if line.probe_error is not None:
        facts.append(("It said", mask_text(line.probe_error)))
    return facts


def _state(line: IncidentLine) -> str:
    if line.resolved_at is not None:
        return "resolved"
    return "muted" if line.muted_by is not None else "open"


def _incident_columns() -> list[Column[IncidentLine]]:
    from cli.job_views import account_words, short_moment
    from cli.output import Column, one_line
    from infra.redaction import mask_text

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Account", lambda line: account_words(line.account_id, line.account_name)),
        Column("Connection", lambda line: f"{line.connection_id} ({line.provider} {line.connection_name})"),
        Column("Kind", lambda line: line.kind),
        Column("State", _state),
        Column("Opened (UTC)", lambda line: short_moment(line.opened_at)),
        Column("Lanes", lambda line: line.lanes, right=True),
        Column("Next probe (UTC)", lambda line: short_moment(line.probe_at) if line.is_probed else ""),
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
