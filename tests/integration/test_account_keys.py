"""Data keys of accounts: one each, gone for ever when deleted, wrapped anew while everybody works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from infra.keys import generate_key
from infra.postgres import rotation
from infra.postgres.account_keys import AccountKeys, Sealed
from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection, add_connection, context, open_connection, read_sealed_connection
from infra.postgres.rotation import rotate
from infra.postgres.vault import Vault
from infra.secrets import Keyring, SecretError, has_bare_form
from retinue.errors import NotAllowed

OLD, NEW = generate_key(), generate_key()
BEFORE, BOTH, AFTER = Keyring(OLD), Keyring(NEW, (OLD,)), Keyring(NEW)

#: Two dozen accounts of two connections, in batches of five.
ACCOUNTS, BATCH = 24, 5


def add(sql: psycopg.Connection, account_id: int, name: str, keyring: Keyring = BEFORE) -> int:
    new = NewConnection(account_id=account_id, provider="imap", name=name, config={}, credentials={"token": name})
    with sql.transaction():
        return add_connection(sql, keyring, new)


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Ada").id


def seal_as_before(sql: psycopg.Connection, connection_id: int, keyring: Keyring = BEFORE) -> None:
    """As credentials were sealed before accounts had data keys."""
    sealed = keyring.seal(b'{"token": "former"}', context=context(connection_id))
    sql.execute("UPDATE connections SET credentials = %s WHERE id = %s", (sealed, connection_id))


def test_an_account_has_one_data_key(sql: psycopg.Connection, account: int) -> None:
    first, second = add(sql, account, "one"), add(sql, account, "two")
    other = add_account(sql, "Bo").id
    third = add(sql, other, "three")

    assert sql.execute("SELECT account_id FROM account_keys ORDER BY 1").fetchall() == [(account,), (other,)]
    names = [open_connection(sql, BEFORE, each).credentials["token"] for each in (first, second, third)]
    assert names == ["one", "two", "three"]


def test_many_that_need_it_first_make_one(database_url: str, sql: psycopg.Connection, account: int) -> None:
    begin = threading.Barrier(4)

    def seal(number: int) -> bytes:
        with psycopg.connect(database_url) as connection:
            begin.wait()
            return AccountKeys(BEFORE).seal(connection, account, b"%d" % number, context="place")

    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(seal, range(4)))
    ((wrapped,),) = sql.execute("SELECT wrapped FROM account_keys").fetchall()
    opened = [AccountKeys(BEFORE).open(Sealed(account, value, wrapped), context="place") for value in values]
    assert opened == [b"0", b"1", b"2", b"3"]


def test_without_its_key_nothing_of_an_account_opens_again(sql: psycopg.Connection, account: int) -> None:
    connection_id = add(sql, account, "one")
    sql.execute("DELETE FROM account_keys")
    with pytest.raises(SecretError, match="has no data key any more"):
        open_connection(sql, BEFORE, connection_id)

    # What is sealed from now on has another key, and the old values stay lost.
    old = read_sealed_connection(sql, connection_id).credentials
    add(sql, account, "two")
    with pytest.raises(SecretError, match="is another one by now"):
        open_connection(sql, BEFORE, connection_id)
    assert old == read_sealed_connection(sql, connection_id).credentials


def test_no_key_is_made_for_an_account_that_is_being_erased(
    database_url: str, sql: psycopg.Connection, account: int
) -> None:
    sql.execute("UPDATE accounts SET erasing_at = now()")
    with pytest.raises(NotAllowed, match="it is being erased"):
        add(sql, account, "one")
    with pytest.raises(NotAllowed, match="there is no such account"):
        add(sql, account + 1, "one")


def test_one_account_s_key_does_not_serve_another(sql: psycopg.Connection, account: int) -> None:
    other = add_account(sql, "Bo").id
    first, second = add(sql, account, "one"), add(sql, other, "two")
    mine, yours = read_sealed_connection(sql, first), read_sealed_connection(sql, second)
    with pytest.raises(SecretError):
        AccountKeys(BEFORE).open(Sealed(account, mine.credentials, yours.wrapped_key), context=context(first))
    with pytest.raises(SecretError):
        AccountKeys(BEFORE).open(Sealed(other, mine.credentials, yours.wrapped_key), context=context(first))


def test_a_key_that_is_lost_can_be_given_up_and_one_at_hand_cannot(sql: psycopg.Connection, account: int) -> None:
    connection_id = add(sql, account, "one")
    with pytest.raises(NotAllowed, match="is at hand"):
        AccountKeys(BEFORE).replace_lost(sql, account)
    with pytest.raises(SecretError, match="retinue accounts new-key"):
        add(sql, account, "two", AFTER)

    AccountKeys(AFTER).replace_lost(sql, account)

    assert open_connection(sql, AFTER, add(sql, account, "two", AFTER)).credentials == {"token": "two"}
    with pytest.raises(SecretError):
        open_connection(sql, AFTER, connection_id)


def test_what_was_sealed_in_the_former_way_opens_and_is_brought_to_the_new(
    sql: psycopg.Connection, account: int
) -> None:
    connection_id = add(sql, account, "one")
    seal_as_before(sql, connection_id)
    assert open_connection(sql, BOTH, connection_id).credentials == {"token": "former"}

    done = rotate(sql, BOTH)

    assert (done.keys, done.credentials, done.problems) == (1, 1, [])
    assert has_bare_form(read_sealed_connection(sql, connection_id).credentials)
    assert open_connection(sql, AFTER, connection_id).credentials == {"token": "former"}


def test_what_does_not_open_is_told_and_stops_nothing(sql: psycopg.Connection, account: int) -> None:
    lost = add_account(sql, "Bo").id
    add(sql, lost, "lost", Keyring(generate_key()))
    kept = add(sql, account, "kept")

    done = rotate(sql, BOTH)

    assert done.keys == 1
    assert [f"account:{lost}" in problem for problem in done.problems] == [True]
    assert open_connection(sql, AFTER, kept).credentials == {"token": "kept"}


def test_a_rotation_that_is_stopped_goes_on(sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", BATCH)
    for number in range(ACCOUNTS):
        add(sql, add_account(sql, f"account {number}").id, "one")
    rewrap, calls = Keyring.rewrap, []

    def stopping(keyring: Keyring, wrapped: bytes, *, context: str) -> bytes:
        calls.append(context)
        if len(calls) == 2 * BATCH + 2:
            raise KeyboardInterrupt
        return rewrap(keyring, wrapped, context=context)

    monkeypatch.setattr(Keyring, "rewrap", stopping)
    with pytest.raises(KeyboardInterrupt):
        rotate(sql, BOTH)
    assert rotate(sql, BOTH).keys == ACCOUNTS - 2 * BATCH
    assert rotate(sql, BOTH).keys == 0


@contextmanager
def at_work(database_url: str, connections: list[int]) -> Iterator[list[BaseException]]:
    """Threads that open and renew credentials all the time, as servants do; gives what went wrong."""
    wrong: list[BaseException] = []
    stop, rounds = threading.Event(), [0, 0]
    vault = Vault(database_url, BOTH)

    def work(number: int) -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as connection:
                while not stop.is_set():
                    for connection_id in connections[number::2]:
                        open_connection(connection, BOTH, connection_id)
                        vault.renew(connection_id, lambda known: {"token": known["token"] + "+"})
                    rounds[number] += 1
        except BaseException as error:  # noqa: BLE001 - given to the test
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    yield wrong
    stop.set()
    for thread in threads:
        thread.join()
    assert min(rounds) > 0 or wrong


def test_servants_work_through_a_rotation_and_the_retired_key_can_go(
    database_url: str, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", BATCH)
    made = [(number, add_account(sql, f"account {number}").id) for number in range(ACCOUNTS)]
    connections = [add(sql, account_id, f"{number}") for number, account_id in made]
    for connection_id in connections[::3]:
        seal_as_before(sql, connection_id)

    with at_work(database_url, connections) as wrong, psycopg.connect(database_url, autocommit=True) as mine:
        assert rotate(mine, BOTH).problems == []
        # Nothing retired is left to be brought over, whatever was written meanwhile.
        assert rotate(mine, BOTH).keys == 0
    assert wrong == []
    for number, connection_id in enumerate(connections):
        token = open_connection(sql, AFTER, connection_id).credentials["token"]
        assert token.startswith("former" if number % 3 == 0 else f"{number}")
        with pytest.raises(SecretError):
            open_connection(sql, BEFORE, connection_id)
