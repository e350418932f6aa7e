"""One mailbox brought in step.

    open it ─▶ ask for what is new ─▶ take away and reflag ─▶ bring what is missing, in pages ─▶ save the position

The position is the one that opening the mailbox told, before anything was listed: what changes meanwhile is found by
the next run. It is saved with the last of what it covers, in a commit that applies the changes once more to what is
placed by then, for a page that somebody else wrote meanwhile may not know of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from infra.logs import get_logger
from retinue.connection import Connection
from retinue.errors import TransientError
from retinue.job import Commit, Job
from servants.deadline import Deadline
from servants.email import mailboxes, placements
from servants.email.faults import StaleRange, SuspiciousEmptiness
from servants.email.follow import (
    UNSTABLE_FROM,
    Held,
    News,
    Plan,
    Way,
    counts_fit,
    is_suspicious,
    modseq_went_back,
    must_rest,
    plan,
    way_to_follow,
)
from servants.email.imap.faults import ReplyTooLarge
from servants.email.mailboxes import StoredMailbox
from servants.email.onboarding import pending_history
from servants.email.pages import Pages
from servants.email.quirks import Abilities
from servants.email.server import Server
from servants.email.uid_sets import EMPTY, common, joined, oldest_first
from servants.email.values import Position, Selected, UidSet

log = get_logger(__name__)

#: Messages whose flags are listed by one command: some 30 MB of memory.
WINDOW = 50_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox that is open: its row, and what opening it told."""

    row: StoredMailbox
    selected: Selected
    way: Way


class MailboxSync:
    """Follows the mailboxes of one run, one after the other.

    `tally` counts placements `placed`, `gone` and `reflagged`, messages `created`, and what else `Pages` counts.
    """

    def __init__(self, job: Job[Any], server: Server, connection: Connection, *, deadline: Deadline) -> None:
        self._job = job
        self._server = server
        self._connection = connection
        self._deadline = deadline
        self.tally: Counter[str] = Counter(created=0, placed=0, gone=0, reflagged=0, malformed=0, unfetchable=0, left=0)

    def follow(self, row: StoredMailbox, *, believe_empty: bool = False) -> None:
        """Bring a mailbox in step; what the deadline leaves undone is in the tally.

        Raises:
            SuspiciousEmptiness: it is suddenly empty, and `believe_empty` is not set.
            StaleRange: it was given new UIDs a moment ago.
            TransientError, PermanentError: the server does not let it.
        """
        try:
            self._follow(row, self._server.abilities, believe_empty)
        except ReplyTooLarge as fault:
            # More has changed than one reply may tell of; a listing comes in parts.
            log.info("changes_too_many", mailbox=row.id, problem=fault.message)
            self._server.renew(fault)
            self._follow(row, replace(self._server.abilities, condstore=False, qresync=False), believe_empty)

    def _follow(self, row: StoredMailbox, abilities: Abilities, believe_empty: bool) -> None:
        opened = self._open(row, abilities)
        if opened.selected.exists == 0 and opened.way is not Way.RESYNC and not believe_empty:
            self._doubt(row)
        ready = self._made_comparable(opened)
        if ready is not None and ready.way in (Way.LISTING, Way.RENUMBERED):
            self._apply_listing(ready)
        elif ready is not None:
            self._apply_changes(ready)

    def _open(self, row: StoredMailbox, abilities: Abilities) -> Opened:
        known = None
        if abilities.qresync and row.uid_validity is not None and row.highest_modseq is not None:
            known = Position(row.uid_validity, row.highest_modseq)
        selected = self._server.session.examine(row.name, known=known)
        return Opened(row, selected, way_to_follow(row, selected, abilities))

    def _doubt(self, row: StoredMailbox) -> None:
        with self._job.commit() as tx:
            held = placements.count_placements(tx, [row.id])
        if is_suspicious(row, held=held):
            raise SuspiciousEmptiness(
                f"mailbox {row.id} is empty though {held} messages are known; it is believed if it is so the next time."
            )

    def _made_comparable(self, opened: Opened) -> Opened | None:
        """The mailbox without what has become meaningless; None where it is left alone for a while."""
        row, selected = opened.row, opened.selected
        if opened.way is Way.RENUMBERED and must_rest(row, now=datetime.now(UTC)):
            log.info("unstable_mailbox_rests", mailbox=row.id, changes=row.validity_changes)
            return None
        if opened.way is Way.RENUMBERED:
            return replace(opened, row=self._renumbered(row, selected))
        if row.uid_validity is None or modseq_went_back(row, selected):
            return replace(opened, row=self._begun_anew(row, selected))
        return opened

    def _begun_anew(self, row: StoredMailbox, selected: Selected) -> StoredMailbox:
        """Note under which UIDVALIDITY the pages that follow are placed, and forget how changes were counted before."""
        if row.uid_validity is not None:
            log.info("modseq_went_back", mailbox=row.id, before=row.highest_modseq, now=selected.highest_modseq)
        with self._job.commit() as tx:
            self._hold(tx, row)
            mailboxes.begin_anew(tx, row.id, uid_validity=selected.uid_validity)
            return _there(mailboxes.load_mailbox(tx, row.id))

    def _renumbered(self, row: StoredMailbox, selected: Selected) -> StoredMailbox:
        with self._job.commit() as tx:
            self._hold(tx, row)
            if row.uid_validity == mailboxes.FORGOTTEN and not mailboxes.has_settings(tx, self._connection):
                raise TransientError("The connection was given other settings meanwhile; the next run goes by them.")
            gone = placements.renumber_mailbox(tx, self._connection, row.id, uid_validity=selected.uid_validity)
            renewed = _there(mailboxes.load_mailbox(tx, row.id))
        log.info("mailbox_renumbered", mailbox=row.id, placements=gone)
        self.tally["gone"] += gone
        if renewed.validity_changes >= UNSTABLE_FROM:
            self._job.anomaly("uid_validity_unstable", mailbox=row.id, changes=renewed.validity_changes)
        return renewed

    def _apply_changes(self, opened: Opened) -> None:
        news = self._changes(opened)
        with self._job.commit() as tx:
            missing = self.apply(tx, opened.row, news).missing
            if not missing:
                mailboxes.save_position(tx, opened.row.id, opened.selected)
                return
        if self.bring(opened.row, missing):
            with self._job.commit() as tx:
                self.apply(tx, opened.row, news)
                mailboxes.save_position(tx, opened.row.id, opened.selected)

    def _apply_listing(self, opened: Opened) -> None:
        missing, unseen = EMPTY, 0
        for news in self.windows(opened.selected, size=WINDOW):
            self._job.stop_if_cancelled()
            with self._job.commit() as tx:
                missing = joined(missing, self.apply(tx, opened.row, news).missing)
            unseen += sum("\\Seen" not in line.flags for line in news.lines)
        if self.bring(opened.row, missing):
            with self._job.commit() as tx:
                self._hold(tx, opened.row)
                mailboxes.save_position(tx, opened.row.id, opened.selected, unseen=unseen)
                mailboxes.mark_compared(tx, opened.row.id)

    def bring(self, row: StoredMailbox, missing: UidSet) -> bool:
        """Fetch these messages of the open mailbox; whether all of them were dealt with."""
        pages = Pages(self._job, self._server, self._connection, row)
        pages.bring(missing, deadline=self._deadline)
        self.tally.update(pages.tally)
        return not pages.tally["left"]

    def _changes(self, opened: Opened) -> News:
        row, selected = opened.row, opened.selected
        if opened.way is Way.NOTHING:
            return News()
        if opened.way is Way.RESYNC:
            told = News(lines=selected.changed or (), vanished=selected.vanished or EMPTY)
            return self._checked(row, selected, told)
        if selected.exists == 0:
            return News(listed=EMPTY)
        lines, _ = self._server.session.flags(None, changed_since=row.highest_modseq)
        # Listed after the flags: what came meanwhile is missing, and what went is gone.
        return News(lines=lines, listed=self._listed(selected))

    def _checked(self, row: StoredMailbox, selected: Selected, news: News) -> News:
        """The news with every UID there is, if they do not add up: a change that nobody tells again would be lost."""
        with self._job.commit() as tx:
            held = self.held(tx, row, news)
        if counts_fit(news, held, exists=selected.exists):
            return news
        log.info("changes_do_not_add_up", mailbox=row.id, messages=selected.exists)
        return replace(news, listed=self._listed(selected))

    def windows(self, selected: Selected, *, size: int) -> Iterator[News]:
        """All messages of the open mailbox with their flags, `size` of them at a time."""
        if selected.exists == 0:
            yield News(listed=EMPTY, whole=True)
        elif selected.exists <= size:
            lines, _ = self._server.session.flags(None)
            yield News(lines=lines, listed=_some(UidSet.of(line.uid for line in lines), selected), whole=True)
        else:
            yield from self._several_windows(self._listed(selected), size)

    def _listed(self, selected: Selected) -> UidSet:
        return _some(self._server.session.uids(), selected)

    def _several_windows(self, listed: UidSet, size: int) -> Iterator[News]:
        low, last = 1, listed.ranges[-1][1]
        for part in oldest_first(listed, size):
            span = (part.ranges[0][0], part.ranges[-1][1])
            lines, _ = self._server.session.flags(UidSet((span,)))
            yield News(lines=lines, listed=part, whole=True, low=low, high=None if span[1] == last else span[1])
            low = span[1] + 1

    def _hold(self, tx: Commit, row: StoredMailbox) -> StoredMailbox:
        held = _there(mailboxes.hold_alone(tx, row.id))
        if held.uid_validity != row.uid_validity:
            raise StaleRange
        return held

    def held(self, tx: Commit, row: StoredMailbox, news: News, *, among: UidSet | None = None) -> Held:
        """What is held of the UIDs that the news speak of, or of `among` alone."""
        placed = placements.placed_uids(tx, row.id, low=news.low, high=news.high)
        pending = EMPTY if row.uid_validity is None else pending_history(tx, row.id, row.uid_validity)
        return Held(
            placed=placed if among is None else common(placed, among),
            flags=placements.placed_flags(tx, row.id, [line.uid for line in news.lines]),
            refused=row.refused if among is None else common(row.refused, among),
            due=row.due if among is None else common(row.due, among),
            pending=pending,
        )

    def apply(self, tx: Commit, row: StoredMailbox, news: News, *, among: UidSet | None = None) -> Plan:
        """Do to what is placed now what the news ask for; what is missing is left to the caller."""
        current = self._hold(tx, row)
        todo = plan(news, self.held(tx, current, news, among=among))
        self.tally["gone"] += placements.remove(tx, current, todo.gone)
        self.tally["reflagged"] += placements.reflag(tx, current, todo.reflag)
        mailboxes.forget_refused(tx, current.id, todo.forgotten)
        return todo


def _there(row: StoredMailbox | None) -> StoredMailbox:
    if row is None:
        raise StaleRange
    return row


def _some(listed: UidSet, selected: Selected) -> UidSet:
    """The UIDs of a mailbox that was not empty a moment ago.

    Raises:
        SuspiciousEmptiness: there are none. If it was emptied since, the next run sees it when it opens the mailbox.
    """
    if not listed:
        raise SuspiciousEmptiness(f"lists nothing of a mailbox that held {selected.exists:,} messages just before")
    return listed
