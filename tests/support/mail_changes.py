"""A customer's own mail program: changes one user's mailboxes at random, with nothing of Retinue's in it."""

from __future__ import annotations

import imaplib
import random
from collections import Counter
from collections.abc import Callable

from tests.support.letters import Letters
from tests.support.mail_snapshot import done, quoted, selectable_folders

#: The mailboxes that there are at one time or another, beside INBOX.
FOLDERS = (
    "Archive",
    "Trash",
    "Sent",
    "Work",
    "Work/Plans",
    "Büro",
    "A & B",
    "Old mail",
    "Lists",
    "Lists/Ünïcode ✉",
)

FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$Forwarded", "$Label1", "Travel")

#: When a message is said to have arrived: now, or long ago.
ARRIVALS = ("", "", '"03-Aug-2026 07:15:00 +0200"')

#: How often each kind of change is drawn.
WEIGHTS = {
    "new": 30,
    "again": 3,
    "copy": 7,
    "move": 16,
    "flag": 15,
    "unflag": 8,
    "expunge": 13,
    "create": 3,
    "rename": 2,
    "delete": 2,
    "validity": 1,
}

#: A mailbox's UIDVALIDITY is 32 bits wide (RFC 9051 §9).
_VALIDITIES = 2**32

#: Gives a mailbox another UIDVALIDITY where it is.
ChangeValidity = Callable[[str, int], None]


class MailHand:
    """One change after the other, drawn from `rng`. `connect` gives a client that is signed in.

    Without `change_validity` a mailbox gets another UIDVALIDITY by being made anew, which changes its UIDs too.
    """

    def __init__(
        self, connect: Callable[[], imaplib.IMAP4], *, rng: random.Random, change_validity: ChangeValidity | None = None
    ) -> None:
        self._client = connect()
        self._rng = rng
        self._change_validity = change_validity
        self._letters = Letters(rng)
        self._sent: list[bytes] = []
        self.made: Counter[str] = Counter()

    def change(self) -> str:
        """Make one change; its kind. What cannot be done as things are is drawn again."""
        while True:
            kind = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            act: Callable[[], bool] = getattr(self, f"_{kind}")
            if act():
                self.made[kind] += 1
                return kind

    def close(self) -> None:
        """Sign out."""
        self._client.logout()

    def _new(self) -> bool:
        self._sent.append(self._letters.draw())
        return self._append(self._sent[-1])

    def _again(self) -> bool:
        """A letter that was there before, or still is."""
        return bool(self._sent) and self._append(self._rng.choice(self._sent))

    def _append(self, letter: bytes) -> bool:
        flags = " ".join(self._rng.sample(FLAGS, self._rng.choice((0, 0, 1, 2))))
        done(self._client.append(quoted(self._any_folder()), f"({flags})", self._rng.choice(ARRIVALS), letter))
        return True

    def _copy(self) -> bool:
        return self._send_on("COPY")

    def _move(self) -> bool:
        return self._send_on("MOVE")

    def _send_on(self, command: str) -> bool:
        target = quoted(self._any_folder())
        uids = self._open_and_pick()
        if uids:
            done(self._client.uid(command, uids, target))
        return bool(uids)

    def _flag(self) -> bool:
        return self._store("+FLAGS.SILENT")

    def _unflag(self) -> bool:
        return self._store("-FLAGS.SILENT")

    def _store(self, how: str) -> bool:
        uids = self._open_and_pick()
        flags = " ".join(self._rng.sample(FLAGS, self._rng.randint(1, 3)))
        if uids:
            done(self._client.uid("STORE", uids, how, f"({flags})"))
        return bool(uids)

    def _expunge(self) -> bool:
        uids = self._open_and_pick()
        if uids:
            done(self._client.uid("STORE", uids, "+FLAGS.SILENT", "(\\Deleted)"))
            done(self._client.uid("EXPUNGE", uids))
        return bool(uids)

    def _create(self) -> bool:
        name = self._free_name()
        return name is not None and self._accepted(self._client.create(quoted(name)))

    def _rename(self) -> bool:
        old, new = self._other_folder(), self._free_name()
        if old is None or new is None or new.startswith(f"{old}/"):
            return False
        return self._accepted(self._client.rename(quoted(old), quoted(new)))

    def _delete(self) -> bool:
        name = self._other_folder()
        return name is not None and self._accepted(self._client.delete(quoted(name)))

    def _validity(self) -> bool:
        if self._change_validity is None:
            return self._make_anew()
        self._change_validity(self._any_folder(), self._rng.randrange(1, _VALIDITIES))
        return True

    def _make_anew(self) -> bool:
        """The same mailbox with the same messages, as after a restored backup."""
        name = self._other_folder()
        if name is None:
            return False
        letters = self._open_and_take_all(name)
        if not self._accepted(self._client.delete(quoted(name))):
            return False
        done(self._client.create(quoted(name)))
        for letter in letters:
            done(self._client.append(quoted(name), "", "", letter))
        return True

    def _open_and_take_all(self, name: str) -> list[bytes]:
        done(self._client.select(quoted(name), readonly=True))
        lines = done(self._client.fetch("1:*", "(BODY.PEEK[])")) if self._uids() else []
        self._client.unselect()
        return [line[1] for line in lines if isinstance(line, tuple)]

    def _open_and_pick(self) -> str:
        """Open a mailbox that has messages; the UIDs of a few of them, or nothing when the one drawn has none."""
        done(self._client.select(quoted(self._any_folder())))
        uids = self._uids()
        return ",".join(self._rng.sample(uids, min(len(uids), self._rng.choice((1, 1, 1, 2, 4)))))

    def _uids(self) -> list[str]:
        found: bytes = done(self._client.uid("SEARCH", "ALL"))[0] or b""
        return found.decode().split()

    def _any_folder(self) -> str:
        """A mailbox; INBOX as often as all others."""
        others = self._others()
        return self._rng.choice(others) if others and self._rng.random() < 0.5 else "INBOX"

    def _other_folder(self) -> str | None:
        others = self._others()
        return self._rng.choice(others) if others else None

    def _free_name(self) -> str | None:
        free = sorted(set(FOLDERS) - set(selectable_folders(self._client)))
        return self._rng.choice(free) if free else None

    def _others(self) -> list[str]:
        """All mailboxes but INBOX. None is left open, so that any of them can be deleted."""
        if self._client.state == "SELECTED":
            self._client.unselect()
        return sorted(set(selectable_folders(self._client)) - {"INBOX"})

    def _accepted(self, answer: tuple[str, object]) -> bool:
        """Whether the server did it: it may refuse names that have others below them, say."""
        return answer[0] == "OK"
