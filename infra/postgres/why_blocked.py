"""What keeps a pending job from starting: pauses, holds, order, limits, and nobody to do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import psycopg

from infra.postgres.holds import HeldLane, list_holds
from infra.postgres.job_details import JobDetails
from infra.postgres.statements import statement
from infra.redaction import mask_text
from infra.words import moment
from retinue.holds import HoldKind
from retinue.states import JobState

#: Jobs named in one sentence.
MAX_NAMED = 10


class ReasonKind(StrEnum):
    """What sort of reason it is."""

    SCHEDULED = "scheduled"
    RETRY = "retry"
    SNOOZED = "snoozed"
    RESCUED = "rescued"
    TYPE_PAUSED = "type_paused"
    LANE_PAUSED = "lane_paused"
    INCIDENT = "incident"
    BUDGET = "budget"
    BREAKER = "breaker"
    ORDER = "order"
    LANE_LIMIT = "lane_limit"
    TYPE_LIMIT = "type_limit"
    NO_SERVANT = "no_servant"
    NO_SCHEDULER = "no_scheduler"
    SERVANTS_BUSY = "servants_busy"
    TURN = "turn"
    DISPATCH = "dispatch"
    QUEUED = "queued"
    RUNNING = "running"
    CANCEL_REQUESTED = "cancel_requested"
    FINISHED = "finished"


#: A job does not start while one of these holds, however long that takes.
BLOCKING = frozenset(
    {
        ReasonKind.TYPE_PAUSED,
        ReasonKind.LANE_PAUSED,
        ReasonKind.INCIDENT,
        ReasonKind.NO_SERVANT,
        ReasonKind.NO_SCHEDULER,
    }
)


@dataclass(frozen=True, slots=True)
class WhyReason:
    """One reason, as a sentence. `until` is when it ends if that is known; `jobs` are those it is about."""

    kind: ReasonKind
    sentence: str
    until: datetime | None = None
    jobs: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Situation:
    """What dispatch would find. `rate` is jobs a second of all live servants of the type, None before they know."""

    type_known: bool
    type_paused_at: datetime | None
    lane_limit: int | None
    type_limit: int | None
    ordered: bool | None
    servants: int
    slots: int
    rate: float | None
    type_in_flight: int
    schedulers: int


def blocks(connection: psycopg.Connection, job: JobDetails, situation: Situation) -> Iterator[WhyReason]:
    """Each reason that holds this pending job back, apart from its own time and turn."""
    yield from _paused(job, situation)
    yield from (hold_reason(hold) for hold in list_holds(connection, job.type, job.lane))
    yield from _order(connection, job, situation)
    yield from _lane_limit(connection, job, situation.lane_limit)
    yield from _type_limit(job, situation)
    yield from nobody(job, situation)


def _paused(job: JobDetails, situation: Situation) -> Iterator[WhyReason]:
    if situation.type_paused_at is not None:
        sentence = f"The type {job.type} is paused since {moment(situation.type_paused_at)}; none of its jobs start."
        yield WhyReason(ReasonKind.TYPE_PAUSED, sentence)


_HELD = {
    HoldKind.PAUSE: (ReasonKind.LANE_PAUSED, "is paused"),
    HoldKind.INCIDENT: (ReasonKind.INCIDENT, "is parked by an incident"),
    HoldKind.BUDGET: (ReasonKind.BUDGET, "has used up its budget of calls"),
    HoldKind.BREAKER: (ReasonKind.BREAKER, "waits behind an open circuit breaker"),
    HoldKind.ORDER: (ReasonKind.ORDER, "is held by the head of its order"),
}


#: Reasons that end by themselves where they say until when.
HELD_KINDS = frozenset(kind for kind, _ in _HELD.values())


def hold_reason(hold: HeldLane) -> WhyReason:
    """What holds a lane, as a sentence."""
    kind, says = _HELD[hold.kind]
    until = "" if hold.until is None else f" until {moment(hold.until)}"
    sentence = f"The lane {hold.lane} {says} since {moment(hold.held_at)}{until}: {mask_text(hold.reason).rstrip('.')}."
    return WhyReason(kind, sentence + _how_to_resume(hold), hold.until)


def _how_to_resume(hold: HeldLane) -> str:
    key, _, identity = hold.lane.partition(":")
    if key != "connection_id" or hold.kind not in (HoldKind.INCIDENT, HoldKind.PAUSE):
        return ""
    return (
        f" When it is mended, `retinue connections test {identity}` resumes the lane; "
        f"`retinue connections password {identity}` takes a new password."
    )


def _order(connection: psycopg.Connection, job: JobDetails, situation: Situation) -> Iterator[WhyReason]:
    """In strict order: the older job that goes first."""
    if not situation.ordered:
        return
    head = connection.execute(statement("find_order_head"), {"type": job.type, "lane": job.lane}).fetchone()
    if head is not None and head[0] != job.id:
        identity, state, run_at = head
        when = f", due {moment(run_at)}" if state == JobState.PENDING else ""
        sentence = f"Its type runs in strict order, and job {identity} of the lane goes first; it is {state}{when}."
        yield WhyReason(ReasonKind.ORDER, sentence, jobs=[identity])


def _type_limit(job: JobDetails, situation: Situation) -> Iterator[WhyReason]:
    limit = situation.type_limit
    if limit is not None and situation.type_in_flight >= limit:
        sentence = f"The type {job.type} may run {limit} at a time, and {situation.type_in_flight} are under way."
        yield WhyReason(ReasonKind.TYPE_LIMIT, sentence)


def _lane_limit(connection: psycopg.Connection, job: JobDetails, limit: int | None) -> Iterator[WhyReason]:
    if limit is None:
        return
    params = {"type": job.type, "lane": job.lane, "limit": limit}
    holders = [row[0] for row in connection.execute(statement("list_lane_holders"), params)]
    if len(holders) >= limit:
        places = "1 job" if limit == 1 else f"{limit} jobs"
        named = ", ".join(map(str, holders[:MAX_NAMED])) + (" and others" if len(holders) > MAX_NAMED else "")
        sentence = f"The lane {job.lane} may run {places} at a time; held by {named}."
        yield WhyReason(ReasonKind.LANE_LIMIT, sentence, jobs=holders)


def nobody(job: JobDetails, situation: Situation) -> Iterator[WhyReason]:
    if situation.schedulers == 0:
        yield WhyReason(
            ReasonKind.NO_SCHEDULER, "No scheduler is alive to dispatch it. Start one: `retinue scheduler`."
        )
    if situation.servants == 0:
        never = "" if situation.type_known else ", nor ever was"
        sentence = f"No servant of type {job.type} is alive{never}. Start one: `retinue servant {job.type}`."
        yield WhyReason(ReasonKind.NO_SERVANT, sentence)
