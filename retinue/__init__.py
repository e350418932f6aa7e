"""What a job is, and the names a servant's author needs. No I/O happens here."""

from retinue.async_job import AsyncConnection, AsyncJob
from retinue.connection import Connection
from retinue.durations import hours, minutes, seconds
from retinue.errors import CredentialError, PermanentError, RateLimited, RetinueError, TransientError
from retinue.job import Job
from retinue.order import StrictOrder
from retinue.outcomes import Cancelled, Completed, Fail, Outcome, Park, Retry, Snooze
from retinue.payload import NoPayload, Payload, Sensitive
from retinue.retry import Exponential, NoRetry
from retinue.rules import Rules, When
from retinue.servant import ServantType, servant
from retinue.unique import Unique

__all__ = [
    "AsyncConnection",
    "AsyncJob",
    "Cancelled",
    "Completed",
    "Connection",
    "CredentialError",
    "Exponential",
    "Fail",
    "Job",
    "NoPayload",
    "NoRetry",
    "Outcome",
    "Park",
    "Payload",
    "PermanentError",
    "RateLimited",
    "RetinueError",
    "Retry",
    "Rules",
    "Sensitive",
    "ServantType",
    "Snooze",
    "StrictOrder",
    "TransientError",
    "Unique",
    "When",
    "hours",
    "minutes",
    "seconds",
    "servant",
]
