"""The error tree: what can go wrong, named for what happened.

A handler raises a `JobError` to say what should become of its job; `retinue.settlement` turns each class into an
outcome. The class docstring is the message used when none is given.
"""

from __future__ import annotations

import inspect
from datetime import datetime
from typing import ClassVar, Literal

from retinue.holds import Hold

IncidentKind = Literal["credential", "permission", "settings"]


class RetinueError(Exception):
    """Something in Retinue went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (inspect.getdoc(type(self)) or type(self).__name__).splitlines()[0])

    @property
    def message(self) -> str:
        """The sentence for people."""
        # A subclass with an `__init__` of its own may have told its base nothing.
        return str(self.args[0]) if self.args else type(self).__name__


class ConfigurationError(RetinueError):
    """A setting is missing or wrong; the message names it, its value and how to mend it."""


class UnknownType(RetinueError):
    """No servant is registered for this job type."""


class InvalidPayload(RetinueError):
    """The payload does not fit what this job type asks for."""


class InvalidSchedule(RetinueError):
    """The schedule's rule, time zone or payload cannot be used."""


class NotFound(RetinueError):
    """There is no such row."""


class NotAllowed(RetinueError):
    """The row's present state does not allow this."""


class LeaseLost(RetinueError):
    """This attempt no longer holds its job: it was rescued, cancelled or settled by someone else."""


class JobError(RetinueError):
    """A job could not be done."""


class TransientError(JobError):
    """The provider or the network failed for the moment; the job is retried with backoff."""

    #: Whether it counts for the connection's breaker; a subclass that stands for a healthy answer says False.
    provider_failed: ClassVar[bool] = True


class JobTimeout(TransientError):
    """The job passed its time limit."""


class RateLimited(JobError):
    """The provider's limit is reached; the job is put back until the reset and no attempt is spent."""

    def __init__(self, message: str | None = None, *, reset_at: datetime) -> None:
        if reset_at.tzinfo is None:
            raise ValueError(f"reset_at needs a time zone, got {reset_at.isoformat()}")
        super().__init__(message)
        self.reset_at = reset_at


class LaneBlocked(JobError):
    """What the job works with cannot be used now; the job is put back, no attempt is spent, and its lane waits."""

    def __init__(self, message: str | None = None, *, hold: Hold) -> None:
        super().__init__(message or hold.reason)
        self.hold = hold


class BudgetExhausted(RateLimited):
    """The connection may make no more calls for now; its lanes wait until the reset and no attempt is spent."""

    def __init__(self, message: str | None = None, *, reset_at: datetime, hold: Hold) -> None:
        super().__init__(message, reset_at=reset_at)
        self.hold = hold


class PermanentError(JobError):
    """Trying again cannot help; the job fails at once."""


class CredentialError(JobError):
    """The provider refused the credentials; the lane is parked until they are mended."""

    #: What sort of incident it opens.
    incident: ClassVar[IncidentKind] = "credential"


class PermissionWithdrawn(CredentialError):
    """The sign-in works, but the provider no longer lets it do what it is for; the lane is parked until it does."""

    incident = "permission"


class SettingsRefused(CredentialError):
    """The connection's settings cannot be used with this provider; the lane is parked until they are mended."""

    incident = "settings"


class JobCancelled(JobError):
    """The job noticed that it was asked to stop."""
