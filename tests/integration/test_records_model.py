"""Whatever the order in which readings of a record arrive, and however often: its newest state is what stays."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.postgres.connect import Database
from infra.postgres.record_feed import feed_position
from infra.postgres.record_values import NewRecord, values_of
from tests.support.stored_records import RecordAccount, record, record_account

_NAMES = count()

#: What happens to a record between two readings. A deletion that only its absence tells of has no version.
STEPS = st.lists(st.sampled_from(["edit", "edit within the second", "delete", "vanish"]), min_size=1, max_size=7)


def readings(name: str, steps: list[str]) -> list[NewRecord]:
    """The record as it is read after each step; each live state is told from all others."""
    version, told = 1, [record(name, 1, state=0)]
    for number, step in enumerate(steps, start=1):
        lives = told[-1].deleted_at is None
        # What is deleted already can only come back, by an undelete that stamps it anew.
        version += step != "edit within the second" or not lives
        if lives and step in ("delete", "vanish"):
            told.append(record(name, version if step == "delete" else None, deleted=True))
        else:
            told.append(record(name, version, state=number))
    return told


@pytest.fixture
def account(database: Database) -> RecordAccount:
    return record_account(database)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, data=st.data())
def test_readings_in_any_order_lead_to_the_newest_state(
    account: RecordAccount, steps: list[str], data: st.DataObject
) -> None:
    name = f"{next(_NAMES):06}"
    told = readings(name, steps)
    order: list[int] = data.draw(st.permutations(range(len(told))))
    again: list[int] = data.draw(st.lists(st.sampled_from(range(len(told))), max_size=3))
    after = position(account)

    for place in [*order, *again]:
        account.merge(told[place], observed=place)

    last = told[-1]
    assert account.live().get(name) == (None if last.deleted_at else values_of(last.payload or {}))
    assert_told_sensibly(account, after, lives=last.deleted_at is None)


def test_absence_that_is_seen_of_a_deleted_record_counts(account: RecordAccount) -> None:
    """It was undeleted and vanished for good before we knew of either."""
    for observed, told in ((1, record("x", 2, deleted=True)), (3, record("x", None, deleted=True))):
        account.merge(told, observed=observed)
    account.merge(record("x", 3, state=2), observed=2)
    assert account.live() == {}
    account.merge(record("x", None, deleted=True), observed=5)
    account.merge(record("x", 4, state=3), observed=4)
    assert account.live() == {}
    account.merge(record("x", 5, state=4), observed=6)
    assert account.live() == {"x": {"state": 4}}


def position(account: RecordAccount) -> int:
    with account.database.transaction() as connection:
        return feed_position(connection, account.connection.account_id)


def assert_told_sensibly(account: RecordAccount, after: int, *, lives: bool) -> None:
    """Added first, updated and deleted only while it lived, and left as it is."""
    living = False
    for change, _ in account.told(after=after):
        assert living is (change != "added")
        living = change != "deleted"
    assert living is lives


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_of_one_page_the_highest_version_stays(account: RecordAccount, versions: list[int]) -> None:
    name = f"{next(_NAMES):06}"
    account.merge(*(record(name, version, place=place) for place, version in enumerate(versions)))
    newest = max(range(len(versions)), key=lambda place: (versions[place], place))
    assert account.live()[name] == {"place": newest}
