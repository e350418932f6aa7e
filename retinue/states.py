"""The states of a job and the only ways between them, as data.

The code, the database's constraint and the diagram in docs/job_lifecycle.md are compared with this table in a test.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class JobState(StrEnum):
    """Where a job stands, and who moves it on."""

    PENDING = "pending"  # waits in the table; dispatch moves it on
    QUEUED = "queued"  # its ID is on the queue; a servant's claim moves it on
    RUNNING = "running"  # a servant holds its lease; settle or rescue moves it on
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a job changed its state, apart from the state it came to."""

    ENQUEUE = "enqueue"  # made; the one reason that leads from no state
    DISPATCH = "dispatch"  # a servant could start it soon
    CLAIM = "claim"  # a servant took it
    COMPLETE = "complete"  # the handler said so
    RETRY = "retry"  # an attempt failed; there are more
    SNOOZE = "snooze"  # put back without spending an attempt
    RELEASE = "release"  # its servant drains, or took more than it can soon do
    RESCUE = "rescue"  # its lease ran out
    UNDELIVERED = "undelivered"  # its message was lost
    EXHAUSTED = "exhausted"  # its attempts are spent
    PERMANENT = "permanent"  # trying again cannot help
    POISON = "poison"  # its servant died three times in a row
    OVERRUN = "overrun"  # ignored its time limit or cancellation past its grace
    CANCEL = "cancel"  # asked by a person or by code


class Transition(NamedTuple):
    """One legal change of state."""

    source: JobState
    target: JobState
    reason: Reason


_P, _Q, _R = JobState.PENDING, JobState.QUEUED, JobState.RUNNING

TRANSITIONS: frozenset[Transition] = frozenset(
    {
        Transition(_P, _Q, Reason.DISPATCH),
        Transition(_P, JobState.CANCELLED, Reason.CANCEL),
        Transition(_Q, _R, Reason.CLAIM),
        Transition(_Q, _P, Reason.UNDELIVERED),
        Transition(_Q, JobState.CANCELLED, Reason.CANCEL),
        Transition(_R, JobState.COMPLETED, Reason.COMPLETE),
        Transition(_R, _P, Reason.RETRY),
        Transition(_R, _P, Reason.SNOOZE),
        Transition(_R, _P, Reason.RELEASE),
        Transition(_R, _P, Reason.RESCUE),
        Transition(_R, JobState.FAILED, Reason.EXHAUSTED),
        Transition(_R, JobState.FAILED, Reason.PERMANENT),
        Transition(_R, JobState.FAILED, Reason.POISON),
        Transition(_R, JobState.FAILED, Reason.OVERRUN),
        Transition(_R, JobState.CANCELLED, Reason.CANCEL),
    }
)

#: States with no way out, derived from the table.
TERMINAL: frozenset[JobState] = frozenset(JobState) - {transition.source for transition in TRANSITIONS}

#: States in which a job takes one of its lane's places.
IN_FLIGHT: frozenset[JobState] = frozenset({JobState.QUEUED, JobState.RUNNING})


def allowed(source: JobState, target: JobState, reason: Reason) -> bool:
    """Whether a job may go from `source` to `target` for `reason`."""
    return Transition(source, target, reason) in TRANSITIONS


def arrivals() -> dict[JobState, frozenset[Reason]]:
    """For each state, the reasons a job may be in it for; the constraint `jobs_state_reason` says the same."""
    reasons: dict[JobState, set[Reason]] = {state: set() for state in JobState}
    reasons[JobState.PENDING].add(Reason.ENQUEUE)
    for transition in TRANSITIONS:
        reasons[transition.target].add(transition.reason)
    return {state: frozenset(found) for state, found in reasons.items()}
