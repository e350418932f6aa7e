"""The people of an account: invited by a link, with a role, and never left without somebody who may change anything."""

from __future__ import annotations

import psycopg
import pytest

from infra.permissions import Permission, principal_may
from infra.postgres.members import (
    Member,
    change_member,
    find_invited,
    find_kept_member,
    find_member,
    invite_member,
    join_member,
    list_members,
)
from infra.postgres.principals import close_principal, find_principal, open_member_session
from infra.principal import MemberRole
from retinue.errors import NotAllowed, NotFound
from tests.support.factories import add_account
from tests.support.race import together


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql)


def joined(
    sql: psycopg.Connection, account: int, email: str = "ada@acme.example", role: MemberRole = MemberRole.ADMIN
) -> Member:
    invitation = invite_member(sql, account, email=email, name="Ada", role=role, by="Grace")
    return join_member(sql, invitation.secret, password_hash="hash")


def test_a_link_lets_somebody_in_once(sql: psycopg.Connection, account: int) -> None:
    made = invite_member(sql, account, email="Ada@acme.example", name="Ada", role=MemberRole.ADMIN, by="Grace")
    assert made.member.joined_at is None
    assert find_invited(sql, made.secret) == made.member

    member = join_member(sql, made.secret, password_hash="hash")
    assert member.joined_at is not None
    kept = find_kept_member(sql, "ADA@acme.example")
    assert kept is not None
    assert (kept.id, kept.account_id, kept.password_hash) == (member.id, account, "hash")
    assert find_invited(sql, made.secret) is None
    with pytest.raises(NotFound, match="used or has expired"):
        join_member(sql, made.secret, password_hash="other")


def test_of_two_who_take_a_link_at_once_one_has_it(sql: psycopg.Connection, account: int, database_url: str) -> None:
    made = invite_member(sql, account, email="ada@acme.example", name="Ada", role=MemberRole.ADMIN, by="Grace")

    def take() -> str:
        with psycopg.connect(database_url) as own:
            try:
                join_member(own, made.secret, password_hash="hash")
            except NotFound:
                return "late"
            return "joined"

    assert sorted(together([take, take])) == ["joined", "late"]


def test_a_new_link_replaces_the_one_before(sql: psycopg.Connection, account: int) -> None:
    first = invite_member(sql, account, email="ada@acme.example", name="Ada", role=MemberRole.MEMBER, by="Grace")
    again = invite_member(sql, account, email="ADA@acme.example", name="Ada L.", role=MemberRole.ADMIN, by="Grace")
    assert again.member.id == first.member.id
    assert (again.member.name, again.member.role) == ("Ada L.", MemberRole.ADMIN)
    assert find_invited(sql, first.secret) is None


def test_an_old_link_is_none(sql: psycopg.Connection, account: int) -> None:
    made = invite_member(sql, account, email="ada@acme.example", name="Ada", role=MemberRole.ADMIN, by="Grace")
    sql.execute("UPDATE invitations SET expires_at = now()")
    assert find_invited(sql, made.secret) is None


@pytest.mark.parametrize(
    "email", ["", "ada", "@acme.example", "ada@", "a da@acme.example", "a@b@c", "<ada@acme.example>"]
)
def test_what_is_no_address_is_refused(sql: psycopg.Connection, account: int, email: str) -> None:
    with pytest.raises(NotAllowed, match="no e-mail address"):
        invite_member(sql, account, email=email, name="Ada", role=MemberRole.MEMBER, by="Grace")


def test_an_address_belongs_to_one_account(sql: psycopg.Connection, account: int) -> None:
    joined(sql, account)
    for other in (account, add_account(sql, "Other")):
        with pytest.raises(NotAllowed, match="already"):
            invite_member(sql, other, email="Ada@ACME.example", name="Ada", role=MemberRole.MEMBER, by="Grace")


def test_an_account_that_is_not_there_is_named(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match="no account 4711"):
        invite_member(sql, 4711, email="ada@acme.example", name="Ada", role=MemberRole.MEMBER, by="Grace")


def test_somebody_who_may_change_things_is_left(sql: psycopg.Connection, account: int) -> None:
    ada = joined(sql, account)
    for change in ({"role": MemberRole.MEMBER, "disabled": False}, {"role": MemberRole.ADMIN, "disabled": True}):
        with pytest.raises(NotAllowed, match="Nobody would be left"), sql.transaction():
            change_member(sql, account, ada.id, **change)  # type: ignore[arg-type]
    joined(sql, account, "bob@acme.example")
    assert change_member(sql, account, ada.id, role=MemberRole.MEMBER, disabled=False).role is MemberRole.MEMBER


def test_who_may_not_sign_in_any_more_is_signed_out(sql: psycopg.Connection, account: int) -> None:
    joined(sql, account, "bob@acme.example")
    ada = joined(sql, account)
    secret = open_member_session(sql, ada.id)
    principal = find_principal(sql, secret)
    assert principal is not None
    assert (principal.name, principal.role) == ("Ada", MemberRole.ADMIN)
    assert principal_may(principal, Permission.OWN_RULE)

    change_member(sql, account, ada.id, role=ada.role, disabled=True)
    assert find_principal(sql, secret) is None
    assert find_member(sql, account, ada.id).disabled_at is not None


def test_a_session_ends_when_it_is_left_and_by_itself(sql: psycopg.Connection, account: int) -> None:
    ada = joined(sql, account)
    left, over = open_member_session(sql, ada.id), open_member_session(sql, ada.id, seconds=0)
    assert find_principal(sql, over) is None
    close_principal(sql, left)
    assert find_principal(sql, left) is None


def test_members_of_another_account_are_not_found(sql: psycopg.Connection, account: int) -> None:
    ada = joined(sql, account)
    other = add_account(sql, "Other")
    assert list_members(sql, other) == []
    with pytest.raises(NotFound):
        change_member(sql, other, ada.id, role=MemberRole.MEMBER, disabled=True)
