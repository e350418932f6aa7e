"""Perform everything that is due, through the real passes and the real runtime, until nothing is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from retinue.errors import TransientError
from retinue.servant import ServantType
from retinue.testing.crew import Crew
from retinue.testing.database import RetinueDatabase

#: A job that stays queued this long while none runs has lost its message, in seconds of the machine's time.
LOST_SECONDS = 0.25

#: After this long a hidden message is visible again, whatever hid it, in seconds of the queues' time.
VISIBLE_SECONDS = 31

#: How often the database is looked at while jobs run, in seconds.
LOOK_SECONDS = 0.005

_ENDED = "SELECT id, state::text FROM job_history WHERE type = ANY(%s) AND id <> ALL(%s) ORDER BY id"


class NotDrained(Exception):
    """Jobs were still queued or running when the time for the drain was over."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The IDs of the jobs that ended, by what they came to, and of those that wait for something; what was raised."""

    completed: list[int]
    failed: list[int]
    cancelled: list[int]
    pending: list[int]
    raised: list[BaseException]


def drain(
    database: RetinueDatabase,
    *servants: ServantType[Any],
    passing: timedelta = timedelta(0),
    slots: int = 1,
    seconds: float = 30.0,
) -> Drained:
    """Perform every due job of these types, and what they make due, until nothing is.

    `passing` lets so much time go by, from one due moment to the next, so that retries and schedules come too. With one
    slot the jobs of a type run one after the other. A failed `assert` inside a handler is raised.

    Raises:
        NotDrained: a job still ran after `seconds` of the machine's time.
        Exception: what a pass of the scheduler raised.
    """
    types = [kind.name for kind in servants]
    before = [row[0] for row in database.sql.execute("SELECT id FROM job_history WHERE type = ANY(%s)", (types,))]
    with Crew(database, servants, slots=slots) as crew:
        _Drain(database, crew, types, ends=time.monotonic() + seconds).work(passing)
    return _drained(database, types, before, crew.raised)


class _Drain:
    def __init__(self, database: RetinueDatabase, crew: Crew, types: list[str], *, ends: float) -> None:
        self._database = database
        self._crew = crew
        self._types = types
        self._ends = ends

    def work(self, passing: timedelta) -> None:
        """Let `passing` go by, everything performed that falls due meanwhile."""
        left = passing
        while True:
            looked_at = self._until_nothing_is_due()
            # What has fallen due since the passes looked would be missed by whoever asked for what is still to come.
            coming = self._database.next_moment(self._types, since=looked_at)
            if coming is None or coming > left:
                break
            # A millisecond more: a moment that is now is not yet past.
            self._database.travel(coming + timedelta(milliseconds=1))
            left -= coming
        self._database.travel(max(left, timedelta(0)))

    def _until_nothing_is_due(self) -> datetime:
        """When the passes last looked, and found nothing to do."""
        while True:
            looked_at = self._database.now()
            if not self._passes() and not sum(self._database.in_flight(self._types)):
                return looked_at
            self._until_settled()

    def _passes(self) -> int:
        try:
            return self._crew.passes()
        except TransientError:
            # A queue did not answer; the jobs were put back.
            if not self._database.queues.faults.unreachable:
                raise
            return 1

    def _until_settled(self) -> None:
        """Wait until no job is queued or running; take back those whose message is lost."""
        quiet_since = time.monotonic()
        while sum(flight := self._database.in_flight(self._types)):
            self._raise_what_is_the_test_s()
            now = time.monotonic()
            if now > self._ends:
                raise NotDrained(f"{flight[0]} jobs are queued and {flight[1]} running")
            if flight[1]:
                quiet_since = now
            elif now - quiet_since > LOST_SECONDS:
                self._database.clock.advance(VISIBLE_SECONDS)
                self._crew.rescue()
                return
            time.sleep(LOOK_SECONDS)  # what the servants' threads commit gives this one no signal
        self._raise_what_is_the_test_s()

    def _raise_what_is_the_test_s(self) -> None:
        for error in self._crew.raised:
            if isinstance(error, AssertionError):
                raise error


def _drained(database: RetinueDatabase, types: list[str], before: list[int], raised: list[BaseException]) -> Drained:
    ended = database.sql.execute(_ENDED, (types, before)).fetchall()
    pending = database.sql.execute("SELECT id FROM jobs WHERE type = ANY(%s) ORDER BY id", (types,)).fetchall()
    by_state = {
        state: [job for job, found in ended if found == state] for state in ("completed", "failed", "cancelled")
    }
    return Drained(**by_state, pending=[row[0] for row in pending], raised=raised)
