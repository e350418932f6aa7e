"""Members and operators with a principal, as if they had signed in or assumed an account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from flask.testing import FlaskClient

from infra.postgres.account_database import AccountDatabase
from infra.postgres.principals import find_principal, open_member_session, open_visit_session
from infra.principal import MemberRole, Principal
from tests.support.manager_database import logins_of


def member(
    sql: psycopg.Connection, account_id: int, role: MemberRole = MemberRole.ADMIN, *, seconds: float = 600
) -> Principal:
    """A new member of the account who has signed in."""
    row = sql.execute(
        "INSERT INTO members (account_id, email, name, role, password_hash, invited_by, joined_at)"
        " VALUES (%s, gen_random_uuid() || '@people.example', 'Ada', %s, 'x', 'test', now()) RETURNING id",
        (account_id, role),
    ).fetchone()
    assert row is not None
    return _found(sql, open_member_session(sql, row[0], seconds=seconds))


def visitor(sql: psycopg.Connection, account_id: int, *, minutes: float = 30) -> Principal:
    """A new operator who has assumed the account."""
    person = sql.execute(
        "INSERT INTO people (name, role) VALUES (gen_random_uuid(), 'operator') RETURNING id"
    ).fetchone()
    assert person is not None
    visit = sql.execute(
        "INSERT INTO visits (account_id, person_id, person_name, reason, state, began_at, expires_at)"
        " VALUES (%s, %s, 'Grace', 'test', 'open', now(), now() + make_interval(secs => %s)) RETURNING id",
        (account_id, person[0], 60 * minutes),
    ).fetchone()
    assert visit is not None
    return _found(sql, open_visit_session(sql, visit[0]))


def enter(client: FlaskClient, principal: Principal) -> FlaskClient:
    """Have this browser be the principal's, as if they had just signed in."""
    with client.session_transaction() as kept:
        kept["account"] = principal.secret
    return client


def _found(sql: psycopg.Connection, secret: str) -> Principal:
    principal = find_principal(sql, secret)
    assert principal is not None
    return principal


@contextmanager
def reading(database_url: str, principal: Principal) -> Iterator[psycopg.Connection]:
    """A session of this principal."""
    with (
        closing(AccountDatabase(logins_of(database_url), application_name="retinue-test")) as accounts,
        accounts.session(principal) as connection,
    ):
        yield connection
