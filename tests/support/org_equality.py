"""Whether the database is what an org is, and whether its feed leads to the same state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.postgres.record_feed import Change, read_changes
from retinue.testing import RetinueDatabase
from tests.support.salesforce_customer import OrgCustomer

_GONE = "SELECT external_id FROM records WHERE connection_id = %s AND kind = %s AND deleted_at IS NOT NULL"

_CALCULATED = "SELECT name FROM salesforce_fields WHERE connection_id = %s AND object = %s AND calculated"


class Consumer:
    """Reads an account's feed by a cursor of its own, and keeps the records that live by what it tells."""

    def __init__(self, database: RetinueDatabase, account_id: int) -> None:
        self.records: dict[tuple[str, str], dict[str, Any] | None] = {}
        #: Every record that ever lived.
        self.seen: set[tuple[str, str]] = set()
        self._sql = database.sql
        self._account_id = account_id
        self._position = 0

    def catch_up(self) -> None:
        """Read what came since."""
        while changes := read_changes(self._sql, self._account_id, after=self._position):
            for change in changes:
                self._take(change)
            self._position = changes[-1].position

    def _take(self, change: Change) -> None:
        key = (change.kind, change.external_id)
        is_there = key in self.records
        assert is_there is (change.change != "added"), f"{change.position}: {change.change} {key}"
        if change.change == "deleted":
            del self.records[key]
        else:
            self.records[key] = change.payload
            self.seen.add(key)

    def assert_equal(self, customer: OrgCustomer, names: Iterable[str]) -> None:
        """The feed has told of exactly the records there are, and of what they are."""
        for name in names:
            told = {external_id: payload for (kind, external_id), payload in self.records.items() if kind == name}
            stored = customer.stored(name)
            assert told.keys() == stored.keys(), f"feed of {name}: {told.keys() ^ stored.keys()}"
            assert told == stored, f"feed of {name}"


def assert_followed(customer: OrgCustomer, name: str, *, excused: Iterable[str]) -> int:
    """What increments alone have to bring is there; how many records only a comparison can find to be gone.

    That is all but calculated fields, and the deletion of what is `excused`.
    """
    stored, expected = customer.stored(name), customer.expected(name)
    calculated = {row[0] for row in customer.database.sql.execute(_CALCULATED, (customer.connection_id, name))}
    assert expected.keys() <= stored.keys(), f"{name} lacks {sorted(expected.keys() - stored.keys())[:5]}"
    surplus = stored.keys() - expected.keys()
    assert surplus <= set(excused), f"{name} still has {sorted(surplus - set(excused))[:5]}"
    for external_id, row in expected.items():
        differ = [field for field in row.keys() - calculated if stored[external_id].get(field) != row[field]]
        assert not differ, f"{name} {external_id}: {differ}"
    return len(surplus)


def assert_tombstones(customer: OrgCustomer, consumer: Consumer, name: str) -> None:
    """What is marked as deleted is not in the org, and what was stored and is not in the org is marked."""
    rows = customer.database.sql.execute(_GONE, (customer.connection_id, name))
    gone, expected = {row[0] for row in rows}, customer.expected(name)
    seen = {external_id for kind, external_id in consumer.seen if kind == name}
    assert not gone & expected.keys(), f"{name}: deleted here, not there: {gone & expected.keys()}"
    assert seen - expected.keys() <= gone, f"{name}: {seen - expected.keys() - gone} left no tombstone"
