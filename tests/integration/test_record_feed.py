"""The feed: gapless positions that become visible in their order, whoever writes and however commits interleave."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import count

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.record_feed import Change, FeedExpired, feed_position, read_changes
from infra.postgres.records import stage_and_merge
from scheduler.retain import Retain, make_partition
from tests.integration.test_retain import today
from tests.support.plans import explain
from tests.support.race import in_background, wait_until_blocked
from tests.support.stored_records import NOON, RecordAccount, at, record, record_account


@pytest.fixture
def account(database: Database) -> RecordAccount:
    return record_account(database)


def position(account: RecordAccount) -> int:
    with account.database.transaction() as connection:
        return feed_position(connection, account.connection.account_id)


def test_a_feed_is_empty_before_the_first_change(account: RecordAccount) -> None:
    assert (account.feed(), position(account)) == ([], 0)


def test_a_feed_is_read_by_a_cursor(account: RecordAccount) -> None:
    account.merge(*(record(f"{number}") for number in range(5)))
    assert [change.position for change in account.feed(limit=2)] == [1, 2]
    assert [change.position for change in account.feed(after=2, limit=2)] == [3, 4]
    assert [change.position for change in account.feed(after=4, limit=2)] == [5]
    assert account.feed(after=5) == []
    assert position(account) == 5


def test_a_change_shows_the_record_as_it_is_now(account: RecordAccount) -> None:
    account.merge(record("a", 1, name="first"), record("b", 1))
    account.merge(record("a", 2, name="second"), record("b", 2, deleted=True))
    added, gone, updated, deleted = account.feed()
    assert (added.payload, updated.payload) == ({"name": "second"}, {"name": "second"})
    assert (gone.change, gone.payload, deleted.payload) == ("added", None, None)


def test_feeds_of_accounts_are_apart(account: RecordAccount, database: Database) -> None:
    other = record_account(database)
    for number, where in enumerate((account, other, account)):
        where.merge(record("a", number, number=number))
    assert [change.position for change in account.feed()] == [1, 2]
    assert [change.position for change in other.feed()] == [1]


def test_what_was_rolled_back_leaves_no_gap(account: RecordAccount) -> None:
    account.merge(record("a"))
    with account.commit(keep=False) as tx:
        stage_and_merge(tx, account.target, [record("b"), record("c")], observed_at=NOON)
    account.merge(record("d"))
    assert account.told() == [("added", "a"), ("added", "d")]


def test_nothing_appears_behind_what_was_read(account: RecordAccount, sql: psycopg.Connection) -> None:
    """The first to take positions commits last in time: the other one waits, and no reader passes it by."""
    with ExitStack() as open_commit:
        tx = open_commit.enter_context(account.commit())
        stage_and_merge(tx, account.target, [record("early")], observed_at=NOON)
        with in_background(lambda: account.merge(record("late"))):
            wait_until_blocked(sql, by=tx.connection)
            assert account.told() == []
            open_commit.close()
    assert account.told() == [("added", "early"), ("added", "late")]


def test_a_long_transaction_elsewhere_holds_no_feed_up(account: RecordAccount, database_url: str) -> None:
    with psycopg.connect(database_url) as elsewhere:
        elsewhere.execute("CREATE TABLE anything ()")
        account.merge(record("a"))
        assert account.told() == [("added", "a")]


def test_a_cursor_beyond_the_end_is_of_another_database(account: RecordAccount) -> None:
    account.merge(record("a"))
    with pytest.raises(FeedExpired, match=r"cursor 2 lies beyond the feed of account .*ends at 1"):
        account.feed(after=2)
    with pytest.raises(FeedExpired):
        record_account(account.database).feed(after=1)


@pytest.fixture
def retain(database: Database) -> Retain:
    return Retain(database, history_days=14)


def test_a_cursor_whose_changes_were_dropped_says_so(
    account: RecordAccount, sql: psycopg.Connection, database: Database, retain: Retain
) -> None:
    old = today(sql) - timedelta(days=20)
    with database.transaction() as connection:
        make_partition(connection, "record_changes", old)
    account.merge(*(record(name) for name in "abc"))
    sql.execute("UPDATE record_changes SET at = %s::date + interval '12 hours' WHERE position < 3", (old,))
    assert [change.position for change in account.feed()] == [1, 2, 3]

    retain.run_once()

    for after in (0, 1):
        with pytest.raises(FeedExpired, match=f"after {after}, only what follows 2 is still kept"):
            account.feed(after=after)
    assert account.told(after=2) == [("added", "c")]
    assert position(account) == 3


def test_a_feed_that_was_dropped_whole_says_so(account: RecordAccount, sql: psycopg.Connection) -> None:
    account.merge(record("a"))
    sql.execute("DELETE FROM record_changes")
    with pytest.raises(FeedExpired, match="nothing of it is still kept"):
        account.feed()
    assert account.feed(after=1) == []
    account.merge(record("b"))
    assert account.told(after=1) == [("added", "b")]


def test_changes_land_in_their_days_partition(account: RecordAccount, sql: psycopg.Connection, retain: Retain) -> None:
    retain.run_once()
    account.merge(record("a"))
    where = "SELECT tableoid::regclass::text FROM record_changes"
    assert sql.execute(where).fetchall() == [(f"record_changes_{today(sql):%Y%m%d}",)]


def test_reading_looks_at_no_more_than_it_returns(
    account: RecordAccount, sql: psycopg.Connection, retain: Retain
) -> None:
    retain.run_once()
    account.merge(*(record(f"{number:05}") for number in range(5000)))
    sql.execute("ANALYZE records, record_changes")
    params = {"account_id": account.connection.account_id, "after": 3000, "limit": 100}
    reads = explain(sql, "read_changes", params)
    assert {read.table: read.rows for read in reads if read.rows} == {
        "record_feeds": 1,
        f"record_changes_{today(sql):%Y%m%d}": 100,
        "records": 100,
    }


WRITERS = 4
COMMITS = 40


class Reader:
    """Follows the feed in pages of odd sizes while others write."""

    def __init__(self, account: RecordAccount, url: str, *, seed: int) -> None:
        self.changes: list[Change] = []
        self.over = threading.Event()
        self._account_id = account.connection.account_id
        self._url = url
        self._random = random.Random(seed)  # noqa: S311 - sizes of pages

    def follow(self) -> None:
        """Read until the writers are done and nothing is left."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._page(connection) or not self.over.is_set():
                pass
            self._page(connection)

    def _page(self, connection: psycopg.Connection) -> bool:
        """Whether this page was the end of what could be read."""
        ending = self.over.is_set()
        after = self.changes[-1].position if self.changes else 0
        page = read_changes(connection, self._account_id, after=after, limit=self._random.randint(1, 50))
        self.changes += page
        return ending and not page


def write_at_random(account: RecordAccount, versions: Iterator[int], *, seed: int) -> None:
    """Merge pages of new, changed, deleted and unchanged records; some commits are rolled back, some take long."""
    play = random.Random(seed)  # noqa: S311 - a game to be played again
    for _ in range(COMMITS):
        names = [f"{play.randrange(60):03}" for _ in range(play.randint(1, 20))]
        version = next(versions)
        rows = [record(name, version, deleted=play.random() < 0.2, value=play.randrange(3)) for name in names]
        with account.commit(keep=play.random() < 0.8) as tx:
            # Its transaction has an ID long before it takes positions, and keeps them for a while.
            tx.execute("SELECT pg_current_xact_id(), pg_sleep(%s)", (play.random() / 200,))
            stage_and_merge(tx, account.target, rows, observed_at=at(version))
            tx.execute("SELECT pg_sleep(%s)", (play.random() / 200,))


@pytest.mark.parametrize("seed", range(3))
def test_readers_beside_writers_see_every_change_once_and_in_order(
    database: Database, database_url: str, sql: psycopg.Connection, seed: int
) -> None:
    account = record_account(database)
    others = [account, *(record_account(database, account_id=account.connection.account_id) for _ in range(1))]
    versions = count(1)
    readers = [Reader(account, database_url, seed=number) for number in range(2)]
    with ThreadPoolExecutor(WRITERS + len(readers)) as pool:
        following = [pool.submit(reader.follow) for reader in readers]
        writing = [
            pool.submit(partial(write_at_random, others[number % 2], versions, seed=100 * seed + number))
            for number in range(WRITERS)
        ]
        for one in writing:
            one.result(60)
        for reader in readers:
            reader.over.set()
        for one in following:
            one.result(60)

    stored = sql.execute(
        "SELECT position, change, connection_id, external_id FROM record_changes ORDER BY 1"
    ).fetchall()
    assert len(stored) > COMMITS
    for reader in readers:
        assert [(one.position, one.change, one.connection_id, one.external_id) for one in reader.changes] == stored
    assert [row[0] for row in stored] == list(range(1, len(stored) + 1))
    for where in others:
        assert_changes_lead_to_what_is_stored(where, readers[0].changes)


def assert_changes_lead_to_what_is_stored(account: RecordAccount, changes: list[Change]) -> None:
    """Each record's changes follow upon one another, and the last tells whether it lives."""
    lives: dict[str, bool] = {}
    for change in changes:
        if change.connection_id == account.connection.id:
            assert lives.get(change.external_id, False) is (change.change != "added"), change
            lives[change.external_id] = change.change != "deleted"
    assert {name for name, living in lives.items() if living} == set(account.live())
