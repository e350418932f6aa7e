"""`retinue audit`: what operators did, and whether what is written of it is what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cli.environment import database_connection
from cli.errors import Failure
from cli.params import ID, account_option, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg


@click.group()
def audit() -> None:
    """Look at what operators did, verify that nobody tampered with it, and export it."""


@audit.command("list")
@needs(Permission.WORK_LOOK)
@click.option("--actor", metavar="NAME", help="Only what they did.")
@click.option("--action", metavar="ACTION", help="Only this, such as job.retry, or job. for all that is done to jobs.")
@account_option
@click.option("--before", type=ID, help="Only actions before the one with this ID.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_actions(
    actor: str | None, action: str | None, account: str | None, before: int | None, limit: int, as_json: bool
) -> None:
    """List what operators did, the newest first."""
    from cli.job_views import short_moment
    from cli.output import Column, one_line, print_json, print_table
    from infra.postgres import audit as stored
    from infra.postgres.accounts import find_account

    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        wanted = stored.ActionFilter(actor=actor, action=action, account_id=account_id)
        page = stored.list_actions(connection, wanted, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    columns: list[Column[stored.ActionLine]] = [
        Column("ID", lambda line: line.id, right=True),
        Column("At (UTC)", lambda line: short_moment(line.at)),
        Column("Who", lambda line: line.actor_name),
        Column("What", lambda line: line.action),
        Column("To", lambda line: f"{line.target_kind} {line.target_id or ''}".strip()),
        Column("Detail", lambda line: one_line(json.dumps(line.detail, ensure_ascii=False) if line.detail else "")),
    ]
    print_table(page.actions, columns, empty="No such actions.")
    if page.older:
        click.echo(f"\nOlder ones: --before {page.older}")


@audit.command("verify")
@needs(Permission.WORK_LOOK)
@click.option(
    "--head", metavar="POSITION:HEX", help="A head that was noted elsewhere; the chain must still contain it."
)
@json_option
@click.pass_context
def verify_chain(context: click.Context, head: str | None, as_json: bool) -> None:
    """Verify the chain of hashes over all actions. The exit status is 1 if it is broken."""
    from cli.output import print_json
    from infra.postgres.audit_chain import verify
    from infra.postgres.audit_links import Head

    noted = None if head is None else Head.parse(head)
    with _fresh_connection() as connection:
        found = verify(connection, noted=noted)
    head = None if found.head is None else str(found.head)
    if as_json:
        print_json({"verified": found.verified, "head": head, "break": found.broken})
        context.exit(1 if found.broken else 0)
    if found.broken:
        raise Failure(f"The audit is broken behind {found.verified} actions. {found.broken.sentence}")
    click.echo(f"{found.verified} actions verified. Head: {head or 'none yet'}")


@audit.command("export")
@needs(Permission.PEOPLE_RULE, notes="audit.export")
def export_chain() -> None:
    """Print every action with its place in the chain, a line of JSON each."""
    from infra.postgres.audit_chain import export

    with _fresh_connection() as connection:
        for line in export(connection):
            click.echo(line)


@contextmanager
def _fresh_connection() -> Iterator[psycopg.Connection]:
    """A connection in no transaction yet: what was read to check the schema is not of the moment that is looked at."""
    with database_connection() as connection:
        connection.commit()
        yield connection
