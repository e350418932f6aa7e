"""The first sync of a mailbox's connection: recent weeks, then history by chunks, then a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.postgres.groups import cancel_groups, list_groups
from retinue.errors import TransientError
from retinue.job import Commit, Job
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email import onboarding
from servants.email.backfill import backfill
from servants.email.pages import OnPage, sync_range
from servants.email.sync import sync_email
from tests.support.dovecot_server import CONDSTORE, PLAIN, QRESYNC, run_dovecot
from tests.support.mail_import import OLD, RECENT, Customer, new_customer
from tests.support.mail_server import LocalMailServer

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


on_every_server = pytest.mark.parametrize(
    "server", [QRESYNC, CONDSTORE, PLAIN], ids=["qresync", "condstore", "plain"], indirect=True
)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[LocalMailServer]:
    with run_dovecot(capability=getattr(request, "param", QRESYNC)) as server:
        yield server


@pytest.fixture
def customer(
    retinue_database: RetinueDatabase, server: LocalMailServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Customer]:
    monkeypatch.setattr(onboarding, "CHUNK_MESSAGES", 10)
    with new_customer(retinue_database, server) as customer:
        yield customer


@pytest.fixture
def filled(customer: Customer) -> Customer:
    """25 old and 5 recent messages in INBOX, 3 recent and 12 old ones in Sent."""
    customer.deliver("INBOX", *[OLD] * 25, *[RECENT] * 5)
    customer.client.create("Sent")
    customer.deliver("Sent", *[RECENT] * 3, *[OLD] * 12)
    return customer


def test_recent_weeks_come_first_and_the_history_is_left_to_a_group(filled: Customer) -> None:
    ran = filled.sync()
    assert (ran.state, ran.result) == ("completed", {"messages": 45, "left": 37, "jobs": 5})
    assert filled.placed() == {"INBOX": 5, "Sent": 3}
    (group,) = list_groups(filled.database.sql)
    assert (group.name, group.state, group.total, group.follow_up_type) == ("mail history", "running", 5, "email.sync")
    progress = filled.progress
    assert (progress.total, progress.done, progress.percent, progress.group_id) == (45, 8, 17, group.id)
    assert progress.recent_at is not None
    assert progress.finished_at is None


def test_chunks_hold_equal_numbers_the_newest_of_every_mailbox_first(filled: Customer) -> None:
    filled.sync()
    chunks = [(one["first"], one["last"], one["messages"]) for one in filled.chunks()]
    assert chunks == [(16, 25, 10), (6, 15, 10), (6, 15, 10), (4, 5, 2), (1, 5, 5)]


@on_every_server
def test_at_the_end_everything_is_there_and_was_compared(filled: Customer) -> None:
    filled.sync()
    drained = filled.drain()
    assert (len(drained.completed), drained.failed, drained.raised) == (6, [], [])
    assert filled.differences() == []
    progress = filled.progress
    assert (progress.done, progress.percent, progress.left) == (45, 100, None)
    (group,) = list_groups(filled.database.sql)
    assert (group.state, group.completed) == ("completed", 5)
    compared = filled.database.sql.execute("SELECT bool_and(compared_at IS NOT NULL) FROM mailboxes WHERE selectable")
    assert compared.fetchone() == (True,)


@pytest.mark.parametrize("commits", range(1, 8))
def test_a_first_sync_that_is_cut_off_anywhere_goes_on_and_fans_out_once(filled: Customer, commits: int) -> None:
    filled.cut_off(sync_email, {"connection_id": filled.connection_id}, commits=commits)
    drained = filled.drain()
    assert (drained.failed, drained.raised) == ([], [])
    assert filled.differences() == []
    groups = list_groups(filled.database.sql)
    assert [(group.state, group.total) for group in groups] == [("completed", 5)]
    assert (filled.progress.done, filled.progress.total) == (45, 45)


def test_a_backfill_that_fails_on_its_way_counts_nothing_twice(
    filled: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servants.email.pages.PAGE_MESSAGES", 4)
    broken: set[int] = set()

    def failing(job: Job[Any], *given: Any, on_page: OnPage, **more: Any) -> Counter[str]:
        pages = 0

        def fail_at_the_second(tx: Commit, count: int) -> None:
            nonlocal pages
            pages += 1
            on_page(tx, count)
            if pages == 2 and job.id not in broken:
                broken.add(job.id)
                raise TransientError("the server went away")

        return sync_range(job, *given, on_page=fail_at_the_second, **more)

    monkeypatch.setattr("servants.email.backfill.sync_range", failing)
    filled.sync()
    drained = filled.drain(passing=timedelta(hours=1))
    assert (len(broken), drained.failed) == (4, [])
    assert filled.progress.done == 45
    assert filled.differences() == []


@on_every_server
def test_a_sync_in_between_follows_what_changes_and_leaves_the_history_alone(filled: Customer) -> None:
    filled.sync()
    filled.deliver("INBOX", RECENT)
    filled.client.select("INBOX")
    filled.client.uid("STORE", "3", "+FLAGS", "(\\Flagged)")
    filled.client.uid("STORE", "28", "+FLAGS", "(\\Seen)")
    filled.client.uid("STORE", "4,29", "+FLAGS", "(\\Deleted)")
    filled.client.expunge()
    ran = filled.sync()
    assert ran.state == "completed", ran
    assert filled.placed() == {"INBOX": 5, "Sent": 3}
    assert len(filled.chunks()) == 5
    filled.drain()
    assert filled.differences() == []


@on_every_server
def test_a_mailbox_that_is_renumbered_meanwhile(filled: Customer) -> None:
    renumber = filled.server.uid_validity_of(filled.user)
    assert renumber is not None
    filled.sync()
    renumber("INBOX", 77)
    (chunk,) = [one for one in filled.chunks() if one["first"] == 16]
    assert filled.run(backfill, chunk).result == {"stale": True}
    drained = filled.drain()
    assert (drained.failed, drained.raised) == ([], [])
    assert filled.differences() == []
    assert filled.progress.percent == 100


@pytest.mark.parametrize("synced", [True, False], ids=["known", "unknown"])
def test_a_mailbox_that_is_renamed_or_deleted_meanwhile(filled: Customer, synced: bool) -> None:
    filled.client.create("Projects")
    filled.deliver("Projects", *[OLD] * 15)
    filled.sync()
    filled.client.rename("Projects", "Done")
    filled.client.delete("Sent")
    if synced:
        filled.sync()
    drained = filled.drain()
    assert (drained.failed, drained.raised) == ([], [])
    assert filled.differences() == []
    assert filled.progress.percent == 100


def test_a_cancelled_history_is_brought_by_the_next_comparison(filled: Customer) -> None:
    filled.sync()
    with filled.database.sql.transaction():
        cancel_groups(filled.database.sql, [group.id for group in list_groups(filled.database.sql)], reason="a person")
    filled.drain()
    filled.sync()
    assert filled.differences() == []


def test_an_empty_mailbox_is_done_at_once(customer: Customer) -> None:
    assert customer.sync().result == {"messages": 0, "left": 0, "jobs": 0}
    drained = customer.drain()
    assert len(drained.completed) == 1
    assert customer.progress.percent == 100


def test_no_more_than_a_share_of_recent_mail_comes_first(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onboarding, "RECENT_MESSAGES", 4)
    customer.deliver("INBOX", *[RECENT] * 9)
    customer.sync()
    assert customer.placed() == {"INBOX": 4}
    assert [(one["first"], one["last"]) for one in customer.chunks()] == [(1, 5)]


def test_recent_mail_that_takes_too_long_is_history(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onboarding, "RECENT_SECONDS", 0)
    customer.deliver("INBOX", *[RECENT] * 3)
    assert customer.sync().result == {"messages": 3, "left": 3, "jobs": 1}
    customer.drain()
    assert customer.differences() == []
