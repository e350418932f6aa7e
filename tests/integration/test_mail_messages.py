"""Messages in a real database: written a page at a time, deleted when they lie nowhere, and always counted right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.schema import metadata
from infra.postgres.schema_email import SENSITIVE_COLUMNS
from servants.email import messages
from servants.email.messages import delete_unplaced, known_identities, revive, save_messages
from servants.email.values import Attachment, NewMessage
from tests.support.mail_store import NOON, MailAccount, mail_account, message
from tests.support.race import in_background, wait_until_blocked
from tests.support.stored_mail import faults_of_store, live_identities, stored_contacts, stored_mailboxes

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


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are run meanwhile, COPY among them."""
    found: list[str] = []
    execute, copy = psycopg.Connection.execute, psycopg.Cursor.copy

    def counting_execute(self: Any, query: Any, *rest: Any, **options: Any) -> Any:
        found.append(query)
        return execute(self, query, *rest, **options)

    def counting_copy(self: Any, query: Any, *rest: Any, **options: Any) -> Any:
        found.append(query)
        return copy(self, query, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", counting_execute)
        patch.setattr(psycopg.Cursor, "copy", counting_copy)
        yield found


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


def test_a_message_without_placement_is_deleted_at_the_end_of_the_run(
    account: MailAccount, sql: psycopg.Connection
) -> None:
    stays, goes = message("a"), message("b", to=["cy@example.com"])
    ids = account.save(stays, goes)
    account.place(ids)
    account.remove(ids[1:])
    assert live_identities(sql, account.connection.id) == {stays.identity, goes.identity}

    assert (account.finish(), account.finish()) == (1, 0)
    assert live_identities(sql, account.connection.id) == {stays.identity}
    contacts = stored_contacts(sql, account.connection.account_id)
    assert {address: one.messages for address, one in contacts.items()} == {
        "ann@example.com": 1,
        "bo@example.com": 1,
        "cy@example.com": 0,
    }
    assert select(sql, "messages FROM threads ORDER BY id") == [(1,), (0,)]


def test_a_message_that_was_moved_is_neither_deleted_nor_made_again(
    account: MailAccount, sql: psycopg.Connection
) -> None:
    new = message("a")
    ids = account.save(new)
    account.place(ids)
    account.remove(ids)
    account.place(ids)
    assert account.finish() == 0
    assert stored_mailboxes(sql, account.connection.id) == {"INBOX": {ids[0]: (new.identity, frozenset())}}


@pytest.mark.parametrize("again", ["saved", "revived"])
def test_a_deleted_message_that_turns_up_again_is_live_and_counted(
    account: MailAccount, sql: psycopg.Connection, again: str
) -> None:
    new = message("a")
    ids = account.save(new)
    account.place(ids)
    account.remove(ids)
    assert account.finish() == 1
    if again == "saved":
        assert account.save(new) == ids
    account.place(ids)
    assert select(sql, "deleted_at FROM mail_messages") == [(None,)]
    assert stored_contacts(sql, account.connection.account_id)["ann@example.com"].messages == 1
    assert not faults_of_store(sql, account.connection.id)


def test_reviving_says_how_many_had_been_deleted(account: MailAccount) -> None:
    ids = account.save(message("a"), message("b"))
    account.place(ids)
    account.remove(ids[1:])
    account.finish()
    with account.commit() as tx:
        assert [revive(tx, account.connection, found) for found in (ids, ids, [])] == [1, 0, 0]


def test_a_run_that_dies_before_its_end_leaves_the_deletion_to_the_next(
    account: MailAccount, sql: psycopg.Connection
) -> None:
    ids = account.save(message("a"))
    account.place(ids)
    account.remove(ids)
    with account.commit() as tx, tx.connection.transaction(force_rollback=True):
        assert delete_unplaced(tx, account.connection) == 1
    assert select(sql, "deleted_at FROM mail_messages") == [(None,)]
    assert account.finish() == 1


def test_a_message_being_placed_is_not_deleted(
    account: MailAccount, database: Database, sql: psycopg.Connection
) -> None:
    """A page of another job places it in the very moment in which the run that lost it ends."""
    ids = account.save(message("a"))
    account.place(ids)
    account.remove(ids)
    with ExitStack() as background, account.commit() as tx:
        assert revive(tx, account.connection, ids) == 0
        end = background.enter_context(in_background(account.finish))
        wait_until_blocked(sql, by=tx.connection)
        tx.execute(
            "INSERT INTO placements (mailbox_id, uid, account_id, message_id) VALUES (%s, 9, %s, %s)",
            (account.mailbox_id, account.connection.account_id, ids[0]),
        )
    assert end.result() == 0
    assert select(sql, "deleted_at FROM mail_messages") == [(None,)]


def test_a_message_deleted_while_it_waits_to_be_placed_is_live(account: MailAccount, sql: psycopg.Connection) -> None:
    ids = account.save(message("a"))
    account.place(ids)
    account.remove(ids)
    with ExitStack() as background, account.commit() as tx:
        assert delete_unplaced(tx, account.connection) == 1
        background.enter_context(in_background(lambda: account.place(ids)))
        wait_until_blocked(sql, by=tx.connection)
    assert select(sql, "deleted_at FROM mail_messages") == [(None,)]
    assert not faults_of_store(sql, account.connection.id)


def test_a_loss_that_commits_while_the_end_looks_is_found_by_the_next_end(
    account: MailAccount, sql: psycopg.Connection
) -> None:
    ids = account.save(message("a"))
    account.place(ids)
    account.remove(ids)
    account.place(ids)
    with account.commit() as tx:
        tx.execute(
            "WITH gone AS (DELETE FROM placements RETURNING message_id, account_id)"
            " INSERT INTO displaced_messages (connection_id, message_id, account_id)"
            " SELECT %s, message_id, account_id FROM gone",
            (account.connection.id,),
        )
        assert account.finish() == 0
    assert account.finish() == 1
    assert not faults_of_store(sql, account.connection.id)


def test_the_end_of_a_run_looks_at_no_messages_when_nothing_was_lost(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.place(account.save(message("a")))
    with counted_statements(monkeypatch) as found:
        assert account.finish() == 0
    assert [query.split()[0] for query in found] == ["SELECT", "DELETE"]
    assert "displaced_messages" in found[1]


def test_any_number_of_messages_is_deleted_a_few_at_a_time(
    account: MailAccount, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = account.save(*(message(str(number)) for number in range(25)))
    account.place(ids)
    account.remove(ids[:10])
    account.place(ids[:5])
    account.remove(ids[:23])
    monkeypatch.setattr(messages, "_LOOKED_AT", 4)
    assert account.finish() == 23
    assert select(sql, "count(*) FROM displaced_messages") == [(0,)]
    assert not faults_of_store(sql, account.connection.id)


def test_a_connection_takes_all_of_its_mail_along(account: MailAccount, sql: psycopg.Connection) -> None:
    ids = account.save(message("a", attachments=[PDF]), message("b"))
    account.place(ids)
    account.remove(ids[1:])
    sql.execute("DELETE FROM connections WHERE id = %s", (account.connection.id,))
    tables = "mailboxes mail_messages threads thread_keys placements displaced_messages message_participants"
    for table in [*tables.split(), "message_attachments"]:
        assert select(sql, f"count(*) FROM {table}") == [(0,)], table


def test_sensitive_columns_are_there() -> None:
    assert {"subject", "body_text", "raw"} == {column for _, column in SENSITIVE_COLUMNS}
    for table, column in SENSITIVE_COLUMNS:
        assert column in metadata.tables[table].columns


def test_a_message_shows_no_words_of_its_writer_in_a_log() -> None:
    new: NewMessage = message("a", subject="secret plan", text="secret words")
    assert "secret" not in repr(new)
