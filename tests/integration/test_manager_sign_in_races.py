"""Signing in while somebody changes who may."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from argon2 import PasswordHasher
from flask import Flask

from infra.passwords import hash_password
from infra.postgres.connect import Database
from infra.roles import Role
from tests.support.manager_server import PASSWORD, USER, add_person, form_token, manager_app, signed_in
from tests.support.race import in_background, wait_until_blocked

OTHER = "another long password"


@pytest.fixture
def app(database: Database) -> Flask:
    add_person(database, "Ada", Role.OPERATOR)
    return manager_app(database)


@pytest.fixture
def changing(database: Database) -> Iterator[psycopg.Connection]:
    """Whoever changes a person, and has not committed yet."""
    with psycopg.connect(database.url) as connection:
        yield connection


def status_while(app: Flask, sql: psycopg.Connection, changing: psycopg.Connection, name: str = "Ada") -> int:
    """What signing in comes to that was let through before the change, and ends after it."""
    client = app.test_client()
    form = {"csrf_token": form_token(client), "user": name, "password": PASSWORD}
    with in_background(lambda: client.post("/sign-in", data=form).status_code) as status:
        wait_until_blocked(sql, by=changing)
        changing.commit()
    return status.result()


def sessions(sql: psycopg.Connection) -> list[tuple[int]]:
    return sql.execute("SELECT id FROM sessions").fetchall()


def kept_hash(sql: psycopg.Connection) -> str:
    ((kept,),) = sql.execute("SELECT password_hash FROM people WHERE name = 'Ada'").fetchall()
    return str(kept)


def test_a_password_that_is_replaced_meanwhile_opens_nothing(
    app: Flask, sql: psycopg.Connection, changing: psycopg.Connection
) -> None:
    fresh = hash_password(OTHER, name="Ada")
    changing.execute("UPDATE people SET password_hash = %s WHERE name = 'Ada'", (fresh,))

    assert status_while(app, sql, changing) == 401
    assert sessions(sql) == []


def test_nor_does_that_of_somebody_who_is_disabled_meanwhile(
    app: Flask, sql: psycopg.Connection, changing: psycopg.Connection
) -> None:
    changing.execute("UPDATE people SET disabled_at = now() WHERE name = 'Ada'")

    assert status_while(app, sql, changing) == 401
    assert sessions(sql) == []


def test_nor_the_settings_one_once_there_is_another(
    app: Flask, sql: psycopg.Connection, changing: psycopg.Connection
) -> None:
    signed_in(app)
    sql.execute("DELETE FROM sessions")
    changing.execute(
        "UPDATE people SET password_hash = %s, password_set_at = now() WHERE name = %s",
        (hash_password(OTHER, name=USER), USER),
    )

    assert status_while(app, sql, changing, USER) == 401
    assert sessions(sql) == []


def test_an_old_hash_that_is_made_anew_never_takes_the_place_of_a_newer_password(
    app: Flask, sql: psycopg.Connection, changing: psycopg.Connection
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    sql.execute("UPDATE people SET password_hash = %s WHERE name = 'Ada'", (weak,))
    fresh = hash_password(OTHER, name="Ada")
    changing.execute("UPDATE people SET password_hash = %s WHERE name = 'Ada'", (fresh,))

    assert status_while(app, sql, changing) == 401
    assert kept_hash(sql) == fresh


def test_and_two_who_make_it_anew_both_get_in(
    app: Flask, sql: psycopg.Connection, changing: psycopg.Connection
) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    sql.execute("UPDATE people SET password_hash = %s WHERE name = 'Ada'", (hasher.hash(PASSWORD),))
    fresh = hash_password(PASSWORD, name="Ada")
    changing.execute("UPDATE people SET password_hash = %s WHERE name = 'Ada'", (fresh,))

    assert status_while(app, sql, changing) == 303
    assert kept_hash(sql) == fresh
