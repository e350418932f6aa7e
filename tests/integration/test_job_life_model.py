"""A job's life against a small model of it: whatever happens in whatever order, the rows agree and nothing is lost.

Hypothesis picks the order: enqueueing, dispatch, lost and doubled messages, claims, outcomes of live and stale
attempts, deaths, cancellations, pauses. After every step the rows are compared with the model and the invariants hold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from infra.postgres.connect import Database
from infra.postgres.enqueue import enqueue
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from infra.queues.memory import MemoryQueues
from retinue.outcomes import Cancelled, Completed, Fail, Outcome, Park, Retry, Snooze
from retinue.settlement import settle
from scheduler.dispatch import Dispatch
from scheduler.rescue import POISON_DEATHS, Rescue
from tests.support.assertions import assert_consistent
from tests.support.factories import (
    ECHO,
    LONGEST_WAIT,
    Held,
    add_servant,
    claim_jobs,
    expire_leases,
    heartbeat_params,
    received_ids,
    settle_one,
)
from tests.support.lanes import pause, resume

TABLES = (
    "jobs",
    "job_history",
    "job_events",
    "job_rollups",
    "lanes",
    "lane_holds",
    "lane_wakes",
    "servants",
    "job_types",
)

LANE_LIMIT = 2
ACCOUNTS = (1, 2)
OUTCOMES: list[Outcome] = [
    Completed({"ok": True}),
    Fail("broken"),
    Retry(None, "busy"),
    Snooze(datetime.now(UTC) + timedelta(days=1), "limit"),
    Park("revoked"),
    Cancelled(),
]


@dataclass
class ModelJob:
    """What one job should look like."""

    lane: str
    due: bool
    key: str | None
    state: str = "pending"
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    cancel: bool = False
    begun: bool = False

    @property
    def unfinished(self) -> bool:
        return self.state in {"pending", "queued", "running"}

    def put_back(self, *, due: bool) -> None:
        self.state, self.due, self.deaths = "pending", due, 0

    def claim(self, *, begin: bool) -> None:
        self.state, self.attempt, self.begun = "running", self.attempt + 1, begin


@dataclass
class Model:
    """All jobs, the messages under way, every attempt there ever was, and the paused lanes."""

    jobs: dict[int, ModelJob] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    attempts: list[Held] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)

    def ids(self, *states: str) -> list[int]:
        return [job_id for job_id, job in self.jobs.items() if job.state in states]

    def in_flight(self, lane: str) -> int:
        return sum(job.lane == lane and job.state in {"queued", "running"} for job in self.jobs.values())

    def holds(self, held: Held) -> bool:
        job = self.jobs[held.id]
        return job.state == "running" and job.attempt == held.attempt

    def settle(self, held: Held, outcome: Outcome) -> None:
        job = self.jobs[held.id]
        exhausted = isinstance(outcome, Retry) and job.failures + 1 >= LONGEST_WAIT.attempts
        if isinstance(outcome, Completed):
            job.state = "completed"
        elif isinstance(outcome, Fail) or exhausted:
            job.state, job.failures = "failed", job.failures + 1
        elif isinstance(outcome, Cancelled) or job.cancel:
            job.state = "cancelled"
        else:
            job.failures += isinstance(outcome, Retry)
            job.put_back(due=isinstance(outcome, Park))
            if isinstance(outcome, Park):
                self.paused.add(job.lane)

    def die(self, job_id: int) -> None:
        job = self.jobs[job_id]
        if job.cancel:
            job.state = "cancelled"
        elif job.deaths + 1 >= POISON_DEATHS and job.begun:
            job.state, job.failures = "failed", job.failures + 1
        else:
            job.state, job.due, job.deaths = "pending", job.deaths == 0, min(job.deaths + 1, POISON_DEATHS - 1)

    def release(self, job_id: int) -> None:
        job = self.jobs[job_id]
        job.state, job.due = ("cancelled", job.due) if job.cancel else ("pending", True)


class JobLife(RuleBasedStateMachine):
    """The rules. `sql` and `database` are set by the test."""

    sql: psycopg.Connection
    database: Database

    @initialize()
    def begin(self) -> None:
        for table in (
            "jobs",
            "job_history",
            "job_events",
            "job_rollups",
            "lanes",
            "lane_holds",
            "lane_wakes",
            "servants",
            "job_types",
        ):
            self.sql.execute(f"DELETE FROM {table}".encode())  # noqa: S608 - from the list above
        self.model = Model()
        self.queues = MemoryQueues()
        self.queues.ensure(ECHO)
        self.dispatcher = Dispatch(self.database, self.queues, alive_seconds=3600)
        self.rescuer = Rescue(self.database, queued_timeout_seconds=30, lost_seconds=3600)
        add_servant(self.sql, slots=100, lane_limit=LANE_LIMIT)
        for account_id in (1, 1, 1, 2):
            self.enqueue(account_id, later=False, key=None)

    @rule(account_id=st.sampled_from(ACCOUNTS), later=st.booleans(), key=st.sampled_from([None, None, "a", "b"]))
    def enqueue(self, account_id: int, later: bool, key: str | None) -> None:
        run_at = datetime.now(UTC) + timedelta(hours=1) if later else None
        made = enqueue(self.sql, ECHO, account_id=account_id, run_at=run_at, unique_key=key)
        holder = [i for i, job in self.model.jobs.items() if key is not None and job.key == key and job.unfinished]
        assert (made.created, [] if made.created else [made.id]) == (not holder, holder)
        if made.created:
            self.model.jobs[made.id] = ModelJob(f"account:{account_id}", due=not later, key=key)

    @rule()
    def dispatch(self) -> None:
        """Every lane is served as far as its limit lets it; nothing paused, early or already sent goes out."""
        while self.dispatcher.run_once().done:
            pass
        sent = received_ids(self.queues)
        for job_id in sent:
            job = self.model.jobs[job_id]
            assert (job.state, job.due, job.lane in self.model.paused) == ("pending", True, False)
            job.state = "queued"
        self.model.messages += sent
        for lane in (f"account:{account_id}" for account_id in ACCOUNTS):
            waiting = any(job.lane == lane and job.state == "pending" and job.due for job in self.model.jobs.values())
            assert self.model.in_flight(lane) <= LANE_LIMIT
            assert lane in self.model.paused or not waiting or self.model.in_flight(lane) == LANE_LIMIT

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data(), doubled=st.booleans())
    def double_or_lose_a_message(self, data: st.DataObject, doubled: bool) -> None:
        message = data.draw(st.sampled_from(self.model.messages))
        if doubled:
            self.model.messages.append(message)
        else:
            self.model.messages.remove(message)

    @rule(servant_id=st.integers(1, 3), begin=st.booleans())
    def dispatch_and_claim(self, servant_id: int, begin: bool) -> None:
        """What mostly happens."""
        self.dispatch()
        self._claim(self.model.ids("queued"), servant_id=servant_id, begin=begin)

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data(), servant_id=st.integers(1, 3), begin=st.booleans())
    def claim(self, data: st.DataObject, servant_id: int, begin: bool) -> None:
        offered = data.draw(st.lists(st.sampled_from(self.model.messages), min_size=1, max_size=3))
        self._claim(offered, servant_id=servant_id, begin=begin)

    def _claim(self, offered: list[int], *, servant_id: int, begin: bool) -> None:
        expected = {job_id for job_id in offered if self.model.jobs[job_id].state == "queued"}
        claimed = claim_jobs(self.sql, offered, servant_id=servant_id, lease_seconds=600, begin=begin)
        assert {held.id for held in claimed} == expected
        for held in claimed:
            self.model.jobs[held.id].claim(begin=begin)
            assert held.attempt == self.model.jobs[held.id].attempt
        self.model.attempts += claimed

    @precondition(lambda self: self.model.attempts)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        """Also by attempts that lost their job long ago."""
        held = data.draw(st.sampled_from(self.model.attempts))
        done = settle_one(self.sql, held, outcome).done
        assert bool(done) == self.model.holds(held)
        if done:
            self.model.settle(held, outcome)

    @precondition(lambda self: self.model.attempts)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A servant drains."""
        held = data.draw(st.sampled_from(self.model.attempts))
        back = settle(held.id, held.attempt, Cancelled(), retry=LONGEST_WAIT, failures=0, released=True)
        with self.sql.transaction():
            done = settle_jobs(self.sql, [(back, None)], shard=0).done
        assert bool(done) == self.model.holds(held)
        if done:
            self.model.release(held.id)

    @precondition(lambda self: self.model.attempts)
    @rule()
    def heartbeat(self) -> None:
        rows = self.sql.execute(statement("heartbeat"), heartbeat_params(self.model.attempts)).fetchall()
        expected = {
            (held.id, held.attempt, self.model.jobs[held.id].cancel, None)
            for held in self.model.attempts
            if self.model.holds(held)
        }
        assert set(rows) == expected

    @precondition(lambda self: self.model.ids("running"))
    @rule(data=st.data())
    def a_servant_dies(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.model.ids("running")))
        expire_leases(self.sql, [job_id])
        assert self.rescuer.run_once().done == 1
        self.model.die(job_id)

    @precondition(lambda self: self.model.ids("queued"))
    @rule()
    def the_queue_is_lost(self) -> None:
        self.sql.execute("UPDATE jobs SET queued_at = now() - interval '1 hour' WHERE state = 'queued'")
        assert self.rescuer.run_once().done == len(self.model.ids("queued"))
        for job_id in self.model.ids("queued"):
            self.model.jobs[job_id].state = "pending"

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(list(self.model.jobs)))
        job = self.model.jobs[job_id]
        gone = self.sql.execute(statement("cancel_waiting_jobs"), {"ids": [job_id]}).fetchall()
        asked = self.sql.execute(statement("request_cancel"), {"ids": [job_id]}).fetchall()
        assert (bool(gone), bool(asked)) == (job.state in {"pending", "queued"}, job.state == "running")
        if gone:
            job.state = "cancelled"
        job.cancel = job.cancel or bool(asked)

    @rule(lane=st.sampled_from(["account:1", "account:2"]))
    def pause_or_resume(self, lane: str) -> None:
        if lane in self.model.paused:
            resume(self.sql, lane)
            self.model.paused.remove(lane)
            return
        pause(self.sql, lane)
        self.model.paused.add(lane)

    @rule()
    def time_passes(self) -> None:
        """Every wait ends: what the clock would do, done to the rows."""
        self.sql.execute("UPDATE jobs SET run_at = now() WHERE state = 'pending' AND run_at > now()")
        self.sql.execute("UPDATE lanes SET due_at = least(due_at, now())")
        self.sql.execute("UPDATE lane_wakes SET due_at = least(due_at, now())")
        for job in self.model.jobs.values():
            job.due = job.due or job.state == "pending"

    @invariant()
    def the_rows_agree_with_the_model(self) -> None:
        columns = "id, lane, state, attempt, failures, cancel_requested_at IS NOT NULL"
        query = f"SELECT {columns}, deaths FROM jobs UNION ALL SELECT {columns}, NULL FROM job_history"  # noqa: S608 - the columns above
        found = {row[0]: row[1:] for row in self.sql.execute(query.encode())}
        assert found == {job_id: self._expected(job, found[job_id]) for job_id, job in self.model.jobs.items()}
        assert_consistent(self.sql)

    def _expected(self, job: ModelJob, found: tuple[Any, ...]) -> tuple[Any, ...]:
        # A waiting job that is cancelled is asked and gone in one.
        cancel = found[4] if job.state == "cancelled" else job.cancel
        return (job.lane, job.state, job.attempt, job.failures, cancel, job.deaths if job.unfinished else None)

    def teardown(self) -> None:
        """Left alone with sound servants, everything comes to its end."""
        if not hasattr(self, "model"):
            return
        for lane in list(self.model.paused):
            self.pause_or_resume(lane)
        for _ in range(200):
            if not self.model.ids("pending", "queued", "running"):
                break
            self._finish_what_can_be()
        assert self.model.ids("pending", "queued", "running") == []
        self.the_rows_agree_with_the_model()
        finished = Counter(self.sql.execute("SELECT state FROM job_history").fetchall())
        assert sum(finished.values()) == len(self.model.jobs)

    def _finish_what_can_be(self) -> None:
        if self.model.ids("queued"):
            self.the_queue_is_lost()
        self.time_passes()
        self.dispatch_and_claim(servant_id=1, begin=True)
        for held in [held for held in self.model.attempts if self.model.holds(held)]:
            assert settle_one(self.sql, held).done
            self.model.settle(held, Completed())


@pytest.mark.timeout(300)
def test_a_jobs_life_is_what_the_model_says(sql: psycopg.Connection, database: Database) -> None:
    connected = type("ConnectedJobLife", (JobLife,), {"sql": sql, "database": database})
    run_state_machine_as_test(
        connected,
        settings=settings(
            # A fixed part: `make test` takes the same paths each time.
            derandomize=True,
            database=None,
            max_examples=8,
            stateful_step_count=35,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
