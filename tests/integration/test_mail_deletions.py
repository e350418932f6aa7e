"""Messages that lie nowhere any more, in a real database: deleted once, found again, whoever else is at work."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from servants.email import messages
from servants.email.messages import delete_unplaced, revive
from tests.support.counted import counted_statements
from tests.support.mail_store import MailAccount, mail_account, message
from tests.support.race import in_background, wait_until_blocked
from tests.support.stored_mail import faults_of_store, live_identities, stored_contacts, stored_mailboxes


@pytest.fixture
def account(database: Database) -> MailAccount:
    return mail_account(database)


def select(sql: psycopg.Connection, columns_and_source: str) -> list[Any]:
    statement = f"SELECT {columns_and_source}"
    return sql.execute(statement.encode()).fetchall()


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
