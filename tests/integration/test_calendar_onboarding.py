"""The first sync of a CalDAV connection: what takes place about now comes first, in every calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.imports import Import, imports_of
from retinue.errors import JobCancelled, TransientError
from servants.calendar.faults import ServerFailed
from servants.calendar.follow import Follower, Pair
from tests.support.calendar_job import CalendarAccount, account
from tests.support.radicale_server import Hand, RadicaleServer, radicale

__all__ = ["account", "radicale"]


@pytest.fixture
def hand(radicale: RadicaleServer) -> Hand:
    hand = radicale.hand()
    for slug in ("home", "work"):
        events = [event(f"{slug}-now-{n}", days=n) for n in range(3)]
        hand.upload_calendar(slug, events + [event(f"{slug}-old-{n}", days=-400 - n) for n in range(7)])
    return hand


def event(uid: str, *, days: int) -> str:
    """An hour's event, so many days from now."""
    start = datetime.now(UTC) + timedelta(days=days)
    return (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VEVENT\n"
        f"UID:{uid}\nDTSTAMP:20261101T000000Z\nDTSTART:{start:%Y%m%dT%H%M%SZ}\nDURATION:PT1H\nSUMMARY:{uid}\n"
        "END:VEVENT\nEND:VCALENDAR\n"
    )


def uids(sql: psycopg.Connection) -> set[str]:
    return {row[0] for row in sql.execute("SELECT uid FROM calendar_events WHERE deleted_at IS NULL")}


def progress(sql: psycopg.Connection, account: CalendarAccount) -> Import:
    (found,) = imports_of(sql, [account.connection_value.id]).values()
    return found


def stop_after_the_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the job be stopped where all the rest would begin."""

    def stop(self: Follower, *, believe_empty: bool) -> None:
        raise JobCancelled

    monkeypatch.setattr(Follower, "bring_in_step", stop)


def test_what_is_about_now_comes_first_in_every_calendar(
    account: CalendarAccount, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after_the_recent(patch)
        with pytest.raises(JobCancelled):
            account.sync()
    assert uids(sql) == {f"{slug}-now-{n}" for slug in ("home", "work") for n in range(3)}
    begun = progress(sql, account)
    assert (begun.total, begun.done, begun.finished_at) == (6, 6, None)
    assert begun.recent_at is not None

    assert account.sync()["created"] == 14
    assert len(uids(sql)) == 20
    finished = progress(sql, account)
    assert (finished.total, finished.done, finished.percent) == (14, 14, 100)


def test_a_first_sync_is_finished_by_itself_and_counted(account: CalendarAccount, sql: psycopg.Connection) -> None:
    account.sync()
    finished = progress(sql, account)
    assert (finished.total, finished.done, finished.percent, finished.left) == (20, 20, 100, None)
    account.sync()
    assert progress(sql, account) == finished


def test_what_is_only_recent_does_not_finish_it(account: CalendarAccount, sql: psycopg.Connection) -> None:
    assert account.sync(recent_only=True)["created"] == 6
    assert progress(sql, account).finished_at is None
    assert account.sync()["created"] == 14
    assert progress(sql, account).percent == 100


def test_a_calendar_that_fails_keeps_it_unfinished_and_the_others_are_there(
    account: CalendarAccount, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Follower.bring_in_step

    def fail_at_home(self: Follower, *, believe_empty: bool) -> None:
        pair: Pair = self._pair
        if pair.remote.url.endswith("/home/"):
            raise ServerFailed("no luck")
        real(self, believe_empty=believe_empty)

    with monkeypatch.context() as patch:
        patch.setattr(Follower, "bring_in_step", fail_at_home)
        with pytest.raises(TransientError):
            account.sync()
    assert len(uids(sql)) == 3 + 10
    assert progress(sql, account).finished_at is None
    account.sync()
    assert progress(sql, account).percent == 100
