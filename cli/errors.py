"""What goes wrong, as one message on standard error and an exit status; the unexpected keeps its traceback.

| status | meaning                                                     |
|--------|-------------------------------------------------------------|
| 2      | the command line, or what was given with it, cannot be used |
| 69     | a service cannot be reached (sysexits.h, EX_UNAVAILABLE)    |
| 78     | a setting, a key or the schema is wrong (EX_CONFIG)         |
| 1      | anything else                                               |
"""

from __future__ import annotations

from typing import Any

import click


class Failure(click.ClickException):
    """An error that click shows as `Error: …`; the exit status is the class's `exit_code`."""

    exit_code = 1


class BadInput(Failure):
    """What was given cannot be used."""

    exit_code = 2


class Unreachable(Failure):
    """A service cannot be reached."""

    exit_code = 69


class Misconfigured(Failure):
    """A setting, a key or the schema is wrong."""

    exit_code = 78


class ExplainsErrors:
    """Mixed into the outermost group: known errors of any command become a `Failure`."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)  # type: ignore[misc] # the group it is mixed into has it
        except Exception as error:
            failure = explain(error)
            if failure is None:
                raise
            raise failure from error


def explain(error: Exception) -> Failure | None:
    """The failure for people; None for what nobody expected, and for click's own errors."""
    import psycopg
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.redaction import mask_text
    from retinue.errors import RetinueError

    text = mask_text(str(error)).strip()
    match error:
        case RetinueError():
            return _kind(error)(mask_text(_words(error)))
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Unreachable(f"The connection to the database failed: {text}")
        case psycopg.Error():
            return Failure(f"The database refused this: {text}")
        case BotoCoreError():
            return Unreachable(f"SQS cannot be reached: {text}")
        case UnicodeEncodeError():
            return BadInput(f"What was given is not text: {text}")
        case ClientError():
            return Failure(f"SQS refused this: {text}. Check the AWS credentials and what they allow.")
    return None


def _kind(error: Exception) -> type[Failure]:
    from infra.postgres.accounts import InvalidName
    from infra.postgres.audit_links import InvalidHead
    from infra.postgres.connect import DatabaseUnreachable
    from infra.queues.transport import QueueUnreachable
    from retinue.errors import ConfigurationError, InvalidPayload, InvalidSchedule, UnknownType

    match error:
        case InvalidPayload() | InvalidSchedule() | UnknownType() | InvalidName() | InvalidHead():
            return BadInput
        case DatabaseUnreachable() | QueueUnreachable():
            return Unreachable
        case ConfigurationError():
            return Misconfigured
    return Failure


def _words(error: Any) -> str:
    """The message; for a failed step of the stack also its program's last lines and what to do."""
    from infra.local.steps import StackError

    if not isinstance(error, StackError):
        return str(error.message)
    lines = [error.message]
    if error.log_tail:
        lines += [
            f"The last lines of {error.program or 'supervisord'}'s log:",
            *(f"  {line}" for line in error.log_tail),
        ]
    return "\n".join([*lines, error.advice]).strip()
