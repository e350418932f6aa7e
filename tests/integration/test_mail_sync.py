"""`email.sync` against a real IMAP server and a real database: whatever was done, both are the same in the end."""

from __future__ import annotations

import pytest

from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email.imap.session import ImapSession
from tests.support.dovecot_server import dovecot_of_each_kind
from tests.support.mail_account import MailAccount, account, letter

__all__ = ["account", "dovecot_of_each_kind", "retinue_database", "retinue_schema", "retinue_template"]


def test_first_sync_stores_mailboxes_messages_and_flags(account: MailAccount) -> None:
    account.create("Work")
    account.append(letter(1), letter(2), flags="\\Seen $Forwarded")
    account.append(letter(3), mailbox="Work")

    result = account.sync()

    assert (result["mailboxes"], result["created"], result["placed"]) == (2, 3, 3)
    assert account.differences() == []
    assert account.scalar("SELECT flags FROM placements WHERE uid = 1 AND cardinality(flags) > 0") == [
        "$Forwarded",
        "\\Seen",
    ]


def test_what_arrives_changes_and_goes_follows(account: MailAccount) -> None:
    account.append(*map(letter, range(6)))
    account.sync()
    account.append(letter(10))
    account.uid("STORE", "2,3", "+FLAGS", "(\\Flagged)")
    account.uid("STORE", "3", "+FLAGS", "(\\Seen)")
    account.expunge("1,5")

    result = account.sync()

    counts = {name: result[name] for name in ("created", "placed", "gone", "reflagged", "deleted")}
    assert counts == {"created": 1, "placed": 1, "gone": 2, "reflagged": 2, "deleted": 2}
    assert account.differences() == []


def test_nothing_changed_writes_no_row(account: MailAccount) -> None:
    account.append(letter(1), letter(2))
    account.sync()
    before = account.database.sql.execute("SELECT xmin, * FROM placements ORDER BY uid").fetchall()

    result = account.sync()

    assert (result["created"], result["placed"], result["gone"], result["reflagged"]) == (0, 0, 0, 0)
    assert account.database.sql.execute("SELECT xmin, * FROM placements ORDER BY uid").fetchall() == before


def test_a_moved_message_stays_one_message(account: MailAccount) -> None:
    account.create("Archive", "A")
    account.append(letter(1), letter(2))
    account.append(letter(3), mailbox="Archive")
    account.sync()
    before = account.database.sql.execute("SELECT id, created_at FROM mail_messages ORDER BY id").fetchall()
    account.uid("MOVE", "1", "Archive")
    account.uid("MOVE", "1", "A", mailbox="Archive")

    result = account.sync()

    assert (result["created"], result["placed"], result["gone"], result["deleted"]) == (0, 2, 2, 0)
    assert account.database.sql.execute("SELECT id, created_at FROM mail_messages ORDER BY id").fetchall() == before
    assert account.differences() == []


def test_the_same_letter_twice_is_one_message_in_two_places(account: MailAccount) -> None:
    account.append(letter(1), letter(1))

    assert (account.sync()["created"], account.runs[-1].result["placed"]) == (1, 2)  # type: ignore[index]  # it has one
    assert account.differences() == []

    account.expunge("1")
    assert account.sync()["deleted"] == 0
    account.expunge("2")
    assert account.sync()["deleted"] == 1
    assert account.differences() == []


def test_a_returning_letter_revives_its_message(account: MailAccount) -> None:
    account.append(letter(1))
    account.sync()
    first_id = account.scalar("SELECT id FROM mail_messages")
    account.expunge("1")
    account.sync()
    account.append(letter(1))

    assert account.sync()["created"] == 0
    assert account.scalar("SELECT id FROM mail_messages WHERE deleted_at IS NULL") == first_id


def test_a_renamed_folder_is_the_same_row(account: MailAccount) -> None:
    account.create("Work", "Work/Plans")
    account.append(letter(1), letter(2), mailbox="Work")
    account.append(letter(3), mailbox="Work/Plans")
    account.sync()
    before = account.database.sql.execute("SELECT id FROM mailboxes ORDER BY id").fetchall()
    with account.server.client(account.user) as client:
        client.rename("Work", "Old")
    account.append(letter(4), mailbox="Old")

    result = account.sync()

    assert (result["created"], result["placed"], result["gone"]) == (1, 1, 0)
    assert account.database.sql.execute("SELECT id FROM mailboxes ORDER BY id").fetchall() == before
    assert account.differences() == []


def test_folders_that_swap_their_names_keep_their_rows(account: MailAccount) -> None:
    account.create("A", "B")
    account.append(letter(1), mailbox="A")
    account.append(letter(2), mailbox="B")
    account.sync()
    with account.server.client(account.user) as client:
        for old, new in (("A", "C"), ("B", "A"), ("C", "B")):
            client.rename(old, new)

    result = account.sync()

    assert (result["created"], result["placed"], result["gone"]) == (0, 0, 0)
    assert account.differences() == []


def test_a_folder_made_anew_under_its_old_name_holds_what_it_holds_now(account: MailAccount) -> None:
    account.create("Work")
    account.append(letter(1), letter(2), mailbox="Work")
    account.sync()
    with account.server.client(account.user) as client:
        client.delete("Work")
        client.create("Work")
    account.append(letter(2), letter(3), mailbox="Work")

    assert (account.sync()["created"], account.runs[-1].result["deleted"]) == (1, 1)  # type: ignore[index]  # it has one
    assert account.differences() == []


def test_a_deleted_folder_takes_its_messages(account: MailAccount) -> None:
    account.create("Work")
    account.append(letter(1), mailbox="Work")
    account.append(letter(1), letter(2))
    account.sync()
    with account.server.client(account.user) as client:
        client.delete("Work")

    result = account.sync()

    assert (result["mailboxes"], result["gone"], result["deleted"]) == (1, 1, 0)
    assert account.differences() == []


def test_whatever_it_is_stopped_at_the_next_run_brings_everything_in_step(account: MailAccount) -> None:
    account.create("Work", "Gone")
    account.append(*map(letter, range(5)))
    account.append(*map(letter, range(10, 13)), mailbox="Work")
    account.append(letter(20), mailbox="Gone")
    stopped = 0
    for commits in range(30):
        account.append(letter(100 + commits))
        account.uid("MOVE", str(commits + 1), "Work")
        account.uid("STORE", "1:*", "+FLAGS" if commits % 2 else "-FLAGS", "(\\Flagged)", mailbox="Work")
        ran = account.attempt(lose_lease_after=commits % 10)
        stopped += ran.state is None
        account.sync()
        assert account.differences() == []
    assert stopped > 10


def test_a_folder_that_only_holds_others_is_kept_and_not_opened(account: MailAccount) -> None:
    account.create("Work", "Work/Plans")
    account.append(letter(1), mailbox="Work")
    account.append(letter(2), mailbox="Work/Plans")
    account.sync()
    with account.server.client(account.user) as client:
        client.delete("Work")

    result = account.sync()

    assert (result["gone"], result["deleted"], result["unreadable"]) == (1, 1, 0)
    assert account.differences() == []


def test_long_work_goes_on_in_the_next_run(account: MailAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.append(*map(letter, range(9)))
    monkeypatch.setattr("servants.email.pages.PAGE_MESSAGES", 2)
    looks = iter(range(1000))
    monkeypatch.setattr("servants.deadline.Deadline.passed", property(lambda _: next(looks) % 4 == 3))

    first = account.attempt()

    assert (first.state, first.reason) == ("pending", "snooze")
    assert account.scalar("SELECT array_agg(uid ORDER BY uid) FROM placements") == [4, 5, 6, 7, 8, 9]
    assert account.scalar("SELECT count(*) FROM mailboxes WHERE uid_next IS NOT NULL") == 0
    account.sync()
    assert len(account.runs) == 2
    assert account.differences() == []


def test_changes_while_a_run_goes_on_are_found_by_the_next(
    account: MailAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.append(*map(letter, range(4)))
    account.sync()
    account.append(letter(5), letter(6))
    headers = ImapSession.headers

    def meddle(session: ImapSession, uids: object) -> object:
        monkeypatch.setattr(ImapSession, "headers", headers)
        account.expunge("1,5")
        account.uid("STORE", "2,6", "+FLAGS", "(\\Answered)")
        account.append(letter(7))
        return headers(session, uids)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(ImapSession, "headers", meddle)
    account.sync()
    account.sync()

    assert account.differences() == []
