"""Notes in the database how processes end: an event listener of supervisord (supervisord.org/events.html).

supervisord keeps events while the one before is handled, so a database that is away delays notes and loses none.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import psycopg
from supervisor import childutils

from infra.logs import configure_logs, get_logger
from infra.postgres.connect import connect
from infra.postgres.process_exits import ExitKind, NewExit, note_exit
from infra.settings import Settings, load_settings
from infra.supervisor.client import Supervisor, SupervisorFault, SupervisorUnreachable
from infra.supervisor.exit_log import LoggedEnd, find_end
from infra.supervisor.exits import leave_misconfigured
from retinue.errors import ConfigurationError, TransientError

#: The events that tell of an end, by what they are called (supervisord.org/events.html#event-types).
KINDS = {
    "PROCESS_STATE_EXITED": ExitKind.EXITED,
    "PROCESS_STATE_STOPPED": ExitKind.STOPPED,
    "PROCESS_STATE_BACKOFF": ExitKind.START_FAILED,
    "PROCESS_STATE_FATAL": ExitKind.GIVEN_UP,
}

#: Between two tries to write a note, in seconds.
RETRY_SECONDS = 2.0

#: How much of the end of supervisord's log is looked through.
LOG_BYTES = 262_144

log = get_logger(__name__)


def main() -> None:
    """Handle events until supervisord ends this process."""
    try:
        settings = load_settings()
        configure_logs(settings.log_format, settings.log_level)
        supervisor = Supervisor(_socket(os.environ))
    except ConfigurationError as error:
        leave_misconfigured(f"Error: {error.message}")
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        note = read_event(headers["eventname"], childutils.get_headers(payload), supervisor)
        if note is not None:
            _write(note, settings)
        childutils.listener.ok(sys.stdout)


def _socket(environment: Mapping[str, str]) -> Path:
    """Raises ConfigurationError where no supervisord started this process."""
    # Not taken apart as a URL is: the path stands there as it is, whatever characters it has.
    scheme, _, path = environment.get("SUPERVISOR_SERVER_URL", "").partition("://")
    if scheme != "unix":
        raise ConfigurationError("The event listener is for supervisord to start; it has no use by hand.")
    return Path(path)


def read_event(name: str, told: Mapping[str, str], supervisor: Supervisor) -> NewExit | None:
    """What an event says of an end, with the cause from supervisord's log; None for any other event."""
    kind = KINDS.get(name)
    if kind is None:
        return None
    pid = int(told["pid"]) if told.get("pid", "0") != "0" else None
    end = None if kind is ExitKind.GIVEN_UP else find_end(_log(supervisor), told["processname"], pid)
    return NewExit(
        host=socket.gethostname(),
        program=told["groupname"],
        process=told["processname"],
        kind=kind,
        pid=pid if end is None else end.pid or pid,
        exit_status=None if end is None else end.exit_status,
        signal=None if end is None else end.signal,
        seconds_ago=_age(end),
    )


def _log(supervisor: Supervisor) -> str:
    """The end of supervisord's log; nothing where it cannot be had: the end is noted without its cause."""
    try:
        return supervisor.log_tail(LOG_BYTES)
    except (SupervisorFault, SupervisorUnreachable) as error:
        log.warning("supervisor_log_unread", problem=error.message)
        return ""


def _age(end: LoggedEnd | None) -> float:
    """By this machine's clock alone, which the database's may not agree with."""
    return 0.0 if end is None else max(0.0, (datetime.now().astimezone() - end.at).total_seconds())


def _write(note: NewExit, settings: Settings) -> None:
    while not _written(note, settings):
        time.sleep(RETRY_SECONDS)


def _written(note: NewExit, settings: Settings) -> bool:
    try:
        with connect(settings.database_url, application_name="retinue-exits") as connection:
            servant_id = note_exit(connection, note)
    except (psycopg.Error, TransientError) as error:
        log.warning("exit_not_noted", process=note.process, problem=str(error), retry_seconds=RETRY_SECONDS)
        return False
    log.info("exit_noted", process=note.process, pid=note.pid, kind=note.kind, servant=servant_id)
    return True


if __name__ == "__main__":
    main()
