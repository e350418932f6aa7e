"""Dispatch: lanes, limits, priority, shares, room, faults of the queue, and wakes that must not be lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.queues.memory import MemoryQueues
from infra.queues.transport import QueueUnreachable, SendResult
from retinue.outcomes import Completed, Fail, Park, Retry
from scheduler.dispatch import Dispatch
from scheduler.room import AHEAD_SECONDS, Room
from tests.support.assertions import assert_consistent, assert_due_jobs_are_in_sight, events_of, row_of, states
from tests.support.factories import (
    ECHO,
    add_jobs,
    add_servant,
    add_type,
    claim_jobs,
    received_ids,
    settle_one,
)
from tests.support.lanes import fold, holds, pause, resume, turn_of
from tests.support.race import in_background, together, wait_until_blocked

OTHER = "system.sleep"


@pytest.fixture
def queues() -> MemoryQueues:
    return MemoryQueues()


@pytest.fixture
def dispatch(database: Database, queues: MemoryQueues) -> Dispatch:
    return Dispatch(database, queues, alive_seconds=30)


def run_until_idle(dispatch: Dispatch) -> int:
    """Passes as the loop would make them while there is something to do; how many jobs went out."""
    sent = 0
    for _ in range(100):
        result = dispatch.run_once()
        sent += result.done
        if result.done == 0:
            return sent
    raise AssertionError("dispatch never came to rest")


def due_now(sql: psycopg.Connection) -> None:
    """Let the turn of every lane come, as the clock does a moment later."""
    sql.execute("UPDATE lanes SET due_at = least(due_at, now())")


def test_due_jobs_go_to_their_types_queue(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    add_servant(sql)
    add_servant(sql, OTHER)
    echoes, sleeps = add_jobs(sql, 3), add_jobs(sql, 2, job_type=OTHER)
    assert dispatch.run_once().done == 5
    assert sorted(received_ids(queues)) == echoes
    assert sorted(received_ids(queues, OTHER)) == sleeps
    assert states(sql) == {"queued": 5}
    assert row_of(sql, echoes[0], "state, reason, queued_at IS NOT NULL") == ("queued", "dispatch", True)


def test_nothing_goes_out_twice(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    add_servant(sql)
    ids = add_jobs(sql, 5)
    assert run_until_idle(dispatch) == 5
    assert dispatch.run_once().done == 0
    assert sorted(received_ids(queues)) == ids


def test_an_idle_pass_asks_for_no_other_one(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    result = dispatch.run_once()
    assert (result.done, result.again_after) == (0, None)


def test_a_pass_that_found_the_servants_busy_looks_again_before_they_run_dry(
    sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    add_servant(sql, slots=2)
    add_jobs(sql, 50)
    run_until_idle(dispatch)
    again_after = dispatch.run_once().again_after
    assert again_after is not None
    assert 0 < again_after < AHEAD_SECONDS


def test_a_type_without_a_live_servant_waits(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    servant_id = add_servant(sql)
    add_jobs(sql)
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '31 seconds' WHERE id = %s", (servant_id,))
    assert dispatch.run_once().done == 0
    sql.execute("UPDATE servants SET heartbeat_at = now() WHERE id = %s", (servant_id,))
    assert dispatch.run_once().done == 1


@pytest.mark.parametrize("state", ["draining", "stopped", "lost"])
def test_a_servant_that_takes_no_work_is_no_room(sql: psycopg.Connection, dispatch: Dispatch, state: str) -> None:
    servant_id = add_servant(sql)
    sql.execute("UPDATE servants SET state = %s WHERE id = %s", (state, servant_id))
    add_jobs(sql)
    assert dispatch.run_once().done == 0


def test_a_paused_lane_is_never_dispatched(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_jobs(sql, 2, lane="account:1")
    add_jobs(sql, 2, lane="account:2")
    pause(sql)
    assert run_until_idle(dispatch) == 2
    assert sql.execute("SELECT DISTINCT lane FROM jobs WHERE state = 'queued'").fetchall() == [("account:2",)]
    resume(sql)
    assert run_until_idle(dispatch) == 2


def test_a_paused_type_is_never_dispatched(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_servant(sql, OTHER)
    add_jobs(sql)
    add_jobs(sql, job_type=OTHER)
    sql.execute("UPDATE job_types SET paused_at = now() WHERE type = %s", (ECHO,))
    assert run_until_idle(dispatch) == 1
    assert sql.execute("SELECT type FROM jobs WHERE state = 'queued'").fetchall() == [(OTHER,)]


def test_a_parked_job_stays_in_its_lane(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    servant_id = add_servant(sql)
    add_jobs(sql, 2)
    dispatch.run_once()
    first, second = claim_jobs(sql, received_ids(queues), servant_id=servant_id)
    settle_one(sql, first, Park("the password is wrong"))
    settle_one(sql, second)
    assert run_until_idle(dispatch) == 0
    assert holds(sql) == [("account:1", "incident", "the password is wrong")]


def test_priority_goes_before_age(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    add_servant(sql, slots=1)
    ids = {priority: add_jobs(sql, priority=priority)[0] for priority in (5, 9, 0, 4)}
    dispatch.run_once()
    assert sorted(received_ids(queues)) == sorted([ids[0], ids[4]])


def test_older_jobs_of_one_priority_go_first(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    add_servant(sql, slots=1)
    ids = add_jobs(sql, 6)
    sql.execute("UPDATE jobs SET run_at = now() - id * interval '1 second'")
    dispatch.run_once()
    assert sorted(received_ids(queues)) == ids[-2:]


def test_no_more_goes_out_than_there_is_room_for(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=4, rate=20)
    add_jobs(sql, 100)
    room = Room(ECHO, slots=4, rate=20, servants=1, in_flight=0).jobs
    assert 4 < room < 100
    assert run_until_idle(dispatch) == room
    settled = claim_jobs(sql, _queued(sql)[:3], servant_id=1)
    for held in settled:
        settle_one(sql, held)
    due_now(sql)
    assert run_until_idle(dispatch) == 3


def test_a_job_is_not_dispatched_before_its_time(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    soon = add_jobs(sql, run_at=_in(sql, "10 minutes"))
    later = add_jobs(sql, run_at=_in(sql, "20 minutes"))
    assert run_until_idle(dispatch) == 0
    assert sql.execute("SELECT due_at = %s FROM lanes", (row_of(sql, soon[0], "run_at")[0],)).fetchone() == (True,)
    sql.execute("UPDATE jobs SET run_at = now() WHERE id = ANY(%s)", (soon,))
    due_now(sql)
    assert run_until_idle(dispatch) == 1
    assert states(sql) == {"queued": 1, "pending": 1}
    assert sql.execute("SELECT due_at = %s FROM lanes", (row_of(sql, later[0], "run_at")[0],)).fetchone() == (True,)


def test_a_retry_waits_for_its_backoff(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    servant_id = add_servant(sql)
    add_jobs(sql)
    dispatch.run_once()
    (held,) = claim_jobs(sql, received_ids(queues), servant_id=servant_id)
    settle_one(sql, held, Retry())
    assert run_until_idle(dispatch) == 0
    assert_due_jobs_are_in_sight(sql)
    sql.execute("UPDATE jobs SET run_at = now()")
    due_now(sql)
    assert run_until_idle(dispatch) == 1


def test_a_lane_never_exceeds_its_limit(sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=3)
    add_jobs(sql, 10, lane="account:1")
    add_jobs(sql, 2, lane="account:2")
    assert run_until_idle(dispatch) == 5
    assert _in_flight(sql) == {"account:1": 3, "account:2": 2}
    first, *_ = claim_jobs(sql, received_ids(queues), servant_id=servant_id)
    settle_one(sql, first)
    assert run_until_idle(dispatch) == 1
    assert _in_flight(sql) == {"account:1": 3, "account:2": 2}


def test_a_lanes_own_limit_goes_before_its_types(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=50, lane_limit=3)
    sql.execute("INSERT INTO lanes (type, lane, concurrency_limit) VALUES (%s, 'account:1', 5)", (ECHO,))
    add_jobs(sql, 10)
    assert run_until_idle(dispatch) == 5


@pytest.mark.parametrize("outcome", [Completed(), Fail("no"), Retry()])
def test_whatever_ends_an_attempt_wakes_a_full_lane(
    sql: psycopg.Connection,
    dispatch: Dispatch,
    queues: MemoryQueues,
    outcome: Completed | Fail | Retry,
) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1)
    add_jobs(sql, 2)
    assert run_until_idle(dispatch) == 1
    assert sql.execute('SELECT "full" FROM lanes').fetchone() == (True,)
    (held,) = claim_jobs(sql, received_ids(queues), servant_id=servant_id)
    assert settle_one(sql, held, outcome).lanes_woken
    assert run_until_idle(dispatch) == 1
    assert_consistent(sql)


@pytest.mark.parametrize("lane_limit", [5, None])
def test_raising_a_types_limit_wakes_its_full_lanes(
    sql: psycopg.Connection, dispatch: Dispatch, lane_limit: int | None
) -> None:
    add_servant(sql, slots=50, lane_limit=1)
    add_jobs(sql, 5)
    assert run_until_idle(dispatch) == 1
    add_type(sql, slots=50, lane_limit=lane_limit)
    assert run_until_idle(dispatch) == 4


def test_two_dispatchers_never_exceed_a_limit_together(database: Database, sql: psycopg.Connection) -> None:
    add_servant(sql, slots=500, lane_limit=7)
    for lane in range(5):
        add_jobs(sql, 40, lane=f"account:{lane}")
    dispatchers = [Dispatch(database, MemoryQueues(), alive_seconds=30) for _ in range(3)]
    for _ in range(3):
        together([dispatcher.run_once for dispatcher in dispatchers])
        assert set(_in_flight(sql).values()) == {7}


def test_a_dispatcher_passes_over_the_lane_that_another_one_holds(
    database: Database, sql: psycopg.Connection, database_url: str
) -> None:
    """The first is held in the middle of its turn; the second serves the other lane and leaves the held one alone."""
    add_servant(sql, slots=50, lane_limit=2)
    add_jobs(sql, 5, lane="account:1")
    fold(sql)
    with psycopg.connect(database_url) as first:
        first.execute(statement("take_ready_lanes"), {"types": [ECHO], "lanes_per_type": 10})
        add_jobs(sql, 5, lane="account:2")
        assert Dispatch(database, MemoryQueues(), alive_seconds=30).run_once().done == 2
        assert _in_flight(sql) == {"account:2": 2}


def test_a_wake_for_a_lane_in_its_turn_waits_and_is_not_lost(
    database: Database, sql: psycopg.Connection, database_url: str
) -> None:
    """A note is folded while another dispatcher ends the lane's turn: it lands after the end and opens a new one."""
    add_servant(sql, slots=50)
    add_jobs(sql, 1)
    fold(sql)
    turn = turn_of("account:1")
    with psycopg.connect(database_url) as first:
        first.execute(statement("take_ready_lanes"), {"types": [ECHO], "lanes_per_type": 10})
        queued = first.execute(statement("dispatch_jobs"), turn).fetchall()
        first.execute(statement("end_lane_turns"), turn)
        late = add_jobs(sql, 1)
        with in_background(Dispatch(database, MemoryQueues(), alive_seconds=30).run_once) as second:
            wait_until_blocked(sql, by=first)
            first.commit()
        assert (len(queued), second.result().done) == (1, 1)
    assert row_of(sql, late[0], "state") == ("queued",)


def test_jobs_of_a_transaction_that_commits_during_a_pass_are_found_by_the_next(
    dispatch: Dispatch, sql: psycopg.Connection, database_url: str
) -> None:
    add_servant(sql, slots=50)
    with psycopg.connect(database_url) as enqueuing:
        early = add_jobs(sql, 1)
        hidden = add_jobs(enqueuing, 2)
        assert run_until_idle(dispatch) == 1
        assert row_of(sql, early[0], "state") == ("queued",)
        # Its note is older than what has been folded, and lands after it.
        enqueuing.commit()
    assert run_until_idle(dispatch) == 2
    assert row_of(sql, hidden[0], "state") == ("queued",)


def test_a_job_committed_between_the_steps_of_a_turn_is_not_lost(
    sql: psycopg.Connection, database_url: str, dispatch: Dispatch
) -> None:
    add_servant(sql, slots=50)
    add_jobs(sql, 1)
    turn = turn_of("account:1")
    with psycopg.connect(database_url) as first:
        fold(first)
        first.execute(statement("take_ready_lanes"), {"types": [ECHO], "lanes_per_type": 10})
        first.execute(statement("dispatch_jobs"), turn)
        before_the_end = add_jobs(sql, 1)
        first.execute(statement("end_lane_turns"), turn)
        after_the_end = add_jobs(sql, 1)
        first.commit()
    assert_due_jobs_are_in_sight(sql)
    run_until_idle(dispatch)
    assert _queued(sql)[1:] == before_the_end + after_the_end


def test_notes_are_folded_once(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    for _ in range(5):
        add_jobs(sql, 1, lane="account:1")
    assert sql.execute("SELECT count(*) FROM lane_wakes").fetchone() == (5,)
    dispatch.run_once()
    assert sql.execute("SELECT count(*) FROM lane_wakes").fetchone() == (0,)
    assert sql.execute("SELECT count(*) FROM lanes").fetchone() == (1,)


def test_a_lane_with_nothing_left_has_no_turn(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_jobs(sql, 2)
    run_until_idle(dispatch)
    assert sql.execute('SELECT due_at, "full" FROM lanes').fetchall() == [(None, False)]


def test_a_busy_lane_does_not_delay_a_quiet_one(
    sql: psycopg.Connection, dispatch: Dispatch, queues: MemoryQueues
) -> None:
    add_servant(sql, slots=8)
    add_jobs(sql, 5000, lane="account:1")
    (quiet,) = add_jobs(sql, 1, lane="account:2")
    dispatch.run_once()
    assert quiet in received_ids(queues)


def test_lanes_take_turns_when_there_is_room_for_one_job(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    """One slot, three lanes: whoever is served goes to the end of the line, also when more of its work arrives."""
    servant_id = add_servant(sql, slots=1)
    for lane in (1, 2, 3):
        add_jobs(sql, 50, lane=f"account:{lane}")
    served: list[str] = []
    for _ in range(12):
        add_jobs(sql, 1, lane="account:1", run_at=_in(sql, "-1 hour"))
        due_now(sql)
        dispatch.run_once()
        for held in claim_jobs(sql, _queued(sql), servant_id=servant_id):
            served.append(row_of(sql, held.id, "lane")[0])
            settle_one(sql, held)
    counts = Counter(served)
    assert set(counts) == {"account:1", "account:2", "account:3"}
    assert max(counts.values()) - min(counts.values()) <= 2


class FaultyQueues(MemoryQueues):
    """Cannot be reached for the types in `down`, and loses the messages that hold an ID in `lost`."""

    def __init__(self, *, down: Sequence[str] = (), lost: Sequence[int] = ()) -> None:
        super().__init__()
        self.down = set(down)
        self.lost = set(lost)

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        if job_type in self.down:
            raise QueueUnreachable("the queue is away")
        kept = [ids for ids in batches if not self.lost & {*ids}]
        failed = [identity for ids in batches if self.lost & {*ids} for identity in ids]
        return SendResult(super().send(job_type, kept).sent_ids, tuple(failed))


def test_what_cannot_be_sent_waits_in_the_table(database: Database, sql: psycopg.Connection) -> None:
    add_servant(sql)
    ids = add_jobs(sql, 3)
    queues = FaultyQueues(down=[ECHO])
    dispatch = Dispatch(database, queues, alive_seconds=30)
    with pytest.raises(QueueUnreachable):
        dispatch.run_once()
    assert states(sql) == {"pending": 3}
    assert events_of(sql, ids[0]) == ["queued → pending (undelivered)"]
    assert_consistent(sql)
    queues.down.clear()
    assert run_until_idle(dispatch) == 3


def test_one_types_broken_queue_keeps_no_other_type_waiting(database: Database, sql: psycopg.Connection) -> None:
    for job_type in (ECHO, OTHER):
        add_servant(sql, job_type)
        add_jobs(sql, 2, job_type=job_type)
    for broken, sound in ((ECHO, OTHER), (OTHER, ECHO)):
        sql.execute("UPDATE jobs SET state = 'pending', reason = 'enqueue'")
        sql.execute("UPDATE lanes SET due_at = now()")
        queues = FaultyQueues(down=[broken])
        with pytest.raises(QueueUnreachable):
            Dispatch(database, queues, alive_seconds=30).run_once()
        assert len(received_ids(queues, sound)) == 2
        assert sql.execute("SELECT DISTINCT type FROM jobs WHERE state = 'pending'").fetchall() == [(broken,)]


def test_messages_that_fail_alone_are_put_back_alone(database: Database, sql: psycopg.Connection) -> None:
    # A slow type: each message carries one job.
    add_servant(sql, rate=1)
    ids = add_jobs(sql, 4)
    queues = FaultyQueues(lost=[ids[1]])
    dispatch = Dispatch(database, queues, alive_seconds=30)
    assert dispatch.run_once().done == 3
    assert states(sql) == {"queued": 3, "pending": 1}
    assert row_of(sql, ids[1], "state, reason") == ("pending", "undelivered")
    queues.lost.clear()
    assert run_until_idle(dispatch) == 1
    assert sorted(received_ids(queues)) == sorted(ids)


def test_a_job_claimed_although_its_send_seemed_to_fail_is_left_running(
    database: Database, sql: psycopg.Connection
) -> None:
    servant_id = add_servant(sql)
    (job_id,) = add_jobs(sql)

    class AnswerLost(MemoryQueues):
        def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
            claim_jobs(sql, [job_id], servant_id=servant_id)
            raise QueueUnreachable("the answer was lost")

    with pytest.raises(QueueUnreachable):
        Dispatch(database, AnswerLost(), alive_seconds=30).run_once()
    assert row_of(sql, job_id, "state, attempt") == ("running", 1)


def test_messages_are_packed_by_the_servants_rate(
    database: Database, sql: psycopg.Connection, queues: MemoryQueues
) -> None:
    add_servant(sql, slots=8, rate=500)
    add_jobs(sql, 150)
    assert Dispatch(database, queues, alive_seconds=30).run_once().done == 150
    assert [len(message.ids) for message in queues.receive(ECHO, max_messages=10, wait_seconds=0)] == [100, 50]


def test_a_huge_paused_lane_is_not_read(sql: psycopg.Connection, database_url: str, queues: MemoryQueues) -> None:
    """Another lane's job starts at once, and what dispatch reads does not grow with the blocked work."""
    add_servant(sql)
    add_jobs(sql, 20_000, lane="account:1")
    fold(sql)
    pause(sql)
    sql.execute("ANALYZE")
    (quiet,) = add_jobs(sql, lane="account:2")
    one_connection = Database(database_url, application_name="tests", max_connections=1)
    before = _rows_read(one_connection)
    assert Dispatch(one_connection, queues, alive_seconds=30).run_once().done == 1
    read = _rows_read(one_connection) - before
    one_connection.close()
    assert received_ids(queues) == [quiet]
    assert read < 100


def _rows_read(database: Database) -> int:
    """Rows of `jobs` that the pool's one connection has read so far."""
    with database.transaction() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    query = "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'"
    with database.transaction() as connection:
        return int(connection.execute(query).fetchall()[0][0])


def _in_flight(sql: psycopg.Connection) -> dict[str, int]:
    rows = sql.execute("SELECT lane, count(*) FROM jobs WHERE state IN ('queued', 'running') GROUP BY lane")
    return dict(rows.fetchall())


def _queued(sql: psycopg.Connection) -> list[int]:
    return [row[0] for row in sql.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id")]


def _in(sql: psycopg.Connection, interval: str) -> datetime:
    """The database's now, and so much later."""
    row = sql.execute("SELECT now() + %s::interval", (interval,)).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment
