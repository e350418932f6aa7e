"""A whole mailbox compared with its server: the proof that following it misses nothing.

Following comes first. What the comparison then finds may have changed since, so following comes once more, and again
for what may have changed in that moment; what it does not mend is drift, which is mended here and reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from infra.logs import get_logger
from retinue.job import Job
from servants.email import mailboxes
from servants.email.faults import StaleRange
from servants.email.follow import News, Plan, plan
from servants.email.mailbox_sync import MailboxSync
from servants.email.mailboxes import StoredMailbox
from servants.email.server import Server
from servants.email.uid_sets import EMPTY, joined, oldest_first
from servants.email.values import UidSet

log = get_logger(__name__)

#: How long a comparison is good for.
GOOD_FOR = timedelta(days=1)

#: How often following gets the chance to mend a difference before it is drift.
CONFIRMATIONS = 2

#: Messages of which the flags are asked for at once.
_PART = 10_000


def is_due(row: StoredMailbox, *, now: datetime) -> bool:
    """Whether a mailbox that is in step should be compared again."""
    return row.synced_at is not None and (row.compared_at is None or now - row.compared_at >= GOOD_FOR)


class Comparison:
    """Compares mailboxes that were followed in this run."""

    def __init__(self, job: Job[Any], server: Server, sync: MailboxSync) -> None:
        self._job = job
        self._server = server
        self._sync = sync

    def compare(self, row: StoredMailbox) -> bool:
        """Compare a mailbox and mend it; whether that was done, or the deadline came first.

        Raises:
            StaleRange: it was given new UIDs a moment ago, or is gone.
            TransientError, PermanentError: the server does not let it.
        """
        differing = self._differing(row)
        for _ in range(CONFIRMATIONS):
            if differing:
                self._sync.follow(self._current(row))
                differing = self._still_differing(self._current(row), differing)
        if differing and not self._mend(self._current(row), differing):
            return False
        with self._job.commit() as tx:
            mailboxes.mark_compared(tx, row.id)
        return True

    def _current(self, row: StoredMailbox) -> StoredMailbox:
        with self._job.commit() as tx:
            current = mailboxes.load_mailbox(tx, row.id)
        if current is None:
            raise StaleRange
        return current

    def _differing(self, row: StoredMailbox) -> UidSet:
        """The UIDs of which the server says something else than is placed."""
        selected = self._server.session.examine(row.name)
        if selected.uid_validity != row.uid_validity:
            raise StaleRange
        differing = EMPTY
        for news in self._sync.windows(selected, size=_PART):
            self._job.stop_if_cancelled()
            with self._job.commit() as tx:
                found = plan(news, self._sync.held(tx, row, news))
            differing = joined(differing, _uids_of(found))
        return differing

    def _still_differing(self, row: StoredMailbox, uids: UidSet) -> UidSet:
        """Those of the UIDs of which the server says something else than is placed, once more."""
        differing = EMPTY
        for part, news in self._news_of(uids):
            with self._job.commit() as tx:
                found = plan(news, self._sync.held(tx, row, news, among=part))
            differing = joined(differing, _uids_of(found))
        return differing

    def _mend(self, row: StoredMailbox, uids: UidSet) -> bool:
        """Bring these UIDs in step by what the server says of them now; whether all of it was done."""
        missing, found = EMPTY, {"gone": 0, "flags": 0, "missing": 0}
        for part, news in self._news_of(uids):
            with self._job.commit() as tx:
                done = self._sync.apply(tx, row, news, among=part)
            missing = joined(missing, done.missing)
            found["gone"] += len(done.gone)
            found["flags"] += len(done.reflag)
            found["missing"] += len(done.missing)
        self._report(row, found)
        return self._sync.bring(row, missing)

    def _news_of(self, uids: UidSet) -> Iterator[tuple[UidSet, News]]:
        """What the server says of these UIDs, and of no others: it may tell of other messages that change meanwhile."""
        for part in oldest_first(uids, _PART):
            told, _ = self._server.session.flags(part)
            asked = frozenset(part)
            lines = [line for line in told if line.uid in asked]
            yield part, News(lines=lines, listed=UidSet.of(line.uid for line in lines), whole=True)

    def _report(self, row: StoredMailbox, found: dict[str, int]) -> None:
        """The first comparison completes the import: what it finds is no drift."""
        if not any(found.values()):
            return
        if row.compared_at is None:
            log.info("import_completed", mailbox=row.id, **found)
        else:
            self._job.anomaly("mailbox_drift", mailbox=row.id, **found)


def _uids_of(found: Plan) -> UidSet:
    return joined(found.gone, found.missing, found.forgotten, UidSet.of(line.uid for line in found.reflag))
