"""What an attempt came to. A handler returns a value; the runtime, not the handler, writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from retinue.errors import IncidentKind
from retinue.holds import Hold


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done; `result` is kept with its history and must be JSON."""

    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """This attempt failed: try again `after` this long, or by the type's retry policy where it is None.

    `cause` is the exception it failed with, for retry rules that go by its class.
    """

    after: timedelta | None = None
    message: str = "the handler asked for a retry"
    kind: str = "Retry"
    cause: BaseException | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Put the job back until this moment; no attempt is spent."""

    until: datetime
    message: str = ""

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise ValueError(f"Snooze(until=…) needs a time zone, got {self.until.isoformat()}")


@dataclass(frozen=True, slots=True)
class Fail:
    """Give the job up: trying again cannot help."""

    message: str
    kind: str = "Fail"


@dataclass(frozen=True, slots=True)
class Park:
    """Put the job back and park its lane: the integration is broken until a person mends it.

    `incident` is what sort of incident it is; it opens one where the runtime knows the `connection_id`.
    """

    message: str
    kind: str = "CredentialError"
    incident: IncidentKind = "credential"
    connection_id: int | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Put the job back, hold its lane for this reason, and spend no attempt."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The job stopped because it was asked to."""

    message: str = "cancelled while running"


Outcome = Completed | Retry | Snooze | Fail | Park | Blocked | Cancelled
