from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from infra.keys import Key
from infra.postgres.account_keys import AccountKeys
from infra.postgres.accounts import InvalidName, add_account, find_account, list_accounts
from infra.postgres.calendar_connections import add_caldav_connection
from infra.postgres.connections import (
    NewConnection,
    add_connection,
    context,
    find_connection,
    list_connections,
    mark_active,
    open_connection,
    read_sealed_connection,
    update_connection,
)
from infra.postgres.schedule_lines import list_schedules
from infra.secrets import Keyring, SecretError
from retinue.errors import InvalidSchedule, NotAllowed, NotFound
from retinue.outcomes import Park
from tests.support.assertions import assert_consistent
from tests.support.factories import add_servant, run_jobs, settle_one

KEYRING = Keyring(Key("k1", bytes(32)))
OTHER = Keyring(Key("k1", bytes(31) + b"x"))


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Kestrel Freight").id


def caldav(account: int, name: str = "work") -> NewConnection:
    return NewConnection(
        account_id=account,
        provider="caldav",
        name=name,
        config={"url": "https://dav.example/", "username": "kestrel"},
        credentials={"password": "hunter2"},
    )


def test_credentials_are_sealed_for_their_connection(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))

    sealed = read_sealed_connection(sql, identity)
    assert b"hunter2" not in sealed.credentials
    assert AccountKeys(KEYRING).open(sealed.sealed, context=context(identity)) == b'{"password": "hunter2"}'
    with pytest.raises(SecretError):
        AccountKeys(KEYRING).open(sealed.sealed, context=context(identity + 1))


def test_a_connection_opens_with_its_key_alone(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))

    assert open_connection(sql, KEYRING, identity).credentials == {"password": "hunter2"}
    with pytest.raises(SecretError, match=f"connection:{identity}"):
        open_connection(sql, OTHER, identity)


def test_no_listing_and_no_repr_shows_credentials(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))

    (line,) = list_connections(sql)
    assert (line.id, line.account_name, line.config["username"]) == (identity, "Kestrel Freight", "kestrel")
    assert "hunter2" not in f"{line} {caldav(account)} {open_connection(sql, KEYRING, identity)}"
    assert "credentials" not in repr(read_sealed_connection(sql, identity))


def test_a_name_is_there_once_for_an_account(sql: psycopg.Connection, account: int) -> None:
    add_connection(sql, KEYRING, caldav(account))
    add_connection(sql, KEYRING, caldav(add_account(sql, "Marlowe").id))

    with pytest.raises(NotAllowed, match="named 'work' already"):
        add_connection(sql, KEYRING, caldav(account))


def test_a_caldav_connection_brings_the_schedule_that_syncs_it(sql: psycopg.Connection, account: int) -> None:
    made = add_caldav_connection(sql, KEYRING, caldav(account), every=timedelta(seconds=90))

    (schedule,) = list_schedules(sql)
    assert schedule.id == made.schedule_id
    assert (schedule.type, schedule.account_id, schedule.every_seconds) == ("calendar.sync", account, 90)
    assert schedule.payload["connection_id"] == made.connection_id
    assert schedule.lane == f"connection_id:{made.connection_id}"
    assert sql.execute("SELECT next_fire_at <= now() FROM schedules").fetchone() == (True,)


def test_an_interval_that_cannot_be_used_makes_nothing(
    database_url: str, sql: psycopg.Connection, account: int
) -> None:
    with pytest.raises(InvalidSchedule), psycopg.connect(database_url) as connection:
        add_caldav_connection(connection, KEYRING, caldav(account), every=timedelta(0))

    assert list_connections(sql) == []


def test_an_update_replaces_address_and_credentials(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))

    update_connection(sql, KEYRING, identity, config={"url": "https://other.example/"}, credentials={"password": "new"})

    opened = open_connection(sql, KEYRING, identity)
    assert (opened.config, opened.credentials) == ({"url": "https://other.example/"}, {"password": "new"})


def test_a_connection_is_found_by_its_name(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))

    assert find_connection(sql, account, "caldav", "work") == identity
    assert find_connection(sql, account, "caldav", "private") is None


def test_a_connection_that_works_again_has_its_lanes_resumed(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))
    other = add_connection(sql, KEYRING, caldav(account, "other"))
    add_servant(sql, "calendar.sync")
    for connection_id in (identity, other):
        (held,) = run_jobs(sql, job_type="calendar.sync", lane=f"connection_id:{connection_id}")
        settle_one(sql, held, Park("the sign-in was refused"))
    assert [line.parked_reason for line in list_connections(sql)] == ["the sign-in was refused"] * 2

    assert mark_active(sql, identity) == ["calendar.sync"]

    assert [line.parked_at is None for line in list_connections(sql)] == [True, False]
    assert sql.execute("SELECT lane FROM lanes WHERE held_until IS NULL").fetchall() == [(f"connection_id:{identity}",)]


def test_a_broken_connection_becomes_active(sql: psycopg.Connection, account: int) -> None:
    identity = add_connection(sql, KEYRING, caldav(account))
    sql.execute("UPDATE connections SET state = 'broken', problem = 'refused'")

    assert mark_active(sql, identity) == []

    (line,) = list_connections(sql, connection_id=identity)
    assert (line.state, line.problem) == ("active", None)
    assert_consistent(sql)


def test_there_is_no_such_connection(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match="There is no connection 4711"):
        open_connection(sql, KEYRING, 4711)
    with pytest.raises(NotFound, match="There is no connection 4711"):
        update_connection(sql, KEYRING, 4711, config={}, credentials={})


def test_accounts_are_found_by_id_and_by_name(sql: psycopg.Connection, account: int) -> None:
    named_like_an_id = add_account(sql, str(account)).id

    assert find_account(sql, "Kestrel Freight").id == account
    assert find_account(sql, str(account)).id == account
    assert find_account(sql, str(named_like_an_id)).name == str(account)
    for missing in ("Kestrel", "4711", "9" * 40, "²"):
        with pytest.raises(NotFound, match="There is no account"):
            find_account(sql, missing)


def test_accounts_show_what_belongs_to_them(sql: psycopg.Connection, account: int) -> None:
    add_caldav_connection(sql, KEYRING, caldav(account), every=timedelta(minutes=1))
    other = add_account(sql, "Marlowe").id

    assert [(line.id, line.connections, line.schedules) for line in list_accounts(sql)] == [
        (account, 1, 1),
        (other, 0, 0),
    ]
    assert [line.id for line in list_accounts(sql, after=account)] == [other]


@pytest.mark.parametrize("name", ["", " ", " Acme", "Acme ", "a\nb", "a\x00b", "x" * 201])
def test_what_is_no_name_is_refused(sql: psycopg.Connection, name: str) -> None:
    with pytest.raises(InvalidName, match="is no name"):
        add_account(sql, name)
