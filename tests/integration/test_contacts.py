"""One contact for each address of an account, whoever names it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from psycopg.errors import CheckViolation

from infra.postgres.connect import Database
from infra.postgres.contacts import MAX_ADDRESS, Seen, count_contacts, record_participants
from tests.support.mail_store import NOON, MailAccount, mail_account
from tests.support.race import in_background, together, wait_until_blocked
from tests.support.stored_mail import StoredContact, stored_contacts

DAY = timedelta(days=1)


@pytest.fixture
def account(database: Database) -> MailAccount:
    return mail_account(database)


def record(account: MailAccount, *seen: Seen) -> dict[str, int]:
    with account.commit() as tx:
        return record_participants(tx, account.connection.account_id, seen)


def contacts(account: MailAccount, sql: psycopg.Connection) -> dict[str, StoredContact]:
    return stored_contacts(sql, account.connection.account_id)


def test_what_one_batch_says_of_an_address_is_one_contact(account: MailAccount, sql: psycopg.Connection) -> None:
    ids = record(
        account,
        Seen("ann@example.com", NOON, "Ann", messages=1),
        Seen("bo@example.com", NOON),
        Seen("ann@example.com", NOON - DAY, "Annie", messages=1),
    )
    assert set(ids) == {"ann@example.com", "bo@example.com"}
    assert contacts(account, sql) == {
        "ann@example.com": StoredContact("Ann", NOON - DAY, NOON, messages=2),
        "bo@example.com": StoredContact(None, NOON, NOON),
    }


def test_seen_again_a_contact_is_widened_and_counted(account: MailAccount, sql: psycopg.Connection) -> None:
    first = record(account, Seen("ann@example.com", NOON, "Ann", messages=1))
    for moment in (NOON - DAY, NOON + DAY, NOON):
        assert record(account, Seen("ann@example.com", moment, messages=1, events=2)) == first
    expected = StoredContact("Ann", NOON - DAY, NOON + DAY, messages=4, events=6)
    assert contacts(account, sql) == {"ann@example.com": expected}


def test_the_newest_name_stays_whatever_comes_first(account: MailAccount, sql: psycopg.Connection) -> None:
    for moment, name in ((NOON, "Ann Lee"), (NOON + DAY, None), (NOON - DAY, "Annie"), (NOON, "Ann Kim"), (NOON, "Z")):
        record(account, Seen("ann@example.com", moment, name))
    assert contacts(account, sql)["ann@example.com"].name == "Z"


@pytest.mark.parametrize("name", ["", "  ", "ann@example.com", "'Ann@Example.com'", '"ann@example.com"'])
def test_a_name_that_only_repeats_the_address_is_none(account: MailAccount, sql: psycopg.Connection, name: str) -> None:
    record(account, Seen("ann@example.com", NOON, "Ann"))
    record(account, Seen("ann@example.com", NOON + DAY, name))
    assert contacts(account, sql)["ann@example.com"].name == "Ann"


def test_what_is_known_already_is_not_written_again(account: MailAccount, sql: psycopg.Connection) -> None:
    seen = Seen("ann@example.com", NOON, "Ann")
    first = record(account, seen)
    before = sql.execute("SELECT xmin::text, ctid::text FROM contacts").fetchall()
    assert record(account, seen, Seen("bo@example.com", NOON)).items() >= first.items()
    assert before[0] in sql.execute("SELECT xmin::text, ctid::text FROM contacts").fetchall()


def test_an_address_that_no_contact_can_have_is_left_out(account: MailAccount) -> None:
    longest = "a" * (MAX_ADDRESS - 2) + "@b"
    assert set(record(account, Seen("", NOON), Seen(f"x{longest}", NOON), Seen(longest, NOON))) == {longest}
    assert set(record(account, Seen("a\0\udc80@b", NOON, "\0"))) == {
        "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}@b"
    }
    assert record(account) == {}


def test_an_address_is_one_contact_in_each_account(
    account: MailAccount, database: Database, sql: psycopg.Connection
) -> None:
    other = mail_account(database)
    assert record(account, Seen("ann@example.com", NOON)) != record(other, Seen("ann@example.com", NOON))
    assert sql.execute("SELECT count(*) FROM contacts").fetchone() == (2,)


def test_counts_go_up_and_down_and_never_below_nothing(account: MailAccount, sql: psycopg.Connection) -> None:
    ids = record(account, Seen("ann@example.com", NOON, messages=3), Seen("bo@example.com", NOON))
    ann, bo = ids["ann@example.com"], ids["bo@example.com"]
    with account.commit() as tx:
        count_contacts(tx, account.connection.account_id, {ann: -2, bo: 0}, what="messages")
        count_contacts(tx, account.connection.account_id, {ann: 1, bo: 4}, what="events")
        count_contacts(tx, account.connection.account_id, {}, what="events")
    counts = {address: (one.messages, one.events) for address, one in contacts(account, sql).items()}
    assert counts == {"ann@example.com": (1, 1), "bo@example.com": (0, 4)}
    with pytest.raises(CheckViolation, match="contacts_counts"), account.commit() as tx:
        count_contacts(tx, account.connection.account_id, {ann: -2}, what="messages")


def test_another_accounts_contact_is_not_counted(
    account: MailAccount, database: Database, sql: psycopg.Connection
) -> None:
    ids = record(account, Seen("ann@example.com", NOON))
    other = mail_account(database)
    with other.commit() as tx:
        count_contacts(tx, other.connection.account_id, dict.fromkeys(ids.values(), 1), what="messages")
    assert contacts(account, sql)["ann@example.com"].messages == 0


def test_commits_that_cross_wait_for_one_another_and_never_deadlock(
    account: MailAccount, database: Database, sql: psycopg.Connection
) -> None:
    """Each writes one of two contacts, then the other one: row by row they would wait for each other for ever."""
    other = mail_account(database, account_id=account.connection.account_id)

    def write(tx_of: MailAccount, addresses: Sequence[str]) -> None:
        with tx_of.commit() as tx:
            for address in addresses:
                record_participants(tx, tx_of.connection.account_id, [Seen(address, NOON, messages=1)])

    with ExitStack() as background, account.commit() as tx:
        record_participants(tx, account.connection.account_id, [Seen("ann@example.com", NOON, messages=1)])
        background.enter_context(in_background(lambda: write(other, ["bo@example.com", "ann@example.com"])))
        wait_until_blocked(sql, by=tx.connection)
        record_participants(tx, account.connection.account_id, [Seen("bo@example.com", NOON, messages=1)])
    assert {one.messages for one in contacts(account, sql).values()} == {2}


def test_many_at_once_lose_no_count(account: MailAccount, database: Database, sql: psycopg.Connection) -> None:
    others = [account, *(mail_account(database, account_id=account.connection.account_id) for _ in range(3))]
    addresses = [f"p{number}@example.com" for number in range(20)]

    def write(one: MailAccount, order: int) -> None:
        for turn in range(10):
            rotated = addresses[(turn * 7 + order) % 20 :] + addresses[: (turn * 7 + order) % 20]
            record(one, *(Seen(address, NOON, messages=1) for address in rotated[::order]))
            record(one, *(Seen(address, NOON, events=1) for address in rotated))

    together([partial(write, one, order) for one, order in zip(others, (1, -1, 1, -1), strict=True)])
    assert {(one.messages, one.events) for one in contacts(account, sql).values()} == {(40, 40)}
