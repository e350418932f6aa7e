"""From what a server lists to the rows of its mailboxes, worked out before anything is touched.

A folder that is listed under another name is the same row renamed: by its MAILBOXID (RFC 8474 §4) where the server
gives one, else by its UIDVALIDITY, which tells mailboxes apart only as long as no two of them share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from servants.email.mailboxes import StoredMailbox
from servants.email.values import RemoteFolder

#: A server that suddenly lists nothing is not believed at once where at least this many messages are known there.
SUSPICIOUS_FROM = 10

#: The mailbox that every account has (RFC 9051 §5.1).
INBOX = "INBOX"


@dataclass(frozen=True, slots=True)
class Pair:
    """One mailbox: as its server lists it, and its row."""

    remote: RemoteFolder
    row: StoredMailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPlan:
    """What the listing makes of the rows.

    `same` keep their names, `renamed` get new ones; the rows of `reset` are among them and hold another folder's
    messages; `gone` are listed no more, `new` have no row yet. `guessed` are those of `renamed` that only a UIDVALIDITY
    speaks for.
    """

    same: tuple[Pair, ...] = ()
    renamed: tuple[Pair, ...] = ()
    reset: frozenset[int] = frozenset()
    guessed: frozenset[int] = frozenset()
    gone: tuple[StoredMailbox, ...] = ()
    new: tuple[RemoteFolder, ...] = ()


def plan_folders(remotes: Iterable[RemoteFolder], rows: Sequence[StoredMailbox]) -> FolderPlan:
    """Which row each listed folder has; a name that is listed twice counts once."""
    matching = _Matching(list({remote.name: remote for remote in remotes}.values()), rows)
    matching.by_object_id()
    matching.by_name_and_validity()
    guessed = matching.by_validity()
    reset = matching.by_name()
    return FolderPlan(
        same=tuple(pair for pair in matching.pairs if pair.remote.name == pair.row.name),
        renamed=tuple(pair for pair in matching.pairs if pair.remote.name != pair.row.name),
        reset=frozenset(pair.row.id for pair in reset if _is_another(pair)),
        guessed=frozenset(pair.row.id for pair in guessed),
        gone=tuple(matching.rows),
        new=tuple(matching.remotes),
    )


def is_suspicious(remotes: Sequence[RemoteFolder], rows: Sequence[StoredMailbox], *, held: int) -> bool:
    """Whether a listing is too empty to be true: no INBOX where there was one, though `held` messages are known."""
    lost_inbox = any(row.name == INBOX for row in rows) and not any(remote.name == INBOX for remote in remotes)
    return held >= SUSPICIOUS_FROM and (not remotes or lost_inbox)


class _Matching:
    """Listed folders and rows that have not found one another yet, and the pairs that have."""

    def __init__(self, remotes: list[RemoteFolder], rows: Sequence[StoredMailbox]) -> None:
        self.remotes = remotes
        self.rows = list(rows)
        self.pairs: list[Pair] = []

    def _pair(self, pairs: list[Pair]) -> list[Pair]:
        remotes = {pair.remote.name for pair in pairs}
        rows = {pair.row.id for pair in pairs}
        self.remotes = [remote for remote in self.remotes if remote.name not in remotes]
        self.rows = [row for row in self.rows if row.id not in rows]
        self.pairs += pairs
        return pairs

    def by_object_id(self) -> None:
        twice = _repeated(remote.object_id for remote in self.remotes) | _repeated(row.object_id for row in self.rows)
        rows = {row.object_id: row for row in self.rows if row.object_id and row.object_id not in twice}
        self._pair([Pair(remote, rows[remote.object_id]) for remote in self.remotes if remote.object_id in rows])

    def by_name_and_validity(self) -> None:
        rows = {row.name: row for row in self.rows}
        named = [Pair(remote, rows[remote.name]) for remote in self.remotes if remote.name in rows]
        self._pair([pair for pair in named if not _is_another(pair) and not _is_renumbered(pair)])

    def by_validity(self) -> list[Pair]:
        """A folder that went and one that came with the same UIDVALIDITY."""
        shared = _repeated(r.uid_validity for r in [*self.remotes, *(pair.remote for pair in self.pairs)])
        shared |= _repeated(row.uid_validity for row in [*self.rows, *(pair.row for pair in self.pairs)])
        rows = {row.uid_validity: row for row in self.rows if row.uid_validity and row.uid_validity not in shared}
        came = [Pair(remote, rows[remote.uid_validity]) for remote in self.remotes if remote.uid_validity in rows]
        return self._pair([pair for pair in came if not _is_another(pair) and not _counts_went_back(pair)])

    def by_name(self) -> list[Pair]:
        """What is left of the same name was made anew, or has new UIDs: the row stays, what it holds does not.

        Where the server gives new UIDs without saying that it is another mailbox, following it finds out.
        """
        rows = {row.name: row for row in self.rows}
        return self._pair([Pair(remote, rows[remote.name]) for remote in self.remotes if remote.name in rows])


def _repeated(values: Iterable[object]) -> set[object]:
    return {value for value, count in Counter(value for value in values if value is not None).items() if count > 1}


def _is_another(pair: Pair) -> bool:
    """The server says that it is another mailbox."""
    return None not in (pair.remote.object_id, pair.row.object_id) and pair.remote.object_id != pair.row.object_id


def _is_renumbered(pair: Pair) -> bool:
    return None not in (pair.remote.uid_validity, pair.row.uid_validity) and (
        pair.remote.uid_validity != pair.row.uid_validity
    )


def _counts_went_back(pair: Pair) -> bool:
    """UIDNEXT never falls while UIDVALIDITY stays (RFC 9051 §2.3.1.1)."""
    before, now = pair.row.uid_next, pair.remote.uid_next
    return before is not None and now is not None and now < before
