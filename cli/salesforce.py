"""`retinue salesforce`: which objects of an org are synced, reading one anew, and whether all is equal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.params import ID, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg

    from cli.output import Column
    from infra.postgres.connections import StoredConnection
    from infra.postgres.salesforce_objects import SalesforceObject

#: How often to look whether a check is done, in seconds.
_LOOK_SECONDS = 0.5

connection_argument = click.argument("connection_id", metavar="CONNECTION", type=ID)


@click.group()
def salesforce() -> None:
    """Look at what is synced of Salesforce orgs, change it, and check it."""


@salesforce.command("objects", short_help="List the objects of a connection and how far each is.")
@needs(Permission.WORK_LOOK)
@connection_argument
@click.option("--add", multiple=True, metavar="NAME", help="Sync this object, too; by its API name.")
@click.option("--remove", multiple=True, metavar="NAME", help="Sync this object no more; its records stay.")
@click.option("--fields", nargs=2, metavar="NAME F1,F2", help="Read only these fields of an object; `all` for all.")
@json_option
def list_objects(
    connection_id: int, add: tuple[str, ...], remove: tuple[str, ...], fields: tuple[str, str] | None, as_json: bool
) -> None:
    """List the objects of a connection, how far each is, and what the last comparison found."""
    from cli.output import print_json, print_table
    from infra.postgres import salesforce_objects as stored

    settings = current_settings()
    with database_connection(settings) as connection:
        found = _salesforce(connection, connection_id)
        if add or remove or fields:
            _change(connection, found, add=add, remove=remove, fields=fields)
        lines = stored.list_objects(connection, connection_id)
    if add or fields:
        ring_bell(settings)
    if as_json:
        print_json({"objects": lines})
    else:
        print_table(lines, _columns(), empty="Nothing yet: the first sync chooses the objects.")


@salesforce.command("resync")
@needs(Permission.WORK_ACT, notes="connection.resync", of="connection_id")
@connection_argument
@click.argument("objects", metavar="OBJECT...", nargs=-1, required=True)
def resync(connection_id: int, objects: tuple[str, ...]) -> None:
    """Read objects anew as a whole; what is gone is deleted once all of them was read."""
    from infra.postgres.connection_actions import resync_objects

    settings = current_settings()
    with database_connection(settings) as connection:
        job_id = resync_objects(connection, _salesforce(connection, connection_id), objects)
    ring_bell(settings)
    click.echo(
        f"Job {job_id} begins to read {', '.join(objects)} anew. `retinue groups list --unfinished` shows how far."
    )


@salesforce.command("check")
@needs(Permission.WORK_ACT, notes="connection.check", of="connection_id", finds=True)
@connection_argument
@click.argument("objects", metavar="[OBJECT]...", nargs=-1)
@click.option("--mend", is_flag=True, help="Mend what differs, too.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the report.")
@json_option
def check(connection_id: int, objects: tuple[str, ...], mend: bool, wait: bool, as_json: bool) -> None:
    """Compare every field of every record with the org, and report what differs.

    Exits with 1 if anything does.
    """
    with database_connection() as connection:
        _salesforce(connection, connection_id)
        names = list(objects) or [one.name for one in _selected(connection, connection_id)]
    payload = {"connection_id": connection_id, "objects": names, "deep": True, "mend": mend}
    job_id = _enqueue(connection_id, "salesforce.reconcile", payload, objects=objects)
    if not wait:
        click.echo(f"Job {job_id} compares. `retinue jobs show {job_id}` shows what it found.")
        return
    result = _awaited(job_id)
    _report(result, as_json=as_json)
    if not result["equal"]:
        raise click.exceptions.Exit(1)


def _salesforce(connection: psycopg.Connection, connection_id: int) -> StoredConnection:
    from infra.postgres.connections import read_connection

    found = read_connection(connection, connection_id)
    if found.provider != "salesforce":
        raise click.UsageError(f"Connection {connection_id} is for {found.provider}, not for salesforce.")
    return found


def _selected(connection: psycopg.Connection, connection_id: int) -> list[SalesforceObject]:
    from infra.postgres.salesforce_objects import list_objects as stored

    return stored(connection, connection_id)


def _change(
    connection: psycopg.Connection,
    found: StoredConnection,
    *,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    fields: tuple[str, str] | None,
) -> None:
    from infra.postgres.enqueue import enqueue
    from infra.postgres.salesforce_objects import choose_fields, list_objects, select_names

    selected = {one.name for one in _selected(connection, found.id)}
    if (add or remove) and not list_objects(connection, found.id, selected_only=False):
        raise click.UsageError("Nothing is synced yet: the first sync chooses the objects. Change them after it.")
    if add or remove:
        select_names(connection, found.id, found.account_id, (selected | {*add}) - {*remove})
    if fields:
        name, wanted = fields
        _known({name}, selected | {*add})
        choose_fields(connection, found.id, name, None if wanted == "all" else _names(wanted))
    if add or fields:
        enqueue(connection, "salesforce.sync", {"connection_id": found.id}, account_id=found.account_id)


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _known(names: set[str], selected: set[str]) -> None:
    unknown = sorted(names - selected)
    if unknown:
        raise click.UsageError(f"{', '.join(unknown)} is not synced. Those that are: {', '.join(sorted(selected))}.")


def _enqueue(connection_id: int, job_type: str, payload: dict[str, Any], *, objects: tuple[str, ...]) -> int:
    from infra.postgres.enqueue import enqueue

    settings = current_settings()
    with database_connection(settings) as connection:
        found = _salesforce(connection, connection_id)
        _known({*objects}, {one.name for one in _selected(connection, connection_id)})
        job = enqueue(connection, job_type, payload, account_id=found.account_id, priority=3)
    ring_bell(settings)
    return job.id


def _awaited(job_id: int) -> dict[str, Any]:
    """The result of a job, when it is there."""
    from infra.postgres.job_details import show_job

    while True:
        with database_connection() as connection:
            job = show_job(connection, job_id)
        if job.state == "completed":
            result: dict[str, Any] = job.result
            return result
        if job.state in ("failed", "cancelled"):
            raise click.ClickException(f"Job {job_id} {job.state}. `retinue jobs show {job_id}` tells why.")
        time.sleep(_LOOK_SECONDS)


def _report(result: dict[str, Any], *, as_json: bool) -> None:
    from cli.output import Column, print_json, print_table

    if as_json:
        print_json(result)
        return
    names = ("rows", "missing", "stale", "surplus")
    columns: list[Column[tuple[str, dict[str, Any]]]] = [
        Column("Object", lambda line: line[0]),
        Column("Equal", lambda line: "yes" if line[1].get("equal") else line[1].get("put_off", "no")),
        *map(_count_column, names),
        Column("Such as", lambda line: ", ".join(one for ids in line[1].get("examples", {}).values() for one in ids)),
    ]
    print_table(sorted(result["objects"].items()), columns, empty="No object.")


def _count_column(name: str) -> Column[tuple[str, dict[str, Any]]]:
    from cli.output import Column

    return Column(name.capitalize(), lambda line: line[1].get(name, ""), right=True)


def _columns() -> list[Column[SalesforceObject]]:
    from cli.job_views import short_moment
    from cli.output import Column

    return [
        Column("Object", lambda one: one.name),
        Column("State", lambda one: one.state),
        Column("Fields", lambda one: "all" if one.chosen is None else f"{len(one.chosen)} chosen"),
        Column("Synced (UTC)", lambda one: short_moment(one.synced_at) if one.synced_at else ""),
        Column("Compared (UTC)", lambda one: short_moment(one.reconciled_at) if one.reconciled_at else ""),
        Column("Rows", lambda one: (one.reconciled or {}).get("rows", ""), right=True),
        Column(
            "Equal", lambda one: "" if one.reconciled is None else "yes" if one.reconciled.get("equal") else "mended"
        ),
        Column("Problem", lambda one: one.problem),
    ]
