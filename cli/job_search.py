"""`retinue jobs search`, `log` and `reschedule`: what the manager's pages about jobs do, on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, Duration, Moment, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from infra.postgres.evidence import Evidence, LogLine

#: Somebody at a terminal waits longer than somebody at a page, in seconds.
SEARCH_SECONDS = 5.0


@click.command("search", short_help="List the jobs that a query asks for.")
@needs(Permission.WORK_LOOK)
@click.argument("query", metavar="QUERY", nargs=-1)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="At most so many.")
@click.option("--after", metavar="PLACE", help="Go on behind the place that the last answer named.")
@json_option
def search(query: tuple[str, ...], limit: int, after: str | None, as_json: bool) -> None:
    """List the jobs that QUERY asks for, as the manager's page does: `state:failed account:acme error:~timeout`.

    First those in flight, then those that wait, then those that have ended.
    """
    from cli.job_views import print_job_page
    from infra.job_query import QueryError, parse_query
    from infra.postgres.job_search import read_place, search_jobs

    text = " ".join(query)
    try:
        with database_connection() as connection:
            page = search_jobs(
                connection, parse_query(text), after=read_place(after), limit=limit, search_seconds=SEARCH_SECONDS
            )
    except QueryError as error:
        place = " " * error.start + "^" * max(1, error.end - error.start)
        raise BadInput(f"{error.message}\n  {text}\n  {place}") from None
    print_job_page(page, as_json=as_json)


@click.command("log", short_help="Show what a failed attempt left: its traceback and last log lines.")
@needs(Permission.WORK_LOOK)
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--attempt", type=click.IntRange(1, 2**31 - 1), help="Which one; the last that failed unless given.")
@json_option
def log(job_id: int, attempt: int | None, as_json: bool) -> None:
    """Show the traceback of a failed attempt, and what it logged last; secrets are masked."""
    from cli.output import print_json
    from infra.postgres.evidence import show_evidence
    from infra.postgres.job_details import show_job

    with database_connection() as connection:
        if attempt is None:
            events = show_job(connection, job_id).events
            attempt = next((event.attempt for event in reversed(events) if event.has_evidence), 1)
        found = show_evidence(connection, job_id, attempt)
    if as_json:
        print_json(found)
    else:
        _print(found)


@click.command("reschedule")
@needs(Permission.WORK_ACT, notes="job.reschedule", of="job_ids")
@click.argument("job_ids", metavar="ID...", type=ID, nargs=-1, required=True)
@click.option("--at", metavar="TIME", type=Moment(), help="Due at this time, such as 2026-03-01T12:00:00Z.")
@click.option("--in", "delay", metavar="DURATION", type=Duration(), help="Due so long from now, such as 5m.")
@json_option
def reschedule(job_ids: tuple[int, ...], at: datetime | None, delay: timedelta | None, as_json: bool) -> None:
    """Give pending jobs another time."""
    from cli.job_views import print_results
    from infra.postgres.job_actions import reschedule_jobs
    from infra.postgres.schedules import database_now

    if (at is None) == (delay is None):
        raise BadInput("Give --at or --in, and not both.")
    settings = current_settings()
    with database_connection(settings) as connection:
        run_at = at if delay is None else database_now(connection) + delay
        results = reschedule_jobs(connection, job_ids, run_at)  # type: ignore[arg-type] # one of the two is given
    ring_bell(settings)
    print_results(results, as_json=as_json)
    if any(result.problem for result in results):
        raise click.exceptions.Exit(1)


def _print(found: Evidence) -> None:
    if found.traceback:
        click.echo(found.traceback)
    if found.left_out:
        click.echo(f"({found.left_out} lines before these were not kept.)")
    for line in found.lines:
        click.echo(_line(line))


def _line(line: LogLine) -> str:
    fields = "".join(f" {name}={value}" for name, value in line.fields.items())
    text = f"{line.at:%Y-%m-%d %H:%M:%S} [{line.level}] {line.event}{fields}"
    return text if line.exception is None else f"{text}\n{line.exception}"
