"""How a mailbox is followed, worked out before anything is touched: no I/O happens here.

Words: *held* is what our rows say of a mailbox, *news* is what the server was asked and said. Ways, the best first:

    NOTHING     the numbers say that nothing changed
    RESYNC      the server told all changes when the mailbox was opened (QRESYNC, RFC 7162 §3.2)
    SINCE       flags changed since a moment (CONDSTORE, RFC 7162 §3.1), and every UID there is
    LISTING     every UID there is, with its flags
    RENUMBERED  our UIDs mean nothing any more; what is there is listed and recognised by its headers
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from servants.email.mailboxes import StoredMailbox
from servants.email.quirks import Abilities
from servants.email.uid_sets import EMPTY, between, common, joined, minus
from servants.email.values import FlagLine, RemoteFolder, Role, Selected, UidSet

#: A mailbox that held at least this many messages and suddenly holds none is not believed at once.
SUSPICIOUS_FROM = 100

#: Where emptying is everyday work.
_OFTEN_EMPTIED = frozenset({Role.TRASH, Role.JUNK})

#: A mailbox that got new UIDs in so many runs in a row has unstable ones.
UNSTABLE_FROM = 5

#: How long a mailbox with unstable UIDs is left alone after it was brought in step.
UNSTABLE_REST = timedelta(hours=1)

#: Where the server counts no changes, equal numbers say nothing of flags. A mailbox of up to so many messages is listed
#: at every run, a larger one at least this often.
SMALL = 10_000
FLAGS_REST = timedelta(minutes=15)


class Way(Enum):
    """How a mailbox is followed."""

    NOTHING = auto()
    RESYNC = auto()
    SINCE = auto()
    LISTING = auto()
    RENUMBERED = auto()


def is_unchanged(row: StoredMailbox, remote: RemoteFolder, abilities: Abilities, *, now: datetime) -> bool:
    """Whether the numbers of the listing say that a mailbox need not even be opened."""
    if row.uid_validity is None or row.due or not abilities.status:
        return False
    before = row.uid_validity, row.uid_next, row.messages
    if None in before or before != (remote.uid_validity, remote.uid_next, remote.messages):
        return False
    if abilities.condstore and row.highest_modseq:
        return remote.highest_modseq == row.highest_modseq
    return _flags_may_rest(row, remote, now)


def _flags_may_rest(row: StoredMailbox, remote: RemoteFolder, now: datetime) -> bool:
    if not row.messages:
        return True
    rested = row.compared_at is not None and now - row.compared_at < FLAGS_REST
    return row.messages > SMALL and rested and row.unseen is not None and row.unseen == remote.unseen


def way_to_follow(row: StoredMailbox, selected: Selected, abilities: Abilities) -> Way:
    """How to bring a mailbox in step after it was opened."""
    if row.uid_validity is None:
        return Way.LISTING
    if selected.uid_validity != row.uid_validity or uid_next_went_back(row, selected):
        return Way.RENUMBERED
    if not abilities.condstore or not selected.highest_modseq or row.highest_modseq is None:
        return Way.LISTING
    if modseq_went_back(row, selected):
        return Way.LISTING
    counts_stayed = (selected.uid_next, selected.exists) == (row.uid_next, row.messages)
    if selected.highest_modseq == row.highest_modseq:
        # Some servers forget to count what arrives or goes.
        return Way.NOTHING if counts_stayed else Way.SINCE
    return Way.SINCE if selected.changed is None else Way.RESYNC


def uid_next_went_back(row: StoredMailbox, selected: Selected) -> bool:
    """UIDNEXT never falls while UIDVALIDITY stays (RFC 9051 §2.3.1.1): it is another mailbox's, or a restored one's."""
    return row.uid_next is not None and selected.uid_next is not None and selected.uid_next < row.uid_next


def modseq_went_back(row: StoredMailbox, selected: Selected) -> bool:
    """The server was repaired, and counts changes anew."""
    return bool(selected.highest_modseq) and (selected.highest_modseq or 0) < (row.highest_modseq or 0)


def must_rest(row: StoredMailbox, *, now: datetime) -> bool:
    """Whether a mailbox that was renumbered once more is left alone for a while."""
    fresh = row.synced_at is not None and now - row.synced_at < UNSTABLE_REST
    return row.validity_changes >= UNSTABLE_FROM and fresh


def is_suspicious(row: StoredMailbox, *, held: int) -> bool:
    """Whether it is odd that this mailbox is empty now."""
    return held >= SUSPICIOUS_FROM and row.role not in _OFTEN_EMPTIED


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the server said of the UIDs from `low` to `high`, None for no end.

    `lines` are flags: of all messages where `listed` is their UIDs and `whole` is set, else of those that changed.
    `listed` is every UID there is; None where only `vanished` tells what went.
    """

    lines: Sequence[FlagLine] = ()
    vanished: UidSet = EMPTY
    listed: UidSet | None = None
    whole: bool = False
    low: int = 1
    high: int | None = None

    @property
    def mentioned(self) -> UidSet:
        """Every UID that is there as far as it was said."""
        named = UidSet.of(line.uid for line in self.lines)
        return named if self.listed is None else self.listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held now: the UIDs placed, and the flags of those that the news speak of.

    The server would not give the `refused`; those of them that are `due` are asked for again. The `pending` are being
    fetched by others.
    """

    placed: UidSet
    flags: Mapping[int, FlagLine] = field(default_factory=dict)
    refused: UidSet = EMPTY
    due: UidSet = EMPTY
    pending: UidSet = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do: take `gone` away, write `reflag`, fetch `missing`, and ask no more for `forgotten`."""

    gone: UidSet
    reflag: tuple[FlagLine, ...]
    missing: UidSet
    forgotten: UidSet


def plan(news: News, held: Held) -> Plan:
    """What brings the held in step with the news, whatever a server says.

    A UID that is said to be there and gone is gone: where it is there after all, the next comparison finds it.
    """
    gone = _gone(news, held.placed)
    forgotten = _gone(news, held.refused)
    left_alone = joined(held.placed, held.pending, minus(held.refused, held.due), news.vanished)
    missing = minus(joined(news.mentioned, minus(held.due, forgotten)), left_alone)
    return Plan(gone=gone, reflag=tuple(_reflagged(news, held, gone)), missing=missing, forgotten=forgotten)


def _gone(news: News, uids: UidSet) -> UidSet:
    known = between(uids, news.low, news.high)
    return common(known, news.vanished) if news.listed is None else minus(known, minus(news.listed, news.vanished))


def _reflagged(news: News, held: Held, gone: UidSet) -> Iterator[FlagLine]:
    went = frozenset(gone)
    for line in news.lines:
        before = held.flags.get(line.uid)
        if before is None or line.uid in went or line.flags == before.flags:
            continue
        if news.whole or not _is_newer(before, line):
            yield line


def _is_newer(before: FlagLine, line: FlagLine) -> bool:
    """Whether what is held was read after what the server tells of."""
    return before.modseq is not None and line.modseq is not None and before.modseq > line.modseq


def counts_fit(news: News, held: Held, *, exists: int) -> bool:
    """Whether the changes that a server told of add up to the number of messages it says there are.

    A change that is not told and then taken for known would be lost for good. While others fetch history, nobody can
    tell.
    """
    there = minus(joined(held.placed, held.refused, news.mentioned), news.vanished)
    return bool(held.pending) or len(there) == exists
