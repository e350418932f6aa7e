"""A connection that is led to another user's mailbox, whose UIDs happen to be the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.postgres.connections import change_settings, open_connection, update_connection
from infra.postgres.mail_connections import forget_positions, is_another_mailbox
from retinue.testing.database import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email.mailbox_sync import MailboxSync
from tests.support.dovecot_server import MailServer, dovecot_of_each_kind
from tests.support.mail_account import MailAccount, letter, mail_account

__all__ = ["dovecot_of_each_kind", "retinue_database", "retinue_schema", "retinue_template"]


@pytest.fixture
def account(retinue_database: RetinueDatabase, dovecot: MailServer) -> MailAccount:
    """Two letters, in a mailbox whose UIDVALIDITY is 7."""
    found = mail_account(retinue_database, dovecot)
    found.append(letter(1), letter(2))
    dovecot.change_uid_validity(found.user, "INBOX", 7)
    found.sync()
    return found


@pytest.fixture
def other(account: MailAccount, dovecot: MailServer) -> MailAccount:
    """Another user's mailbox with other letters, of the same UIDVALIDITY, over the same connection."""
    found = replace(account, user=dovecot.user(), runs=[])
    found.append(letter(11), letter(2), letter(13))
    dovecot.change_uid_validity(found.user, "INBOX", 7)
    return found


def lead_to(other: MailAccount) -> None:
    """What `retinue connections set` and `password` do."""
    database, identity = other.database, other.connection_id
    known = open_connection(database.sql, database.keyring, identity)
    config = {**known.config, "username": other.user.name}
    assert is_another_mailbox(known.config, config)
    forget_positions(database.sql, identity)
    change_settings(database.sql, identity, name=known.name, config=config)
    credentials = {"password": other.user.password}
    update_connection(database.sql, database.keyring, identity, config=config, credentials=credentials)


def test_what_lies_there_is_stored_and_what_is_the_same_stays(account: MailAccount, other: MailAccount) -> None:
    query = "SELECT id FROM mail_messages WHERE message_id = '2@example.com'"
    same = account.scalar(query)
    lead_to(other)

    other.sync()

    assert other.differences() == []
    assert other.scalar(query) == same
    assert other.scalar("SELECT array_agg(message_id) FROM mail_messages WHERE deleted_at IS NOT NULL") == [
        "1@example.com"
    ]


def test_a_run_that_still_reads_the_old_server_writes_no_position(
    account: MailAccount, other: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.append(letter(3))
    changed: list[bool] = []
    follow = MailboxSync.follow

    def change_first(self: MailboxSync, *arguments: object, **options: object) -> None:
        if not changed:
            changed.append(True)
            lead_to(other)
        follow(self, *arguments, **options)  # type: ignore[arg-type] # handed on as they came

    monkeypatch.setattr(MailboxSync, "follow", change_first)
    ran = account.attempt()
    assert "was given other settings meanwhile" in str(ran.error)
    assert account.scalar("SELECT uid_validity FROM mailboxes WHERE name = 'INBOX'") == 0

    other.sync()
    assert other.differences() == []


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"host": "MAIL.example"}, False),
        ({"port": 143, "tls": "starttls"}, False),
        ({"ca_file": "/ca.pem"}, False),
        ({"port": 10143}, True),
        ({"host": "imap.example"}, True),
        ({"username": "bo"}, True),
    ],
)
def test_what_leads_to_other_mail(change: dict[str, object], differs: bool) -> None:
    before = {"host": "mail.example", "username": "ann"}
    assert is_another_mailbox(before, before | change) is differs
