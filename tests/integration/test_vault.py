"""`Vault.renew`: one at a time whoever asks, stored before anybody else reads, never over what a person entered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import psycopg
import pytest

from infra.keys import generate_key
from infra.postgres import vault as vaults
from infra.postgres.accounts import add_account
from infra.postgres.connect import DatabaseUnreachable
from infra.postgres.connections import NewConnection, add_connection, mark_active, open_connection, update_connection
from infra.postgres.rotation import rotate
from infra.postgres.vault import APPLICATION_NAME, Vault
from infra.secrets import Keyring
from retinue import AsyncJob, Completed, Job, Outcome, ServantType, servant
from retinue.connection import Connection, Renewal
from retinue.errors import CredentialError, PermanentError, TransientError
from retinue.testing import run
from tests.support.assertions import assert_consistent, history_of
from tests.support.postgres import OWN_CONNECTIONS
from tests.support.race import DEADLINE_SECONDS, in_background, wait_until
from tests.support.runtime import TYPE, House, Say, open_house

KEYRING = Keyring(generate_key())

Credentials = Mapping[str, str]


@pytest.fixture
def vault(database_url: str) -> Vault:
    return Vault(database_url, KEYRING, wait_seconds=DEADLINE_SECONDS)


@pytest.fixture
def one(sql: psycopg.Connection) -> int:
    """A connection whose token is `first`."""
    return add(sql, "first")


def add(sql: psycopg.Connection, token: str, name: str = "mail", keyring: Keyring = KEYRING) -> int:
    account = sql.execute("SELECT id FROM accounts").fetchone()
    account_id = account[0] if account else add_account(sql, "Ada").id
    new = NewConnection(
        account_id=account_id, provider="imap", name=name, config={"host": "mail"}, credentials={"token": token}
    )
    return add_connection(sql, keyring, new)


def stored(sql: psycopg.Connection, connection_id: int) -> str:
    return open_connection(sql, KEYRING, connection_id).credentials["token"]


def give(token: str) -> Renewal:
    return lambda _known: {"token": token}


def wait_for_waiters(sql: psycopg.Connection, count: int) -> None:
    query = f"SELECT count(*) >= %s {OWN_CONNECTIONS} AND wait_event_type = 'Lock'".encode()
    wait_until(lambda: sql.execute(query, (count, APPLICATION_NAME)).fetchone() == (True,), "nobody waits")


def test_what_a_renewal_makes_is_sealed_and_stored(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    seen: list[Credentials] = []

    def renewal(known: Credentials) -> Credentials:
        seen.append(known)
        return {"token": "second"}

    assert vault.renew(one, renewal) == {"token": "second"}
    assert seen == [{"token": "first"}]
    assert stored(sql, one) == "second"
    (sealed,) = sql.execute("SELECT credentials FROM connections").fetchone() or ()
    assert b"second" not in sealed


def test_what_is_still_good_is_not_written(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    before = sql.execute("SELECT xmin, credentials, updated_at FROM connections").fetchone()
    assert vault.renew(one, lambda known: known) == {"token": "first"}
    assert sql.execute("SELECT xmin, credentials, updated_at FROM connections").fetchone() == before


def test_a_renewal_does_not_look_like_a_person_s_change(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    before = sql.execute("SELECT updated_at FROM connections").fetchone()
    vault.renew(one, give("second"))
    assert sql.execute("SELECT updated_at FROM connections").fetchone() == before


def test_whoever_waits_is_given_what_the_one_before_stored(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    asked: list[str] = []

    def renewal(known: Credentials) -> Credentials:
        asked.append(known["token"])
        if known["token"] != "first":
            return known
        wait_for_waiters(sql, 1)
        return {"token": "second"}

    with in_background(lambda: vault.renew(one, renewal)) as other:
        assert vault.renew(one, renewal) == {"token": "second"}
        assert other.result(DEADLINE_SECONDS) == {"token": "second"}
    assert asked == ["first", "second"]


def test_other_connections_do_not_wait(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    two = add(sql, "x", name="other")
    assert vault.renew(one, lambda _known: vault.renew(two, give("y"))) == {"token": "y"}


def test_whoever_settles_a_job_does_not_wait_for_a_provider(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    def renewal(_known: Credentials) -> Credentials:
        sql.execute("SET lock_timeout = '1s'")
        mark_active(sql, one)
        return {"token": "second"}

    assert vault.renew(one, renewal) == {"token": "second"}


def test_a_renewal_that_fails_writes_nothing_and_lets_the_next_one_in(
    vault: Vault, sql: psycopg.Connection, one: int
) -> None:
    def refused(_known: Credentials) -> Credentials:
        raise CredentialError("invalid_grant")

    with pytest.raises(CredentialError, match="invalid_grant"):
        vault.renew(one, refused)
    assert stored(sql, one) == "first"
    assert vault.renew(one, give("second")) == {"token": "second"}


def test_another_s_renewal_is_not_waited_for_without_end(database_url: str, vault: Vault, one: int) -> None:
    impatient = Vault(database_url, KEYRING, wait_seconds=0.05)

    def renewal(known: Credentials) -> Credentials:
        with pytest.raises(TransientError, match="another servant has been renewing"):
            impatient.renew(one, give("never"))
        return known

    vault.renew(one, renewal)


def test_what_a_person_enters_meanwhile_stays(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    def renewal(_known: Credentials) -> Credentials:
        update_connection(sql, KEYRING, one, config={}, credentials={"token": "a person's"})
        return {"token": "second"}

    assert vault.renew(one, renewal) == {"token": "a person's"}
    assert stored(sql, one) == "a person's"


def test_a_rotation_of_the_key_meanwhile_loses_nothing(database_url: str, sql: psycopg.Connection, one: int) -> None:
    rotated = Keyring(generate_key(), (KEYRING.current,))

    def renewal(_known: Credentials) -> Credentials:
        assert rotate(sql, rotated).keys == 1
        return {"token": "second"}

    assert Vault(database_url, rotated).renew(one, renewal) == {"token": "second"}
    assert open_connection(sql, rotated, one).credentials == {"token": "second"}


def test_a_lost_database_connection_loses_no_token(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    def renewal(_known: Credentials) -> Credentials:
        query = f"SELECT pg_terminate_backend(pid) {OWN_CONNECTIONS}".encode()
        assert sql.execute(query, (APPLICATION_NAME,)).fetchall() == [(True,)]
        return {"token": "second"}

    assert vault.renew(one, renewal) == {"token": "second"}
    assert stored(sql, one) == "second"


def test_storing_is_tried_until_the_database_is_back(
    vault: Vault, sql: psycopg.Connection, one: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            monkeypatch.undo()

    monkeypatch.setattr(time, "sleep", pause)

    def renewal(_known: Credentials) -> Credentials:
        monkeypatch.setattr(vaults, "connect", _nothing_answers)
        return {"token": "second"}

    assert vault.renew(one, renewal) == {"token": "second"}
    assert pauses == list(vaults.STORE_PAUSES[:2])
    assert stored(sql, one) == "second"


def test_a_database_that_stays_away_is_told(vault: Vault, one: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    def renewal(_known: Credentials) -> Credentials:
        monkeypatch.setattr(vaults, "connect", _nothing_answers)
        return {"token": "second"}

    with pytest.raises(DatabaseUnreachable):
        vault.renew(one, renewal)


def _nothing_answers(url: str, **options: object) -> psycopg.Connection:
    raise DatabaseUnreachable("nothing answers")


def test_a_connection_that_is_gone_is_told(vault: Vault, sql: psycopg.Connection, one: int) -> None:
    def renewal(_known: Credentials) -> Credentials:
        sql.execute("DELETE FROM connections")
        return {"token": "second"}

    for _ in range(2):
        with pytest.raises(PermanentError, match=f"connection {one}"):
            vault.renew(one, renewal)


def test_credentials_that_do_not_open_are_an_incident(database_url: str, one: int) -> None:
    with pytest.raises(CredentialError, match="cannot be opened"):
        Vault(database_url, Keyring(generate_key())).renew(one, give("x"))


@servant(TYPE)
def on_a_thread(job: Job[Say]) -> Outcome:
    return Completed(dict(job.connection(int(job.payload.text)).renew(give("by a job"))))


@servant(TYPE)
async def in_the_loop(job: AsyncJob[Say]) -> Outcome:
    connection = await job.connection(int(job.payload.text))
    return Completed(dict(await connection.renew(give("by a job"))))


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


@pytest.mark.parametrize("kind", [on_a_thread, in_the_loop])
def test_a_job_renews_its_connection(house: House, sql: psycopg.Connection, kind: ServantType[Say]) -> None:
    connection_id = add(sql, "first", keyring=house.keyring)
    (account_id,) = sql.execute("SELECT id FROM accounts").fetchone() or ()
    house.start(kind)
    (job,) = house.run({"text": str(connection_id)}, account_id=account_id)
    house.wait(job, "completed", "complete")
    assert history_of(sql, job, "result") == ({"token": "by a job"},)
    assert open_connection(sql, house.keyring, connection_id).credentials == {"token": "by a job"}


@pytest.mark.parametrize("kind", [on_a_thread, in_the_loop])
def test_without_a_database_a_renewal_is_only_made(kind: ServantType[Say]) -> None:
    connection = Connection(7, 1, "imap", "mail", {}, {"token": "first"})
    ran = run(kind, Say(text="7"), account_id=1, connections=[connection])
    assert ran.result == {"token": "by a job"}
