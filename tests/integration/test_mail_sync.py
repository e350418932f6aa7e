"""`email.sync` against a real IMAP server and a real database: whatever was done, both are the same in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retinue.testing.database import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from tests.support.dovecot_server import CONDSTORE, PLAIN, QRESYNC, MailServer, run_dovecot
from tests.support.mail_account import MailAccount, letter, mail_account

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


@pytest.fixture(scope="module", params=[QRESYNC, CONDSTORE, PLAIN], ids=["qresync", "condstore", "plain"])
def dovecot(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    with run_dovecot(capability=request.param) as server:
        yield server


@pytest.fixture
def account(retinue_database: RetinueDatabase, dovecot: MailServer) -> MailAccount:
    return mail_account(retinue_database, dovecot)


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
