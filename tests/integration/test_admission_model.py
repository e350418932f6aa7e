"""What dispatch admits against a small model of it: limits, strict order, holds, priorities with ageing.

Hypothesis picks the order of events. At each dispatch the model says which jobs must go out of every lane, and no
others may; afterwards every lane is served as far as its rules let it.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from infra.postgres.holds import hold_lanes, release_holds
from infra.postgres.settle import settle_jobs
from infra.queues.memory import MemoryQueues
from retinue.holds import Hold, HoldKind
from retinue.lanes import AGE_SECONDS
from retinue.order import StrictOrder, keep_order
from retinue.outcomes import Completed, Fail, Outcome, Snooze
from scheduler.dispatch import Dispatch
from tests.support.assertions import assert_consistent
from tests.support.factories import Held, add_jobs, add_servant, claim_jobs, received_ids

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

#: By type: how many jobs of one lane, and of the type, may be in flight at once; None is as many as there are.
LANE_LIMITED, TYPE_LIMITED, ORDERED = "model.lane", "model.type", "model.order"
LIMITS: dict[str, tuple[int | None, int | None]] = {
    LANE_LIMITED: (2, None),
    TYPE_LIMITED: (None, 3),
    ORDERED: (1, None),
}
TYPES = st.sampled_from(list(LIMITS))
LANES = st.sampled_from(["a", "b"])

#: Reasons that hold a lane for themselves; it goes on when the last of them is released.
KINDS = st.sampled_from([HoldKind.PAUSE, HoldKind.BUDGET, HoldKind.BREAKER])

Lane = tuple[str, str]


@dataclass
class ModelJob:
    """One unfinished job."""

    type: str
    lane: str
    priority: int
    run_at: datetime
    held: Held | None = None
    in_flight: bool = False

    @property
    def turn(self) -> datetime:
        """Waiting makes up for a lower priority."""
        return self.run_at + timedelta(seconds=self.priority * AGE_SECONDS)


@dataclass
class Model:
    """All unfinished jobs, and what holds which lane."""

    order: StrictOrder
    jobs: dict[int, ModelJob] = field(default_factory=dict)
    holds: dict[Lane, set[HoldKind]] = field(default_factory=dict)

    def in_flight(self, job_type: str, lane: str | None = None) -> int:
        return sum(job.in_flight for job in self.jobs.values() if job.type == job_type and lane in (None, job.lane))

    def claimed(self) -> list[int]:
        return [identity for identity, job in self.jobs.items() if job.held is not None]

    def line(self, job_type: str, lane: str) -> list[int]:
        """The jobs that may go out of this lane, in their order."""
        own = {i: job for i, job in sorted(self.jobs.items()) if (job.type, job.lane) == (job_type, lane)}
        if self.holds.get((job_type, lane)):
            return []
        if job_type == ORDERED:
            own = dict(list(own.items())[:1])
        due = [i for i, job in own.items() if not job.in_flight and job.run_at <= datetime.now(UTC)]
        limit, _ = LIMITS[job_type]
        places = len(due) if limit is None else max(0, limit - self.in_flight(job_type, lane))
        return sorted(due, key=lambda i: (own[i].turn, i))[:places]


class Admission(RuleBasedStateMachine):
    """The rules. `sql` and `database` are set by the test."""

    sql: psycopg.Connection
    database: Database

    @initialize(order=st.sampled_from(list(StrictOrder)))
    def begin(self, order: StrictOrder) -> None:
        for table in TABLES:
            self.sql.execute(f"DELETE FROM {table}".encode())  # noqa: S608 - from the list above
        self.model, self.queues = Model(order), MemoryQueues()
        for job_type, (lane_limit, type_limit) in LIMITS.items():
            self.queues.ensure(job_type)
            policy = order if job_type == ORDERED else None
            limits: dict[str, Any] = {"lane_limit": lane_limit, "type_limit": type_limit}
            add_servant(self.sql, job_type, slots=100, order_policy=policy, **limits)
        self.dispatcher = Dispatch(self.database, self.queues, alive_seconds=3600)
        # Its first look learns which types have a limit, for whose rows it then asks.
        assert self.dispatcher.run_once().done == 0

    @rule(job_type=TYPES, lane=LANES, count=st.integers(1, 3), priority=st.integers(0, 9), waited=st.integers(-60, 90))
    def enqueue(self, job_type: str, lane: str, count: int, priority: int, waited: int) -> None:
        """`waited` minutes ago, or in as many."""
        run_at = datetime.now(UTC) - timedelta(minutes=waited, seconds=1)
        rules: dict[str, Any] = {"job_type": job_type, "lane": lane, "priority": priority, "run_at": run_at}
        for identity in add_jobs(self.sql, count, ordered=job_type == ORDERED, **rules):
            self.model.jobs[identity] = ModelJob(job_type, lane, priority, run_at)

    @rule()
    def dispatch(self) -> None:
        while self.dispatcher.run_once().done:
            pass
        for job_type in LIMITS:
            sent = received_ids(self.queues, job_type)
            lines = {lane: self.model.line(job_type, lane) for lane in ("a", "b")}
            self._assert_admitted(job_type, set(sent), lines)
            for identity in sent:
                self.model.jobs[identity].in_flight = True

    def _assert_admitted(self, job_type: str, sent: set[int], lines: dict[str, list[int]]) -> None:
        """From each lane the first of its line went out, and as many as every limit let."""
        waiting = sum(map(len, lines.values()))
        _, limit = LIMITS[job_type]
        places = waiting if limit is None else max(0, limit - self.model.in_flight(job_type))
        assert len(sent) == min(waiting, places)
        for line in lines.values():
            gone = sent & set(line)
            assert gone == set(line[: len(gone)]), "a job was overtaken"
            sent -= gone
        assert sent == set(), "what may not go out did"

    @rule()
    def claim_all(self) -> None:
        self.dispatch()
        for job_type in LIMITS:
            queued = [
                i for i, job in self.model.jobs.items() if job.type == job_type and job.in_flight and not job.held
            ]
            for held in claim_jobs(self.sql, queued, servant_id=1, job_type=job_type, lease_seconds=600):
                self.model.jobs[held.id].held = held

    @precondition(lambda self: self.model.claimed())
    @rule(data=st.data(), outcome=st.sampled_from(["complete", "fail", "snooze"]))
    def settle(self, data: st.DataObject, outcome: str) -> None:
        identity = data.draw(st.sampled_from(self.model.claimed()))
        job = self.model.jobs[identity]
        later = datetime.now(UTC) + timedelta(hours=1)
        outcomes: dict[str, Outcome] = {
            "complete": Completed(),
            "fail": Fail("broken"),
            "snooze": Snooze(later, "busy"),
        }
        assert job.held is not None
        order = self.model.order if job.type == ORDERED else None
        settlement = keep_order(job.held.settlement(outcomes[outcome]), order)
        with self.sql.transaction():
            assert settle_jobs(self.sql, [(settlement, 0.1)], shard=0).done
        self._put_back_or_drop(identity, job, outcome)

    def _put_back_or_drop(self, identity: int, job: ModelJob, outcome: str) -> None:
        in_order = job.type == ORDERED and outcome == "fail"
        if in_order and self.model.order is not StrictOrder.SKIP:
            self.model.holds.setdefault((job.type, job.lane), set()).add(HoldKind.ORDER)
        if outcome == "snooze" or (in_order and self.model.order is StrictOrder.HOLD):
            job.held, job.in_flight = None, False
            job.run_at = datetime.now(UTC) + timedelta(hours=1) if outcome == "snooze" else job.run_at
        else:
            del self.model.jobs[identity]

    @rule(job_type=TYPES, lane=LANES, kind=KINDS)
    def hold(self, job_type: str, lane: str, kind: HoldKind) -> None:
        with self.sql.transaction():
            hold_lanes(self.sql, [((job_type, lane), Hold(kind, "", None, "by the model"))])
        self.model.holds.setdefault((job_type, lane), set()).add(kind)

    @precondition(lambda self: any(self.model.holds.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        held = sorted((lane, kind) for lane, kinds in self.model.holds.items() for kind in kinds)
        (job_type, lane), kind = data.draw(st.sampled_from(held))
        with self.sql.transaction():
            assert release_holds(self.sql, [kind], lane=lane, type=job_type) == [(job_type, lane)]
        self.model.holds[job_type, lane].remove(kind)

    @rule()
    def an_hour_passes(self) -> None:
        """What the clock would do, done to the rows."""
        hour = timedelta(hours=1, minutes=1)
        for table, column in (("jobs", "run_at"), ("lanes", "due_at"), ("lane_wakes", "due_at")):
            self.sql.execute(f"UPDATE {table} SET {column} = {column} - %s".encode(), (hour,))  # noqa: S608 - from the list above
        for job in self.model.jobs.values():
            job.run_at -= hour

    @invariant()
    def the_rows_agree_with_the_model(self) -> None:
        found = self.sql.execute("SELECT id, state <> 'pending' FROM jobs").fetchall()
        assert dict(found) == {identity: job.in_flight for identity, job in self.model.jobs.items()}
        assert_consistent(self.sql)

    def teardown(self) -> None:
        """With nothing held and every job completed, all of them come to their end."""
        if not hasattr(self, "model"):
            return
        for (job_type, lane), kind in list(self._all_holds()):
            release_holds(self.sql, [kind], lane=lane, type=job_type)
        self.model.holds.clear()
        for _ in range(len(self.model.jobs) + 1):
            self.an_hour_passes()
            self.claim_all()
            for identity in self.model.claimed():
                self._complete(identity)
        assert self.model.jobs == {}
        self.the_rows_agree_with_the_model()

    def _all_holds(self) -> Iterator[tuple[Lane, HoldKind]]:
        yield from ((lane, kind) for lane, kinds in self.model.holds.items() for kind in kinds)

    def _complete(self, identity: int) -> None:
        held = self.model.jobs.pop(identity).held
        assert held is not None
        with self.sql.transaction():
            assert settle_jobs(self.sql, [(held.settlement(Completed()), 0.1)], shard=0).done


@pytest.mark.timeout(300)
def test_dispatch_admits_what_the_model_says(sql: psycopg.Connection, database: Database) -> None:
    connected = type("ConnectedAdmission", (Admission,), {"sql": sql, "database": database})
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
