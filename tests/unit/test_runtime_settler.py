"""The settling thread, with a double for the database: what it cannot write must not stop what it can."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import DataException, ProgramLimitExceeded, ReadOnlySqlTransaction, UndefinedColumn

from infra.postgres.connect import DatabaseUnreachable
from infra.postgres.settle import Entry, Settled
from retinue.outcomes import Completed
from retinue.settlement import Settlement, completed, overrun, poisoned
from servants.runtime import settler as module
from servants.runtime.held import HeldJobs
from servants.runtime.performer import Performed
from servants.runtime.settler import Settler
from tests.support.race import DEADLINE_SECONDS, wait_until
from tests.support.runtime import held_job

Refusal = Callable[[Sequence[Entry]], Exception | None]


class Ledger:
    """Stands in for the database and `settle_jobs`: keeps what is written, refuses what a test tells it to."""

    def __init__(self) -> None:
        self.written: list[list[Settlement]] = []
        self.refusal: Refusal = lambda _entries: None
        self.refused = 0
        self.superseded: set[int] = set()
        self.reached = threading.Event()
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Inside, a batch that has reached the database stays there."""
        self._free.clear()
        yield
        self._free.set()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self.reached.set()
        assert self._free.wait(DEADLINE_SECONDS)
        yield None

    def settle(self, _connection: Any, entries: Sequence[Entry], *, shard: int) -> Settled:
        error = self.refusal(entries)
        if error is not None:
            self.refused += 1
            raise error
        self.written.append([settlement for settlement, _ in entries])
        done = {(s.job_id, s.attempt) for s, _ in entries if s.job_id not in self.superseded}
        return Settled(frozenset(done), lanes_woken=False)

    def state_of(self, job: int) -> tuple[str, str] | None:
        """The state and reason written for this job."""
        found = [s for batch in self.written for s in batch if s.job_id == job]
        return (found[-1].state, found[-1].reason) if found else None


class Desk:
    """A settler at work and what it told others."""

    def __init__(self, ledger: Ledger) -> None:
        self.held = HeldJobs()
        self.writes = threading.Lock()
        self.told: list[int] = []
        database: Any = ledger
        self.settler = Settler(
            database, self.held, servant_id=1, writes=self.writes, order=None, on_settled=self._on_settled
        )
        self.settler.start()

    def finish(self, *jobs: int, result: Callable[[int, int], Settlement | None] | None = None) -> None:
        """These jobs have ended; completed unless another settlement is given."""
        for job in jobs:
            held = held_job(job)
            self.held.add([held])
            settlement = result(job, 1) if result else completed(job, 1, Completed())
            self.settler.put(Performed(held, settlement, 0.1))

    def wait(self) -> None:
        """Until nothing is held any more."""
        assert self.held.wait_until_empty(DEADLINE_SECONDS)

    def _on_settled(self, jobs: int, lanes_woken: bool) -> None:
        self.told.append(jobs)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    ledger = Ledger()
    monkeypatch.setattr(module, "settle_jobs", ledger.settle)
    monkeypatch.setattr(module, "_BACKOFF", (0.001,))
    return ledger


@pytest.fixture
def desk(ledger: Ledger) -> Iterator[Desk]:
    desk = Desk(ledger)
    yield desk
    desk.settler.stop(DEADLINE_SECONDS)
    assert not desk.settler._thread.is_alive()


def once(error: Exception) -> Refusal:
    """Refuses the first time."""
    errors = [error]
    return lambda _entries: errors.pop() if errors else None


def holding(job: int, error: Exception) -> Refusal:
    """Refuses whatever holds this job's completion."""
    return lambda entries: error if any(s.job_id == job and s.state == "completed" for s, _ in entries) else None


def test_what_ends_while_a_batch_is_written_is_the_next_batch(desk: Desk, ledger: Ledger) -> None:
    with ledger.busy():
        desk.finish(1)
        assert ledger.reached.wait(DEADLINE_SECONDS)
        desk.finish(2, 3, 4)
    desk.wait()
    assert [[s.job_id for s in batch] for batch in ledger.written] == [[1], [2, 3, 4]]
    wait_until(lambda: desk.told == [1, 3], "the others to be told")


def test_a_batch_has_a_limit(desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCH", 2)
    with ledger.busy():
        desk.finish(1)
        assert ledger.reached.wait(DEADLINE_SECONDS)
        desk.finish(2, 3, 4)
    desk.wait()
    assert [len(batch) for batch in ledger.written] == [1, 2, 1]


def test_a_job_with_nothing_left_to_write_is_only_let_go(desk: Desk, ledger: Ledger) -> None:
    desk.finish(1, result=lambda _job, _attempt: None)
    desk.wait()
    wait_until(lambda: desk.told == [1], "the others to be told")
    assert ledger.written == []


@pytest.mark.parametrize(
    "away", [psycopg.OperationalError("gone"), DatabaseUnreachable("gone"), ReadOnlySqlTransaction("a standby")]
)
def test_what_finds_no_database_is_written_later(desk: Desk, ledger: Ledger, away: Exception) -> None:
    ledger.refusal = once(away)
    desk.finish(1)
    desk.wait()
    assert (ledger.refused, ledger.state_of(1)) == (1, ("completed", "complete"))


def test_jobs_are_held_until_they_are_written(desk: Desk, ledger: Ledger) -> None:
    ledger.refusal = lambda _entries: psycopg.OperationalError("gone")
    desk.finish(1)
    wait_until(lambda: ledger.refused > 3, "tries")
    assert len(desk.held) == 1
    ledger.refusal = lambda _entries: None
    desk.wait()


@pytest.mark.parametrize(
    "error",
    [
        DataException("out of range"),
        ProgramLimitExceeded("jsonb too large"),
        UndefinedColumn("result"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    ],
)
def test_an_outcome_that_is_refused_fails_its_job_and_no_other(desk: Desk, ledger: Ledger, error: Exception) -> None:
    ledger.refusal = holding(2, error)
    with ledger.busy():
        desk.finish(4)
        assert ledger.reached.wait(DEADLINE_SECONDS)
        desk.finish(1, 2, 3)
    desk.wait()
    assert [ledger.state_of(job) for job in (1, 3)] == [("completed", "complete")] * 2
    assert ledger.state_of(2) == ("failed", "permanent")


def test_an_outcome_that_cannot_even_fail_is_left_to_rescue(desk: Desk, ledger: Ledger) -> None:
    ledger.refusal = lambda entries: DataException("no") if any(s.job_id == 2 for s, _ in entries) else None
    desk.finish(2)
    desk.wait()
    desk.finish(3)
    desk.wait()
    assert (ledger.state_of(2), ledger.state_of(3)) == (None, ("completed", "complete"))


@pytest.mark.parametrize("refused", [overrun, poisoned])
def test_other_failures_that_are_refused_become_permanent_ones(desk: Desk, ledger: Ledger, refused: Any) -> None:
    ledger.refusal = once(DataException("no"))
    desk.finish(2, result=lambda job, attempt: refused(job, attempt, "why"))
    desk.wait()
    assert ledger.state_of(2) == ("failed", "permanent")


def test_an_outcome_that_came_too_late_is_let_go(desk: Desk, ledger: Ledger) -> None:
    ledger.superseded = {1}
    desk.finish(1)
    desk.wait()
    assert len(ledger.written) == 1


def test_whatever_is_raised_the_thread_goes_on(desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(*_: Any) -> None:
        raise RuntimeError("odd")

    with monkeypatch.context() as patch:
        patch.setattr(desk.settler, "_settle_until_written", raise_error)
        desk.finish(1)
        desk.wait()
    desk.finish(2)
    desk.wait()
    assert ledger.state_of(2) == ("completed", "complete")


def test_stopping_writes_what_was_put_before(desk: Desk, ledger: Ledger) -> None:
    desk.finish(*range(1, 50))
    desk.settler.stop(DEADLINE_SECONDS)
    assert sum(len(batch) for batch in ledger.written) == 49
    assert len(desk.held) == 0


def test_stopping_gives_up_after_its_time(desk: Desk, ledger: Ledger) -> None:
    ledger.refusal = lambda _entries: psycopg.OperationalError("gone")
    desk.finish(1)
    desk.settler.stop(0.01)
    desk.settler._thread.join(DEADLINE_SECONDS)
    assert not desk.settler._thread.is_alive()
    assert (ledger.written, len(desk.held)) == ([], 1)
