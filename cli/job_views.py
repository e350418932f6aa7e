"""How jobs look on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from cli.output import Column, one_line, print_block, print_fields, print_json, print_table
from infra.words import duration, moment
from retinue.states import JobState, Reason

if TYPE_CHECKING:
    from infra.postgres.enqueue import Enqueued
    from infra.postgres.job_actions import ActionResult
    from infra.postgres.job_queries import ComingTry, JobDetails, JobEvent, JobLine, JobList
    from infra.postgres.job_search import JobPage
    from infra.postgres.why import Why

STYLES = {
    JobState.PENDING: "",
    JobState.QUEUED: "cyan",
    JobState.RUNNING: "bold cyan",
    JobState.COMPLETED: "green",
    JobState.FAILED: "bold red",
    JobState.CANCELLED: "yellow",
}


def print_job_list(found: JobList, *, as_json: bool) -> None:
    """The jobs, and how far the search got where it gave up."""
    if as_json:
        print_json(found)
        return
    print_table(found.jobs, _line_columns(), empty="No such jobs.")
    if found.searched_to is not None:
        click.echo(f"Older jobs than {found.searched_to} were not looked at: that would take long.", err=True)


def print_job_page(page: JobPage, *, as_json: bool) -> None:
    """The jobs of one page, and where the next one begins."""
    following = None if page.following is None else page.following.token
    if as_json:
        print_json({"jobs": page.jobs, "following": following, "unfinished_search": page.unfinished_search})
        return
    print_table(page.jobs, _line_columns(), empty="No such jobs.")
    if following is not None:
        why = "Looking further would take long" if page.unfinished_search else "There are more"
        click.echo(f"{why}: the same with --after {following} goes on.", err=True)


def print_job(job: JobDetails, *, as_json: bool) -> None:
    """Everything about a job."""
    if as_json:
        print_json(job)
        return
    print_fields(_facts(job))
    for title, value in (("Payload", job.payload), ("Checkpoint", job.checkpoint), ("Result", job.result)):
        if value is not None:
            print_block(title, value)
    if job.events:
        click.echo("\nEvents")
        print_table(job.events, _event_columns(), empty="")
    _print_tries(job.coming_tries)


def print_why(answer: Why, *, as_json: bool) -> None:
    """The reasons, one a line."""
    if as_json:
        print_json(answer)
        return
    click.echo(f"Job {answer.job_id} is {answer.state}.")
    for reason in answer.reasons:
        click.echo(f"  {reason.sentence}")
    if answer.expected_start is not None:
        click.echo(f"  Expected to start at about {moment(answer.expected_start)}.")
    if answer.fingerprint is not None:
        click.echo(f"  Errors like its last one have the fingerprint {answer.fingerprint}.")
    _print_tries(answer.coming_tries)


_EFFECTS = {
    "created": "was made. `retinue jobs show {id}` follows it.",
    "ignored": "has the same unique key: no other was made.",
    "replaced": "has the same unique key and waits: it got this payload.",
    "moved": "has the same unique key and waits: it was moved.",
}


def print_enqueued(made: Enqueued, job_type: str, *, as_json: bool) -> None:
    """Which job was made, or which one held the unique key."""
    if as_json:
        print_json({"id": made.id, "created": made.created, "effect": made.effect})
        return
    click.echo(f"Job {made.id} ({job_type}) {_EFFECTS[made.effect].format(id=made.id)}")


def print_results(results: Sequence[ActionResult], *, as_json: bool) -> None:
    """What was done about each job; problems go to standard error."""
    if as_json:
        print_json({"results": results})
        return
    for result in results:
        click.echo(_result_words(result), err=result.problem is not None)


def account_words(account_id: int | None, name: str | None) -> str:
    """`7 Kestrel Freight`."""
    return "" if account_id is None else f"{account_id} {name or ''}".rstrip()


def short_moment(at: Any) -> str:
    """`2026-03-01 12:00:05`, in UTC."""
    return "" if at is None else moment(at).removesuffix(" UTC")


def seconds(count: float | None) -> str:
    """`1.2 s`, `2 min 5 s`."""
    return "" if count is None else f"{count * 1000:.0f} ms" if count < 1 else duration(timedelta(seconds=count))


def _line_columns() -> list[Column[JobLine]]:
    return [
        Column("ID", lambda job: job.id, right=True),
        Column("Type", lambda job: job.type),
        Column("Account", lambda job: account_words(job.account_id, job.account_name)),
        Column("State", lambda job: job.state, style=lambda job: STYLES[job.state]),
        Column("Tries", lambda job: job.attempt, right=True),
        Column("Created (UTC)", lambda job: short_moment(job.created_at)),
        Column("Due or ended (UTC)", lambda job: short_moment(job.finished_at or job.run_at)),
        Column("Ran", lambda job: seconds(job.run_seconds), right=True),
        Column("Note", _note),
    ]


def _note(job: JobLine) -> str:
    if job.error and job.state is not JobState.COMPLETED:
        return one_line(_error_words(job.error))
    if job.state is JobState.RUNNING and job.progress_done is not None:
        return f"{job.progress_done} of {job.progress_total or '?'}"
    return job.reason if job.state is JobState.PENDING and job.reason is not Reason.ENQUEUE else ""


def _error_words(error: Any) -> str:
    return f"{error.get('kind', '')}: {error.get('message', '')}".strip(": ") if isinstance(error, dict) else str(error)


def _facts(job: JobDetails) -> Iterator[tuple[str, object]]:
    yield "Job", job.id
    yield "Type", job.type
    yield "State", f"{job.state} ({job.reason})"
    yield "Account", account_words(job.account_id, job.account_name)
    yield "Lane", f"{job.lane}, priority {job.priority}"
    yield "Attempts", f"{job.attempt} begun, {job.failures} failed" + (f", {job.deaths} lost" if job.deaths else "")
    yield "Servant", _servant_words(job)
    yield "Progress", None if job.progress_done is None else f"{job.progress_done} of {job.progress_total or '?'}"
    yield "Error", None if job.error is None else one_line(_error_words(job.error), width=2000)
    yield from _error_marks(job.error)
    yield from _times(job)
    yield "Schedule", job.schedule_id
    yield "Retry of", job.retry_of
    yield "Group", job.group_id
    yield "Unique key", job.unique_key
    yield "Request", job.request_id


def _servant_words(job: JobDetails) -> str | None:
    if job.servant_id is None:
        return None
    return f"{job.servant_id}" + (f" (pid {job.servant_pid} on {job.servant_host})" if job.servant_pid else "")


def _times(job: JobDetails) -> Iterable[tuple[str, object]]:
    named = {
        "Created": job.created_at,
        "Due": job.run_at,
        "Fire time": job.fire_at,
        "Queued": job.queued_at,
        "Claimed": job.claimed_at,
        "Lease until": job.lease_until,
        "Asked to stop": job.cancel_requested_at,
        "Finished": job.finished_at,
    }
    yield from ((name, moment(at)) for name, at in named.items() if at is not None)
    yield "Waited", seconds(job.wait_seconds)
    yield "Ran", seconds(job.run_seconds)


def _event_columns() -> list[Column[JobEvent]]:
    return [
        Column("At (UTC)", lambda event: short_moment(event.at)),
        Column("Attempt", lambda event: event.attempt, right=True),
        Column("Change", lambda event: f"{event.from_state} → {event.to_state}"),
        Column("Reason", lambda event: event.reason),
        Column("Detail", lambda event: one_line(_error_words(event.detail) if event.detail else "")),
    ]


def _error_marks(error: Any) -> Iterator[tuple[str, object]]:
    if isinstance(error, dict):
        yield "Fingerprint", error.get("fingerprint")
        yield "Retry rule", error.get("rule")


def _print_tries(tries: Sequence[ComingTry]) -> None:
    if tries:
        click.echo("\nComing tries, if each fails at once")
        print_table(tries, _try_columns(by_rules=any(one.rule for one in tries)), empty="")


def _try_columns(*, by_rules: bool) -> list[Column[ComingTry]]:
    columns: list[Column[ComingTry]] = [
        Column("Try", lambda one: one.number, right=True),
        Column("Earliest (UTC)", lambda one: short_moment(one.earliest)),
        Column("Latest (UTC)", lambda one: short_moment(one.latest)),
    ]
    return [*columns, Column("Rule", lambda one: one.rule or "")] if by_rules else columns


def _result_words(result: ActionResult) -> str:
    if result.problem is not None:
        return result.problem
    if result.new_job_id is not None:
        return f"Job {result.job_id}: runs again as job {result.new_job_id}."
    words = {
        "made_due": "is due now",
        "rescheduled": "was given another time",
        "cancelled": "was cancelled",
        "cancel_requested": "was asked to stop",
        "group_cancelled": "is finished; what is left of the groups it made is being cancelled",
    }
    return f"Job {result.job_id} {words[result.deed]}."
