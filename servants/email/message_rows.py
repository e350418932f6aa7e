"""A message as rows of its tables, in the order of the columns named here, written through COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.postgres.texts import storable
from retinue.connection import Connection
from retinue.job import Commit
from servants.email.subjects import subject_key
from servants.email.threads import MAX_HEADER_IDS, header_ids
from servants.email.values import NewMessage

Row = tuple[Any, ...]

#: A date outside these years is a mistake, and what reads the database may not be able to hold it.
_PLAUSIBLE_YEARS = range(1970, 9000)

#: The most that is kept of an address that no contact can have, in characters.
_LONGEST_ADDRESS = 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is about to be written, with what is worked out once for all of its rows."""

    new: NewMessage
    sent_at: datetime | None
    #: The earlier of when it was sent and received, for a date may be forged into the future; else now.
    dated_at: datetime
    header_ids: tuple[str, ...]
    subject_key: str | None
    #: It answers or forwards, by its subject, and names no message that it answers.
    orphaned: bool


def draft(new: NewMessage, *, now: datetime) -> Draft:
    """What the rows of a new message are made from."""
    parsed = new.parsed
    sent_at = _plausible(parsed.sent_at)
    dates = [moment for moment in (sent_at, _plausible(new.received_at)) if moment]
    subject = subject_key(parsed.subject)
    ids = header_ids(parsed)
    names_another = bool(parsed.in_reply_to or parsed.references)
    orphaned = subject.answers and subject.key is not None and not names_another
    return Draft(new, sent_at, min(dates, default=now), ids, subject.key, orphaned)


def _plausible(moment: datetime | None) -> datetime | None:
    if moment is None or moment.year not in _PLAUSIBLE_YEARS:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


MESSAGES = (
    "mail_messages (id, account_id, connection_id, identity, thread_id, message_id, in_reply_to, reference_ids,"
    " subject, sent_at, received_at, dated_at, subject_key, orphaned, size, body_text, body_source, problem, raw)"
)


def message_row(connection: Connection, message_id: int, thread_id: int, written: Draft) -> Row:
    """The row of `MESSAGES`."""
    new, parsed = written.new, written.new.parsed
    return (
        message_id,
        connection.account_id,
        connection.id,
        new.identity,
        thread_id,
        _text(parsed.message_id),
        _text(parsed.in_reply_to),
        [storable(reference) for reference in parsed.references[:MAX_HEADER_IDS]],
        _text(parsed.subject),
        written.sent_at,
        _plausible(new.received_at),
        written.dated_at,
        written.subject_key,
        written.orphaned,
        new.size,
        _text(parsed.text),
        parsed.text_source,
        _text(parsed.problem),
        parsed.raw,
    )


PARTICIPANTS = "message_participants (message_id, position, account_id, role, contact_id, name, dated_at)"


def participant_rows(
    contacts: Mapping[str, int], connection: Connection, message_id: int, written: Draft
) -> Iterator[Row]:
    """The rows of `PARTICIPANTS`; `contacts` are IDs by address."""
    for position, participant in enumerate(written.new.parsed.participants):
        contact_id = contacts.get(storable(participant.address))
        name = _text(participant.name)
        if contact_id is None:
            name = name or storable(participant.address[:_LONGEST_ADDRESS])
        yield message_id, position, connection.account_id, participant.role.value, contact_id, name, written.dated_at


ATTACHMENTS = (
    "message_attachments (message_id, position, account_id, part, filename, content_type, size, content_hash,"
    " content_id, inline)"
)


def attachment_rows(connection: Connection, message_id: int, written: Draft) -> Iterator[Row]:
    """The rows of `ATTACHMENTS`."""
    for position, attachment in enumerate(written.new.parsed.attachments):
        yield (
            message_id,
            position,
            connection.account_id,
            attachment.part,
            _text(attachment.filename),
            storable(attachment.content_type),
            attachment.size,
            attachment.content_hash,
            _text(attachment.content_id),
            attachment.inline,
        )


def _text(text: str | None) -> str | None:
    return None if text is None else storable(text)


def copy_rows(tx: Commit, table: str, rows: Iterable[Row]) -> None:
    """Write rows into a table, `table` being one of the constants above."""
    with tx.connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
