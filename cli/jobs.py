"""`retinue jobs`: look at jobs, make them, act on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cli.bulk import bulk
from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.job_search import log, reschedule, search
from cli.params import ID, Duration, JsonObject, Moment, account_option, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg

    from infra.postgres.job_actions import ActionResult
    from retinue.unique import Unique

OVER = ("unfinished", "waiting")
CONFLICTS = ("ignore", "replace", "earlier", "later")
STATES = ("pending", "queued", "running", "completed", "failed", "cancelled")


@click.group()
def jobs() -> None:
    """Look at jobs, make them, retry and cancel them."""


jobs.add_command(bulk)
jobs.add_command(search)
jobs.add_command(log)
jobs.add_command(reschedule)


@jobs.command("list")
@needs(Permission.WORK_LOOK)
@click.option("--type", "job_type", metavar="TYPE", help="Only this type.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only this state; may be repeated.")
@account_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_jobs(job_type: str | None, states: tuple[str, ...], account: str | None, limit: int, as_json: bool) -> None:
    """List jobs, the newest first."""
    from cli.job_views import print_job_list
    from infra.postgres import job_queries
    from retinue.states import JobState

    with database_connection() as connection:
        wanted = job_queries.JobFilter(
            type=job_type,
            states=[JobState(state) for state in states] or None,
            account_id=_account_id(connection, account),
        )
        found = job_queries.list_jobs(connection, wanted, limit=limit)
    print_job_list(found, as_json=as_json)


@jobs.command("show")
@needs(Permission.WORK_LOOK)
@click.argument("job_id", metavar="ID", type=ID)
@json_option
def show_job(job_id: int, as_json: bool) -> None:
    """Show everything about one job; sensitive fields are masked."""
    from cli.job_views import print_job
    from infra.postgres import job_queries

    with database_connection() as connection:
        job = job_queries.show_job(connection, job_id)
    print_job(job, as_json=as_json)


@jobs.command("why", short_help="Say what a job waits for, who runs it, how it ended.")
@needs(Permission.WORK_LOOK)
@click.argument("job_id", metavar="ID", type=ID)
@json_option
def why(job_id: int, as_json: bool) -> None:
    """Say what a pending job waits for, who runs a running one, how a finished one ended."""
    from cli.job_views import print_why
    from infra.postgres import why as reasons

    settings = current_settings()
    with database_connection(settings) as connection:
        answer = reasons.why(connection, job_id, alive_seconds=settings.lease_seconds)
    print_why(answer, as_json=as_json)


@jobs.command("enqueue")
@needs(Permission.WORK_ACT, notes="job.enqueue")
@click.argument("job_type", metavar="TYPE")
@click.argument("payload", metavar="[JSON]", type=JsonObject(), required=False)
@account_option
@click.option("--priority", default=5, show_default=True, type=click.IntRange(0, 9), help="0 is the most urgent.")
@click.option(
    "--at", "run_at", metavar="TIME", type=Moment(), help="Not before this time, such as 2026-03-01T12:00:00Z."
)
@click.option("--in", "delay", metavar="DURATION", type=Duration(), help="Not before so long from now, such as 5m.")
@click.option("--unique-key", metavar="KEY", help="Make it only if no unfinished job of the type has this key.")
@click.option("--unique-over", type=click.Choice(OVER), help="How long a job holds its key; unfinished unless given.")
@click.option("--unique-for", metavar="DURATION", type=Duration(), help="Keep the key so long from now, at the least.")
@click.option("--on-conflict", type=click.Choice(CONFLICTS), help="What becomes of a waiting job that has the key.")
@click.option("--max-wait", metavar="DURATION", type=Duration(), help="Let `later` put a job off no longer than this.")
@json_option
def enqueue(job_type: str, payload: dict[str, Any] | None, as_json: bool, **options: Any) -> None:
    """Make a job of TYPE with the payload JSON, an object."""
    from cli.job_views import print_enqueued
    from infra.postgres.enqueue import enqueue as make

    settings = current_settings()
    with database_connection(settings) as connection:
        made = make(
            connection,
            job_type,
            payload,
            account_id=_account_id(connection, options["account"]),
            run_at=_start(connection, options["run_at"], options["delay"]),
            priority=options["priority"],
            unique=_unique(options),
        )
    ring_bell(settings)
    print_enqueued(made, job_type, as_json=as_json)


@jobs.command("retry", short_help="Run failed or cancelled jobs again.")
@needs(Permission.WORK_ACT, notes="job.retry", of="job_ids")
@click.argument("job_ids", metavar="ID...", type=ID, nargs=-1, required=True)
@json_option
def retry(job_ids: tuple[int, ...], as_json: bool) -> None:
    """Run failed or cancelled jobs again, each as a new job; make pending ones due now."""
    from infra.postgres.job_actions import retry_jobs

    _act(retry_jobs, job_ids, as_json=as_json)


@jobs.command("cancel")
@needs(Permission.WORK_ACT, notes="job.cancel", of="job_ids")
@click.argument("job_ids", metavar="ID...", type=ID, nargs=-1, required=True)
@json_option
def cancel(job_ids: tuple[int, ...], as_json: bool) -> None:
    """Cancel jobs that wait, and ask running ones to stop."""
    from infra.postgres.job_actions import cancel_jobs

    _act(cancel_jobs, job_ids, as_json=as_json)


def _act(
    action: Callable[[psycopg.Connection, list[int]], Iterable[ActionResult]], job_ids: Any, *, as_json: bool
) -> None:
    """Act on the jobs; exits with 1 if nothing was done about one of them."""
    from cli.job_views import print_results

    settings = current_settings()
    with database_connection(settings) as connection:
        results = list(action(connection, list(job_ids)))
    ring_bell(settings)
    print_results(results, as_json=as_json)
    if any(result.problem for result in results):
        raise click.exceptions.Exit(1)


def _account_id(connection: psycopg.Connection, account: str | None) -> int | None:
    from infra.postgres.accounts import find_account

    return None if account is None else find_account(connection, account).id


def _unique(options: dict[str, Any]) -> Unique | None:
    from retinue.unique import OnConflict, Over, Unique

    rules = ("unique_over", "unique_for", "on_conflict", "max_wait")
    if options["unique_key"] is not None:
        return Unique(
            options["unique_key"],
            over=options["unique_over"] or Over.UNFINISHED,
            on_conflict=options["on_conflict"] or OnConflict.IGNORE,
            for_period=options["unique_for"],
            max_wait=options["max_wait"],
        )
    if any(options[name] is not None for name in rules):
        raise BadInput("--unique-over, --unique-for, --on-conflict and --max-wait go with --unique-key.")
    return None


def _start(connection: psycopg.Connection, at: datetime | None, delay: timedelta | None) -> datetime | None:
    from infra.postgres.schedules import database_now

    if at is not None and delay is not None:
        raise BadInput("Give --at or --in, not both.")
    return database_now(connection) + delay if delay is not None else at
