"""Whether Retinue can work: the checks behind /readyz. What they say holds no address and no secret."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import psycopg

from infra.logs import get_logger
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.postgres.revision import HEAD, SchemaMismatch, require_head
from infra.postgres.statements import statement
from infra.queues.transport import Queues, QueueUnreachable
from manager.heartbeats import SCHEDULER_LIVE_SECONDS

#: All queues together are waited for no longer, in seconds.
QUEUES_SECONDS = 5

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One check's result and a sentence about it."""

    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """All checks, by name."""

    ready: bool
    checks: dict[str, Check]


_UNKNOWN = Check(False, "Not known, because the database could not be read.")


class ReadinessChecks:
    """Runs the checks; not for several threads at once."""

    def __init__(self, database: Database, queues: Queues) -> None:
        self._database = database
        self._queues = QueueCheck(queues)

    def run(self) -> Readiness:
        """Every check; those that need the database say so where it is away."""
        checks = {"database": _UNKNOWN, "schema": _UNKNOWN, "scheduler": _UNKNOWN, "queues": _UNKNOWN}
        try:
            checks |= self._look()
        except SchemaMismatch as mismatch:
            checks |= {"database": _ANSWERS, "schema": Check(False, mismatch.message)}
        except (DatabaseUnreachable, psycopg.Error) as error:
            log.warning("readiness_failed", check="database", error=str(error))
            checks |= {"database": Check(False, "The database does not answer.")}
        return Readiness(all(check.ok for check in checks.values()), checks)

    def _look(self) -> dict[str, Check]:
        with self._database.transaction() as connection:
            connection.execute("SET LOCAL statement_timeout = '5s'")
            require_head(connection)
            [(types, silence_seconds)] = connection.execute(statement("readiness")).fetchall()
        return {
            "database": _ANSWERS,
            "schema": Check(True, f"The schema is current: revision {HEAD}."),
            "scheduler": _scheduler(silence_seconds),
            "queues": self._queues.run(types),
        }


_ANSWERS = Check(True, "The database answers.")


def _scheduler(silence_seconds: float | None) -> Check:
    if silence_seconds is None:
        return Check(False, "No scheduler runs.")
    said = f"The last heartbeat of a scheduler came {max(0, silence_seconds):.0f} s ago."
    return Check(silence_seconds <= SCHEDULER_LIVE_SECONDS, said)


class QueueCheck:
    """Asks for every queue in a thread of its own, because a server that hangs must not make the answer wait for it."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._thread: threading.Thread | None = None

    def run(self, types: Sequence[str]) -> Check:
        """Whether the queue of each of these types can be reached."""
        if not types:
            return Check(True, "There is no queue yet: no servant has registered a type.")
        silent = Check(False, f"The queues did not answer within {QUEUES_SECONDS} s.")
        if self._thread is not None and self._thread.is_alive():
            return silent
        answer: SimpleQueue[Check] = SimpleQueue()
        self._thread = threading.Thread(
            target=lambda: answer.put(self._ask(types)), name="readiness-queues", daemon=True
        )
        self._thread.start()
        try:
            return answer.get(timeout=QUEUES_SECONDS)
        except Empty:
            return silent

    def join(self, seconds: float) -> None:
        """Wait for an answer that is still out."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _ask(self, types: Sequence[str]) -> Check:
        for name in types:
            try:
                self._queues.depth(name)
            except QueueUnreachable as error:
                log.warning("readiness_failed", check="queues", type=name, error=str(error))
                return Check(False, f"The queue of {name} cannot be reached.")
            except Exception:  # whatever it is, it must be told to whoever waits
                log.exception("readiness_failed", check="queues", type=name)
                return Check(False, f"The queue of {name} cannot be read. The manager's log says why.")
        return Check(True, f"All {len(types)} queues answer." if len(types) > 1 else "The one queue answers.")
