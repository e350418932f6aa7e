"""A mail message as values."""

from __future__ import annotations

from typing import BinaryIO

from servants.email.mime.addresses import participants
from servants.email.mime.dates import sent_at
from servants.email.mime.fields import Fields, first
from servants.email.mime.message_ids import message_id, message_ids, references
from servants.email.mime.notes import Notes
from servants.email.mime.source import Source
from servants.email.mime.structure import Structure, read_structure
from servants.email.mime.texts import Reader, Text
from servants.email.mime.words import decode_words
from servants.email.values import Attachment, ParsedMessage

#: How much is kept of a message that cannot be read, in bytes.
LONGEST_RAW = 256 * 1024
#: The longest subject that is kept, in characters.
LONGEST_SUBJECT = 2000

#: Fields of which there is at most one (RFC 5322 §3.6).
_SINGLE = {b"from": "From", b"subject": "Subject", b"date": "Date", b"message-id": "Message-ID"}


def parse_message(source: BinaryIO) -> ParsedMessage:
    """A message read from a seekable binary file, which stays open; memory does not grow with its size.

    Whatever the bytes are, this returns: `problem` says in at most 500 characters, none of them the message's, what was
    wrong. IDs are without their angle brackets; `sent_at` is in UTC. Text is cut at 1 MB. Messages within the message
    are attachments, their text is theirs.

    Raises:
        OSError: the file itself cannot be read; and what else is no doing of the message (MemoryError, ImportError).
    """
    notes = Notes()
    try:
        return _read(Source(source), notes)
    except (OSError, MemoryError, ImportError):  # not the message's doing
        raise
    except Exception as error:  # noqa: BLE001  # no message may stop a mailbox; what happened is in its problem
        notes.add(f"it cannot be read: {type(error).__name__}")
        return _unread(Source(source), notes)


def _read(source: Source, notes: Notes) -> ParsedMessage:
    if not source.size:
        notes.add("the message is empty")
        return _unread(source, notes)
    structure = read_structure(source, notes)
    if not structure.known:
        notes.add("the message has no header")
        if b"\0" in source.peek(0, LONGEST_RAW):
            return _unread(source, notes)
    reader = Reader(source, structure.root, notes)
    return _values(structure, reader.text(), reader.attachments(), notes)


def _values(structure: Structure, text: Text, attachments: tuple[Attachment, ...], notes: Notes) -> ParsedMessage:
    fields = structure.root.fields
    _note_repeated(fields, notes)
    answered = message_ids(first(fields, b"in-reply-to"), notes)
    return ParsedMessage(
        message_id=message_id(first(fields, b"message-id"), notes),
        in_reply_to=answered[0] if answered else None,
        references=references(fields.get(b"references", []), notes),
        subject=_subject(first(fields, b"subject"), notes),
        sent_at=sent_at(first(fields, b"date"), notes),
        participants=participants(fields, notes),
        text=text.text,
        text_source=text.source,
        attachments=attachments,
        problem=notes.problem(),
    )


def _unread(source: Source, notes: Notes) -> ParsedMessage:
    return ParsedMessage(
        message_id=None,
        in_reply_to=None,
        references=(),
        subject=None,
        sent_at=None,
        problem=notes.problem(),
        raw=source.peek(0, LONGEST_RAW) or None,
    )


def _note_repeated(fields: Fields, notes: Notes) -> None:
    for name, shown in _SINGLE.items():
        values = fields.get(name, ())
        if len(values) > 1 and len(set(values)) > 1:
            notes.add(f"there are several {shown} fields")


def _subject(value: bytes | None, notes: Notes) -> str | None:
    return decode_words(value, notes)[:LONGEST_SUBJECT].rstrip() or None if value else None
