"""Replacements: all of a kind read anew, and what is gone deleted at the end and not before."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.record_replacements import (
    Replacement,
    abandon_replacement,
    begin_replacement,
    finish_replacement,
    open_replacement,
)
from infra.postgres.records import Merged, ReplacementOver
from retinue.errors import PermanentError
from tests.support.stored_records import RecordAccount, at, count_rows, record, record_account


@pytest.fixture
def account(database: Database) -> RecordAccount:
    account = record_account(database)
    account.merge(*(record(name, 1, name=name) for name in "abcd"), observed=1)
    return account


def begin(account: RecordAccount, *, observed: float = 10) -> Replacement:
    with account.commit() as tx:
        return begin_replacement(tx, account.target, began_at=at(observed))


def finish(account: RecordAccount, generation: int, *, limit: int = 10_000) -> int:
    with account.commit() as tx:
        return finish_replacement(tx, account.target, generation, limit=limit)


def test_what_was_not_seen_is_deleted_at_the_end(account: RecordAccount, sql: psycopg.Connection) -> None:
    new = begin(account)
    rows = [record("a", 1, name="a"), record("b", 2, name="B"), record("z", 1, name="z")]
    assert account.merge(*rows, observed=11, generation=new.generation) == Merged(added=1, updated=1, unchanged=1)
    assert set(account.live()) == {"a", "b", "c", "d", "z"}, "the old ones stay until the new ones are complete"

    assert finish(account, new.generation) == 2

    assert account.live() == {"a": {"name": "a"}, "b": {"name": "B"}, "z": {"name": "z"}}
    assert account.told(after=6) == [("deleted", "c"), ("deleted", "d")]
    assert [change.position for change in account.feed()] == list(range(1, 9))
    assert count_rows(sql, "record_replacements") == count_rows(sql, "record_sightings") == 0


def test_it_is_finished_in_steps(account: RecordAccount) -> None:
    new = begin(account)
    account.merge(record("a", 1, name="a"), observed=11, generation=new.generation)
    assert [finish(account, new.generation, limit=2) for _ in range(4)] == [2, 1, 0, 0]
    assert set(account.live()) == {"a"}


def test_what_anything_told_of_meanwhile_stays(account: RecordAccount) -> None:
    """An increment adds a record behind the reading's back, and another one changes."""
    new = begin(account, observed=10)
    account.merge(record("late", 9), record("d", 9, name="changed"), observed=12)
    assert finish(account, new.generation) == 3
    assert set(account.live()) == {"late", "d"}


def test_it_goes_on_after_a_pause(account: RecordAccount) -> None:
    begun = begin(account)
    account.merge(record("a", 1, name="a"), observed=11, generation=begun.generation)
    with account.commit() as tx:
        assert open_replacement(tx, account.target) == begun
    account.merge(record("b", 1, name="b"), observed=12, generation=begun.generation)
    finish(account, begun.generation)
    assert set(account.live()) == {"a", "b"}


def test_one_that_was_begun_again_is_over(account: RecordAccount, sql: psycopg.Connection) -> None:
    old = begin(account)
    account.merge(record("a", 1, name="a"), observed=11, generation=old.generation)
    new = begin(account, observed=20)
    assert new.generation > old.generation
    assert count_rows(sql, "record_sightings") == 0
    for late in (
        partial(account.merge, record("b", 7), observed=21, generation=old.generation),
        partial(finish, account, old.generation),
    ):
        with pytest.raises(ReplacementOver):
            late()
    assert account.versions() == dict.fromkeys("abcd", 1)


def test_one_that_was_given_up_deletes_nothing(account: RecordAccount) -> None:
    begun = begin(account)
    with account.commit() as tx:
        abandon_replacement(tx, account.target)
        assert open_replacement(tx, account.target) is None
    assert finish(account, begun.generation) == 0
    with pytest.raises(ReplacementOver):
        account.merge(record("b", 7), generation=begun.generation)
    assert set(account.live()) == set("abcd")


def test_a_deleted_record_that_is_seen_again_lives_and_one_told_deleted_is_not_told_twice(
    account: RecordAccount,
) -> None:
    account.merge(record("a", 1, deleted=True), observed=5)
    new = begin(account)
    account.merge(
        record("a", 1, name="a"), record("b", 2, deleted=True, name="b"), observed=11, generation=new.generation
    )
    assert finish(account, new.generation) == 2
    assert set(account.live()) == {"a"}
    assert [change for change, name in account.told() if name == "b"] == ["added", "deleted"]


def test_what_was_deleted_so_lives_again_when_it_is_read_later(account: RecordAccount) -> None:
    new = begin(account, observed=10)
    finish(account, new.generation)
    assert account.merge(record("a", 1, name="a"), observed=9) == Merged(unchanged=1)
    assert account.merge(record("a", 1, name="a"), observed=11) == Merged(added=1)


def test_other_kinds_are_left_alone(account: RecordAccount) -> None:
    account.kind = "Account"
    account.merge(record("acme"), observed=1)
    new = begin(account)
    assert finish(account, new.generation) == 1
    account.kind = "Opportunity"
    assert set(account.live()) == set("abcd")


def test_a_connection_takes_its_replacements_along(account: RecordAccount, sql: psycopg.Connection) -> None:
    new = begin(account)
    account.merge(record("a", 1, name="a"), generation=new.generation)
    sql.execute("DELETE FROM connections")
    assert count_rows(sql, "record_replacements") == count_rows(sql, "record_sightings") == 0
    with pytest.raises(PermanentError):
        begin(account)
