"""`retinue schedules`: the standing rules that make jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, Duration, JsonObject, account_option, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.schedule_lines import ScheduleLine
    from retinue.schedule import Rule


@click.group()
def schedules() -> None:
    """Look at schedules, add, change, pause, resume and run them."""


@schedules.command("list")
@needs(Permission.WORK_LOOK)
@click.option("--type", "job_type", metavar="TYPE", help="Only this type.")
@account_option
@click.option("--after", default=0, type=click.IntRange(0), metavar="ID", help="Only those beyond this ID.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_schedules(job_type: str | None, account: str | None, after: int, limit: int, as_json: bool) -> None:
    """List schedules by ID."""
    from cli.output import print_json, print_table
    from infra.postgres import schedule_lines as stored
    from infra.postgres.accounts import find_account

    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        wanted = stored.ScheduleFilter(account_id=account_id, type=job_type)
        found = stored.list_schedules(connection, wanted, after=after, limit=limit)
    if as_json:
        print_json({"schedules": found})
    else:
        print_table(found, _columns(), empty="No such schedules. `retinue schedules add` makes one.")


@schedules.command("add")
@needs(Permission.WORK_ACT, notes="schedule.add")
@click.argument("payload", metavar="[JSON]", type=JsonObject(), required=False)
@click.option("--type", "job_type", metavar="TYPE", required=True, help="The type of its jobs.")
@click.option("--name", required=True, help="A name of its own within the account and type.")
@account_option
@click.option("--cron", metavar="EXPRESSION", help="Minute, hour, day, month, weekday, such as '0 6 * * mon-fri'.")
@click.option("--every", metavar="DURATION", type=Duration(), help="An interval, such as 30s, 5m or 1h.")
@click.option("--timezone", default="UTC", show_default=True, help="The zone that --cron means, such as Europe/Berlin.")
@click.option("--jitter", metavar="DURATION", type=Duration(), help="Start each job up to so much later, by chance.")
@click.option("--catch-up", default=1, show_default=True, help="After an outage, make up for so many missed fires.")
@click.option("--overlap", default="skip", show_default=True, type=click.Choice(["skip", "allow"]),
              help="What a fire does while the last one's job is unfinished.")  # fmt: skip
@click.option("--priority", default=5, show_default=True, type=click.IntRange(0, 9), help="0 is the most urgent.")
@json_option
def add_schedule(payload: dict[str, Any] | None, as_json: bool, **options: Any) -> None:
    """Add a schedule whose jobs get the payload JSON, an object."""
    from infra.postgres.accounts import find_account
    from infra.postgres.schedules import NewSchedule
    from infra.postgres.schedules import add_schedule as add

    rule = _rule(options["cron"], options["every"])
    with database_connection() as connection:
        account = options["account"]
        new = NewSchedule(
            type=options["job_type"],
            name=options["name"],
            rule=rule,
            account_id=None if account is None else find_account(connection, account).id,
            payload=payload or {},
            timezone=options["timezone"],
            jitter=options["jitter"] or timedelta(0),
            catch_up=options["catch_up"],
            overlap=options["overlap"],
            priority=options["priority"],
        )
        schedule_id = add(connection, new)
        _print_one(connection, schedule_id, "was added", as_json=as_json)


@schedules.command("set")
@needs(Permission.WORK_ACT, notes="schedule.edit", of="schedule_id")
@click.argument("schedule_id", metavar="ID", type=ID)
@click.argument("payload", metavar="[JSON]", type=JsonObject(), required=False)
@click.option("--name", help="Another name.")
@click.option("--cron", metavar="EXPRESSION", help="Another rule: minute, hour, day, month, weekday.")
@click.option("--every", metavar="DURATION", type=Duration(), help="Another rule: an interval, which begins now.")
@click.option("--timezone", help="Another zone that --cron means.")
@click.option("--jitter", metavar="DURATION", type=Duration(), help="Start each job up to so much later, by chance.")
@click.option("--catch-up", type=int, help="After an outage, make up for so many missed fires.")
@click.option("--overlap", type=click.Choice(["skip", "allow"]), help="What a fire does while the last job runs.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 is the most urgent.")
@json_option
def set_schedule(schedule_id: int, payload: dict[str, Any] | None, as_json: bool, **options: Any) -> None:
    """Change what is named of a schedule.

    *** in the payload JSON stands for the value that it hides.
    """
    from infra.postgres.schedule_edits import ScheduleEdit, edit_schedule

    cron, every = options.pop("cron"), options.pop("every")
    rule = None if cron is None and every is None else _rule(cron, every)
    edit = ScheduleEdit(rule=rule, payload=payload, **options)
    if edit == ScheduleEdit():
        raise BadInput("Say what to change: see `retinue schedules set --help`.")
    with database_connection() as connection:
        edit_schedule(connection, schedule_id, edit)
        _print_one(connection, schedule_id, "was changed", as_json=as_json)


@schedules.command("pause")
@needs(Permission.WORK_ACT, notes="schedule.pause", of="schedule_id")
@click.argument("schedule_id", metavar="ID", type=ID)
@json_option
def pause_schedule(schedule_id: int, as_json: bool) -> None:
    """Let a schedule make no more jobs; those it has made go on."""
    from infra.postgres import schedules as stored

    with database_connection() as connection:
        stored.pause_schedule(connection, schedule_id)
        _print_one(connection, schedule_id, "is paused", as_json=as_json)


@schedules.command("resume")
@needs(Permission.WORK_ACT, notes="schedule.resume", of="schedule_id")
@click.argument("schedule_id", metavar="ID", type=ID)
@json_option
def resume_schedule(schedule_id: int, as_json: bool) -> None:
    """Let a paused schedule make jobs again; what it missed is not made up for."""
    from infra.postgres import schedules as stored

    with database_connection() as connection:
        stored.resume_schedule(connection, schedule_id)
        _print_one(connection, schedule_id, "is active again", as_json=as_json)


@schedules.command("run")
@needs(Permission.WORK_ACT, notes="schedule.run", of="schedule_id")
@click.argument("schedule_id", metavar="ID", type=ID)
@json_option
def run_schedule(schedule_id: int, as_json: bool) -> None:
    """Make a job of the schedule now; its regular fires stay as they are."""
    from cli.output import print_json
    from infra.postgres import schedules as stored

    settings = current_settings()
    with database_connection(settings) as connection:
        made = stored.run_schedule(connection, schedule_id)
    ring_bell(settings)
    if as_json:
        print_json({"id": made.id, "created": made.created})
    elif made.created:
        click.echo(f"Job {made.id} was made. `retinue jobs show {made.id}` follows it.")
    else:
        click.echo(f"Job {made.id} of this schedule is unfinished, and it skips overlapping ones: no other was made.")


def _rule(cron: str | None, every: timedelta | None) -> Rule:
    from retinue.schedule import Cron, Every

    if cron is not None and every is None:
        return Cron(cron)
    if every is not None and cron is None:
        return Every(every)
    raise BadInput("Give --cron or --every, one of the two.")


def _print_one(connection: Any, schedule_id: int, what: str, *, as_json: bool) -> None:
    from cli.output import print_json
    from infra.postgres.schedule_lines import find_schedule
    from infra.words import moment

    line = find_schedule(connection, schedule_id)
    if as_json:
        print_json(line)
        return
    click.echo(f"Schedule {line.id} ({line.type} {line.name}) {what}.")
    if line.state == "active" and line.next_fire_at is not None:
        click.echo(f"It fires next at {moment(line.next_fire_at)}.")


def _columns() -> list[Column[ScheduleLine]]:
    from cli.job_views import account_words, short_moment
    from cli.output import Column, one_line

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Type", lambda line: line.type),
        Column("Name", lambda line: line.name),
        Column("Account", lambda line: account_words(line.account_id, line.account_name)),
        Column("Rule", _rule_words),
        Column("State", lambda line: line.state, style=lambda line: "yellow" if line.state == "paused" else ""),
        Column("Next (UTC)", lambda line: short_moment(line.next_fire_at) if line.state == "active" else ""),
        Column("Last (UTC)", lambda line: short_moment(line.last_fire_at)),
        Column("Problem", lambda line: one_line(line.problem or "")),
    ]


def _rule_words(line: ScheduleLine) -> str:
    from infra.rule_words import rule_words

    return rule_words(cron=line.cron, every_seconds=line.every_seconds, timezone=line.timezone)
