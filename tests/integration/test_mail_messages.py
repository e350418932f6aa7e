"""Messages in a real database: written a page at a time, deleted when they lie nowhere, and always counted right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from servants.email.messages import known_identities, save_messages
from servants.email.values import Attachment, NewMessage
from tests.support.counted import counted_statements
from tests.support.mail_store import NOON, MailAccount, mail_account, message
from tests.support.stored_mail import faults_of_store, stored_contacts

DAY = timedelta(days=1)
PDF = Attachment(part="2", filename="plan.pdf", content_type="application/pdf", size=70_000, content_hash="ab" * 32)


@pytest.fixture
def account(database: Database) -> MailAccount:
    return mail_account(database)


def select(sql: psycopg.Connection, columns_and_source: str) -> list[Any]:
    statement = f"SELECT {columns_and_source}"
    return sql.execute(statement.encode()).fetchall()


def test_a_message_is_written_with_all_that_belongs_to_it(account: MailAccount, sql: psycopg.Connection) -> None:
    inline = Attachment(
        part="3", filename=None, content_type="image/png", size=5, content_hash="cd" * 32, content_id="x@y", inline=True
    )
    new = message(
        "a",
        sender="Ann <ann@example.com>",
        to=["Bo <bo@example.com>", "ann@example.com"],
        cc=["cy@example.com"],
        in_reply_to="<x@host>",
        references=["<w@host>", "<x@host>"],
        subject="Re: Plan",
        received_at=NOON + DAY,
        attachments=[PDF, inline],
    )
    (message_id,) = account.save(new)

    columns = (
        "identity, message_id, in_reply_to, reference_ids, subject, sent_at, received_at, dated_at, size, body_text"
    )
    assert select(sql, f"{columns}, body_source, problem, raw, deleted_at, account_id FROM mail_messages") == [
        (
            new.identity,
            "<a@host>",
            "<x@host>",
            ["<w@host>", "<x@host>"],
            "Re: Plan",
            NOON,
            NOON + DAY,
            NOON,
            1000,
            "Hello.",
            "plain",
            None,
            None,
            None,
            account.connection.account_id,
        )
    ]
    named = "position, role, address, participant.name FROM message_participants AS participant"
    assert select(
        sql, f"{named} JOIN contacts ON contacts.id = contact_id WHERE message_id = {message_id} ORDER BY 1"
    ) == [
        (0, "from", "ann@example.com", "Ann"),
        (1, "to", "bo@example.com", "Bo"),
        (2, "to", "ann@example.com", None),
        (3, "cc", "cy@example.com", None),
    ]
    attached = "position, part, filename, content_type, size, content_hash, content_id, inline"
    assert select(sql, f"{attached} FROM message_attachments ORDER BY 1") == [
        (0, "2", "plan.pdf", "application/pdf", 70_000, "ab" * 32, None, False),
        (1, "3", None, "image/png", 5, "cd" * 32, "x@y", True),
    ]
    contacts = stored_contacts(sql, account.connection.account_id)
    assert {address: (one.name, one.messages) for address, one in contacts.items()} == {
        "ann@example.com": ("Ann", 1),
        "bo@example.com": ("Bo", 1),
        "cy@example.com": (None, 1),
    }


def test_an_unreadable_message_keeps_its_beginning(account: MailAccount, sql: psycopg.Connection) -> None:
    new = message("a", subject=None, text=None, message_id=None, sent_at=None, received_at=None)
    account.save(replace(new, parsed=replace(new.parsed, problem="no header ends", raw=b"\0\xff")))
    columns = "problem, raw, body_text, body_source, sent_at, received_at, dated_at = created_at"
    assert select(sql, f"{columns} FROM mail_messages") == [("no header ends", b"\0\xff", None, None, None, None, True)]


def test_what_no_column_holds_is_replaced_and_stops_nothing(account: MailAccount, sql: psycopg.Connection) -> None:
    far = datetime(9999, 12, 31, 23, tzinfo=UTC)
    longest = "x" * 400 + "@example.com"
    ids = account.save(
        message("a", subject="a\0b", text="\ud83d\ude00 \udcff", sender="A\0 <ann@example.com>", to=[longest, "B <>"]),
        message("b", sent_at=far, received_at=NOON, message_id=f"<{'y' * 100_000}>", references=["<r\0@host>"] * 3),
        message("c", sent_at=datetime(1, 1, 1, tzinfo=UTC), received_at=far, message_id="<\udcff>"),
    )
    stored = select(sql, "subject, body_text, sent_at, received_at FROM mail_messages ORDER BY id")
    assert stored[0] == ("a\N{REPLACEMENT CHARACTER}b", "😀 \N{REPLACEMENT CHARACTER}", NOON, None)
    assert [row[2:] for row in stored[1:]] == [(None, NOON), (None, None)]
    people = "contact_id IS NULL, name FROM message_participants ORDER BY message_id, position LIMIT 3"
    assert select(sql, people) == [(False, "A\N{REPLACEMENT CHARACTER}"), (True, longest), (True, "B")]
    account.place(ids)
    assert not faults_of_store(sql, account.connection.id)


def test_a_page_takes_as_many_statements_whatever_its_size(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for size in (1, 20, 200):
        people = [f"p{number}@example.com" for number in range(size)]
        page = [message(f"{size}-{n}", to=people[n : n + 3], attachments=[PDF]) for n in range(size)]
        with counted_statements(monkeypatch) as found:
            account.save(*page)
        counts.append(len(found))
    assert counts[0] == counts[1] == counts[2] <= 14


def test_what_is_stored_already_stays_as_it_is(account: MailAccount, sql: psycopg.Connection) -> None:
    first, second = message("a"), message("b")
    with account.commit() as tx:
        ids = save_messages(tx, account.connection, [first])
    before = select(sql, "ctid::text, * FROM mail_messages")
    with account.commit() as tx:
        again = save_messages(tx, account.connection, [first, second, second])
    assert again == {first.identity: ids[first.identity], second.identity: again[second.identity]}
    assert before[0] in select(sql, "ctid::text, * FROM mail_messages")
    assert select(sql, "count(*) FROM mail_messages") == [(2,)]
    account.place(again.values())
    assert not faults_of_store(sql, account.connection.id)


def test_the_same_message_is_one_in_each_connection(
    account: MailAccount, database: Database, sql: psycopg.Connection
) -> None:
    other = mail_account(database, account_id=account.connection.account_id)
    assert account.save(message("a")) != other.save(message("a"))
    assert select(sql, "count(DISTINCT thread_id), count(*) FROM mail_messages") == [(2, 2)]
    assert stored_contacts(sql, account.connection.account_id)["ann@example.com"].messages == 2


def test_known_identities_are_those_of_the_connection_deleted_or_not(account: MailAccount, database: Database) -> None:
    here, deleted, elsewhere = message("a"), message("b"), message("c")
    ids = account.save(here, deleted)
    account.place(ids)
    account.remove(ids[1:])
    assert account.finish() == 1
    mail_account(database).save(elsewhere)
    asked = [one.identity for one in (here, deleted, elsewhere)]
    with account.commit() as tx:
        assert known_identities(tx, account.connection, asked) == dict(zip(asked[:2], ids, strict=True))
        assert known_identities(tx, account.connection, []) == {}


def test_a_connection_takes_all_of_its_mail_along(account: MailAccount, sql: psycopg.Connection) -> None:
    ids = account.save(message("a", attachments=[PDF]), message("b"))
    account.place(ids)
    account.remove(ids[1:])
    sql.execute("DELETE FROM connections WHERE id = %s", (account.connection.id,))
    tables = "mailboxes mail_messages threads thread_keys placements displaced_messages message_participants"
    for table in [*tables.split(), "message_attachments"]:
        assert select(sql, f"count(*) FROM {table}") == [(0,)], table


def test_a_message_shows_no_words_of_its_writer_in_a_log() -> None:
    new: NewMessage = message("a", subject="secret plan", text="secret words")
    assert "secret" not in repr(new)
