"""Threads in a real database: what belongs together is together, whatever the order and the pages in which it came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import permutations

import psycopg
import pytest

from infra.postgres.connect import Database
from servants.email.threads import SUBJECT_WINDOW
from servants.email.values import NewMessage
from tests.support.mail_store import NOON, MailAccount, mail_account, message
from tests.support.race import together
from tests.support.stored_mail import (
    faults_of_store,
    stored_threads,
)

DAY = timedelta(days=1)


@pytest.fixture
def account(database: Database) -> MailAccount:
    return mail_account(database)


def threads(account: MailAccount, sql: psycopg.Connection, known: Sequence[NewMessage]) -> set[str]:
    """Every thread as the names of its messages, each a letter, in order."""
    names = {one.identity: (one.parsed.message_id or "")[1] for one in known}
    found = stored_threads(sql, account.connection.id)
    return {"".join(sorted(names[identity] for identity in thread.identities)) for thread in found}


def saved_apart(account: MailAccount, sql: psycopg.Connection, *new: NewMessage) -> set[str]:
    """The threads of messages that came one by one."""
    for one in new:
        account.place(account.save(one))
    assert not faults_of_store(sql, account.connection.id)
    return threads(account, sql, new)


CONVERSATION = (
    message("a"),
    message("b", in_reply_to="<a@host>"),
    message("c", references=["<a@host>", "<b@host>"]),
    message("d", in_reply_to="<missing@host>"),
    message("e", references=["<missing@host>"]),
    message("x"),
)


def test_headers_tie_messages_in_whatever_order_they_come(database: Database, sql: psycopg.Connection) -> None:
    for order in list(permutations(CONVERSATION))[::37]:
        assert saved_apart(mail_account(database), sql, *order) == {"abc", "de", "x"}


def test_a_page_is_as_good_as_messages_one_by_one(account: MailAccount, sql: psycopg.Connection) -> None:
    account.place(account.save(*reversed(CONVERSATION)))
    assert threads(account, sql, CONVERSATION) == {"abc", "de", "x"}
    assert not faults_of_store(sql, account.connection.id)


def test_a_message_that_ties_several_threads_makes_them_the_lowest(
    account: MailAccount, sql: psycopg.Connection
) -> None:
    apart = [message("a", sent_at=NOON + DAY), message("b", sent_at=NOON - DAY), message("c")]
    assert saved_apart(account, sql, *apart) == {"a", "b", "c"}
    lowest = sql.execute("SELECT min(id) FROM threads").fetchone()
    tie = message("d", references=["<b@host>", "<c@host>", "<a@host>"])

    assert saved_apart(account, sql, tie, *apart) == {"abcd"}
    row = sql.execute("SELECT id, messages, first_at, last_at FROM threads").fetchall()
    assert row == [(*(lowest or ()), 4, NOON - DAY, NOON + DAY)]
    assert sql.execute("SELECT DISTINCT thread_id FROM thread_keys").fetchall() == [lowest]


def test_messages_without_identifiers_are_threads_of_their_own(account: MailAccount, sql: psycopg.Connection) -> None:
    account.save(*(message(name, message_id=None, subject=name) for name in "abc"))
    assert len(stored_threads(sql, account.connection.id)) == 3
    assert sql.execute("SELECT count(*) FROM thread_keys").fetchone() == (0,)


def test_two_connections_threads_stay_apart(account: MailAccount, database: Database, sql: psycopg.Connection) -> None:
    other = mail_account(database, account_id=account.connection.account_id)
    first, second = message("a"), message("b", in_reply_to="<a@host>")
    account.save(first)
    other.save(second)
    assert threads(account, sql, [first]) == {"a"}
    assert threads(other, sql, [second]) == {"b"}


QUESTION = message("a", subject="Plan", sender="Ann <ann@example.com>", to=["bo@example.com"])


@pytest.mark.parametrize("subject", ["Re: Plan", "AW: plan", "Sv: [team] Plan", "Fwd: Plan", "TR: Plan", "Antw: Plan"])
@pytest.mark.parametrize("order", [1, -1])
def test_an_answer_without_references_is_tied_by_its_subject(
    account: MailAccount, sql: psycopg.Connection, subject: str, order: int
) -> None:
    answer = message("b", subject=subject, sender="bo@example.com", to=["ann@example.com"], sent_at=NOON + DAY)
    assert saved_apart(account, sql, *(QUESTION, answer)[::order]) == {"ab"}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"subject": "Plan"}, id="it answers nothing"),
        pytest.param({"subject": "Re: Plan B"}, id="another subject"),
        pytest.param({"subject": "Re:"}, id="no subject"),
        pytest.param({"references": ["<q@host>"]}, id="its headers name another message"),
        pytest.param({"in_reply_to": "<q@host>"}, id="its headers name one other message"),
        pytest.param({"to": ["cy@example.com"]}, id="not to whom it answers"),
        pytest.param({"sender": "cy@example.com"}, id="by somebody who was not asked"),
        pytest.param({"sent_at": NOON + SUBJECT_WINDOW + timedelta(seconds=1)}, id="too late"),
        pytest.param({"sent_at": NOON - timedelta(seconds=1)}, id="before the question"),
    ],
)
def test_a_subject_alone_ties_only_an_answer_to_what_it_answers(
    account: MailAccount, sql: psycopg.Connection, other: dict[str, object], order: int
) -> None:
    usual = {"subject": "Re: Plan", "sender": "bo@example.com", "to": ["ann@example.com"], "sent_at": NOON + DAY}
    answer = message("b", **{**usual, **other})  # type: ignore[arg-type]  # the keywords of `message`
    assert saved_apart(account, sql, *(QUESTION, answer)[::order]) == {"a", "b"}


def test_the_last_moment_of_the_window_still_counts(account: MailAccount, sql: psycopg.Connection) -> None:
    late = NOON + SUBJECT_WINDOW
    answer = message("b", subject="Re: Plan", sender="bo@example.com", to=["ann@example.com"], sent_at=late)
    assert saved_apart(account, sql, answer, QUESTION) == {"ab"}


def test_a_robot_that_answers_itself_is_one_thread_and_soon_told(account: MailAccount, sql: psycopg.Connection) -> None:
    """Every message answers every earlier one, by its subject: the pairs are a million, those looked at few."""
    alerts = [
        message(
            f"m{n}", subject="Re: Alert", sender="robot@example.com", to=["me@example.com"], sent_at=NOON + n * DAY / 99
        )
        for n in range(1000)
    ]
    for start in range(0, 1000, 200):
        account.place(account.save(*alerts[start : start + 200]))
    assert [thread.live for thread in stored_threads(sql, account.connection.id)] == [1000]


def test_pages_of_one_connection_at_once_tie_what_belongs_together(
    account: MailAccount, sql: psycopg.Connection
) -> None:
    """Each of two jobs brings every other message of long conversations, each message naming the one before it."""
    links = [
        [
            message(f"{chain}-{n}", references=[f"<{chain}-{n - 1}@host>"] if n else [], to=[f"p{n % 7}@example.com"])
            for n in range(12)
        ]
        for chain in range(10)
    ]
    pages = [[[chain[n] for chain in links] for n in range(start, 12, 2)] for start in (0, 1)]

    def bring(own: list[list[NewMessage]]) -> None:
        for page in own:
            account.place(account.save(*page))

    together([partial(bring, own) for own in pages])
    assert {thread.live for thread in stored_threads(sql, account.connection.id)} == {12}
    assert len(stored_threads(sql, account.connection.id)) == 10
    assert not faults_of_store(sql, account.connection.id)
