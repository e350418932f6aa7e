"""`retinue connections remove`: a connection and all that came over it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from infra.postgres.connection_removal import Removal


@click.command("remove", short_help="Remove a connection and all that came over it.")
@needs(Permission.WORK_ACT, notes="connection.remove", of="connection_id")
@click.argument("connection_id", metavar="ID", type=ID)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(connection_id: int, yes: bool, as_json: bool) -> None:
    """Remove a connection: its schedules, unfinished jobs and credentials at once, then all data that came over it.

    Says first what goes, and asks. Where it is stopped half-way, it goes on when it is called again.
    """
    from cli.output import print_json
    from infra.postgres.connection_removal import plan_removal, remove_connection
    from infra.secrets import Keyring

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    with database_connection(settings) as connection:
        plan = plan_removal(connection, connection_id)
        connection.commit()
        if not yes:
            _ask(plan, as_json=as_json)
        connection.autocommit = True
        gone: Counter[str] = Counter()
        for table, rows in remove_connection(connection, keyring, plan):
            gone[table] += rows
    ring_bell(settings)
    if as_json:
        print_json({"removed": asdict(plan) | {"rows": dict(gone)}})
    else:
        click.echo(f"Connection {connection_id} is removed: {_data(dict(gone)) or 'it held no data'}.")


def _ask(plan: Removal, *, as_json: bool) -> None:
    if as_json:
        raise BadInput("Give --yes with --json: nobody can be asked.")
    for line in _what_goes(plan):
        click.echo(line)
    click.confirm("Remove all of it?", abort=True)


def _what_goes(plan: Removal) -> list[str]:
    from infra.words import counted

    return [
        f"Connection {plan.connection_id}, {plan.provider} {plan.name!r} of account {plan.account_id}, goes with its "
        f"credentials, {counted(plan.schedules, 'schedule')} and {counted(plan.jobs, 'unfinished job')}.",
        f"All that came over it goes, too: {_data(plan.rows) or 'nothing did'}.",
        "The account's contacts stay, without their links to it. Nothing changes at the provider.",
    ]


def _data(rows: dict[str, int]) -> str:
    from infra.postgres.connection_data import MOST_COUNTED

    def told(count: int) -> str:
        return f"{count:,}" if count <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"

    return ", ".join(f"{name.replace('_', ' ')} ({told(count)})" for name, count in sorted(rows.items()))
