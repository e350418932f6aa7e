"""Following an object: nothing is lost whatever happens between two answers, and quiet objects cost two calls."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.postgres.record_values import version_of
from servants.salesforce.position import OVERLAP, BulkPlace, Position
from servants.salesforce.soql import Key
from tests.support.salesforce_model import BEGIN, ModelOrg, ModelStore, OrgRow, Transaction, follow, read_log, world


def _quiet(org: ModelOrg, store: ModelStore) -> list[list[str]]:
    """The writers stop, and three increments follow: the calls of each."""
    org.quiet()
    store.deadly = 0
    calls = []
    for _ in range(3):
        org.calls.clear()
        assert follow(org, store) is not None
        calls.append(list(org.calls))
        org.now_at += timedelta(minutes=1)
    return calls


@pytest.mark.parametrize("bulk_rows", [None, 4])
@pytest.mark.parametrize("seed", range(100))
def test_two_increments_after_the_last_change_all_is_equal(seed: int, bulk_rows: int | None) -> None:
    org, store = world(seed, deadly=0.15)
    org.bulk_rows = bulk_rows
    for _ in range(20):
        org.stir()
        follow(org, store)
    org.quiet()
    store.deadly = 0
    follow(org, store)
    follow(org, store)
    purged = {line.id for line in org.lines} - org.rows.keys()
    assert {
        external_id: value for external_id, value in store.live().items() if external_id not in purged
    } == org.live()
    # A purge that came without any other change is asked for by the hour.
    read_log(org, store)
    assert store.live() == org.live()


@pytest.mark.parametrize("seed", range(50))
def test_what_did_not_change_costs_one_query(seed: int) -> None:
    org, store = world(seed)
    for _ in range(5):
        follow(org, store)
    assert _quiet(org, store)[-1] == ["query"]


def _settled() -> tuple[ModelOrg, ModelStore]:
    org, store = world(1)
    org.page = 2000
    _quiet(org, store)
    org.calls.clear()
    return org, store


def _changed(org: ModelOrg, count: int) -> None:
    stamp = org.now()
    org.commit(Transaction(org.now_at, {f"{stamp:%H%M%S}{n:012d}": OrgRow(stamp, n) for n in range(count)}))
    org.now_at += timedelta(seconds=3)


def test_a_hundred_changes_cost_a_query_and_the_log() -> None:
    org, store = _settled()
    _changed(org, 100)
    follow(org, store)
    assert (org.calls, store.live()) == (["query", "log"], org.live())
    for _ in range(2):
        org.calls.clear()
        follow(org, store)
        assert org.calls == ["query"]


def test_a_large_load_is_read_once() -> None:
    org, store = _settled()
    org.page = 10
    _changed(org, 95)
    follow(org, store)
    # The first page told that it is large; ten more have all of it.
    assert org.calls == ["query", "log", *["query"] * 10, "log"] or org.calls == ["query", "log", *["query"] * 10]
    assert store.live() == org.live()
    org.calls.clear()
    follow(org, store)
    assert org.calls == ["query"]


def test_a_very_large_load_is_read_by_one_bulk_job() -> None:
    org, store = _settled()
    org.page, org.bulk_rows = 10, 50
    _changed(org, 95)
    assert org.is_busy is False
    followed = follow(org, store)
    assert followed is not None
    assert org.calls == ["query", "log", "count", "job", *["results"] * (len(org.live()) // 10 + 1), "log"]
    assert (store.live(), org.jobs) == (org.live(), {})
    org.calls.clear()
    follow(org, store)
    assert org.calls == ["query"]


def test_a_transaction_that_shows_late_is_read_however_long_it_took() -> None:
    org, store = _settled()
    late = Transaction(org.now_at, {"late": OrgRow(org.now(), 7)})
    org.open.append(late)
    for _ in range(5):
        org.now_at += timedelta(hours=1)
        _changed(org, 10)
        follow(org, store)
    org.open.remove(late)
    org.commit(late)
    assert "late" not in store.live()
    follow(org, store)
    assert store.live() == org.live()


def test_a_row_that_was_purged_between_two_increments_is_deleted_with_the_next_change() -> None:
    org, store = _settled()
    victim = next(iter(org.live()))
    org.commit(Transaction(org.now_at, {victim: None}))
    _changed(org, 1)
    follow(org, store)
    assert store.live() == org.live()


def test_a_row_that_is_deleted_and_undeleted_in_one_second_lives() -> None:
    org, store = _settled()
    victim, stamp = next(iter(org.live())), org.now()
    org.commit(Transaction(org.now_at, {victim: OrgRow(stamp, 1, is_deleted=True)}))
    org.commit(Transaction(org.now_at, {victim: OrgRow(stamp, 1)}))
    org.now_at += timedelta(seconds=3)
    follow(org, store)
    follow(org, store)
    assert store.live() == org.live()


def test_a_page_that_was_read_before_a_delete_does_not_bring_the_row_back() -> None:
    org, store = _settled()
    victim = next(iter(org.live()))
    page, observed_at = org._record(victim), store.moment()
    org.commit(Transaction(org.now_at, {victim: None}))
    _changed(org, 1)
    follow(org, store)
    store._merge(page, observed_at)
    assert victim not in store.live()


def test_without_a_log_the_newest_stamp_says_what_is_settled() -> None:
    newest = BEGIN + timedelta(hours=1)
    position = Position.at(BEGIN, has_log=False).begin().moved(Key(newest, "a"), saw=True)
    assert position.ended(newest=newest).settled == newest - OVERLAP
    assert position.ended(newest=None).settled == BEGIN


def test_a_position_is_stored_as_it_is() -> None:
    position = Position.at(BEGIN).begin().moved(Key(BEGIN, "x"), saw=True).logged(BEGIN, is_broken=True)
    assert Position.of_json(position.as_json()) == position
    place = BulkPlace(job_id="750", observed_at=BEGIN.isoformat(), generation=3, locator="MjAw", skip=5, done=200)
    assert Position.of_json(position.by_bulk(place).as_json()) == position.by_bulk(place)
    assert Position.of_json(Position.at(BEGIN).as_json()) == Position.at(BEGIN)


def test_versions_are_microseconds() -> None:
    assert version_of(BEGIN) % 1_000_000 == 0
