"""`retinue jobs bulk`: the same to all jobs that a filter takes; a preview first, then a job that does it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import Duration, Moment, account_option, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg

    from retinue.bulk import BulkOrder

_UNFINISHED = ("pending", "queued", "running")
_ENDED = ("failed", "cancelled")

Command = Callable[..., None]


@click.group()
def bulk() -> None:
    """Cancel, retry or reschedule all jobs that a filter takes.

    Without --yes it is a preview: how many, which, whose, and what would be left alone.
    """


def _filter_options(*states: str) -> Callable[[Command], Command]:
    options = (
        click.option("--type", metavar="TYPE", help="Only this type."),
        account_option,
        click.option("--lane", metavar="LANE", help="Only this lane, such as account:7."),
        click.option("--state", "states", multiple=True, type=click.Choice(states), help="Only this; may be repeated."),
        click.option("--reason", metavar="REASON", help="Only jobs in their state for this reason, such as poison."),
        click.option("--error-kind", metavar="KIND", help="Only where the last error is of this kind."),
        click.option("--error-text", metavar="TEXT", help="Only where the last error says this somewhere."),
        click.option("--fingerprint", metavar="HEX", help="Only where the last error has this fingerprint."),
        click.option("--since", metavar="TIME", type=Moment(), help="Made (retry: ended) at this time or later."),
        click.option("--until", metavar="TIME", type=Moment(), help="Made (retry: ended) before this time."),
        click.option("--all", "everything", is_flag=True, help="All jobs, where no filter but --state is given."),
        click.option("--rate", type=float, help="At most so many jobs a second; 500 unless given."),
        click.option("--yes", is_flag=True, help="Do it: make the job that does."),
        json_option,
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@bulk.command("cancel")
@needs(Permission.WORK_ACT, notes="job.bulk")
@_filter_options(*_UNFINISHED)
def cancel(**options: Any) -> None:
    """Cancel jobs that wait, and ask running ones to stop."""
    _run("cancel", options)


@bulk.command("retry")
@needs(Permission.WORK_ACT, notes="job.bulk")
@_filter_options(*_ENDED)
def retry(**options: Any) -> None:
    """Run failed jobs again, each as a new job.

    Cancelled ones where --state names them.
    """
    _run("retry", options)


@bulk.command("reschedule")
@needs(Permission.WORK_ACT, notes="job.bulk")
@click.option("--at", metavar="TIME", type=Moment(), help="Due at this time, such as 2026-03-01T12:00:00Z.")
@click.option("--in", "delay", metavar="DURATION", type=Duration(), help="Due so long from now, such as 5m; 0s is now.")
@_filter_options(*_UNFINISHED)
def reschedule(at: datetime | None, delay: timedelta | None, **options: Any) -> None:
    """Give pending jobs another time."""
    if (at is None) == (delay is None):
        raise BadInput("Give --at or --in, and not both.")
    _run("reschedule", options, at=at, delay=delay)


def _run(
    operation: str, options: dict[str, Any], *, at: datetime | None = None, delay: timedelta | None = None
) -> None:
    from cli.bulk_views import print_bulk
    from infra.postgres import bulk as bulks

    as_json, is_meant = options.pop("as_json"), options.pop("yes")
    settings = current_settings()
    with database_connection(settings) as connection:
        wanted = _order(connection, operation, options, run_at=_moment(connection, at, delay))
        order = bulks.bounded(connection, wanted)
        found = bulks.preview(connection, order)
        job_id = bulks.start(connection, order, expected=found.expected) if is_meant and found.jobs else None
    if job_id is not None:
        ring_bell(settings)
    print_bulk(found, job_id, as_json=as_json, is_meant=is_meant)


def _order(
    connection: psycopg.Connection, operation: str, options: dict[str, Any], *, run_at: datetime | None
) -> BulkOrder:
    from infra.postgres.accounts import find_account
    from retinue.bulk import bulk_order

    account, rate = options.pop("account"), options.pop("rate")
    wanted = {name: value for name, value in options.items() if value is not None}
    if account is not None:
        wanted["account_id"] = find_account(connection, account).id
    own = {} if rate is None else {"rate": rate}
    return bulk_order(operation=operation, filter=wanted, run_at=run_at, **own)


def _moment(connection: psycopg.Connection, at: datetime | None, delay: timedelta | None) -> datetime | None:
    from infra.postgres.schedules import database_now

    return at if delay is None else database_now(connection) + delay
