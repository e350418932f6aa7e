"""Ranges of stored records: digests that tell whether they equal the provider's, and where they do not."""

from __future__ import annotations

import random

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.record_ranges import (
    Difference,
    Digest,
    compare,
    count_records,
    digests,
    held_page,
    pairs,
    range_bounds,
)
from infra.postgres.record_values import NewRecord, canonical, content_hash
from tests.support.stored_records import RecordAccount, record, record_account


@pytest.fixture
def account(database: Database) -> RecordAccount:
    return record_account(database)


def org(count: int) -> dict[str, NewRecord]:
    """What the provider has: IDs whose order by bytes is not that of a language."""
    names = ["".join(letters) for letters in zip("aBcDeF" * count, map("{:04}".format, range(count)), strict=False)]
    return {name: record(name, number, value=number) for number, name in enumerate(names)}


def told(rows: dict[str, NewRecord], low: str = "", high: str | None = None) -> Digest:
    """The provider's own digest of a range, its records in any order."""
    digest = Digest()
    for row in random.Random(1).sample(list(rows.values()), len(rows)):  # noqa: S311 - an order
        if row.external_id >= low and (high is None or row.external_id < high):
            digest.add(row.external_id, row.version or 0, content_hash(row.external_id, canonical(row.payload or {})))
    return digest


def test_the_ranges_of_equal_data_have_equal_digests(account: RecordAccount, sql: psycopg.Connection) -> None:
    rows = org(500)
    account.merge(*rows.values())
    bounds = range_bounds(sql, account.target, rows=90)
    assert bounds[0] == ""
    assert bounds == sorted(bounds)
    found = digests(sql, account.target, bounds)
    assert [digest.rows for digest in found] == [90, 90, 90, 90, 90, 50]
    assert found == [told(rows, low, high) for low, high in pairs(bounds)]
    assert count_records(sql, account.target) == 500


def test_a_part_of_the_ranges_can_be_asked_for(account: RecordAccount, sql: psycopg.Connection) -> None:
    rows = org(100)
    account.merge(*rows.values())
    bounds = range_bounds(sql, account.target, rows=20)
    assert digests(sql, account.target, bounds[1:3], until=bounds[3]) == [
        told(rows, bounds[1], bounds[2]),
        told(rows, bounds[2], bounds[3]),
    ]
    assert pairs(bounds[1:3], until=bounds[3]) == [(bounds[1], bounds[2]), (bounds[2], bounds[3])]


def test_nothing_stored_is_one_empty_range(account: RecordAccount, sql: psycopg.Connection) -> None:
    assert range_bounds(sql, account.target, rows=10) == [""]
    assert digests(sql, account.target, ["", "m"]) == [Digest(), Digest()]


@pytest.mark.parametrize(
    ("change", "versions_differ"),
    [
        (record("B0001", 1, value=999), False),
        (record("B0001", 2, value=1), True),
        (record("B0001", 2, deleted=True), True),
        (record("Z", 1, value=1), True),
    ],
)
def test_any_difference_shows_in_its_range_and_nowhere_else(
    account: RecordAccount, sql: psycopg.Connection, change: NewRecord, versions_differ: bool
) -> None:
    rows = org(60)
    account.merge(*rows.values())
    account.merge(change)
    bounds = range_bounds(sql, account.target, rows=10)
    for (low, high), here in zip(pairs(bounds), digests(sql, account.target, bounds), strict=True):
        there = told(rows, low, high)
        touched = change.external_id >= low and (high is None or change.external_id < high)
        assert (here != there) is touched
        assert here.same_versions(there) is not (touched and versions_differ)


def test_two_contents_that_were_swapped_show(account: RecordAccount, sql: psycopg.Connection) -> None:
    rows = {name: record(name, 1, value=value) for name, value in (("a", 1), ("b", 2))}
    account.merge(record("a", 1, value=2), record("b", 1, value=1))
    (here,) = digests(sql, account.target, [""])
    assert here.same_versions(told(rows))
    assert here != told(rows)


def test_stored_records_are_read_page_by_page(account: RecordAccount, sql: psycopg.Connection) -> None:
    rows = org(25)
    account.merge(*rows.values(), record("dead", 1, deleted=True))
    names, after = [], ""
    while page := held_page(sql, account.target, after=after, limit=10):
        names += [held.external_id for held in page]
        after = names[-1]
    assert names == sorted(rows)
    held = held_page(sql, account.target, after=names[4], before=names[6])
    assert [one.external_id for one in held] == [names[5]]
    one = rows[names[5]]
    assert (held[0].version, held[0].content_hash) == (
        one.version,
        content_hash(one.external_id, canonical(one.payload or {})),
    )


def compared(account: RecordAccount, *rows: tuple[str, int], low: str = "", high: str | None = None) -> Difference:
    with account.commit() as tx:
        return compare(tx, account.target, rows, low=low, high=high)


def test_a_comparison_names_what_is_missing_stale_and_too_much(account: RecordAccount) -> None:
    account.merge(*(record(name, 5) for name in ("same", "older", "newer", "extra")), record("dead", 5, deleted=True))
    found = compared(account, ("same", 5), ("older", 6), ("newer", 4), ("dead", 5), ("new", 1))
    assert found == Difference(missing=["dead", "new"], stale=["newer", "older"], surplus=["extra"])


def test_a_comparison_of_a_range_sees_nothing_outside_it(account: RecordAccount) -> None:
    account.merge(*(record(name, 1) for name in "abcdef"))
    assert compared(account, ("b", 1), ("c", 1), low="b", high="d") == Difference()
    assert compared(account, low="c", high="e") == Difference(surplus=["c", "d"])
    assert compared(account, ("f", 1), low="e") == Difference(surplus=["e"])


def test_a_comparison_of_a_range_told_twice_takes_the_newer(account: RecordAccount) -> None:
    account.merge(record("a", 2))
    assert compared(account, ("a", 2), ("a", 1)) == Difference()


def test_a_comparison_writes_nothing(account: RecordAccount, sql: psycopg.Connection) -> None:
    account.merge(record("a", 1))
    compared(account, ("a", 2), ("b", 2))
    assert account.versions() == {"a": 1}
    assert account.told() == [("added", "a")]
