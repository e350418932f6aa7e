"""What a server may say, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from servants.email.values import FlagLine, UidSet


class Status(NamedTuple):
    """OK, NO, BAD, BYE or PREAUTH; `tag` is None where it answers no command.

    `code` is the response code in capitals (`UIDVALIDITY`), `argument` what follows it within the brackets.
    """

    tag: str | None
    condition: str
    code: str | None
    argument: str
    text: str


class Continuation(NamedTuple):
    """The server waits for more of the command; `text` is its challenge where it has one."""

    text: bytes


class Capability(NamedTuple):
    """What the server can do, in capitals."""

    names: frozenset[str]


class Enabled(NamedTuple):
    """Which extensions ENABLE turned on, in capitals (RFC 5161)."""

    names: frozenset[str]


class ServerId(NamedTuple):
    """What server it is (RFC 2971); the keys in small letters."""

    fields: Mapping[str, str]


class Listing(NamedTuple):
    """One mailbox of LIST. `raw` is its name as it came, `attributes` are in small letters, with their backslash."""

    attributes: frozenset[str]
    delimiter: str | None
    raw: bytes


class MailboxStatus(NamedTuple):
    """STATUS of one mailbox; the numbers by their name in capitals."""

    raw: bytes
    numbers: Mapping[str, int]
    object_id: str | None


class Rights(NamedTuple):
    """What this user may do with a mailbox (RFC 4314 §3.8), a letter for each right."""

    raw: bytes
    rights: frozenset[str]


class Exists(NamedTuple):
    """How many messages the mailbox holds."""

    messages: int


class Expunge(NamedTuple):
    """The message with this number is gone."""

    number: int


class Vanished(NamedTuple):
    """These UIDs are gone; `earlier` tells that it answers a question (RFC 7162 §3.2.10)."""

    uids: UidSet
    earlier: bool


class Search(NamedTuple):
    """What SEARCH found, by itself or by ESEARCH (RFC 4731)."""

    uids: UidSet


class Fetch(NamedTuple):
    """What FETCH tells of one message; None is what it did not tell.

    `body` is of `section` (`""` for the whole message, `HEADER`), from `origin` on where only a part of it came.
    """

    number: int
    uid: int | None = None
    flags: tuple[str, ...] | None = None
    modseq: int | None = None
    size: int | None = None
    internal_date: bytes | None = None
    section: str | None = None
    origin: int | None = None
    body: bytes | None = None

    @property
    def received_at(self) -> datetime | None:
        return None if self.internal_date is None else parse_date(self.internal_date)

    @property
    def flag_line(self) -> FlagLine | None:
        """None where the server did not say whose flags, or which."""
        if self.uid is None or self.flags is None:
            return None
        return FlagLine(self.uid, self.flags, self.modseq)


class Other(NamedTuple):
    """A response that means nothing to us."""

    word: str


Response = (
    Status
    | Continuation
    | Capability
    | Enabled
    | ServerId
    | Listing
    | MailboxStatus
    | Rights
    | Exists
    | Expunge
    | Vanished
    | Search
    | Fetch
    | Other
)

#: Longer lists of flags are rare, and would take memory to remember.
_KEPT_FLAGS_BYTES = 256

_SYSTEM_FLAGS = {
    flag.lower(): flag for flag in ("\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Recent", "\\Seen")
}
_MONTHS = {
    month: number for number, month in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_DATE = re.compile(
    rb"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4})\s+(\d\d?):(\d\d):(\d\d)(?:\s*([+-])(\d\d)(\d\d))?\s*", re.ASCII
)


def parse_flags(words: bytes) -> tuple[str, ...]:
    """Flags as they came between the parentheses: sorted, each once, those of the system in their usual case.

    `\\Recent` is left out: it says nothing about the message, and RFC 9051 abolished it.
    """
    return _usual_flags(words) if len(words) <= _KEPT_FLAGS_BYTES else _flags(words)


@lru_cache(maxsize=1024)
def _usual_flags(words: bytes) -> tuple[str, ...]:
    """Nearly all messages of a mailbox have one of a few sets of flags."""
    return _flags(words)


def _flags(words: bytes) -> tuple[str, ...]:
    flags = set()
    for word in words.split():
        text = word.decode("utf-8", "replace").replace("\0", "�")
        flags.add(_SYSTEM_FLAGS.get(text.lower(), text))
    return tuple(sorted(flags - {"\\Recent"}))


def parse_date(text: bytes) -> datetime | None:
    """INTERNALDATE (`17-Jul-1996 02:44:25 -0700`, RFC 9051 §9 `date-time`); None where it is no date.

    Without a zone, as some servers write it, it is read as UTC.
    """
    found = _DATE.fullmatch(text)
    month = _MONTHS.get(found[2].lower()) if found else None
    if found is None or month is None:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    try:
        zone = timezone(-offset if found[7] == b"-" else offset)
        # A leap second is the last of its minute.
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    except ValueError:
        return None
