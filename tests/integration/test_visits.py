"""Operators who look at an account: when they may, for how long, and what its admins decide."""

from __future__ import annotations

import psycopg
import pytest

from infra.permissions import Permission, principal_may
from infra.postgres.principals import find_principal, open_visit_session
from infra.postgres.visits import (
    AssumePolicy,
    Visit,
    VisitState,
    ask_visit,
    begin_visit,
    decide_visit,
    end_visit,
    end_visits_of,
    find_visit,
    list_visits,
    set_assume_policy,
    visits_of,
)
from retinue.errors import NotAllowed, NotFound
from tests.support.factories import add_account
from tests.support.race import together

REASON = "The sync of their mailbox fails."


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql)


@pytest.fixture
def person(sql: psycopg.Connection) -> int:
    return add_person(sql, "Grace")


def add_person(sql: psycopg.Connection, name: str) -> int:
    row = sql.execute("INSERT INTO people (name, role) VALUES (%s, 'operator') RETURNING id", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def ask(
    sql: psycopg.Connection, account: int, person: int, *, reason: str = REASON, ticket: str | None = None
) -> Visit:
    return ask_visit(sql, account_id=account, person_id=person, person_name="Grace", reason=reason, ticket_url=ticket)


def test_where_everybody_may_come_a_visit_begins_at_once(sql: psycopg.Connection, account: int, person: int) -> None:
    visit = ask(sql, account, person, reason=f"  {REASON} ", ticket="https://tickets.example/7")

    assert (visit.state, visit.reason, visit.account_name) == (VisitState.OPEN, REASON, "acme")
    assert visit.began_at is not None
    assert visit.expires_at is not None
    assert (visit.expires_at - visit.began_at).total_seconds() == 30 * 60
    assert visits_of(sql, person) == [visit]
    principal = find_principal(sql, open_visit_session(sql, visit.id))
    assert principal is not None
    assert (principal.is_assumed, principal.account_id, principal.visit_id) == (True, account, visit.id)
    assert principal_may(principal, Permission.OWN_LOOK)
    assert not principal_may(principal, Permission.OWN_RULE)


@pytest.mark.parametrize(
    ("reason", "ticket"),
    [
        ("", None),
        ("because", None),
        ("x" * 1001, None),
        ("a bell \a rings", None),
        (REASON, "javascript:alert(1)"),
        (REASON, "https://"),
        (REASON, "https://a b"),
        (REASON, "tickets/7"),
    ],
)
def test_a_reason_that_says_nothing_and_a_ticket_that_is_no_link_are_refused(
    sql: psycopg.Connection, account: int, person: int, reason: str, ticket: str | None
) -> None:
    with pytest.raises(NotAllowed):
        ask(sql, account, person, reason=reason, ticket=ticket)
    assert list_visits(sql, account_id=account) == []


def test_a_person_has_one_open_at_a_time(sql: psycopg.Connection, account: int, person: int) -> None:
    first = ask(sql, account, person)
    other = add_account(sql, "Other")
    with pytest.raises(NotAllowed, match="leave it first"), sql.transaction():
        ask(sql, other, person)
    ask(sql, other, add_person(sql, "Ada"))

    assert end_visit(sql, first.id)
    assert not end_visit(sql, first.id)
    assert ask(sql, other, person).state is VisitState.OPEN


def test_of_two_that_begin_at_once_one_does(
    sql: psycopg.Connection, database_url: str, account: int, person: int
) -> None:
    def begin() -> str:
        with psycopg.connect(database_url) as own:
            try:
                return ask(own, account, person).state
            except NotAllowed:
                own.rollback()
                return "refused"

    assert sorted(together([begin, begin, begin])) == ["open", "refused", "refused"]


def test_what_has_run_out_is_over_and_another_may_begin(sql: psycopg.Connection, account: int, person: int) -> None:
    visit = ask(sql, account, person)
    secret = open_visit_session(sql, visit.id)
    sql.execute("UPDATE visits SET began_at = began_at - interval '29 min', expires_at = now()")

    assert find_principal(sql, secret) is None
    over = find_visit(sql, visit.id)
    assert (over.state, over.ended_at) == (VisitState.ENDED, over.expires_at)
    assert visits_of(sql, person) == []
    assert ask(sql, account, person).state is VisitState.OPEN


def test_an_account_that_is_closed_lets_nobody_in_and_puts_out_who_is_there(
    sql: psycopg.Connection, account: int, person: int
) -> None:
    visit = ask(sql, account, person)
    secret = open_visit_session(sql, visit.id)
    assert set_assume_policy(sql, account, AssumePolicy.OFF) is AssumePolicy.ALLOWED

    assert find_principal(sql, secret) is None
    with pytest.raises(NotAllowed, match="do not let anybody"):
        ask(sql, account, person)


def test_where_admins_decide_a_visit_waits_for_them(sql: psycopg.Connection, account: int, person: int) -> None:
    set_assume_policy(sql, account, AssumePolicy.APPROVAL)
    asked = ask(sql, account, person)
    assert (asked.state, asked.expires_at) == (VisitState.ASKED, None)
    with pytest.raises(NotAllowed, match="is asked: it cannot begin"):
        begin_visit(sql, asked.id, person_id=person)

    granted = decide_visit(sql, asked.id, account_id=account, by="Ada", granted=True)
    assert (granted.state, granted.decided_by) == (VisitState.GRANTED, "Ada")
    with pytest.raises(NotAllowed, match="granted already"):
        decide_visit(sql, asked.id, account_id=account, by="Ada", granted=False)
    assert begin_visit(sql, asked.id, person_id=person).state is VisitState.OPEN


def test_who_asks_again_takes_back_what_they_asked_before(sql: psycopg.Connection, account: int, person: int) -> None:
    set_assume_policy(sql, account, AssumePolicy.APPROVAL)
    first, second = (ask(sql, account, person, reason=reason) for reason in ("The first reason", "Another reason"))
    assert [(one.id, one.state) for one in list_visits(sql, account_id=account)] == [
        (second.id, VisitState.ASKED),
        (first.id, VisitState.ENDED),
    ]
    decide_visit(sql, second.id, account_id=account, by="Ada", granted=True)
    third = ask(sql, account, person, reason="A third reason")
    states = {one.id: one.state for one in list_visits(sql, account_id=account)}
    assert (states[second.id], states[third.id]) == (VisitState.GRANTED, VisitState.ASKED)


def test_what_was_refused_never_begins(sql: psycopg.Connection, account: int, person: int) -> None:
    set_assume_policy(sql, account, AssumePolicy.APPROVAL)
    asked = ask(sql, account, person)
    assert decide_visit(sql, asked.id, account_id=account, by="Ada", granted=False).state is VisitState.REFUSED
    with pytest.raises(NotAllowed, match="is refused"):
        begin_visit(sql, asked.id, person_id=person)


def test_a_visit_is_its_persons_and_its_accounts_alone(sql: psycopg.Connection, account: int, person: int) -> None:
    set_assume_policy(sql, account, AssumePolicy.APPROVAL)
    asked = ask(sql, account, person)
    with pytest.raises(NotFound):
        begin_visit(sql, asked.id, person_id=add_person(sql, "Ada"))
    with pytest.raises(NotFound):
        decide_visit(sql, asked.id, account_id=add_account(sql, "Other"), by="Eve", granted=True)
    assert end_visits_of(sql, person_id=person) == 1
    assert find_visit(sql, asked.id).state is VisitState.ENDED


def test_leave_that_was_given_long_ago_is_none(sql: psycopg.Connection, account: int, person: int) -> None:
    set_assume_policy(sql, account, AssumePolicy.APPROVAL)
    asked = ask(sql, account, person)
    decide_visit(sql, asked.id, account_id=account, by="Ada", granted=True)
    sql.execute("UPDATE visits SET asked_at = asked_at - interval '25 hours'")
    with pytest.raises(NotAllowed, match="cannot begin"):
        begin_visit(sql, asked.id, person_id=person)
    assert visits_of(sql, person) == []
