"""A whole mailbox compared with its server: what following missed is mended and reported, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email.imap.session import ImapSession
from servants.email.values import FlagLine, UidSet
from tests.support.dovecot_server import dovecot
from tests.support.mail_account import MailAccount, account, letter

__all__ = ["account", "dovecot", "retinue_database", "retinue_schema", "retinue_template"]


def drift(account: MailAccount) -> None:
    """What nobody did at the server: a placement too few, one too many, and wrong flags."""
    sql = account.database.sql
    sql.execute("DELETE FROM placements WHERE uid = 2")
    sql.execute("UPDATE placements SET flags = '{Wrong}' WHERE uid = 3")
    sql.execute(
        "INSERT INTO placements (mailbox_id, uid, account_id, message_id)"
        " SELECT mailbox_id, 90, account_id, message_id FROM placements WHERE uid = 1"
    )


def test_a_comparison_mends_and_reports_drift(account: MailAccount) -> None:
    account.append(*map(letter, range(5)))
    account.sync()
    drift(account)
    assert account.sync()["placed"] == 0
    assert account.differences() != []

    account.sync(compare=True)

    assert [(a.name, a.fields["gone"], a.fields["flags"], a.fields["missing"]) for a in account.runs[-1].anomalies] == [
        ("mailbox_drift", 1, 1, 1)
    ]
    assert account.differences() == []
    account.sync(compare=True)
    assert account.anomalies == []


def test_a_comparison_is_made_once_a_day(account: MailAccount) -> None:
    account.append(*map(letter, range(5)))
    account.sync()
    account.database.sql.execute("UPDATE mailboxes SET compared_at = now() - interval '25 hours'")
    drift(account)

    account.sync()

    assert account.anomalies == ["mailbox_drift"]
    assert account.differences() == []
    assert account.scalar("SELECT now() - compared_at < interval '1 minute' FROM mailboxes")


def test_what_changes_during_a_comparison_is_no_drift(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.append(*map(letter, range(6)))
    account.sync()
    real = ImapSession.flags

    def meddle(session: ImapSession, uids: UidSet | None, **more: Any) -> Any:
        monkeypatch.setattr(ImapSession, "flags", real)
        account.expunge("1")
        account.uid("STORE", "3", "+FLAGS", "(\\Seen)")
        account.append(letter(30))
        return real(session, uids, **more)

    monkeypatch.setattr(ImapSession, "flags", meddle)
    account.sync(compare=True)

    assert account.anomalies == []
    assert account.differences() == []


def test_news_of_other_messages_during_a_comparison_are_no_drift(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may tell of any message's flags while it answers for some."""
    account.append(*map(letter, range(5)))
    account.sync()
    account.database.sql.execute("UPDATE placements SET flags = '{Wrong}' WHERE uid = 3")
    real = ImapSession.flags

    def talkative(session: ImapSession, uids: UidSet | None, **more: Any) -> Any:
        lines, gone = real(session, uids, **more)
        return ([*lines, FlagLine(5, ())] if uids is not None else lines), gone

    monkeypatch.setattr(ImapSession, "flags", talkative)
    account.sync(compare=True)

    assert [(a.fields["gone"], a.fields["flags"], a.fields["missing"]) for a in account.runs[-1].anomalies] == [
        (0, 1, 0)
    ]
    assert account.differences() == []


def test_the_first_comparison_completes_an_import_in_silence(account: MailAccount) -> None:
    account.append(*map(letter, range(5)))
    account.sync()
    drift(account)
    account.database.sql.execute("UPDATE mailboxes SET compared_at = NULL")

    account.sync(compare=True)

    assert account.anomalies == []
    assert account.differences() == []
