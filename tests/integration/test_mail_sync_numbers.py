"""Servers whose numbers do not last: UIDVALIDITY that changes, UIDNEXT and HIGHESTMODSEQ that go back."""

from __future__ import annotations

from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from tests.support.dovecot_server import MailServer, dovecot_of_each_kind
from tests.support.mail_account import MailAccount, account, letter

__all__ = ["account", "dovecot_of_each_kind", "retinue_database", "retinue_schema", "retinue_template"]


def test_new_uid_validity_fetches_headers_alone(account: MailAccount, dovecot: MailServer) -> None:
    account.append(*map(letter, range(5)))
    account.sync()
    before = account.scalar("SELECT array_agg(id ORDER BY id) FROM mail_messages")
    dovecot.change_uid_validity(account.user, "INBOX", 77)
    account.append(letter(9))

    result = account.sync()

    assert (result["created"], result["placed"], result["deleted"]) == (1, 6, 0)
    assert account.scalar("SELECT array_agg(id ORDER BY id) FROM mail_messages")[:5] == before
    assert account.scalar("SELECT (uid_validity, validity_changes)::text FROM mailboxes") == "(77,1)"
    assert account.differences() == []

    account.sync()
    assert account.scalar("SELECT validity_changes FROM mailboxes") == 0


def test_unstable_uid_validity_is_reported_and_then_followed_once_an_hour(
    account: MailAccount, dovecot: MailServer
) -> None:
    account.append(letter(1))
    account.sync()
    for validity in range(100, 105):
        dovecot.change_uid_validity(account.user, "INBOX", validity)
        account.sync()
    assert account.anomalies == ["uid_validity_unstable"]
    assert account.differences() == []

    dovecot.change_uid_validity(account.user, "INBOX", 200)
    assert (account.sync()["placed"], account.anomalies) == (0, [])

    account.database.sql.execute("UPDATE mailboxes SET synced_at = now() - interval '61 minutes'")
    assert (account.sync()["placed"], account.anomalies) == (1, ["uid_validity_unstable"])
    assert account.differences() == []


def test_numbers_that_go_back_lead_to_a_comparison(account: MailAccount) -> None:
    account.append(*map(letter, range(4)))
    account.sync()
    account.database.sql.execute("UPDATE mailboxes SET highest_modseq = 900000 WHERE highest_modseq IS NOT NULL")
    account.database.sql.execute("UPDATE placements SET modseq = 900000 WHERE modseq IS NOT NULL")
    account.uid("STORE", "2", "+FLAGS", "(\\Seen)")
    account.expunge("1")

    account.sync()
    assert account.differences() == []

    account.uid("STORE", "2", "-FLAGS", "(\\Seen)")
    account.sync()
    assert account.differences() == []


def test_uid_next_that_goes_back_means_another_mailbox(account: MailAccount) -> None:
    account.append(letter(1))
    account.sync()
    account.database.sql.execute("UPDATE mailboxes SET uid_next = 50")
    other = account.scalar("SELECT id FROM mail_messages")
    account.append(letter(2))

    assert account.sync()["placed"] == 2
    assert account.scalar("SELECT min(message_id) FROM placements") == other
    assert account.differences() == []
