"""`email.watch`: hold IDLE (RFC 2177) on a connection's INBOX, and have it synced the moment that something happens.

    sign in ─▶ open INBOX ─▶ compare with what is stored ─▶ IDLE ─▶ something happened ─▶ an urgent `email.sync`
       ▲                                                      ▲            │
       └── the connection broke: wait a little                └── DONE every 25 minutes

A watch holds its slot for an hour and is then put back, to be taken up by whichever servant has room. Nothing is missed
in between, nor while a connection is down: what happened meanwhile is seen by comparing.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import NoReturn

import psycopg

from infra.logs import get_logger
from infra.postgres.enqueue import NewJob
from retinue import (
    AsyncConnection,
    AsyncJob,
    Cancelled,
    Exponential,
    Outcome,
    Payload,
    Snooze,
    TransientError,
    Unique,
    hours,
    seconds,
    servant,
)
from servants.email.connecting_async import open_async_session
from servants.email.folders import INBOX
from servants.email.imap.aio import AsyncImapSession
from servants.email.imap.faults import REFUSALS
from servants.email.values import Selected

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a watch goes, in seconds.

    `term` is how long a watch holds its slot, give or take a tenth. `poll` is between two questions where the server
    has no IDLE. `gather` is waited for more after the first news: what is delivered together is told one by one.
    """

    term: float = 3600
    poll: float = 30
    gather: float = 0.05


#: How long one IDLE lasts, in seconds: a server may take a client that says nothing for half an hour for dead
#: (RFC 2177). Some say nothing any more after less: https://github.com/mjs/imapclient/issues/349.
IDLE_SECONDS = 25 * 60.0
_SHORT_IDLES = {"outlook.com": 9 * 60.0, "office365.com": 9 * 60.0}

#: Between two tries to connect; the first comes soon, for a server that was restarted is soon there again.
RECONNECT = Exponential(base=4, cap=300, floor=1)

#: After so many failures in a row the job goes back.
MOST_FAILURES = 5


class EmailWatch(Payload):
    """Which connection to watch."""

    connection_id: int


@servant(
    "email.watch",
    slots=500,
    timeout=hours(2),
    grace=seconds(3),
    retry=Exponential(base=5, cap=300, attempts=10),
    lane="connection_id",
    lane_limit=1,
    standing=True,
)
async def watch_mailbox(job: AsyncJob[EmailWatch]) -> Outcome:
    """Watch the connection's INBOX."""
    connection = await job.connection(job.payload.connection_id)
    return await Watch(job, connection).run()


_READ_POSITION = """
SELECT uid_validity, uid_next, highest_modseq, messages FROM mailboxes
WHERE connection_id = %s AND name = %s AND deleted_at IS NULL
"""


def idle_seconds(host: str) -> float:
    """How long to let one IDLE last at this server."""
    name = host.lower().rstrip(".")
    fitting = (seconds for ending, seconds in _SHORT_IDLES.items() if f".{name}".endswith(f".{ending}"))
    return next(fitting, IDLE_SECONDS)


class Watch:
    """One watch of one connection."""

    def __init__(self, job: AsyncJob[EmailWatch], connection: AsyncConnection, rhythm: Rhythm | None = None) -> None:
        self._job = job
        self._connection = connection
        self._rhythm = rhythm or Rhythm()

    async def run(self) -> Outcome:
        """Watch until the term is over or the job is asked to stop; raises what no waiting mends."""
        watching = asyncio.ensure_future(self._watch())
        asked = asyncio.ensure_future(self._job.cancelled.wait())
        try:
            term = self._rhythm.term * random.uniform(0.9, 1.1)  # noqa: S311 - spreads them
            await asyncio.wait({watching, asked}, timeout=term, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            # It says goodbye to the server, which takes half a second at most.
            watching.cancel()
            await asyncio.wait({watching})
        ended = None if watching.cancelled() else watching.result()
        if self._job.cancelled.is_set():
            return Cancelled(self._job.cancelled.reason)
        return ended or Snooze(datetime.now(UTC), "the watch goes on")

    async def _watch(self) -> Snooze:
        """Watch until the server cannot be reached: whether anybody may still try is decided where jobs begin."""
        failures = 0
        while True:
            began = monotonic()
            try:
                async with open_async_session(self._connection) as session:
                    await self._follow(session)
            except (TransientError, psycopg.OperationalError) as error:
                # One that has lasted is not the next failure in a row.
                failures = 1 if monotonic() - began > RECONNECT.cap else failures + 1
                delay = RECONNECT.delay(failures)
                log.info("watch_interrupted", connection=self._connection.id, delay=delay, error=str(error))
                if failures == MOST_FAILURES:
                    return Snooze(datetime.now(UTC) + timedelta(seconds=delay), str(error))
            await asyncio.sleep(delay)

    async def _follow(self, session: AsyncImapSession) -> NoReturn:
        """From opening INBOX until the connection breaks. What happens from the opening on is told by the server."""
        selected = await session.examine(INBOX)
        if await self._has_moved(selected):
            await self._sync()
        if "IDLE" in session.capabilities:
            try:
                while True:
                    await self._idle(session)
            except REFUSALS as refused:
                log.info("idle_refused", connection=self._connection.id, error=refused.message)
        else:
            log.info("idle_missing", connection=self._connection.id, poll_seconds=self._rhythm.poll)
        while True:
            await asyncio.sleep(self._rhythm.poll)
            if await session.noop():
                await self._sync()

    async def _idle(self, session: AsyncImapSession) -> None:
        """One IDLE, ended before the server takes us for dead."""
        ends = monotonic() + idle_seconds(str(self._connection.config.get("host", "")))
        await session.begin_idle()
        log.debug("idle_begun", connection=self._connection.id)
        while (left := ends - monotonic()) > 0:
            if await session.changed(left):
                await asyncio.sleep(self._rhythm.gather)
                await session.changed(0)
                await self._sync()
        if await session.end_idle():
            await self._sync()

    async def _has_moved(self, selected: Selected) -> bool:
        """Whether INBOX is not where the last sync left it; also where none has been there."""
        async with self._job.commit() as tx:
            row = await (await tx.execute(_READ_POSITION, (self._connection.id, INBOX))).fetchone()
        now = (selected.uid_validity, selected.uid_next, selected.highest_modseq, selected.exists)
        # What either side does not count cannot tell anything.
        return row is None or any(one != other for one, other in zip(now, row, strict=True) if None not in (one, other))

    async def _sync(self) -> None:
        """Have the connection synced at once, after a sync that runs already."""
        job = NewJob(
            type="email.sync",
            payload={"connection_id": self._connection.id},
            account_id=self._connection.account_id,
            priority=0,
            unique=Unique(f"push:{self._connection.id}", over="waiting"),
        )
        async with self._job.commit() as tx:
            made = await tx.enqueue(job)
        log.debug("news_heard", connection=self._connection.id, job=made.id, created=made.created)
