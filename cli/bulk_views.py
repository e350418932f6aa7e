"""How a bulk operation's preview looks on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from cli.output import Column, one_line, print_fields, print_json, print_table
from infra.postgres.bulk_acts import LEFT_ALONE
from infra.words import duration, moment

if TYPE_CHECKING:
    from infra.postgres.bulk import Preview, SampleJob

_DOES = {"cancel": "cancel", "retry": "retry", "reschedule": "give another time to"}


def print_bulk(found: Preview, job_id: int | None, *, as_json: bool, is_meant: bool) -> None:
    """What would be done, and the job that does it, if one was made."""
    if as_json:
        print_json({"job_id": job_id, "preview": found})
        return
    subject = "This would" if job_id is None else f"Job {job_id} will"
    click.echo(f"{subject} {_DOES[found.operation]} {_count(found)}.")
    print_fields(_fields(found))
    if found.sample and job_id is None:
        click.echo("\nSome of them")
        print_table(found.sample, _columns(), empty="")
    _print_end(found, job_id, is_meant=is_meant)


def _print_end(found: Preview, job_id: int | None, *, is_meant: bool) -> None:
    if job_id is not None:
        click.echo(f"`retinue jobs show {job_id}` follows it, `retinue jobs cancel {job_id}` ends it.")
    elif is_meant:
        click.echo("No job was made: there is nothing to do.")
    elif found.jobs:
        click.echo("\nNothing was changed. The same with --yes does it.")


def _count(found: Preview) -> str:
    words = {None: "", "count": "more than ", "time": "at least "}[found.stopped_by]
    return f"{words}{found.jobs:,} job{'' if found.jobs == 1 else 's'}"


def _fields(found: Preview) -> Iterator[tuple[str, object]]:
    if found.stopped_by == "time":
        yield "Counted", "not to the end: that would take long"
    if found.accounts:
        more = found.accounts - len(found.account_names)
        names = one_line(", ".join(found.account_names), width=300)
        yield "Accounts", f"{found.accounts:,}: {names}" + (f" and {more:,} more" if more > 0 else "")
    if found.left_alone:
        reasons = (f"{count:,} ({LEFT_ALONE.get(reason, reason)})" for reason, count in found.left_alone.items())
        yield "Left alone", ", ".join(reasons)
    if found.seconds >= 1:
        yield "Takes", f"{duration(timedelta(seconds=round(found.seconds)))} or longer"


def _columns() -> list[Column[SampleJob]]:
    return [
        Column("ID", lambda job: job.id, right=True),
        Column("Type", lambda job: job.type),
        Column("Account", lambda job: job.account_id),
        Column("Lane", lambda job: one_line(job.lane)),
        Column("State", lambda job: f"{job.state} ({job.reason})"),
        Column("Made or ended (UTC)", lambda job: moment(job.at).removesuffix(" UTC")),
    ]
