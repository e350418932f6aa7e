"""Headers and bodies out of one mailbox, whatever single messages do to the server.

Where a command fails, its UIDs are asked for in halves, down to the message that it fails for. Where the connection
breaks over it, it is made anew; a single message gets a second chance, because it may have broken for another reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from retinue.errors import PermanentError, TransientError
from servants.email.faults import StaleRange
from servants.email.imap.faults import REFUSALS, Denied, NoSuchMailbox, ServerFailed
from servants.email.mailboxes import StoredMailbox
from servants.email.mime import parse_message
from servants.email.server import Server
from servants.email.uid_sets import EMPTY, common, joined, minus, oldest_first
from servants.email.values import HeaderLine, ParsedMessage, UidSet

T = TypeVar("T")

Failure = TransientError | PermanentError

#: What says that there is nothing to be had from the mailbox at all.
GONE = (NoSuchMailbox, Denied)


@dataclass(frozen=True, slots=True)
class Absent:
    """UIDs that the server gave nothing for: it would not give the `refused`, the `vanished` are not there any more."""

    refused: UidSet = EMPTY
    vanished: UidSet = EMPTY

    def __bool__(self) -> bool:
        return bool(self.refused or self.vanished)

    @property
    def all(self) -> UidSet:
        return joined(self.refused, self.vanished)


class Fetcher:
    """Fetches from a mailbox that is open in the server's session."""

    def __init__(self, server: Server, mailbox: StoredMailbox) -> None:
        self._server = server
        self._mailbox = mailbox
        self._reasons: dict[int, str] = {}

    def headers(self, uids: UidSet) -> list[HeaderLine]:
        """The headers of these messages, as far as the server gives them.

        Raises:
            ServerFailed: it gives none and says that it cannot for the moment.
            StaleRange: the mailbox has new UIDs.
        """
        return self._all(uids, lambda some: list(self._server.session.headers(some)))

    def messages(self, sizes: Mapping[int, int]) -> dict[int, ParsedMessage]:
        """The messages with these UIDs and sizes, read, as far as the server gives them; raises like `headers`."""
        return dict(self._all(UidSet.of(sizes), lambda some: self._parsed(some, sizes)))

    def _parsed(self, uids: UidSet, sizes: Mapping[int, int]) -> list[tuple[int, ParsedMessage]]:
        parsed = []
        for line in self._server.session.messages(uids, sizes={uid: sizes[uid] for uid in uids}):
            with line.body:
                parsed.append((line.uid, parse_message(line.body)))
        return parsed

    def _all(self, uids: UidSet, fetch: Callable[[UidSet], list[T]]) -> list[T]:
        failures: list[Failure] = []
        found = self._by_halves(uids, fetch, failures)
        if failures and not found and len(uids) > 1 and isinstance(failures[-1], ServerFailed):
            raise failures[-1]
        return found

    def _by_halves(self, uids: UidSet, fetch: Callable[[UidSet], list[T]], failures: list[Failure]) -> list[T]:
        for _ in range(2 if len(uids) == 1 else 1):
            try:
                return fetch(uids)
            except GONE:
                raise
            except REFUSALS as refusal:
                failures.append(refusal)
            except TransientError as fault:
                failures.append(fault)
                self._server.renew(fault)
                self.reopen()
        if len(uids) == 1:
            self._reasons[uids.ranges[0][0]] = failures[-1].message
            return []
        halves = oldest_first(uids, (len(uids) + 1) // 2)
        return [one for half in halves for one in self._by_halves(half, fetch, failures)]

    def reopen(self) -> None:
        """Open the mailbox once more.

        Raises:
            StaleRange: it has new UIDs.
        """
        selected = self._server.session.examine(self._mailbox.name)
        if selected.uid_validity != self._mailbox.uid_validity:
            raise StaleRange

    def absent(self, uids: UidSet, got: UidSet) -> Absent:
        """What became of those UIDs that nothing was got for."""
        missing = minus(uids, got)
        if not missing:
            return Absent()
        # A session may go on listing what is gone until the mailbox is opened anew.
        self.reopen()
        there = common(missing, self._server.session.uids("UID", str(missing)))
        return Absent(refused=there, vanished=minus(missing, there))

    def reason(self, uid: int) -> str:
        """Why there is nothing of a UID."""
        told = self._server.session.refused.get(uid) or self._reasons.get(uid)
        return told or "the server gives nothing for it"
