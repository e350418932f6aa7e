"""`email.watch` in a real servant process, against a real IMAP server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.job_actions import cancel_jobs
from retinue import AsyncJob, Exponential, Outcome, ServantType, seconds, servant
from servants.email import watch as watching
from servants.email.watch import EmailWatch, Rhythm, Watch, watch_mailbox
from servants.runtime.process import ServantProcess
from tests.support.assertions import row_of, state_of
from tests.support.dovecot_server import QRESYNC, MailServer, run_dovecot
from tests.support.factories import add_account, add_servant, claim_jobs, queue_jobs
from tests.support.race import wait_until
from tests.support.runtime import House, LogLines, captured_logs, open_house
from tests.support.watched_inbox import MAIL, SYNC, WATCH, Inbox
from tests.support.wires import Wire, switchboard


@pytest.fixture(scope="module")
def dovecot(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    with run_dovecot(capability=getattr(request, "param", QRESYNC)) as made:
        yield made


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house


@pytest.fixture
def logs() -> Iterator[LogLines]:
    with captured_logs() as logs:
        yield logs


@pytest.fixture
def wire(dovecot: MailServer) -> Iterator[Wire]:
    with switchboard() as board:
        yield board.wire(dovecot.port)


@pytest.fixture
def inbox(house: House, dovecot: MailServer, sql: psycopg.Connection) -> Iterator[Inbox]:
    user = dovecot.user()
    with dovecot.client(user) as client:
        yield Inbox(house, dovecot, user, client, add_account(sql))


def watch_with(rhythm: Rhythm) -> ServantType[EmailWatch]:
    """The servant with another rhythm."""

    async def watch(job: AsyncJob[EmailWatch]) -> Outcome:
        return await Watch(job, await job.connection(job.payload.connection_id), rhythm).run()

    return servant(WATCH, slots=20, grace=seconds(3), lane="connection_id", lane_limit=1)(watch)


def start(house: House, logs: LogLines, inbox: Inbox, connection_id: int) -> tuple[ServantProcess, int]:
    """A watch that listens already; its process and its job."""
    process = house.start(watch_mailbox)
    job = inbox.watch(connection_id)
    logs.wait("idle_begun")
    return process, job


def test_new_mail_makes_an_urgent_sync_at_once(house: House, logs: LogLines, inbox: Inbox) -> None:
    connection_id = inbox.connect()
    start(house, logs, inbox, connection_id)
    assert inbox.syncs() == []
    began = time.monotonic()
    inbox.deliver()
    sync = inbox.await_sync()
    assert time.monotonic() - began < 2
    assert inbox.syncs() == [(sync, {"compare": False, "connection_id": connection_id}, 0, inbox.account_id)]


@pytest.mark.parametrize("change", ["flag", "expunge"])
def test_flags_and_expunges_do_as_well(house: House, logs: LogLines, inbox: Inbox, change: str) -> None:
    inbox.deliver()
    start(house, logs, inbox, inbox.connect())
    inbox.client.select("INBOX")
    inbox.client.store("1", "+FLAGS", "\\Deleted")
    if change == "expunge":
        inbox.client.expunge()
    assert inbox.await_sync()


def test_more_news_while_a_sync_waits_makes_no_other(house: House, logs: LogLines, inbox: Inbox) -> None:
    start(house, logs, inbox, inbox.connect())
    for count in range(1, 4):
        inbox.deliver()
        logs.wait("news_heard", count=count)
    assert [line["created"] for line in logs.all("news_heard")][:3] == [True, False, False]
    assert len(inbox.syncs()) == 1


def test_mail_that_comes_while_a_sync_runs_makes_another_after_it(
    house: House, logs: LogLines, inbox: Inbox, sql: psycopg.Connection
) -> None:
    start(house, logs, inbox, inbox.connect())
    inbox.deliver()
    first = inbox.await_sync()
    queue_jobs(sql, [first])
    claim_jobs(sql, [first], servant_id=add_servant(sql, SYNC), job_type=SYNC)
    inbox.deliver()
    second = inbox.await_sync(after=first)
    assert row_of(sql, first, "state::text") == ("running",)
    assert row_of(sql, second, "state::text") == ("pending",)


def test_what_came_before_the_watch_is_found_by_comparing(house: House, logs: LogLines, inbox: Inbox) -> None:
    connection_id = inbox.connect()
    inbox.deliver()
    start(house, logs, inbox, connection_id)
    assert len(inbox.syncs()) == 1


def test_a_mailbox_that_was_never_synced_is(house: House, logs: LogLines, inbox: Inbox) -> None:
    connection_id = inbox.connect()
    house.sql.execute("DELETE FROM mailboxes")
    start(house, logs, inbox, connection_id)
    assert len(inbox.syncs()) == 1


def test_a_broken_connection_is_made_anew_and_costs_no_attempt(
    house: House, logs: LogLines, inbox: Inbox, wire: Wire
) -> None:
    _, job = start(house, logs, inbox, inbox.connect(port=wire.port))
    wire.cut()
    logs.wait("watch_interrupted")
    inbox.deliver()
    assert inbox.syncs() == []
    wire.heal()
    assert inbox.await_sync()
    assert row_of(house.sql, job, "state::text, attempt, failures") == ("running", 1, 0)


def test_a_server_that_restarts_is_waited_for(
    house: House, logs: LogLines, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RECONNECT", Exponential(base=1, cap=1, floor=0.9))
    start(house, logs, inbox, inbox.connect())
    inbox.server.restart()
    logs.wait("idle_begun", count=2)
    with inbox.server.client(inbox.user) as client:
        client.append("INBOX", "", "", MAIL)
    assert inbox.await_sync()


def test_a_server_that_stays_away_opens_the_breaker(
    house: House, logs: LogLines, inbox: Inbox, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RECONNECT", Exponential(base=0.1, cap=0.1, floor=0.05))
    _, job = start(house, logs, inbox, inbox.connect(port=wire.port))
    wire.cut()
    house.wait_for("EXISTS (SELECT FROM lane_holds WHERE type = %s AND kind = 'breaker')", WATCH)
    house.wait_for("(SELECT state = 'pending' AND failures = 0 FROM jobs WHERE id = %s)", job)


def test_a_watch_that_cannot_connect_goes_back(
    house: House, logs: LogLines, inbox: Inbox, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a job that begins asks whether the connection is to be left alone."""
    monkeypatch.setattr(watching, "RECONNECT", Exponential(base=0.1, cap=0.1, floor=0.05))
    monkeypatch.setattr(watching, "MOST_FAILURES", 2)
    _, job = start(house, logs, inbox, inbox.connect(port=wire.port))
    wire.cut()
    house.wait_for("EXISTS (SELECT FROM job_events WHERE job_id = %s AND to_state = 'pending')", job)
    assert row_of(house.sql, job, "failures") == (0,)
    assert len(logs.all("watch_interrupted")) == 2


def test_idle_is_begun_again_before_the_server_loses_patience(
    house: House, logs: LogLines, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "IDLE_SECONDS", 0.1)
    start(house, logs, inbox, inbox.connect())
    logs.wait("idle_begun", count=4)
    assert inbox.syncs() == []
    inbox.deliver()
    assert inbox.await_sync()
    assert logs.all("watch_interrupted") == []


def test_a_watch_that_had_its_term_goes_on_in_another_attempt_without_a_gap(
    house: House, logs: LogLines, inbox: Inbox
) -> None:
    house.start(watch_with(Rhythm(term=0.5)))
    job = inbox.watch(inbox.connect())
    house.wait_for("(SELECT state = 'pending' FROM jobs WHERE id = %s)", job)
    assert row_of(house.sql, job, "reason::text, failures, run_at <= now()") == ("snooze", 0, True)
    inbox.deliver()
    assert inbox.syncs() == []
    house.dispatch()
    assert inbox.await_sync()


@pytest.mark.parametrize("dovecot", ["IMAP4rev1"], indirect=True)
def test_a_server_without_idle_is_asked_now_and_then(house: House, logs: LogLines, inbox: Inbox) -> None:
    house.start(watch_with(Rhythm(poll=0.05)))
    inbox.watch(inbox.connect())
    logs.wait("idle_missing")
    inbox.deliver()
    assert inbox.await_sync()
    assert len(logs.all("idle_missing")) == 1


def test_a_drain_hands_the_watch_back_at_once_and_signs_out(house: House, logs: LogLines, inbox: Inbox) -> None:
    process, job = start(house, logs, inbox, inbox.connect())
    began = time.monotonic()
    process.drain()
    assert time.monotonic() - began < 3
    assert row_of(house.sql, job, "state::text, reason::text, failures") == ("pending", "release", 0)
    assert_signed_out(inbox)


def test_a_watch_that_a_person_cancels_ends(house: House, logs: LogLines, inbox: Inbox) -> None:
    _, job = start(house, logs, inbox, inbox.connect())
    with house.sql.transaction():
        cancel_jobs(house.sql, [job])
    house.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s)", job)
    assert state_of(house.sql, job) == ("cancelled", "cancel")
    assert_signed_out(inbox)


def assert_signed_out(inbox: Inbox) -> None:
    """The server logs it when the connection is gone; the test's own session is open still."""
    wait_until(lambda: inbox.server.last_line_of(inbox.user) != "", "the server has not logged the session's end")
    assert "Logged out" in inbox.server.last_line_of(inbox.user)


def test_a_refused_sign_in_parks_the_lane(house: House, inbox: Inbox) -> None:
    house.start(watch_mailbox)
    job = inbox.watch(inbox.connect(credentials={"password": "wrong"}))
    house.wait_for("EXISTS (SELECT FROM incidents WHERE resolved_at IS NULL)")
    house.wait_for("(SELECT state = 'pending' AND failures = 0 FROM jobs WHERE id = %s)", job)


def test_a_token_that_is_refused_is_renewed(house: House, logs: LogLines, inbox: Inbox) -> None:
    oauth = inbox.server.oauth
    credentials = {
        "access_token": "revoked-meanwhile",
        "refresh_token": oauth.refresh_token(inbox.user.name),
        "token_url": oauth.token_url,
        "client_id": "retinue",
    }
    start(house, logs, inbox, inbox.connect(credentials=credentials))
    inbox.deliver()
    assert inbox.await_sync()
    assert house.sql.execute("SELECT count(*) FROM incidents").fetchone() == (0,)


def test_many_mailboxes_are_watched_in_one_thread(house: House, logs: LogLines, inbox: Inbox) -> None:
    connections = [inbox.connect() for _ in range(30)]
    house.start(watch_mailbox)
    for connection_id in connections:
        inbox.watch(connection_id)
    logs.wait("idle_begun", count=30)
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("event-loop")]) == 1
    inbox.deliver()
    house.wait_for("(SELECT count(*) FROM jobs WHERE type = 'email.sync') = 30")
    assert {payload["connection_id"] for _, payload, _, _ in inbox.syncs()} == set(connections)
