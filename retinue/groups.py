"""Groups: jobs that are made together, add up, and are followed by a job when all of them are done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class OnFailure(StrEnum):
    """What becomes of a group when one of its jobs has failed for good."""

    CONTINUE = "continue"  # the others go on; the follow-up comes all the same, and can read what failed
    WITHHOLD = "withhold"  # the others go on; the follow-up does not come
    CANCEL = "cancel"  # the others are cancelled; the follow-up does not come


class GroupOutcome(StrEnum):
    """How a group ended."""

    COMPLETED = "completed"
    FAILED = "failed"  # a job of it, or a group inside it, has failed
    CANCELLED = "cancelled"  # a person, or the end of its parent, cancelled it before it was done


class GroupState(StrEnum):
    """How a group stands."""

    OPEN = "open"  # more jobs may join
    RUNNING = "running"  # sealed: it ends when its jobs have
    CANCELLING = "cancelling"  # what is left of it is being cancelled
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """How far a group is, the groups inside it added up. `total` grows while it is open."""

    id: int
    name: str
    state: GroupState
    total: int
    completed: int
    failed: int
    cancelled: int

    @property
    def done(self) -> int:
        """Jobs that have ended, one way or another."""
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Child:
    """A finished job of a group. `result` and `error` are what its last attempt left."""

    id: int
    type: str
    state: str
    payload: Any
    result: Any
    error: Any


class Group(Protocol):
    """A group that a job made in its commit."""

    @property
    def id(self) -> int: ...

    @property
    def created(self) -> bool:
        """Whether this call made it; an earlier attempt may have."""

    def add(self, children: Iterable[Any]) -> int:
        """Let these jobs join (`infra.postgres.enqueue.NewJob`); returns how many were made.

        Raises:
            NotAllowed: it is sealed or being cancelled.
        """

    def seal(self) -> None:
        """Let no more join: the group ends when its jobs have."""
