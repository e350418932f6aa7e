"""`retinue groups`: look at jobs that were made together, and cancel what is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.params import ID, account_option, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.groups import GroupDetails
    from infra.postgres.imports import Import


@click.group()
def groups() -> None:
    """Look at groups of jobs, and cancel what is left of them."""


@groups.command("list")
@needs(Permission.WORK_LOOK)
@account_option
@click.option("--unfinished", is_flag=True, help="Only those that have not ended.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_groups(account: str | None, unfinished: bool, limit: int, as_json: bool) -> None:
    """List groups, the newest first."""
    from cli.output import print_json, print_table
    from infra.postgres import groups as stored
    from infra.postgres.accounts import find_account

    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        found = stored.list_groups(connection, account_id=account_id, unfinished=unfinished, limit=limit)
    if as_json:
        print_json({"groups": found})
    else:
        print_table(found, _columns(), empty="No group.")


@groups.command("show")
@needs(Permission.WORK_LOOK)
@click.argument("group_id", metavar="ID", type=ID)
@json_option
def show_group(group_id: int, as_json: bool) -> None:
    """Show how far one group is, those inside it added up, and its rules."""
    from cli.output import print_fields, print_json
    from infra.postgres import groups as stored
    from infra.postgres.imports import import_of_group

    with database_connection() as connection:
        found = stored.show_group(connection, group_id)
        reads = import_of_group(connection, group_id)
    if as_json:
        print_json(found)
    else:
        print_fields([*_facts(found), *_import_facts(reads)])


@groups.command("cancel")
@needs(Permission.WORK_ACT, notes="group.cancel", of="group_ids")
@click.argument("group_ids", metavar="ID...", type=ID, nargs=-1, required=True)
@json_option
def cancel_groups(group_ids: tuple[int, ...], as_json: bool) -> None:
    """Cancel what is left of groups, and of those inside them.

    Exits with 1 if one of them has ended, is being cancelled already, or is not there.
    """
    from cli.output import print_json
    from infra.postgres import groups as stored

    settings = current_settings()
    with database_connection(settings) as connection:
        cancelled = stored.cancel_groups(connection, group_ids, reason="a person cancelled it")
    ring_bell(settings)
    if as_json:
        print_json({"cancelled": sorted(cancelled)})
    for group_id in () if as_json else dict.fromkeys(group_ids):
        if group_id in cancelled:
            click.echo(f"What is left of group {group_id} is being cancelled.")
        else:
            click.echo(f"Group {group_id} has ended, is being cancelled already, or is not there.", err=True)
    if cancelled != {*group_ids}:
        raise click.exceptions.Exit(1)


def _facts(group: GroupDetails) -> list[tuple[str, object]]:
    from infra.words import moment

    follow_up = group.follow_up_type
    if group.follow_up_job_id is not None:
        follow_up = f"{follow_up}: job {group.follow_up_job_id}"
    facts: list[tuple[str, object]] = [
        ("Group", group.id),
        ("Name", group.name),
        ("State", group.state),
        ("Account", group.account_id),
        ("Jobs", group.total),
        ("Done", _done(group)),
        ("When one fails", group.on_failure),
        ("Follow-up", follow_up),
        ("Parent", None if group.parent_job_id is None else f"job {group.parent_job_id}"),
        ("Inside", None if group.parent_group_id is None else f"group {group.parent_group_id}"),
        ("Groups inside", group.inner_groups or None),
        ("Cancelled because", group.cancel_reason),
        ("Made", moment(group.created_at)),
    ]
    return facts if group.finished_at is None else [*facts, ("Ended", moment(group.finished_at))]


def _import_facts(found: Import | None) -> list[tuple[str, object]]:
    from infra.postgres.imports import progress_words

    if found is None:
        return []
    return [("Reads", f"the history of connection {found.connection_id}: {progress_words(found) or 'all of it is in'}")]


def _done(group: GroupDetails) -> str:
    return f"{group.done} ({group.completed} completed, {group.failed} failed, {group.cancelled} cancelled)"


def _columns() -> list[Column[GroupDetails]]:
    from cli.job_views import short_moment
    from cli.output import Column

    return [
        Column("ID", lambda group: group.id, right=True),
        Column("Name", lambda group: group.name),
        Column("State", lambda group: group.state),
        Column("Account", lambda group: group.account_id),
        Column("Jobs", lambda group: group.total, right=True),
        Column("Completed", lambda group: group.completed, right=True),
        Column("Failed", lambda group: group.failed, right=True),
        Column("Cancelled", lambda group: group.cancelled, right=True),
        Column("Made (UTC)", lambda group: short_moment(group.created_at)),
    ]
