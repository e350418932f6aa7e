"""Attacks by who can run any SQL as one of the roles that members and operators log in with."""

from __future__ import annotations

from secrets import token_hex
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from infra.postgres.catalogue import ACCOUNT_ROLE, ASSUMED_ROLE, OPERATOR_ROLE
from infra.postgres.logins import Login, ensure_logins
from tests.support.planted import plant
from tests.support.principals import visitor

_ROLES = {Login.OPERATOR: OPERATOR_ROLE, Login.MEMBER: ACCOUNT_ROLE, Login.SUPPORT: ASSUMED_ROLE}


@pytest.mark.parametrize(
    "end", ["UPDATE people SET role = 'viewer' WHERE id = %s", "UPDATE people SET disabled_at = now() WHERE id = %s"]
)
def test_a_visit_shows_nothing_once_its_operator_may_not_look_whatever_asks(
    sql: psycopg.Connection, database_url: str, end: LiteralString
) -> None:
    plant(sql, 7)
    principal = visitor(sql, 7)
    with psycopg.connect(ensure_logins(database_url)[Login.SUPPORT], autocommit=True) as raw:
        raw.execute("SELECT set_config('retinue.principal', %s, false)", (principal.secret,))
        assert raw.execute("SELECT count(*) FROM contacts").fetchone() == (1,)
        sql.execute(end, (principal.id,))
        assert raw.execute("SELECT count(*) FROM contacts").fetchone() == (0,)


@pytest.mark.parametrize("login", Login)
def test_no_login_of_another_database_gets_into_this_one(
    sql: psycopg.Connection, database_url: str, login: Login
) -> None:
    ensure_logins(database_url)
    # Roles are the whole server's, and tests run beside this one.
    name = f"stranger_{token_hex(6)}"
    stranger = Identifier(name)
    sql.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'known'").format(stranger))
    try:
        sql.execute(SQL("GRANT {} TO {}").format(Identifier(_ROLES[login]), stranger))
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(make_conninfo(database_url, user=name, password="known"))
    finally:
        sql.execute(SQL("DROP ROLE {}").format(stranger))


@pytest.mark.parametrize("login", [Login.MEMBER, Login.SUPPORT])
def test_what_a_login_changes_of_itself_is_undone(database_url: str, login: Login) -> None:
    url = ensure_logins(database_url)[login]
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("SET default_transaction_read_only = off")
        for change in (
            "PASSWORD 'mine'",
            "SET statement_timeout = 0",
            "SET search_path = public",
            "SET work_mem = '1GB'",
        ):
            raw.execute(f"ALTER ROLE CURRENT_USER {change}".encode())
    with psycopg.connect(ensure_logins(database_url)[login], autocommit=True) as raw:
        told = raw.execute(
            "SELECT current_setting('statement_timeout'), current_setting('default_transaction_read_only'),"
            " current_setting('search_path'), current_setting('work_mem')"
        ).fetchone()
        assert told is not None
        assert told[:3] == ("15s", "on", "public" if login is Login.MEMBER else "masked")
        assert told[3] != "1GB"


def test_support_cannot_try_whether_an_address_is_somebodys(sql: psycopg.Connection, database_url: str) -> None:
    plant(sql, 7)
    principal = visitor(sql, 7)
    ((address,),) = sql.execute("SELECT address FROM contacts WHERE account_id = 7").fetchall()
    with psycopg.connect(ensure_logins(database_url)[Login.SUPPORT], autocommit=True) as raw:
        raw.execute("SELECT set_config('retinue.principal', %s, false)", (principal.secret,))
        for table, key in (("contacts", "address_key"), ("records", "email_key")):
            assert raw.execute(f"SELECT count(*) > 0 FROM {table}".encode()).fetchone() == (True,)  # noqa: S608 - ours
            guess = f"SELECT count(*) FROM {table} WHERE {key} = hashtextextended(%s, 0)"  # noqa: S608 - ours
            assert raw.execute(guess.encode(), (address,)).fetchone() == (0,)
        assert raw.execute("SELECT external_id FROM crm_people").fetchall() == [("Contact-1",)]
