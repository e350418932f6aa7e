"""How far an import is, and how long it may still take."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from infra.postgres import imports
from infra.postgres.groups import enqueue_group
from infra.postgres.imports import Import, Kind, Stage, progress_words
from tests.support.factories import add_account

EMAIL = Kind.EMAIL


@pytest.fixture
def connection_id(sql: psycopg.Connection) -> int:
    account = add_account(sql)
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'imap', 'main', '{}', '') RETURNING id",
        (account,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def begin(sql: psycopg.Connection, connection_id: int, *, total: int, done: int = 0) -> None:
    account = sql.execute("SELECT account_id FROM connections WHERE id = %s", (connection_id,)).fetchall()[0][0]
    imports.begin_import(sql, connection_id=connection_id, account_id=account, kind=EMAIL, total=total, done=done)


def found(sql: psycopg.Connection, connection_id: int) -> Import:
    return imports.imports_of(sql, [connection_id])[connection_id]


def pass_time(sql: psycopg.Connection, by: timedelta) -> None:
    """Let everything that was noted have been noted so much earlier."""
    sql.execute(
        "UPDATE imports SET started_at = started_at - %(by)s, mark_at = mark_at - %(by)s,"
        " next_mark_at = next_mark_at - %(by)s, advanced_at = advanced_at - %(by)s",
        {"by": by},
    )


def test_a_connection_without_an_import(sql: psycopg.Connection, connection_id: int) -> None:
    assert imports.imports_of(sql, [connection_id]) == {}
    assert imports.stage_of(sql, connection_id, EMAIL) is Stage.RECENT
    assert imports.is_unstarted(sql, connection_id, EMAIL)
    assert progress_words(None) == ""
    # What has no import is neither advanced nor finished.
    imports.add_done(sql, connection_id, EMAIL, 5)
    imports.finish_import(sql, connection_id, EMAIL)
    assert imports.imports_of(sql, [connection_id]) == {}


def test_from_its_beginning_to_its_end(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=300)
    imports.add_done(sql, connection_id, EMAIL, 30)
    assert progress_words(found(sql, connection_id)) == "10 %, recent weeks first"
    # Before the recent weeks are in, nothing can have been compared.
    imports.finish_import(sql, connection_id, EMAIL)
    assert found(sql, connection_id).finished_at is None
    imports.note_recent(sql, connection_id, EMAIL)
    assert progress_words(found(sql, connection_id)) == "10 %"
    imports.finish_import(sql, connection_id, EMAIL)
    finished = found(sql, connection_id)
    assert (finished.percent, finished.left, progress_words(finished)) == (100, None, "")
    imports.add_done(sql, connection_id, EMAIL, 30)
    begin(sql, connection_id, total=1)
    assert found(sql, connection_id) == finished


def test_it_is_never_said_to_be_done_before_it_was_compared(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=10)
    imports.add_done(sql, connection_id, EMAIL, 12)
    assert found(sql, connection_id).percent == 99


def test_nothing_to_read_is_no_division_by_nothing(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=0)
    assert (found(sql, connection_id).percent, found(sql, connection_id).left) == (0, None)


def test_one_that_begins_again_is_corrected(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=10)
    imports.add_done(sql, connection_id, EMAIL, 4)
    begin(sql, connection_id, total=20, done=3)
    assert (found(sql, connection_id).total, found(sql, connection_id).done) == (20, 3)


def test_no_estimate_at_the_beginning(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=1000)
    assert found(sql, connection_id).left is None
    pass_time(sql, timedelta(seconds=5))
    imports.add_done(sql, connection_id, EMAIL, 100)
    assert found(sql, connection_id).left is None


def test_the_estimate_goes_by_the_rate_so_far(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=1000)
    imports.note_recent(sql, connection_id, EMAIL)
    pass_time(sql, timedelta(seconds=60))
    imports.add_done(sql, connection_id, EMAIL, 100)
    left = found(sql, connection_id).left
    assert left is not None
    assert left.total_seconds() == pytest.approx(540, rel=0.05)
    assert progress_words(found(sql, connection_id)) == "10 %, about 9 min left"


def test_the_estimate_follows_the_last_minutes(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=100_000)
    # Ten slow minutes, then three fast ones.
    for _ in range(10):
        pass_time(sql, timedelta(seconds=61))
        imports.add_done(sql, connection_id, EMAIL, 61)
    slow = found(sql, connection_id).left
    for _ in range(3):
        pass_time(sql, timedelta(seconds=61))
        imports.add_done(sql, connection_id, EMAIL, 6100)
    fast = found(sql, connection_id).left
    assert slow is not None
    assert fast is not None
    assert slow.total_seconds() == pytest.approx(99_390, rel=0.05)
    assert fast.total_seconds() == pytest.approx((100_000 - 610 - 18_300) / 100, rel=0.05)


def test_no_estimate_where_nothing_comes_any_more(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=1000)
    pass_time(sql, timedelta(seconds=60))
    imports.add_done(sql, connection_id, EMAIL, 100)
    pass_time(sql, timedelta(seconds=301))
    assert found(sql, connection_id).left is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "1 min"), (89, "1 min"), (95, "2 min"), (3600, "60 min"), (7300, "2 h")]
)
def test_an_estimate_is_told_no_more_exactly_than_it_is(
    sql: psycopg.Connection, connection_id: int, seconds: int, words: str
) -> None:
    begin(sql, connection_id, total=100 + seconds)
    imports.note_recent(sql, connection_id, EMAIL)
    pass_time(sql, timedelta(seconds=100))
    imports.add_done(sql, connection_id, EMAIL, 100)
    assert progress_words(found(sql, connection_id)).endswith(f", about {words} left")


def test_it_is_history_for_as_long_as_its_group_has_not_ended(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=10)
    with sql.transaction():
        group = enqueue_group(sql, name="history")
        imports.note_recent(sql, connection_id, EMAIL, group_id=group.id)
    assert imports.stage_of(sql, connection_id, EMAIL) is Stage.HISTORY
    sql.execute("UPDATE job_groups SET finished_at = now(), outcome = 'completed'")
    assert imports.stage_of(sql, connection_id, EMAIL) is Stage.OVER
    assert not imports.is_unstarted(sql, connection_id, EMAIL)


def test_one_that_needs_no_group_is_over_with_its_recent_weeks(sql: psycopg.Connection, connection_id: int) -> None:
    begin(sql, connection_id, total=10)
    imports.note_recent(sql, connection_id, EMAIL)
    assert imports.stage_of(sql, connection_id, EMAIL) is Stage.OVER
