"""Actions enter the chain when they commit, in a row and without a gap, and nothing else enters or leaves it."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest
from psycopg.errors import DataCorrupted, RestrictViolation

from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.audit_chain import verify
from infra.postgres.connect import Database
from tests.support.audit_tampering import tamper, write_down
from tests.support.race import together

BOB = Actor(ActorKind.PERSON, 2, "Bob")
RETRY = Act("job.retry", "job", 7)


@pytest.fixture
def written(sql: psycopg.Connection) -> None:
    """Ten actions."""
    write_down(sql)


@pytest.mark.parametrize("table", ["operator_actions", "audit_chain", "audit_head"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}"])
def test_nothing_is_taken_out_even_by_the_owner(
    sql: psycopg.Connection, written: None, table: str, change: str
) -> None:
    with pytest.raises(RestrictViolation, match=f"{table} is only ever added to"):
        sql.execute(change.format(table).encode())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE operator_actions SET actor_name = ''", "operator_actions is only ever added to"),
        ("UPDATE audit_chain SET position = 1", "audit_chain is only ever added to"),
        ("INSERT INTO audit_chain VALUES (11, 11, sha256(''))", "audit_chain is written when an action commits"),
        ("INSERT INTO audit_head VALUES (true, 1, sha256(''))", "audit_head is written when an action commits"),
        ("UPDATE audit_head SET position = 11", "audit_head is written when an action commits"),
    ],
)
def test_nothing_is_written_by_hand(sql: psycopg.Connection, written: None, change: str, said: str) -> None:
    with pytest.raises(RestrictViolation, match=said):
        sql.execute(change.encode())


def test_not_even_a_trigger_moves_the_head_back(sql: psycopg.Connection, written: None) -> None:
    with sql.transaction(force_rollback=True):
        sql.execute(
            "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN UPDATE audit_head SET position = 3; RETURN NEW; END'"
        )
        sql.execute("CREATE TRIGGER back BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION back()")
        with pytest.raises(RestrictViolation, match="audit_head only moves forward"), sql.transaction():
            sql.execute("INSERT INTO accounts (name) VALUES ('acme')")


def test_a_chain_without_its_head_is_not_begun_anew(sql: psycopg.Connection, written: None) -> None:
    tamper(sql, "DELETE FROM audit_head")
    with pytest.raises(DataCorrupted, match="the audit has lost its head"):
        note(sql, BOB, RETRY)


def test_what_is_rolled_back_leaves_no_gap(database: Database, sql: psycopg.Connection) -> None:
    for keep in (True, False, True):
        with database.transaction() as connection, connection.transaction(force_rollback=not keep):
            note(connection, BOB, RETRY)
    assert sql.execute("SELECT position, action_id FROM audit_chain ORDER BY 1").fetchall() == [(1, 1), (2, 3)]
    assert verify(sql).broken is None


def test_what_a_savepoint_takes_back_is_not_chained(database: Database, sql: psycopg.Connection) -> None:
    with database.transaction() as connection:
        for keep in (True, False, True):
            with connection.transaction(force_rollback=not keep):
                note(connection, BOB, RETRY)
    assert (verify(sql).verified, verify(sql).broken) == (2, None)


def test_nobody_waits_for_a_transaction_that_goes_on(database: Database, sql: psycopg.Connection) -> None:
    """Who commits first is first in the chain."""
    sql.execute("SET lock_timeout = '5s'")
    with database.transaction() as slow:
        note(slow, BOB, RETRY)
        note(sql, BOB, RETRY)
    assert sql.execute("SELECT action_id FROM audit_chain ORDER BY position").fetchall() == [(2,), (1,)]
    assert verify(sql).broken is None


def test_many_at_once_make_one_chain_without_a_gap(database: Database, sql: psycopg.Connection) -> None:
    def act(thread: int) -> None:
        for number in range(50):
            # Every fifth is rolled back, every seventh does two things.
            with database.transaction() as connection, connection.transaction(force_rollback=number % 5 == 4):
                for _ in range(2 if number % 7 == 0 else 1):
                    note(connection, BOB, Act("job.retry", "job", f"{thread}-{number}"))

    together([partial(act, thread) for thread in range(8)])

    kept = [2 if number % 7 == 0 else 1 for number in range(50) if number % 5 != 4]
    assert (verify(sql).verified, verify(sql).broken) == (8 * sum(kept), None)
