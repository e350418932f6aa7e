"""What the parts of email sync hand to one another.

Words: a *mailbox* is a folder on the server, a *UID* a message's number there, a *placement* a message lying in a
mailbox under a UID, an *identity* what tells whether two placements hold the same message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO


class Role(StrEnum):
    """What a mailbox is for (RFC 6154)."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    JUNK = "junk"
    ARCHIVE = "archive"
    ALL = "all"
    FLAGGED = "flagged"


@dataclass(frozen=True, slots=True)
class UidSet:
    """A set of UIDs, kept as ranges: a mailbox of a million messages without gaps is one pair.

    `ranges` holds inclusive pairs in rising order that neither overlap nor touch.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, uids: Iterable[int]) -> UidSet:
        """From numbers in any order."""
        return cls.of_ranges((uid, uid) for uid in uids)

    @classmethod
    def of_ranges(cls, ranges: Iterable[tuple[int, int]]) -> UidSet:
        """From inclusive pairs in any order, each low to high or high to low, as servers may write them."""
        merged: list[tuple[int, int]] = []
        for low, high in sorted((min(pair), max(pair)) for pair in ranges):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, text: str) -> UidSet:
        """From a `sequence-set` without `*` (RFC 9051 §9): `1:3,7`.

        Raises:
            ValueError: it is none.
        """
        pairs = (part.partition(":") for part in text.split(","))
        return cls.of_ranges((int(low), int(high) if colon else int(low)) for low, colon, high in pairs)

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __str__(self) -> str:
        return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFolder:
    """A mailbox as the server lists it. `name` is decoded; the numbers are None where the server gave none."""

    name: str
    delimiter: str | None
    role: Role | None
    selectable: bool
    object_id: str | None = None
    uid_validity: int | None = None
    uid_next: int | None = None
    highest_modseq: int | None = None
    messages: int | None = None
    unseen: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a mailbox is in step."""

    uid_validity: int
    highest_modseq: int


@dataclass(frozen=True, slots=True)
class FlagLine:
    """A message's flags, sorted, without `\\Recent`; `modseq` where the server counts changes."""

    uid: int
    flags: tuple[str, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """What opening a mailbox told. `highest_modseq` is None where the mailbox does not count changes (NOMODSEQ).

    `vanished` and `changed` are what happened since the position that was given; None where the server was not asked.
    """

    uid_validity: int
    uid_next: int | None
    exists: int
    highest_modseq: int | None
    vanished: UidSet | None = None
    changed: tuple[FlagLine, ...] | None = None


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """A message's header block and what goes with it, without its body. `received_at` is INTERNALDATE."""

    uid: int
    size: int
    received_at: datetime | None
    flags: tuple[str, ...]
    modseq: int | None
    header: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A whole message, to be read from `body`, which the receiver closes."""

    uid: int
    body: BinaryIO = field(repr=False)


class ParticipantRole(StrEnum):
    """The header field that names a participant."""

    FROM = "from"
    SENDER = "sender"
    REPLY_TO = "reply_to"
    TO = "to"
    CC = "cc"
    BCC = "bcc"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody a message names. `address` is normalised: lower-case, its domain in IDNA's ASCII form."""

    role: ParticipantRole
    address: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A part that is no text of the message. `part` is its number (`2.1`), `size` and `content_hash` (SHA-256) are
    those of the decoded bytes."""

    part: str
    filename: str | None
    content_type: str
    size: int
    content_hash: str
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """A message as read. `problem` says what in it was wrong; what could be read is there all the same.

    `raw` is the beginning of a message that could not be read at all.
    """

    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    subject: str | None = field(repr=False)
    sent_at: datetime | None
    participants: tuple[Participant, ...] = ()
    text: str | None = field(default=None, repr=False)
    #: 'plain', or 'html' where the text was made from HTML.
    text_source: str | None = None
    attachments: tuple[Attachment, ...] = ()
    problem: str | None = None
    raw: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to be written."""

    identity: str
    size: int
    received_at: datetime | None
    parsed: ParsedMessage
