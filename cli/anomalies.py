"""`retinue anomalies`: what jobs found odd, and what was said of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from cli.environment import database_connection
from cli.params import account_option, json_option, operator_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.anomalies import AnomalyLine

#: A mute for so many days; without one it holds until it is ended.
days_option = click.option("--days", type=click.IntRange(1, 3650), help="For so many days; else until it is ended.")

anomaly_argument = click.argument("anomaly", metavar="ID|FINGERPRINT")


@click.group()
def anomalies() -> None:
    """Look at what jobs found odd in the data, and say what is to be done about it."""


@anomalies.command("list")
@needs(Permission.WORK_LOOK)
@click.option("--all", "every", is_flag=True, help="Resolved and muted ones, too.")
@account_option
@click.option("--type", "job_type", metavar="TYPE", help="Only those of jobs of this type.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_anomalies(every: bool, account: str | None, job_type: str | None, limit: int, as_json: bool) -> None:
    """List anomalies by fingerprint, the last seen first."""
    from cli.output import print_json, print_table
    from infra.postgres import anomalies as stored
    from infra.postgres.accounts import find_account

    states = None if every else (stored.AnomalyState.OPEN,)
    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        found = stored.list_anomalies(connection, states=states, account_id=account_id, type=job_type, limit=limit)
    if as_json:
        print_json({"anomalies": found})
    else:
        print_table(found, _columns(), empty="No anomaly is open.")


@anomalies.command("show")
@needs(Permission.WORK_LOOK)
@anomaly_argument
@json_option
def show_anomaly(anomaly: str, as_json: bool) -> None:
    """Show one anomaly: who met it, the last job of each, and what was noted."""
    from cli.output import print_fields, print_json
    from infra.postgres.anomalies import accounts_of, find_anomaly
    from infra.postgres.trouble_notes import notes_of_anomaly

    with database_connection() as connection:
        line = find_anomaly(connection, anomaly)
        met, notes = accounts_of(connection, line.id, limit=20), notes_of_anomaly(connection, line.id)
    if as_json:
        print_json({"anomaly": line, "accounts": met, "notes": notes})
        return
    print_fields(_facts(line))
    for one in met:
        click.echo(f"{one.account_name or 'no account'}: {one.seen}×, last by job {one.job_id}: {one.sample}")
    for note in notes:
        click.echo(f"{note.at:%Y-%m-%d %H:%M} {note.author}: {note.text}")


@anomalies.command("resolve")
@needs(Permission.WORK_ACT, notes="anomaly.resolve")
@anomaly_argument
@operator_option
def resolve(anomaly: str, operator: str) -> None:
    """Say that an anomaly was seen to. It opens again when it is seen again."""
    from infra.postgres.anomalies import find_anomaly, resolve_anomaly

    with database_connection() as connection:
        line = find_anomaly(connection, anomaly)
        resolve_anomaly(connection, line.id, by=operator)
    click.echo(f"Anomaly {line.id} ({line.name}) is resolved.")


@anomalies.command("mute")
@needs(Permission.WORK_ACT, notes="anomaly.mute")
@anomaly_argument
@days_option
@click.option("--off", is_flag=True, help="End the mute.")
@operator_option
def mute(anomaly: str, days: int | None, off: bool, operator: str) -> None:
    """Keep an anomaly quiet, however often it is seen."""
    from infra.postgres.anomalies import find_anomaly, mute_anomaly, reopen_anomaly

    with database_connection() as connection:
        line = find_anomaly(connection, anomaly)
        if off:
            reopen_anomaly(connection, line.id)
        else:
            mute_anomaly(connection, line.id, by=operator, until=mute_end(days))
    click.echo(f"Anomaly {line.id} ({line.name}) is {'open' if off else 'muted'}.")


@anomalies.command("assign")
@needs(Permission.WORK_ACT, notes="anomaly.assign")
@anomaly_argument
@click.argument("to", metavar="[WHO]", required=False)
def assign(anomaly: str, to: str | None) -> None:
    """Say who sees to an anomaly; nobody if WHO is left out."""
    from infra.postgres.anomalies import assign_anomaly, find_anomaly

    with database_connection() as connection:
        line = find_anomaly(connection, anomaly)
        assign_anomaly(connection, line.id, to)
    click.echo(f"Anomaly {line.id} ({line.name}) is {f'assigned to {to}' if to else 'nobody’s'}.")


@anomalies.command("note")
@needs(Permission.WORK_ACT, notes="anomaly.note")
@anomaly_argument
@click.argument("text")
@operator_option
def note(anomaly: str, text: str, operator: str) -> None:
    """Note something about an anomaly for those who look next."""
    from infra.postgres.anomalies import find_anomaly
    from infra.postgres.trouble_notes import note_anomaly

    with database_connection() as connection:
        line = find_anomaly(connection, anomaly)
        note_anomaly(connection, line.id, author=operator, text=text)
    click.echo(f"Noted for anomaly {line.id} ({line.name}).")


def mute_end(days: int | None) -> datetime | None:
    """When a mute of so many days ends."""
    from retinue.clock import SystemClock

    return None if days is None else SystemClock().now() + timedelta(days=days)


def _facts(line: AnomalyLine) -> list[tuple[str, object]]:
    from infra.words import moment

    state = {"resolved": f"resolved by {line.resolved_by}", "muted": f"muted by {line.muted_by}"}.get(
        line.state, "open"
    )
    return [
        ("Anomaly", f"{line.id} ({line.fingerprint})"),
        ("State", state),
        ("Type", line.type),
        ("Name", line.name),
        ("Reason", line.reason),
        ("First seen", moment(line.first_seen_at)),
        ("Last seen", moment(line.last_seen_at)),
        ("Seen", f"{line.seen} times by {line.accounts} accounts"),
        ("Assigned to", line.assigned_to or "nobody"),
    ]


def _columns() -> list[Column[AnomalyLine]]:
    from cli.job_views import short_moment
    from cli.output import Column, one_line

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Fingerprint", lambda line: line.fingerprint),
        Column("Type", lambda line: line.type),
        Column("Name", lambda line: line.name),
        Column("State", lambda line: line.state),
        Column("Seen", lambda line: line.seen, right=True),
        Column("Accounts", lambda line: line.accounts, right=True),
        Column("Last seen (UTC)", lambda line: short_moment(line.last_seen_at)),
        Column("Assigned to", lambda line: line.assigned_to or ""),
        Column("Reason", lambda line: one_line(line.reason)),
    ]
