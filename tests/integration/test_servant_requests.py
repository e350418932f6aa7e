"""What operators ask of one servant: to drain and rest, or to leave and be started anew. Threads and coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.process_exits import ExitKind, NewExit, list_exits, note_exit
from infra.postgres.servants import find_servant, list_servants, request_servant
from infra.postgres.statements import statement
from retinue import AsyncJob, Completed, Job, Outcome, ServantType, servant
from retinue.errors import NotAllowed, NotFound
from retinue.servant_requests import ServantRequest
from servants.runtime.process import ServantProcess
from tests.support.assertions import assert_consistent, row_of, state_of
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_servant
from tests.support.plans import explain
from tests.support.race import DEADLINE_SECONDS, in_background
from tests.support.runtime import TYPE, House, Say, kind_of, open_house

__all__ = ["bare_environment", "retinue"]

DRAIN, RESTART = ServantRequest.DRAIN, ServantRequest.RESTART


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


class Held:
    """A type whose jobs end when they are let go."""

    def __init__(self, house: House, *, is_async: bool) -> None:
        self.gate = house.gate()
        self._begun = threading.Event()
        self.kind: ServantType[Say] = self._async() if is_async else kind_of(self._handle)

    def await_entry(self) -> None:
        if self.kind.is_async:
            assert self._begun.wait(DEADLINE_SECONDS)
        else:
            self.gate.await_entry()

    def let_go(self) -> None:
        if self.kind.is_async:
            self._loop.call_soon_threadsafe(self._let_go_there.set)
        else:
            self.gate.open()

    def _handle(self, job: Job[Say]) -> Outcome:
        self.gate(job)
        return Completed()

    def _async(self) -> ServantType[Say]:
        async def handle(job: AsyncJob[Say]) -> Outcome:
            # In its process's own loop, which a test's thread may only call into.
            self._let_go_there = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            self._begun.set()
            await self._let_go_there.wait()
            return Completed()

        return servant(TYPE, slots=2)(handle)


def serve(process: ServantProcess) -> None:
    """What `run` does after its start, without its signal handlers, which belong to the main thread."""
    assert process.wait_until_asked(DEADLINE_SECONDS)
    process.drain()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_drained_servant_finishes_its_job_takes_none_and_rests_until_it_is_restarted(
    house: House, is_async: bool
) -> None:
    held = Held(house, is_async=is_async)
    process = house.start(held.kind)
    (job,) = house.run()
    held.await_entry()
    with in_background(lambda: serve(process)) as ended:
        request_servant(house.sql, process.id, DRAIN)
        house.wait_for("state = 'draining' FROM servants")
        (late,) = house.add()
        assert house.dispatch() == 0
        assert state_of(house.sql, job) == ("running", "claim")
        held.let_go()
        house.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s AND state = 'completed')", job)
        house.wait_for("busy = 0 FROM servants")
        line = find_servant(house.sql, process.id)
        assert (line.state, line.is_resting) == ("draining", True)
        assert not ended.done()
        request_servant(house.sql, process.id, RESTART)
    assert find_servant(house.sql, process.id).state == "stopped"
    assert state_of(house.sql, late) == ("pending", "enqueue")
    assert process.exit_code == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_a_restarted_servant_hands_back_what_its_grace_is_too_short_for(house: House, is_async: bool) -> None:
    held = Held(house, is_async=is_async)
    process = house.start(held.kind, drain_grace_seconds=0)
    (job,) = house.run()
    held.await_entry()
    with in_background(lambda: serve(process)):
        request_servant(house.sql, process.id, RESTART)
        held_back = "state = 'pending' AND reason = 'release' AND failures = 0 FROM jobs WHERE id = %s"
        if not is_async:
            house.wait_for(held_back, job)
            held.let_go()
    assert row_of(house.sql, job, "state::text, failures") == ("pending", 0)
    assert find_servant(house.sql, process.id).state == "stopped"


def test_a_request_is_told_once_and_renews_leases_all_the_same(house: House) -> None:
    held = Held(house, is_async=False)
    process = house.start(held.kind)
    (job,) = house.run()
    held.await_entry()
    request_servant(house.sql, process.id, DRAIN)
    assert process.wait_until_asked(0.3) is False
    house.sql.execute("UPDATE jobs SET lease_until = now() + interval '1 s'")
    house.wait_for("lease_until > now() + interval '5 s' FROM jobs WHERE id = %s", job)
    assert process._asks.take(0) is None
    held.let_go()
    process.drain()


@pytest.mark.parametrize("state", ["stopped", "lost"])
def test_what_has_ended_is_asked_nothing(sql: psycopg.Connection, state: str) -> None:
    gone = add_servant(sql)
    sql.execute("UPDATE servants SET state = %s", (state,))
    with pytest.raises(NotAllowed, match=f"has ended already: it is {state}"):
        request_servant(sql, gone, DRAIN)


def test_who_is_not_there_is_asked_nothing(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match="There is no servant 4711"):
        request_servant(sql, 4711, RESTART)


def test_nothing_is_asked_twice_and_a_restart_comes_after_a_drain(sql: psycopg.Connection) -> None:
    servant_id = add_servant(sql)
    request_servant(sql, servant_id, DRAIN)
    with pytest.raises(NotAllowed, match="asked to drain already"):
        request_servant(sql, servant_id, DRAIN)
    request_servant(sql, servant_id, RESTART)
    for request in (DRAIN, RESTART):
        with pytest.raises(NotAllowed, match="asked to restart already"):
            request_servant(sql, servant_id, request)


def _supervised(sql: psycopg.Connection, pid: int) -> int:
    here = {"type": "a.sync", "host": "box", "pid": pid, "process": "servant-a-sync", "version": "1", "slots": 2}
    return int(sql.execute(statement("register_servant"), here).fetchall()[0][0])


def killed(pid: int) -> NewExit:
    name = "servant-a-sync"
    return NewExit(host="box", program=name, process=name, kind=ExitKind.EXITED, pid=pid, signal="SIGKILL")


def test_a_noted_exit_shows_with_the_process_that_was_started_in_its_place(sql: psycopg.Connection) -> None:
    first = _supervised(sql, 10)
    assert note_exit(sql, killed(10)) == first
    second = _supervised(sql, 11)

    (line,) = list_servants(sql)

    assert (line.id, line.exits, line.last_exit) == (second, 1, "killed by SIGKILL")
    assert find_servant(sql, first).state == "lost"
    (noted,) = list_exits(sql, host="box", process="servant-a-sync")
    assert (noted.servant_id, noted.signal, noted.exit_status) == (first, "SIGKILL", None)


def test_a_servant_that_stopped_by_its_own_word_is_not_lost(sql: psycopg.Connection) -> None:
    stopped = _supervised(sql, 10)
    sql.execute(statement("stop_servant"), {"servant_id": stopped})
    assert note_exit(sql, killed(10)) == stopped
    assert find_servant(sql, stopped).state == "stopped"


def test_an_older_process_of_the_same_number_is_left_alone(sql: psycopg.Connection) -> None:
    older, newer = _supervised(sql, 10), _supervised(sql, 10)
    assert note_exit(sql, killed(10)) == newer
    assert find_servant(sql, older).state == "active"


def test_a_process_that_ends_all_the_time_is_counted_no_further_than_a_thousand(sql: psycopg.Connection) -> None:
    _supervised(sql, 10)
    sql.execute(
        "INSERT INTO process_exits (host, program, process, kind, exit_status, at)"
        " SELECT 'box', 'servant-a-sync', 'servant-a-sync', 'exited', 1, now() - n * interval '1 s'"
        " FROM generate_series(1, 20000) AS n"
    )
    sql.execute("ANALYZE")
    params = {"type": None, "servant_id": None, "ended": False, "lost_shown_seconds": 0, "exit_limit": 1000}
    reads = explain(sql, "list_servants", params | {"limit": 10})
    assert sum(read.rows for read in reads if read.table == "process_exits") <= 1010
    assert list_servants(sql)[0].exits == 1000


def test_alive_but_silent(sql: psycopg.Connection) -> None:
    servant_id = add_servant(sql, slots=2)

    def is_silent(change: str) -> bool:
        sql.execute(f"UPDATE servants SET {change}".encode())  # noqa: S608 - from the lines below
        return find_servant(sql, servant_id).is_silent(30)

    assert not is_silent("received_at = NULL")
    assert not is_silent("received_at = now() - interval '50 s'")
    assert is_silent("received_at = now() - interval '70 s'")
    assert not is_silent("busy = 2")
    assert is_silent("busy = 1")
    assert not is_silent("heartbeat_at = now() - interval '31 s'")


def test_the_command_line_drains_and_restarts(retinue: CommandLine, sql: psycopg.Connection) -> None:
    by_hand, supervised = add_servant(sql), _supervised(sql, 10)

    said = retinue.say("servants", "drain", by_hand)
    assert f"Servant {by_hand} (system.echo) is asked to drain" in said
    assert "nothing starts it anew" in said
    assert retinue.json("servants", "restart", supervised)["request"] == "restart"
    assert "asked to restart already" in retinue.refusal("servants", "drain", supervised, exit_code=1)
    assert "There is no servant 4711" in retinue.refusal("servants", "drain", 4711, exit_code=1)
