"""Pages of history while `email.sync` follows the same mailbox: neither overwrites what the other knows better."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from retinue.testing.database import RetinueDatabase
from retinue.testing.inline import run
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from retinue.testing.ran import Ran
from servants.email.backfill import backfill
from servants.email.imap.session import ImapSession
from servants.email.values import UidSet
from tests.support.dovecot_server import MailServer, dovecot_of_each_kind
from tests.support.mail_account import MailAccount, letter, mail_account

__all__ = ["dovecot_of_each_kind", "retinue_database", "retinue_schema", "retinue_template"]

WAIT_SECONDS = 20
HISTORY = UidSet.of(range(1, 9))


@pytest.fixture
def account(retinue_database: RetinueDatabase, dovecot: MailServer, monkeypatch: pytest.MonkeyPatch) -> MailAccount:
    """A mailbox whose position is known and whose eight messages are left to a backfill."""
    account = mail_account(retinue_database, dovecot)
    account.append(*map(letter, range(8)))
    account.sync()
    account.database.sql.execute("DELETE FROM mail_messages")
    monkeypatch.setattr("servants.email.mailbox_sync.pending_history", lambda *_: HISTORY)
    return account


def bring(account: MailAccount) -> Ran:
    row = account.database.sql.execute("SELECT id, uid_validity FROM mailboxes WHERE name = 'INBOX'").fetchone()
    assert row is not None
    payload = {"mailbox_id": row[0], "uid_validity": row[1], "first": 1, "last": 8, "messages": 8}
    return run(
        backfill,
        {"connection_id": account.connection_id, **payload},
        database=account.database,
        account_id=account.account_id,
    )


def once_fetched(monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[], object]) -> None:
    """Act after this method has fetched for the first time, before anything is done with what came."""
    real = getattr(ImapSession, method)

    def fetching(session: ImapSession, uids: UidSet, **more: Any) -> Iterator[Any]:
        fetched = list(real(session, uids, **more))
        monkeypatch.setattr(ImapSession, method, real)
        act()
        return iter(fetched)

    monkeypatch.setattr(ImapSession, method, fetching)


def test_a_page_is_brought(account: MailAccount) -> None:
    assert account.sync()["placed"] == 0
    assert bring(account).result == {"created": 8, "placed": 8, "malformed": 0, "unfetchable": 0, "left": 0}
    assert account.differences() == []


@pytest.mark.parametrize("method", ["headers", "messages"])
def test_what_a_sync_saw_meanwhile_is_not_undone_by_a_page(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def meddle() -> None:
        account.expunge("1,5")
        account.uid("STORE", "2,8", "+FLAGS", "(\\Answered)")
        account.append(letter(20))
        account.sync()

    once_fetched(monkeypatch, method, meddle)
    assert bring(account).state == "completed"

    account.sync()
    assert account.differences() == []


def test_syncs_that_find_nothing_keep_no_page_waiting(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may take longer than it is from one sync to the next."""
    account.sync()
    real, fetches = ImapSession.messages, []

    def fetching(session: ImapSession, uids: UidSet, **more: Any) -> Iterator[Any]:
        fetched = list(real(session, uids, **more))
        fetches.append(uids)
        account.sync()
        return iter(fetched)

    monkeypatch.setattr(ImapSession, "messages", fetching)
    assert bring(account).state == "completed"
    assert len(fetches) == 1
    assert account.differences() == []


def test_a_page_that_lands_while_a_sync_fetches_is_followed(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A page is fetched; messages of it change; a sync hears of that while nobody holds them, and has new mail to
    fetch; the page lands; the sync saves its position."""
    fetched, seen = threading.Event(), threading.Event()
    real = ImapSession.headers

    def fetching(session: ImapSession, uids: UidSet) -> Iterator[Any]:
        lines = list(real(session, uids))
        if threading.current_thread() is page:
            fetched.set()
            assert seen.wait(WAIT_SECONDS)
        else:
            seen.set()
            page.join(WAIT_SECONDS)
        return iter(lines)

    monkeypatch.setattr(ImapSession, "headers", fetching)
    brought: list[Ran] = []
    page = threading.Thread(target=lambda: brought.append(bring(account)))
    page.start()
    assert fetched.wait(WAIT_SECONDS)
    account.append(letter(20))
    account.expunge("1,5")
    account.uid("STORE", "2,8", "+FLAGS", "(\\Answered)")

    account.sync()
    assert [ran.state for ran in brought] == ["completed"]
    # Without counted changes the next listing finds it.
    if "plain" in request.node.name:
        account.sync()
    assert account.differences() == []


def test_a_range_that_was_renumbered_brings_nothing(
    account: MailAccount, dovecot: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renumber() -> None:
        dovecot.change_uid_validity(account.user, "INBOX", 4711)
        account.sync()

    once_fetched(monkeypatch, "headers", renumber)

    assert bring(account).result == {"stale": True}
    monkeypatch.setattr("servants.email.mailbox_sync.pending_history", lambda *_: UidSet())
    account.sync(compare=True)
    assert account.differences() == []
