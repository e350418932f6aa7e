"""`email.sync` and what goes wrong: messages that cannot be had, folders that cannot be opened, data that drifted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from retinue.testing.database import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email.imap import commands
from servants.email.imap.faults import ConnectionLost, Denied, Refused, ServerFailed
from servants.email.imap.session import ImapSession
from servants.email.values import RemoteFolder, UidSet
from tests.support.dovecot_server import PLAIN, MailServer, dovecot, run_dovecot
from tests.support.mail_account import MailAccount, account, letter, mail_account

__all__ = ["account", "dovecot", "retinue_database", "retinue_schema", "retinue_template"]


@pytest.fixture(scope="module")
def plain_dovecot() -> Iterator[MailServer]:
    with run_dovecot(capability=PLAIN) as server:
        yield server


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, raises: Callable[[ImapSession, Any], Exception | None]) -> None:
    """Have a method of the session fail as this function says of its first argument."""
    real = getattr(ImapSession, name)

    def spoilt(session: ImapSession, first: Any = None, **more: Any) -> Any:
        error = raises(session, first)
        if error is not None:
            raise error
        return real(session, first, **more)

    monkeypatch.setattr(ImapSession, name, spoilt)


def placed(account: MailAccount) -> list[int]:
    rows = account.database.sql.execute("SELECT uid FROM placements ORDER BY uid").fetchall()
    return [uid for (uid,) in rows]


def fall_due(account: MailAccount) -> None:
    """What the server refused is to be asked for again."""
    account.database.sql.execute(
        """UPDATE mailboxes SET unfetchable = jsonb_set(unfetchable, '{4,at}', '"2020-01-01"')"""
    )


@pytest.mark.parametrize("method", ["headers", "messages"])
@pytest.mark.parametrize("error", [Refused("no"), ServerFailed("bug")], ids=["refused", "failed"])
def test_a_message_that_the_server_refuses_does_not_hold_up_the_others(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    account.append(*map(letter, range(9)))
    asked: list[UidSet] = []

    def refuse(session: ImapSession, uids: UidSet) -> Exception | None:
        asked.append(uids)
        if isinstance(error, ServerFailed) and 4 in uids:
            session.logout()
        return error if 4 in uids else None

    with monkeypatch.context() as spoilt:
        spoil(spoilt, method, refuse)
        result = account.sync()
        assert (result["placed"], result["unfetchable"], account.anomalies) == (8, 1, ["message_unfetchable"])
        assert placed(account) == [1, 2, 3, 5, 6, 7, 8, 9]

        asked.clear()
        account.append(letter(20))
        assert (account.sync()["placed"], account.anomalies) == (1, [])
        assert not any(4 in uids for uids in asked)

        fall_due(account)
        assert (account.sync()["unfetchable"], account.anomalies) == (1, ["message_unfetchable"])
        assert account.scalar("SELECT unfetchable -> '4' ->> 'tries' FROM mailboxes") == "2"

    fall_due(account)
    assert (account.sync()["placed"], account.anomalies) == (1, [])
    assert account.scalar("SELECT unfetchable FROM mailboxes") == {}
    assert account.differences() == []


def test_a_refused_message_that_goes_is_forgotten(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.append(*map(letter, range(3)))
    with monkeypatch.context() as spoilt:
        spoil(spoilt, "messages", lambda _, uids: Refused("no") if 2 in uids else None)
        account.sync()
    account.expunge("2")

    account.sync()
    assert account.scalar("SELECT unfetchable FROM mailboxes") == {}
    assert account.differences() == []


def test_one_folder_in_trouble_does_not_stop_the_others(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.create("A", "B")
    for name in ("A", "B"):
        account.append(letter(1), mailbox=name)

    def lose(session: ImapSession, name: str) -> Exception | None:
        if name != "A":
            return None
        session.logout()
        return ConnectionLost("it broke")

    with monkeypatch.context() as spoilt:
        spoil(spoilt, "examine", lose)
        ran = account.attempt()
        assert (ran.state, ran.reason, (ran.error or {})["kind"]) == ("pending", "retry", "ConnectionLost")
    assert account.scalar("SELECT array_agg(mailboxes.name) FROM placements JOIN mailboxes ON id = mailbox_id") == ["B"]
    account.sync()
    assert account.differences() == []


def test_a_folder_that_may_not_be_read_is_reported(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.create("A")
    account.append(letter(1), mailbox="A")
    spoil(monkeypatch, "examine", lambda _, name: Denied("no right") if name == "A" else None)

    assert (account.sync()["unreadable"], account.anomalies) == (1, ["mailbox_unreadable"])


def test_folders_whose_names_cannot_be_kept_do_not_stop_the_others(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.append(letter(1))
    account.create("/".join(f"{at:0200}" for at in range(16)))
    real = ImapSession.folders

    def folders(session: ImapSession) -> list[RemoteFolder]:
        listed = real(session)
        return [*listed, dataclasses.replace(listed[0], name="Foo\0Bar")]

    monkeypatch.setattr(ImapSession, "folders", folders)
    account.sync()
    assert placed(account) == [1]
    assert account.anomalies == ["mailbox_unreadable"]


def test_a_folder_that_goes_while_a_run_goes_on(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.create("A")
    account.append(letter(1), mailbox="A")
    account.append(letter(1), letter(2))

    def delete(_: ImapSession, name: str) -> Exception | None:
        if name == "A":
            with account.server.client(account.user) as client:
                client.delete("A")
        return None

    spoil(monkeypatch, "examine", delete)

    assert (account.sync()["unreadable"], account.anomalies) == (0, [])
    assert account.differences() == []


def test_a_listing_without_folders_is_believed_the_second_time(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.append(*map(letter, range(12)))
    account.sync()
    monkeypatch.setattr(ImapSession, "folders", lambda _: [])

    ran = account.attempt()
    assert (ran.state, (ran.error or {})["kind"]) == ("pending", "SuspiciousEmptiness")
    assert len(placed(account)) == 12

    again = account.attempt(checkpoint=ran.checkpoint)
    assert (again.state, (again.result or {})["gone"]) == ("completed", 12)


def test_a_folder_that_is_suddenly_empty_is_believed_the_second_time(
    retinue_database: RetinueDatabase, plain_dovecot: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servants.email.follow.SUSPICIOUS_FROM", 5)
    account = mail_account(retinue_database, plain_dovecot)
    account.append(*map(letter, range(6)))
    account.sync()
    account.expunge("1:*")

    ran = account.attempt()
    assert (ran.state, (ran.error or {})["kind"]) == ("pending", "SuspiciousEmptiness")
    assert len(placed(account)) == 6

    again = account.attempt(checkpoint=ran.checkpoint)
    assert (again.state, (again.result or {})["gone"]) == ("completed", 6)
    assert account.differences() == []


def test_a_server_that_says_there_are_messages_and_lists_none_is_never_believed(
    retinue_database: RetinueDatabase, plain_dovecot: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = mail_account(retinue_database, plain_dovecot)
    account.append(*map(letter, range(3)))
    account.sync()
    with monkeypatch.context() as spoilt:
        spoilt.setattr(ImapSession, "flags", lambda *_, **__: ([], UidSet()))
        for _ in range(3):
            ran = account.attempt(checkpoint=account.runs[-1].checkpoint)
            assert (ran.state, (ran.error or {})["kind"]) == ("pending", "SuspiciousEmptiness")
    assert placed(account) == [1, 2, 3]


def test_a_lost_vanished_is_noticed_by_the_count(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.append(*map(letter, range(5)))
    account.sync()
    account.expunge("2")
    real = ImapSession.examine

    def forgetful(session: ImapSession, name: str, **more: Any) -> Any:
        selected = real(session, name, **more)
        return dataclasses.replace(selected, vanished=None if selected.vanished is None else UidSet())

    monkeypatch.setattr(ImapSession, "examine", forgetful)

    assert account.sync()["gone"] == 1
    assert account.differences() == []


@pytest.mark.parametrize("qresync", [True, False])
def test_more_changes_than_one_reply_may_tell_are_listed(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch, qresync: bool
) -> None:
    account.append(*map(letter, range(40)))
    if not qresync:
        monkeypatch.setattr(ImapSession, "enable_qresync", lambda _: False)
    account.sync()
    account.uid("STORE", "1:30", "+FLAGS", "(\\Seen)")
    account.expunge("39:40")
    short_replies(monkeypatch, "examine", "known")
    short_replies(monkeypatch, "fetch_flags", "changed_since")

    result = account.sync()

    assert (result["reflagged"], result["gone"]) == (30, 2)
    assert account.differences() == []


def short_replies(monkeypatch: pytest.MonkeyPatch, name: str, argument: str) -> None:
    """Take no more than 1,000 bytes of what a command of this name answers, if it asks for changes."""
    real = getattr(commands, name)

    def shortened(*given: Any, **named: Any) -> Any:
        command = real(*given, **named)
        return command if named[argument] is None else dataclasses.replace(command, reply_bytes=1000)

    monkeypatch.setattr(commands, name, shortened)


def test_several_windows_of_flags_find_the_same(
    retinue_database: RetinueDatabase, plain_dovecot: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servants.email.mailbox_sync.WINDOW", 3)
    account = mail_account(retinue_database, plain_dovecot)
    account.append(*map(letter, range(11)))
    account.sync()
    account.expunge("1,4:6,11")
    account.uid("STORE", "2,9", "+FLAGS", "(\\Seen)")
    account.append(letter(20))

    result = account.sync()

    assert (result["placed"], result["gone"], result["reflagged"]) == (1, 5, 2)
    assert account.differences() == []


def test_a_folder_with_equal_uid_validity_is_not_taken_for_another(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that counts UIDVALIDITY badly: a folder is deleted and another one has its numbers."""
    account.create("Old")
    account.append(letter(1), mailbox="Old")
    account.sync()
    with account.server.client(account.user) as client:
        client.delete("Old")
    account.create("New")
    account.append(letter(2), mailbox="New")
    row = account.database.sql.execute("SELECT uid_validity FROM mailboxes WHERE name = 'Old'").fetchone()
    assert row is not None
    real = ImapSession.folders

    def confused(session: ImapSession) -> list[RemoteFolder]:
        return [
            dataclasses.replace(folder, uid_validity=row[0], object_id=None) if folder.name == "New" else folder
            for folder in real(session)
        ]

    monkeypatch.setattr(ImapSession, "folders", confused)
    account.sync()

    assert account.differences() == []


def test_a_folder_that_could_be_read_in_the_end_is_not_reported(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.append(letter(1))
    refusals = iter([Denied("not now")])
    spoil(monkeypatch, "examine", lambda *_: next(refusals, None))

    assert (account.sync()["unreadable"], account.anomalies) == (0, [])
    assert account.differences() == []


def test_round_trips(account: MailAccount) -> None:
    account.create(*"ABCDEFGH")
    account.append(*map(letter, range(30)))
    account.sync()

    nothing = account.sync()["round_trips"]
    account.append(*map(letter, range(40, 50)))
    account.uid("STORE", "3,7", "+FLAGS", "(\\Seen)")
    account.expunge("9")
    changed = account.sync()["round_trips"]

    # Sign-in with ID and ENABLE, and one LIST for nine folders.
    assert nothing <= 6
    # EXAMINE, headers, bodies; a second LIST, because something went.
    assert changed - nothing == 4
