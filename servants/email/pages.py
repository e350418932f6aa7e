"""Messages that we hold no placement of, brought in pages, the newest first.

    headers of up to 200 UIDs ─▶ identities ─▶ bodies of the unknown ones, up to 4 MB ─▶ one commit
                                     └──────────▶ placements of the known ones ─────────▶ one commit

A page is only written if its mailbox's position is where it was before the page was fetched; else it is fetched again,
because what changed meanwhile was told to somebody who could not know of it. What a server does not give is looked for
message by message; what it refuses by itself is noted and asked for later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retinue.connection import Connection
from retinue.errors import TransientError
from retinue.job import Commit, Job
from servants.deadline import Deadline
from servants.email.faults import StaleRange
from servants.email.fetcher import Absent, Fetcher
from servants.email.mailboxes import StoredMailbox, forget_refused, hold, load_mailbox, note_refused
from servants.email.messages import known_identities, revive, save_messages
from servants.email.mime import identity
from servants.email.placements import place, placed_uids
from servants.email.server import Server
from servants.email.uid_sets import common, joined, minus, newest_first
from servants.email.values import FlagLine, HeaderLine, NewMessage, UidSet

#: Messages whose headers are fetched by one command.
PAGE_MESSAGES = 200

#: Bytes of bodies written by one commit; a single larger message is one by itself.
PAGE_BYTES = 4_000_000

#: How often a page is fetched again because the mailbox moved on meanwhile.
MAX_REFETCHES = 5

#: Called last in each commit with the number of UIDs it dealt with.
OnPage = Callable[[Commit, int], None]


class _MovedOn(Exception):
    """Somebody moved the mailbox's position since the page was fetched."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What is kept of a message's headers while its page is written."""

    identity: str
    uid: int
    size: int
    received_at: datetime | None
    flags: FlagLine


def sync_range(
    job: Job[Any],
    server: Server,
    connection: Connection,
    mailbox: StoredMailbox,
    uids: UidSet,
    *,
    on_page: OnPage | None = None,
    deadline: Deadline | None = None,
) -> Counter[str]:
    """Bring these UIDs of a mailbox, leaving out what is placed; a tally of `Pages`.

    `mailbox` is its row as it was before this call. `left` is more than 0 where the deadline passed; call again then.

    Raises:
        StaleRange: the UIDs mean nothing any more.
    """
    selected = server.session.examine(mailbox.name)
    if selected.uid_validity != mailbox.uid_validity:
        raise StaleRange
    with job.commit() as tx:
        placed = common(placed_uids(tx, mailbox.id), uids)
        if on_page is not None and placed:
            on_page(tx, len(placed))
    pages = Pages(job, server, connection, mailbox, on_page=on_page)
    pages.bring(minus(uids, placed), deadline=deadline, total=len(uids))
    return pages.tally


class Pages:
    """Brings messages of one mailbox, which is open in the server's session.

    `tally` counts messages `created`, placements `placed`, messages that came `malformed`, `unfetchable` ones, and UIDs
    `left` when the deadline passed.
    """

    def __init__(
        self,
        job: Job[Any],
        server: Server,
        connection: Connection,
        mailbox: StoredMailbox,
        *,
        on_page: OnPage | None = None,
    ) -> None:
        self._job = job
        self._server = server
        self._connection = connection
        self._mailbox = mailbox
        self._on_page = on_page
        self._fetcher = Fetcher(server, mailbox)
        self.tally: Counter[str] = Counter(created=0, placed=0, malformed=0, unfetchable=0, left=0)

    def bring(self, uids: UidSet, *, deadline: Deadline | None = None, total: int | None = None) -> None:
        """Bring these UIDs, the newest first; one page at least, so that every call gets further."""
        left = len(uids)
        total = total or left
        self._job.progress(total - left, total)
        for number, page in enumerate(newest_first(uids, PAGE_MESSAGES)):
            self._job.stop_if_cancelled()
            if number and deadline is not None and deadline.passed:
                self.tally["left"] += left
                return
            self._bring_page(page)
            left -= len(page)
            self._job.progress(total - left, total)

    def _bring_page(self, uids: UidSet) -> None:
        for _ in range(MAX_REFETCHES):
            try:
                return self._try_page(uids)
            except _MovedOn:
                self._job.stop_if_cancelled()
                with self._job.commit() as tx:
                    uids = minus(uids, placed_uids(tx, self._mailbox.id))
                    self._mailbox = self._same(load_mailbox(tx, self._mailbox.id))
                # A session may go on telling what it saw before.
                self._fetcher.reopen()
        raise TransientError(f"mailbox {self._mailbox.id} kept moving on while a page of it was fetched")

    def _same(self, row: StoredMailbox | None) -> StoredMailbox:
        if row is None or row.uid_validity != self._mailbox.uid_validity:
            raise StaleRange
        return row

    def _try_page(self, uids: UidSet) -> None:
        headers = self._fetcher.headers(uids)
        lines = [_boiled(header, exact=self._server.abilities.sizes) for header in headers]
        absent = self._fetcher.absent(uids, UidSet.of(line.uid for line in lines))
        with self._job.commit() as tx:
            ids = known_identities(tx, self._connection, {line.identity for line in lines})
        known = [line for line in lines if line.identity in ids]
        if known or absent:
            with self._fenced(known, absent) as tx:
                revive(tx, self._connection, {ids[line.identity] for line in known})
                self._place(tx, known, ids)
        self._bring_bodies([line for line in lines if line.identity not in ids])

    def _bring_bodies(self, lines: list[_Line]) -> None:
        while lines:
            batch = _batch(lines)
            new = self._read(batch)
            absent = self._fetcher.absent(UidSet.of(line.uid for line in batch), UidSet.of(new))
            brought = {message.identity for message in new.values()}
            placed = [line for line in lines if line.identity in brought]
            with self._fenced(placed, absent) as tx:
                ids = save_messages(tx, self._connection, list(new.values()))
                self._place(tx, placed, ids)
            self.tally["created"] += len(brought)
            gone = frozenset(absent.all)
            lines = [line for line in lines if line.identity not in brought and line.uid not in gone]

    def _read(self, batch: Sequence[_Line]) -> dict[int, NewMessage]:
        """The messages as far as the server gives them, by UID."""
        by_uid = {line.uid: line for line in batch}
        new = {}
        for uid, parsed in self._fetcher.messages({line.uid: line.size for line in batch}).items():
            line = by_uid[uid]
            new[uid] = NewMessage(identity=line.identity, size=line.size, received_at=line.received_at, parsed=parsed)
            if parsed.problem is not None:
                self.tally["malformed"] += 1
                self._job.anomaly("message_malformed", mailbox=self._mailbox.id, uid=uid, reason=parsed.problem)
        return new

    def _place(self, tx: Commit, lines: Sequence[_Line], ids: Mapping[str, int]) -> None:
        place(tx, self._mailbox, [line.flags for line in lines], [ids[line.identity] for line in lines])

    @contextmanager
    def _fenced(self, placed: Sequence[_Line], absent: Absent) -> Iterator[Commit]:
        """A commit in which the mailbox is where it was; what is dealt with is noted at its end."""
        with self._job.commit() as tx:
            row = self._same(hold(tx, self._mailbox.id))
            if row.state != self._mailbox.state:
                raise _MovedOn
            yield tx
            uids = UidSet.of(line.uid for line in placed)
            note_refused(tx, row.id, absent.refused)
            forget_refused(tx, row.id, common(row.refused, joined(uids, absent.vanished)))
            if self._on_page is not None:
                self._on_page(tx, len(uids) + len(absent.all))
        self.tally.update(placed=len(uids), unfetchable=len(absent.refused))
        for uid in absent.refused:
            self._job.anomaly(
                "message_unfetchable", mailbox=self._mailbox.id, uid=uid, reason=self._fetcher.reason(uid)
            )


def _boiled(header: HeaderLine, *, exact: bool) -> _Line:
    return _Line(
        identity=identity(header.header, header.size if exact else 0),
        uid=header.uid,
        size=header.size,
        received_at=header.received_at,
        flags=FlagLine(header.uid, header.flags, header.modseq),
    )


def _batch(lines: Sequence[_Line]) -> list[_Line]:
    """The first lines, each identity once, whose messages are no larger than a page; at least one."""
    batch: dict[str, _Line] = {}
    room = PAGE_BYTES
    for line in lines:
        if line.identity not in batch:
            if batch and line.size > room:
                break
            batch[line.identity] = line
            room -= line.size
    return list(batch.values())
