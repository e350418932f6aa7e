"""`retinue migrate` and `retinue check-config`."""

from __future__ import annotations

import os
from dataclasses import replace

import click

from cli.environment import current_settings
from cli.errors import Misconfigured
from cli.params import json_option
from cli.permits import needs
from infra.permissions import Permission


@click.command()
@needs(Permission.MACHINE_RUN)
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database to the newest schema; make the roles of the manager."""
    from cli.output import print_json
    from infra.postgres.logins import ensure_logins, has_password
    from infra.postgres.migrate import migrate as run
    from infra.postgres.revision import HEAD

    url = current_settings().database_url
    made = run(url)
    # Without one nothing but the manager is missing, which says so itself.
    if has_password(url):
        ensure_logins(url)
    if as_json:
        print_json({"revision": HEAD, "migrations": made})
    elif made:
        click.echo(f"Ran {', '.join(made)}: the database is at revision {HEAD}.")
    else:
        click.echo(f"Nothing to do: the database is at revision {HEAD}.")


@click.command("check-config", short_help="Show every setting, and what is wrong with it.")
@needs(Permission.MACHINE_RUN)
@json_option
def check_config(as_json: bool) -> None:
    """Show every setting with its value and source, and what is wrong with them; exits with 78 on an error."""
    from cli.output import Column, print_json, print_table
    from infra.settings import SettingRow

    before = set(os.environ)
    settings = current_settings()
    of_stack = set(os.environ) - before
    rows = [replace(row, source="stack") if row.name in of_stack else row for row in settings.rows()]
    found = settings.check()
    if as_json:
        print_json({"settings": rows, "findings": found})
    else:
        columns: list[Column[SettingRow]] = [
            Column("Setting", lambda row: row.name),
            Column("Value", lambda row: row.value),
            Column("From", lambda row: row.source),
        ]
        print_table(rows, columns, empty="")
    for finding in found:
        click.echo(f"{finding.level}: {finding.setting}: {finding.message}", err=True)
    errors = sum(finding.level == "error" for finding in found)
    if errors:
        raise Misconfigured(f"{errors} of these must be mended.")
