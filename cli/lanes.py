"""`retinue lanes` and `retinue types`: what may run, how much of it, and what holds it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.lanes import LaneLine
    from infra.postgres.types import TypeLine


@click.group()
def lanes() -> None:
    """Look at lanes, pause and resume them, set their weight and limit."""


@lanes.command("list")
@needs(Permission.WORK_LOOK)
@click.option("--type", "job_type", metavar="TYPE", help="Only this type.")
@click.option("--lane", metavar="LANE", help="Only lanes of this name, such as account:7.")
@click.option("--held", is_flag=True, help="Only lanes that something holds back.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_lanes(job_type: str | None, lane: str | None, held: bool, limit: int, as_json: bool) -> None:
    """List lanes by type and name."""
    from cli.output import print_json, print_table
    from infra.postgres import lanes as stored

    with database_connection() as connection:
        found = stored.list_lanes(connection, type=job_type, lane=lane, held=held, limit=limit)
    if as_json:
        print_json({"lanes": found})
    else:
        print_table(found, _lane_columns(), empty=_nothing(held=held))


def _nothing(*, held: bool) -> str:
    return "Nothing holds such a lane back." if held else "No such lanes: one appears with its first job."


@lanes.command("pause")
@needs(Permission.WORK_ACT, notes="lane.pause", of="job_type,lane")
@click.argument("job_type", metavar="TYPE")
@click.argument("lane")
@click.option("--reason", default="by hand", show_default=True, help="Why, for those who wonder.")
@json_option
def pause_lane(job_type: str, lane: str, reason: str, as_json: bool) -> None:
    """Start nothing more of LANE until it is resumed; what is under way goes on."""
    from infra.postgres import lanes as stored

    with database_connection() as connection:
        stored.pause_lane(connection, job_type, lane, reason=reason)
        _print_lane(connection, job_type, lane, "is paused", as_json=as_json)


@lanes.command("resume")
@needs(Permission.WORK_ACT, notes="lane.resume", of="job_type,lane")
@click.argument("job_type", metavar="TYPE")
@click.argument("lane")
@json_option
def resume_lane(job_type: str, lane: str, as_json: bool) -> None:
    """End LANE's pause, or its wait for the failed head of a strict order."""
    from infra.postgres import lanes as stored

    settings = current_settings()
    with database_connection(settings) as connection:
        was_held = stored.resume_lane(connection, job_type, lane)
        _print_lane(connection, job_type, lane, "is resumed" if was_held else "was not paused", as_json=as_json)
    ring_bell(settings)


@lanes.command("set")
@needs(Permission.WORK_ACT, notes="lane.set", of="job_type,lane")
@click.argument("job_type", metavar="TYPE")
@click.argument("lane")
@click.option("--weight", type=float, help="Its part of the servants' time beside the other lanes; 1 unless set.")
@click.option("--limit", metavar="COUNT|none", help="Jobs of it at once; none: what the type declares.")
@json_option
def set_lane(job_type: str, lane: str, weight: float | None, limit: str | None, as_json: bool) -> None:
    """Set LANE's weight, its limit, or both."""
    from infra.postgres import lanes as stored

    if weight is None and limit is None:
        raise BadInput("Give --weight, --limit, or both.")
    settings = current_settings()
    with database_connection(settings) as connection:
        try:
            stored.set_lane(connection, job_type, lane, weight=weight, limit=_limit(limit), keep_limit=limit is None)
        except ValueError as error:
            raise BadInput(f"{str(error).capitalize()}.") from None
        _print_lane(connection, job_type, lane, "is set", as_json=as_json)
    ring_bell(settings)


@click.group()
def types() -> None:
    """Look at types of work, pause and resume them, set their limits."""


@types.command("list")
@needs(Permission.WORK_LOOK)
@json_option
def list_types(as_json: bool) -> None:
    """List the types that servants have announced."""
    from cli.output import print_json, print_table
    from infra.postgres import types as stored

    settings = current_settings()
    with database_connection(settings) as connection:
        found = stored.list_types(connection, alive_seconds=settings.lease_seconds)
    if as_json:
        print_json({"types": found})
    else:
        print_table(
            found, _type_columns(), empty="No servant was ever started here. `retinue servant TYPE` starts one."
        )


@types.command("pause")
@needs(Permission.WORK_ACT, notes="type.pause", of="job_type")
@click.argument("job_type", metavar="TYPE")
def pause_type(job_type: str) -> None:
    """Dispatch nothing more of TYPE until it is resumed; what is under way goes on."""
    _pause_type(job_type, paused=True)


@types.command("resume")
@needs(Permission.WORK_ACT, notes="type.resume", of="job_type")
@click.argument("job_type", metavar="TYPE")
def resume_type(job_type: str) -> None:
    """Let TYPE be dispatched again."""
    _pause_type(job_type, paused=False)


@types.command("set")
@needs(Permission.WORK_ACT, notes="type.limits", of="job_type")
@click.argument("job_type", metavar="TYPE")
@click.option("--lane-limit", metavar="COUNT|none", help="Jobs of one lane at once.")
@click.option("--type-limit", metavar="COUNT|none", help="Jobs of the whole type at once.")
@click.option("--declared", is_flag=True, help="Back to the limits that its code declares.")
def set_type(job_type: str, lane_limit: str | None, type_limit: str | None, declared: bool) -> None:
    """Set TYPE's limits; they stand whatever its code declares, until --declared."""
    from infra.postgres import types as stored

    if declared == (lane_limit is not None or type_limit is not None):
        raise BadInput("Give --lane-limit, --type-limit, or both; or --declared alone.")
    settings = current_settings()
    with database_connection(settings) as connection:
        if declared:
            stored.declare_type_limits(connection, job_type)
        else:
            _set_limits(connection, job_type, settings.lease_seconds, lane_limit=lane_limit, type_limit=type_limit)
    ring_bell(settings)
    click.echo(f"Type {job_type} has {'its declared limits' if declared else 'new limits'}.")


def _set_limits(
    connection: Any, job_type: str, alive_seconds: float, *, lane_limit: str | None, type_limit: str | None
) -> None:
    """The limit that was not given stays."""
    from infra.postgres import types as stored

    found = stored.list_types(connection, alive_seconds=alive_seconds, type=job_type)
    lane, whole = (found[0].lane_limit, found[0].type_limit) if found else (None, None)
    try:
        stored.set_type_limits(
            connection,
            job_type,
            lane_limit=lane if lane_limit is None else _limit(lane_limit, "--lane-limit"),
            type_limit=whole if type_limit is None else _limit(type_limit, "--type-limit"),
        )
    except ValueError as error:
        raise BadInput(f"{str(error).capitalize()}.") from None


def _pause_type(job_type: str, *, paused: bool) -> None:
    from infra.postgres import types as stored

    settings = current_settings()
    with database_connection(settings) as connection:
        stored.pause_type(connection, job_type, paused=paused)
    ring_bell(settings)
    click.echo(f"Type {job_type} is {'paused' if paused else 'resumed'}.")


def _limit(text: str | None, option: str = "--limit") -> int | None:
    if text is None or text == "none":
        return None
    if not text.isdecimal():
        raise BadInput(f"{option} is a number or 'none', got {text!r}.")
    return int(text)


def _print_lane(connection: Any, job_type: str, lane: str, what: str, *, as_json: bool) -> None:
    from cli.output import print_json
    from infra.postgres import lanes as stored

    found = stored.list_lanes(connection, type=job_type, lane=lane)
    if as_json:
        print_json(found[0] if found else None)
        return
    still = [hold["kind"] for line in found for hold in line.holds]
    click.echo(f"Lane {lane} of {job_type} {what}." + (f" It is held: {', '.join(still)}." if still else ""))


def _lane_columns() -> list[Column[LaneLine]]:
    from cli.job_views import short_moment
    from cli.output import Column, one_line

    return [
        Column("Type", lambda line: line.type),
        Column("Lane", lambda line: line.lane),
        Column("State", lambda line: line.state),
        Column("Waiting", lambda line: line.pending, right=True),
        Column("Under way", lambda line: line.in_flight, right=True),
        Column("Limit", lambda line: line.lane_limit),
        Column("Weight", lambda line: f"{line.weight:g}"),
        Column("Due (UTC)", lambda line: short_moment(line.due_at)),
        Column("Held by", lambda line: one_line("; ".join(f"{hold['kind']}: {hold['reason']}" for hold in line.holds))),
    ]


def _type_columns() -> list[Column[TypeLine]]:
    from cli.job_views import short_moment
    from cli.output import Column

    return [
        Column("Type", lambda line: line.type),
        Column("Servants", lambda line: line.servants, right=True),
        Column("Slots", lambda line: line.slots, right=True),
        Column("Waiting", lambda line: line.pending, right=True),
        Column("Under way", lambda line: line.in_flight, right=True),
        Column("Lane limit", lambda line: line.lane_limit),
        Column("Type limit", lambda line: line.type_limit),
        Column("Order", lambda line: line.order_policy),
        Column("Paused since (UTC)", lambda line: short_moment(line.paused_at)),
    ]
