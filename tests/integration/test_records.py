"""Records: pages merged in any order leave the newest state, each change is told once, and nothing is written twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.postgres.connect import Database
from infra.postgres.record_values import NewRecord, canonical, content_hash
from infra.postgres.records import Merged, merge_fields, stage_and_merge
from retinue.errors import PermanentError
from tests.support.principals import member, reading
from tests.support.race import in_background, wait_until_blocked
from tests.support.stored_records import NOON, RecordAccount, at, count_rows, record, record_account
from tests.unit.test_record_values import VALUES


@pytest.fixture
def account(database: Database) -> RecordAccount:
    return record_account(database)


def test_new_records_are_added_and_told_in_the_order_of_their_ids(account: RecordAccount) -> None:
    assert account.merge(record("b", name="Bo"), record("a", 7, name="Ann")) == Merged(added=2)
    assert account.live() == {"a": {"name": "Ann"}, "b": {"name": "Bo"}}
    assert account.versions() == {"a": 7, "b": 1}
    first, second = account.feed()
    assert (first.position, first.change, first.external_id, first.version) == (1, "added", "a", 7)
    assert (first.payload, first.before, first.kind) == ({"name": "Ann"}, None, "Opportunity")
    assert (second.position, second.external_id) == (2, "b")


def test_an_update_tells_what_the_changed_fields_were(account: RecordAccount) -> None:
    account.merge(record("a", name="Ann", stage="new", amount=1.5, gone=[1]))
    assert account.merge(record("a", 2, name="Ann", stage="won", amount=1.5, fresh=True)) == Merged(updated=1)
    (change,) = account.feed(after=1)
    assert (change.change, change.version) == ("updated", 2)
    assert change.before == {"stage": "new", "gone": [1], "fresh": None}
    assert change.payload == {"name": "Ann", "stage": "won", "amount": 1.5, "fresh": True}


def test_an_older_page_overwrites_nothing(account: RecordAccount) -> None:
    account.merge(record("a", 5, name="new"))
    assert account.merge(record("a", 4, name="old")) == Merged(unchanged=1)
    assert account.live() == {"a": {"name": "new"}}
    assert account.told() == [("added", "a")]


def test_of_two_readings_of_one_version_the_later_holds(account: RecordAccount) -> None:
    account.merge(record("a", 5, name="late"), observed=10)
    assert account.merge(record("a", 5, name="early"), observed=9) == Merged(unchanged=1)
    assert account.live() == {"a": {"name": "late"}}
    assert account.merge(record("a", 5, name="later"), observed=11) == Merged(updated=1)
    assert account.live() == {"a": {"name": "later"}}


def test_a_higher_version_holds_whenever_it_was_read(account: RecordAccount) -> None:
    account.merge(record("a", 5, name="five"), observed=10)
    assert account.merge(record("a", 6, name="six"), observed=9) == Merged(updated=1)
    assert account.live() == {"a": {"name": "six"}}


def test_a_lower_version_replaces_a_higher_one_only_to_mend_it(account: RecordAccount) -> None:
    account.merge(record("a", 5, name="wrong"), observed=10)
    assert account.merge(record("a", 4, name="right"), observed=11) == Merged(unchanged=1)
    assert account.merge(record("a", 4, name="right"), observed=9, mend=True) == Merged(unchanged=1)
    assert account.merge(record("a", 4, name="right"), observed=11, mend=True) == Merged(updated=1)
    assert account.versions() == {"a": 4}


def test_mending_what_is_right_writes_nothing(account: RecordAccount) -> None:
    account.merge(record("a", 5, name="right"))
    assert account.merge(record("a", 5, name="right"), mend=True) == Merged(unchanged=1)
    assert account.told() == [("added", "a")]


def test_a_new_version_of_the_same_content_is_kept_and_told_nobody(account: RecordAccount) -> None:
    account.merge(record("a", 1, name="same"))
    assert account.merge(record("a", 2, name="same")) == Merged(unchanged=1)
    assert account.versions() == {"a": 2}
    assert account.told() == [("added", "a")]


def test_of_a_record_told_twice_the_newest_counts(account: RecordAccount) -> None:
    assert account.merge(
        record("a", 2, name="two"), record("a", 3, name="three"), record("a", 1, name="one")
    ) == Merged(1)
    assert account.live() == {"a": {"name": "three"}}
    account.merge(record("a", 3, name="again"), record("a", 3, name="last"))
    assert account.live() == {"a": {"name": "last"}}


def test_a_deletion_keeps_the_last_state_and_is_told_once(account: RecordAccount, sql: psycopg.Connection) -> None:
    account.merge(record("a", 1, name="Ann"))
    assert account.merge(record("a", 2, deleted=True)) == Merged(deleted=1)
    assert account.merge(record("a", 2, deleted=True)) == Merged(unchanged=1)
    assert account.live() == {}
    assert sql.execute("SELECT payload, deleted_at, version FROM records").fetchall() == [({"name": "Ann"}, NOON, 2)]
    assert account.told(after=1) == [("deleted", "a")]
    assert account.feed(after=1)[0].payload is None


def test_a_deletion_without_a_version_takes_the_stored_one(account: RecordAccount) -> None:
    account.merge(record("a", 3, name="Ann"), observed=5)
    assert account.merge(record("a", None, deleted=True), observed=4) == Merged(unchanged=1)
    assert account.merge(record("a", None, deleted=True), observed=6) == Merged(deleted=1)
    assert account.versions() == {"a": 3}


def test_what_was_not_found_is_not_brought_back_by_what_was_read_before(account: RecordAccount) -> None:
    account.merge(record("a", 3, name="Ann"), observed=1)
    assert account.merge(record("a", None, deleted=True), observed=6) == Merged(deleted=1)
    assert account.merge(record("a", 5, name="edited before"), observed=5) == Merged(unchanged=1)
    assert account.merge(record("a", 5, name="came back"), observed=7) == Merged(added=1)
    # A deletion whose version is known gives way to any later version, whenever that was read.
    account.merge(record("a", 8, deleted=True), observed=20)
    assert account.merge(record("a", 9, name="undeleted"), observed=19) == Merged(added=1)


def test_a_deletion_of_what_was_never_seen_keeps_an_older_page_from_adding_it(account: RecordAccount) -> None:
    assert account.merge(record("a", 9, deleted=True)) == Merged(unchanged=1)
    assert account.told() == []
    assert account.merge(record("a", 8, name="stale")) == Merged(unchanged=1)
    assert account.live() == {}


def test_a_record_that_comes_back_is_added_again(account: RecordAccount) -> None:
    account.merge(record("a", 1, name="Ann"))
    account.merge(record("a", 2, deleted=True, name="Ann"))
    assert account.merge(record("a", 3, name="Ann")) == Merged(added=1)
    assert account.live() == {"a": {"name": "Ann"}}
    assert account.told() == [("added", "a"), ("deleted", "a"), ("added", "a")]


def test_a_record_that_comes_back_in_the_same_version_needs_a_later_reading(account: RecordAccount) -> None:
    account.merge(record("a", 1, name="Ann"), observed=1)
    account.merge(record("a", 2, deleted=True), observed=3)
    assert account.merge(record("a", 2, name="Ann"), observed=2) == Merged(unchanged=1)
    assert account.merge(record("a", 2, name="Ann"), observed=4) == Merged(added=1)


def test_kinds_and_connections_are_apart(account: RecordAccount, database: Database) -> None:
    other = record_account(database, account_id=account.connection.account_id)
    for where in (account, other):
        where.merge(record("a", name=where.connection.name))
    account.kind = "Account"
    account.merge(record("a", name="Acme"))
    assert account.live() == {"a": {"name": "Acme"}}
    assert other.live() == {"a": {"name": other.connection.name}}
    assert [change.position for change in account.feed()] == [1, 2, 3]


def test_two_merges_of_one_commit_do_not_mix(account: RecordAccount) -> None:
    with account.commit() as tx:
        first = stage_and_merge(tx, account.target, [record("a", name="Ann")], observed_at=NOON)
        second = stage_and_merge(tx, account.target, [record("b", name="Bo")], observed_at=NOON)
    assert (first, second) == (Merged(added=1), Merged(added=1))
    assert [change.position for change in account.feed()] == [1, 2]


def test_merging_nothing_does_nothing(account: RecordAccount, sql: psycopg.Connection) -> None:
    assert account.merge() == Merged()
    assert count_rows(sql, "record_feeds") == 0


def test_sums_of_merges_add_up() -> None:
    assert Merged(1, 2, 3, 4) + Merged(10, 20, 30, 40) == Merged(11, 22, 33, 44)
    assert Merged(1, 2, 3, 4).changed == 6


def test_reading_again_what_is_stored_writes_no_row(account: RecordAccount, sql: psycopg.Connection) -> None:
    rows = [record(f"{number:05}", 5, name="x" * 900, number=number) for number in range(2000)]
    account.merge(*rows)
    account.merge(record("dead", 5, deleted=True))
    place = "SELECT external_id, ctid::text, xmin::text, xmax::text FROM records ORDER BY 1"  # nor locks one
    feeds = "SELECT ctid::text, xmin::text FROM record_feeds"
    before = [sql.execute(query).fetchall() for query in (place, feeds)]
    with account.commit() as tx:
        merged = stage_and_merge(tx, account.target, [*rows, record("dead", 5, deleted=True)], observed_at=at(99))
    assert merged == Merged(unchanged=2001)
    assert [sql.execute(query).fetchall() for query in (place, feeds)] == before


def test_payloads_of_any_kind_come_back_as_they_were(account: RecordAccount) -> None:
    payload = {
        "text": 'tab\t, line\n, back\\slash, "quote", \N{GRINNING FACE}, \\N',
        "null": None,
        "list": [1, {"a": 2.5}],
    }
    account.merge(NewRecord("a", 1, payload | {"nul": "x\0y"}))
    assert account.live() == {"a": payload | {"nul": "x\ufffdy"}}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_the_hash_of_what_is_stored_is_that_of_what_came(sql: psycopg.Connection, payload: dict[str, Any]) -> None:
    text = canonical(payload)
    stored = sql.execute("SELECT %s::jsonb", (text,)).fetchall()[0][0]
    assert content_hash("a", canonical(stored)) == content_hash("a", text)


def merge_some(account: RecordAccount, *rows: NewRecord, observed: float = 100) -> Merged:
    with account.commit() as tx:
        return merge_fields(tx, account.target, rows, observed_at=at(observed))


def test_some_fields_are_laid_over_the_stored_ones(account: RecordAccount) -> None:
    account.merge(record("a", 4, name="Ann", score=1), record("b", 5, name="Bo", score=2))
    assert merge_some(account, record("a", None, score=7), record("b", None, score=2)) == Merged(updated=1)
    assert account.live() == {"a": {"name": "Ann", "score": 7}, "b": {"name": "Bo", "score": 2}}
    assert account.versions() == {"a": 4, "b": 5}
    assert account.feed(after=2)[0].before == {"score": 1}
    # The whole record read again is the same, by its hash as well.
    assert account.merge(record("a", 4, name="Ann", score=7), observed=101) == Merged(unchanged=1)


def test_some_fields_of_what_is_unknown_deleted_or_newer_are_left_alone(account: RecordAccount) -> None:
    account.merge(record("dead", 1, name="Di"), observed=1)
    account.merge(record("dead", 2, deleted=True), observed=2)
    account.merge(record("fresh", 2, score=3), observed=50)
    rows = [record(name, None, score=1) for name in ("unknown", "dead", "fresh")]
    assert merge_some(account, *rows, observed=49) == Merged()
    assert account.live() == {"fresh": {"score": 3}}


def test_merges_into_one_account_wait_for_each_other_and_into_others_do_not(
    account: RecordAccount, database: Database, sql: psycopg.Connection
) -> None:
    with ExitStack() as open_commit:
        tx = open_commit.enter_context(account.commit())
        stage_and_merge(tx, account.target, [record("a", 1, name="first")], observed_at=at(1))
        with in_background(lambda: account.merge(record("a", 2, name="second"), observed=2)) as second:
            wait_until_blocked(sql, by=tx.connection)
            assert record_account(database).merge(record("z")) == Merged(added=1)
            open_commit.close()
        assert second.result() == Merged(updated=1)
    assert account.live() == {"a": {"name": "second"}}


def test_what_waited_for_a_newer_state_does_not_overwrite_it(account: RecordAccount, sql: psycopg.Connection) -> None:
    account.merge(record("a", 1, name="first"))
    with ExitStack() as open_commit:
        tx = open_commit.enter_context(account.commit())
        stage_and_merge(tx, account.target, [record("a", 9, name="newest"), record("b", 9)], observed_at=at(9))
        rows = [record("a", 5, name="older"), record("b", 5, name="older")]
        with in_background(lambda: account.merge(*rows, observed=5)) as older:
            wait_until_blocked(sql, by=tx.connection)
            open_commit.close()
        assert older.result() == Merged(unchanged=2)
    assert account.live() == {"a": {"name": "newest"}, "b": {}}


def test_a_connection_takes_its_records_along_and_gets_no_more(
    account: RecordAccount, database: Database, sql: psycopg.Connection
) -> None:
    other = record_account(database, account_id=account.connection.account_id)
    for where in (account, other):
        where.merge(record("a"))
    sql.execute("DELETE FROM connections WHERE id = %s", (account.connection.id,))
    assert (account.live(), other.live()) == ({}, {"a": {}})
    with pytest.raises(PermanentError, match="was deleted"):
        account.merge(record("b"))
    assert count_rows(sql, "records") == 1


def test_a_connection_that_is_deleted_waits_for_a_merge_and_takes_its_records_too(
    account: RecordAccount, database_url: str, sql: psycopg.Connection
) -> None:
    def delete() -> None:
        with psycopg.connect(database_url) as other:
            other.execute("DELETE FROM connections WHERE id = %s", (account.connection.id,))

    with ExitStack() as open_commit:
        tx = open_commit.enter_context(account.commit())
        stage_and_merge(tx, account.target, [record("a")], observed_at=NOON)
        with in_background(delete):
            wait_until_blocked(sql, by=tx.connection)
            open_commit.close()
    assert count_rows(sql, "records") == 0


def test_a_merge_that_waits_for_the_deletion_of_its_connection_finds_it_gone(
    account: RecordAccount, database_url: str, sql: psycopg.Connection
) -> None:
    with psycopg.connect(database_url) as deleting:
        deleting.execute("DELETE FROM connections WHERE id = %s", (account.connection.id,))
        with ThreadPoolExecutor() as pool:
            merging = pool.submit(account.merge, record("a"))
            wait_until_blocked(sql, by=deleting)
            deleting.commit()
            with pytest.raises(PermanentError):
                merging.result()
    assert count_rows(sql, "records") == 0


def test_an_account_takes_records_and_feed_along(account: RecordAccount, sql: psycopg.Connection) -> None:
    account.merge(record("a"), generation=None)
    sql.execute("DELETE FROM accounts")
    for table in ("records", "record_changes", "record_feeds"):
        assert count_rows(sql, table) == 0, table


def test_a_connection_of_another_account_is_refused(account: RecordAccount, database: Database) -> None:
    other = record_account(database)
    account.connection = type(account.connection)(other.connection.id, account.connection.account_id, "x", "x", {}, {})
    with pytest.raises(PermanentError):
        account.merge(record("a"))


def test_a_reader_of_an_account_sees_its_records_and_changes_alone(
    account: RecordAccount, database: Database, sql: psycopg.Connection, database_url: str
) -> None:
    for where in (account, record_account(database)):
        where.merge(record("a", secret=where.connection.name))
    with reading(database_url, member(sql, account.connection.account_id)) as reader:
        for table in ("records", "record_changes", "record_feeds"):
            assert count_rows(reader, table) == 1, table


def test_a_record_and_its_changes_show_no_values_in_a_log(account: RecordAccount) -> None:
    account.merge(record("a", 1, name="secret name"))
    account.merge(record("a", 2, name="secret again"))
    assert "secret" not in repr(record("a", 1, name="secret name"))
    assert "secret" not in repr(account.feed())
    assert account.feed()[1].before == {"name": "secret name"}
