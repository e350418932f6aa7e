"""The first sync of a mailbox's connection: recent weeks first, then the history by jobs of its own.

    list folders, note their positions ─▶ recent weeks, folder by folder ─▶ one commit: a group of `email.backfill` jobs
                                                                            followed by a comparing `email.sync`

What changes from the first moment on is found by later syncs, from the positions that were noted. They leave alone what
the backfills are still to bring. A first sync that is cut off begins again, and skips what is placed already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.postgres.enqueue import NewJob
from infra.postgres.imports import Kind, Stage, add_done, begin_import, note_recent, stage_of
from retinue.connection import Connection
from retinue.job import Commit, Job
from servants.deadline import Deadline
from servants.email.faults import StaleRange
from servants.email.imap.faults import REFUSALS
from servants.email.mailboxes import StoredMailbox, load_mailbox, save_position
from servants.email.pages import sync_range
from servants.email.placements import placed_uids
from servants.email.uid_sets import common, minus, newest_first
from servants.email.values import Role, Selected, UidSet

if TYPE_CHECKING:
    from servants.email.sync import ConnectionSync

#: What is recent, and how much of it is read before the history begins: of each mailbox so many messages at most.
RECENT = timedelta(weeks=4)
RECENT_MESSAGES = 1000

#: How long reading the recent weeks may take, in seconds; what is left of them then is history.
RECENT_SECONDS = 120.0

#: Messages of one backfill.
CHUNK_MESSAGES = 2000

GROUP = "mail history"

# RFC 9051 §9, `date-month`: English whatever the machine speaks.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Folders with a role, from those that people look at first to those that they look at last; others are in between.
_FIRST = (Role.INBOX, Role.SENT)
_LAST = (Role.ARCHIVE, Role.ALL, Role.FLAGGED, Role.DRAFTS, Role.JUNK, Role.TRASH)


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a mailbox. `recent` are the newest of it, to be read first."""

    mailbox: StoredMailbox
    selected: Selected
    uids: UidSet
    recent: UidSet


def is_due(job: Job[Any], connection: Connection) -> bool:
    """Whether this is the first sync of the connection, or one after a first sync that was cut off."""
    with job.commit() as tx:
        return stage_of(tx, connection.id, Kind.EMAIL) is Stage.RECENT


def begin(job: Job[Any], engine: ConnectionSync) -> dict[str, int]:
    """Read the recent weeks and hand over the history; how much was there, and how much is left to backfills."""
    return _Onboarding(job, engine).run()


class _Onboarding:
    """One first sync."""

    def __init__(self, job: Job[Any], engine: ConnectionSync) -> None:
        self._job = job
        self._engine = engine
        self._connection = engine.connection
        self._since = since(datetime.now(UTC) - RECENT)

    def run(self) -> dict[str, int]:
        listings = self._begin(list(self._listings()))
        deadline = Deadline.after(RECENT_SECONDS)
        for listing in listings:
            self._job.stop_if_cancelled()
            self._read_recent(listing, deadline)
        return self._hand_over(listings)

    def _listings(self) -> Iterator[Listing]:
        rows = [pair.row for pair in self._engine.save_folders() if pair.row.selectable and pair.remote.messages != 0]
        for mailbox in sorted(rows, key=_rank):
            self._job.stop_if_cancelled()
            try:
                yield self._listing(mailbox)
            except REFUSALS:
                # It may have been deleted since it was listed; if not, the syncs that follow report it.
                continue

    def _listing(self, mailbox: StoredMailbox) -> Listing:
        selected = self._engine.session.examine(mailbox.name)
        uids = self._engine.session.uids("ALL")
        recent = common(uids, self._engine.session.uids("SINCE", self._since))
        return Listing(mailbox, selected, uids, next(newest_first(recent, RECENT_MESSAGES), UidSet()))

    def _begin(self, listings: Sequence[Listing]) -> list[Listing]:
        """Note the positions; a mailbox whose UIDs mean something else than the last time is left to the syncs."""
        with self._job.commit() as tx:
            known = [found for listing in listings if (found := _with_position(tx, listing)) is not None]
            missing = [_missing(tx, listing) for listing in known]
            self._note(tx, known, missing)
        # An earlier attempt may have read some of it.
        return [replace(one, recent=common(one.recent, uids)) for one, uids in zip(known, missing, strict=True)]

    def _note(self, tx: Commit, listings: Sequence[Listing], missing: Sequence[UidSet]) -> None:
        total = sum(len(listing.uids) for listing in listings)
        begin_import(
            tx,
            connection_id=self._connection.id,
            account_id=self._connection.account_id,
            kind=Kind.EMAIL,
            total=total,
            done=total - sum(map(len, missing)),
        )

    def _read_recent(self, listing: Listing, deadline: Deadline) -> None:
        if not listing.recent or deadline.passed:
            return
        try:
            sync_range(
                self._job,
                self._engine.server,
                self._connection,
                listing.mailbox,
                listing.recent,
                on_page=self._count,
                deadline=deadline,
            )
        except (StaleRange, *REFUSALS):
            # It was renewed or deleted a moment ago: the backfills find nothing there, and the comparison what is.
            return

    def _count(self, tx: Commit, count: int) -> None:
        add_done(tx, self._connection.id, Kind.EMAIL, count)

    def _hand_over(self, listings: Sequence[Listing]) -> dict[str, int]:
        compare = {"connection_id": self._connection.id, "compare": True}
        account_id = self._connection.account_id
        with self._job.commit() as tx:
            missing = [_missing(tx, listing) for listing in listings]
            chunks = list(_chunks([listing.mailbox for listing in listings], missing))
            group = tx.group(
                (NewJob(type="email.backfill", payload=chunk, account_id=account_id) for chunk in chunks),
                name=GROUP,
                account_id=account_id,
                follow_up=NewJob(type="email.sync", payload=compare, account_id=account_id),
            )
            self._note(tx, listings, missing)
            note_recent(tx, self._connection.id, Kind.EMAIL, group_id=group.id)
        return {"messages": sum(len(one.uids) for one in listings), "left": sum(map(len, missing)), "jobs": len(chunks)}


def since(moment: datetime) -> str:
    """A day as a search names it (RFC 9051 §9, `date`)."""
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year}"


def _rank(mailbox: StoredMailbox) -> tuple[int, int]:
    if mailbox.role in _FIRST:
        return _FIRST.index(Role(mailbox.role)), mailbox.id
    if mailbox.role in _LAST:
        return len(_FIRST) + 1 + _LAST.index(Role(mailbox.role)), mailbox.id
    return len(_FIRST), mailbox.id


def _with_position(tx: Commit, listing: Listing) -> Listing | None:
    """The listing with its mailbox as it is stored, its position noted where an earlier attempt did not."""
    stored = load_mailbox(tx, listing.mailbox.id)
    if stored is not None and stored.uid_validity is None:
        save_position(tx, stored.id, listing.selected)
        stored = load_mailbox(tx, stored.id)
    if stored is None or stored.uid_validity != listing.selected.uid_validity:
        return None
    return replace(listing, mailbox=stored)


def _missing(tx: Commit, listing: Listing) -> UidSet:
    return minus(listing.uids, placed_uids(tx, listing.mailbox.id))


def _chunks(mailboxes: Sequence[StoredMailbox], missing: Sequence[UidSet]) -> Iterable[dict[str, int]]:
    """The payloads of the backfills: the newest chunk of every mailbox, then the next newest of every mailbox …"""
    numbered = [
        (number, order, _chunk(mailbox, chunk))
        for order, (mailbox, uids) in enumerate(zip(mailboxes, missing, strict=True))
        for number, chunk in enumerate(newest_first(uids, CHUNK_MESSAGES))
    ]
    return [chunk for *_, chunk in sorted(numbered, key=lambda entry: entry[:2])]


def _chunk(mailbox: StoredMailbox, uids: UidSet) -> dict[str, Any]:
    return {
        "connection_id": mailbox.connection_id,
        "mailbox_id": mailbox.id,
        "uid_validity": mailbox.uid_validity,
        "first": uids.ranges[0][0],
        "last": uids.ranges[-1][1],
        "messages": len(uids),
    }


# Its jobs that have not ended, whatever becomes of them; once one has, its range is as good as any other.
_PENDING = """
SELECT (chunk.payload ->> 'first')::bigint, (chunk.payload ->> 'last')::bigint
FROM mailboxes AS mailbox
JOIN imports ON imports.connection_id = mailbox.connection_id AND imports.kind = 'email'
JOIN jobs AS chunk ON chunk.group_id = imports.group_id AND chunk.type = 'email.backfill'
WHERE mailbox.id = %(mailbox_id)s
  AND (chunk.payload ->> 'mailbox_id')::bigint = mailbox.id
  AND (chunk.payload ->> 'uid_validity')::bigint = %(uid_validity)s
"""


def pending_history(tx: Commit, mailbox_id: int, uid_validity: int) -> UidSet:
    """The UIDs of a mailbox that are left to backfills: between them may lie some that nobody has."""
    rows = tx.execute(_PENDING, {"mailbox_id": mailbox_id, "uid_validity": uid_validity})
    return UidSet.of_ranges((first, last) for first, last in rows)
