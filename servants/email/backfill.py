"""`email.backfill`: bring a part of a mailbox's history. `servants.email.onboarding` makes the jobs of this type."""

from __future__ import annotations

from collections.abc import Mapping

from infra.postgres.imports import Kind, add_done
from retinue import Completed, Exponential, Job, Outcome, Payload, Snooze, minutes, seconds, servant
from retinue.clock import SystemClock
from retinue.job import Commit
from servants.deadline import Deadline
from servants.email.faults import StaleRange
from servants.email.imap.faults import REFUSALS
from servants.email.imap.session import ImapSession
from servants.email.mailboxes import StoredMailbox, load_mailbox
from servants.email.pages import sync_range
from servants.email.server import connected
from servants.email.values import UidSet

#: After so many seconds the job goes on in another attempt, so that it never passes its time limit.
WORK_SECONDS = 240.0


class Backfill(Payload):
    """Which UIDs of which mailbox, as long as they are counted under this UIDVALIDITY.

    `messages` is how many of them were to be brought when the job was made.
    """

    connection_id: int
    mailbox_id: int
    uid_validity: int
    first: int
    last: int
    messages: int


@servant(
    "email.backfill",
    # What it does keeps a core busy: more at once in one process would only wait for one another.
    slots=2,
    timeout=minutes(6),
    # As long as one silent read may take, for only then can the job notice that it should stop.
    grace=seconds(75),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    # Beside them a sync and a watch are signed in; providers allow ten to fifteen connections.
    lane_limit=3,
)
def backfill(job: Job[Backfill]) -> Outcome:
    """Fetch the messages of the range that are not there yet, newest first."""
    with job.commit() as tx:
        mailbox = load_mailbox(tx, job.payload.mailbox_id)
    if mailbox is None or mailbox.uid_validity != job.payload.uid_validity:
        return _completed(job, {"stale": True})
    try:
        tally = _bring(job, mailbox)
    except StaleRange:
        # Renumbered, renamed or deleted meanwhile. The comparison that follows all backfills finds what is there then.
        return _completed(job, {"stale": True})
    if tally.get("left"):
        return Snooze(SystemClock().now(), "there is more to bring than one attempt may take time for")
    return _completed(job, tally)


def _bring(job: Job[Backfill], mailbox: StoredMailbox) -> dict[str, int]:
    connection = job.connection(job.payload.connection_id)
    with connected(job, connection) as server:
        uids = _listed(job.payload, server.session, mailbox)
        tally = sync_range(
            job, server, connection, mailbox, uids, on_page=_Counter(job), deadline=Deadline.after(WORK_SECONDS)
        )
    return dict(tally)


def _listed(payload: Backfill, session: ImapSession, mailbox: StoredMailbox) -> UidSet:
    """What lies there now: between the ends of the range there may be gaps of any size.

    Raises:
        StaleRange: the mailbox is gone.
    """
    try:
        session.examine(mailbox.name)
    except REFUSALS:
        # Servers say in many ways that there is no such mailbox.
        if mailbox.name in {folder.name for folder in session.folders()}:
            raise
        raise StaleRange from None
    return session.uids("UID", f"{payload.first}:{payload.last}")


class _Counter:
    """Adds to the import what each page brought, over all attempts no more than the job was made for."""

    def __init__(self, job: Job[Backfill]) -> None:
        self._job = job

    def __call__(self, tx: Commit, count: int) -> None:
        before = counted(self._job)
        now = min(before + count, self._job.payload.messages)
        tx.checkpoint({"counted": now})
        add_done(tx, self._job.payload.connection_id, Kind.EMAIL, now - before)


def counted(job: Job[Backfill]) -> int:
    """How many messages of the job are counted as done."""
    return int((job.checkpoint or {}).get("counted", 0))


def _completed(job: Job[Backfill], result: Mapping[str, int | bool]) -> Completed:
    """End the job together with what of it is not counted yet, because it is not there any more."""
    done = Completed(dict(result))
    with job.commit() as tx:
        tx.complete(done)
        add_done(tx, job.payload.connection_id, Kind.EMAIL, job.payload.messages - counted(job))
    return done
