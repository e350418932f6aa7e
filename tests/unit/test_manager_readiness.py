"""The check of the queues: bounded in time, silent about addresses."""

from __future__ import annotations

import threading

import psycopg
import pytest

from infra.postgres.connect import DatabaseUnreachable
from infra.queues.transport import QueueDepth
from manager import readiness
from manager.readiness import QueueCheck, ReadinessChecks
from tests.support.manager_server import AwayDatabase, StubQueues


def test_all_queues_are_asked() -> None:
    queues = StubQueues()

    check = QueueCheck(queues).run(["calendar.sync", "email.sync"])

    assert check.ok
    assert check.message == "All 2 queues answer."
    assert queues.asked == ["calendar.sync", "email.sync"]


def test_a_queue_that_is_away_is_named_without_its_address() -> None:
    check = QueueCheck(StubQueues(away={"email.sync"})).run(["calendar.sync", "email.sync"])

    assert not check.ok
    assert check.message == "The queue of email.sync cannot be reached."


def test_an_unforeseen_error_is_a_failed_check() -> None:
    class Broken(StubQueues):
        def depth(self, job_type: str) -> QueueDepth:
            raise ValueError("http://10.1.2.3 refused key AKIA123")

    check = QueueCheck(Broken()).run(["email.sync"])

    assert not check.ok
    assert check.message == "The queue of email.sync cannot be read. The manager's log says why."


def test_without_types_there_is_nothing_to_reach() -> None:
    assert QueueCheck(StubQueues()).run([]).ok


def test_a_server_that_hangs_is_not_waited_for_and_not_asked_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "QUEUES_SECONDS", 0.05)
    answer = threading.Event()

    class Hanging(StubQueues):
        def depth(self, job_type: str) -> QueueDepth:
            self.asked.append(job_type)
            assert answer.wait(10)
            return QueueDepth(0, 0, 0)

    queues = Hanging()
    check = QueueCheck(queues)

    assert [check.run(["email.sync"]).ok, check.run(["email.sync"]).ok] == [False, False]
    assert queues.asked == ["email.sync"]

    answer.set()
    check.join(10)
    assert check.run(["email.sync"]).ok


@pytest.mark.parametrize("error", [DatabaseUnreachable("db.internal:5432"), psycopg.OperationalError("db.internal")])
def test_without_a_database_nothing_else_is_known(error: Exception) -> None:
    found = ReadinessChecks(AwayDatabase(error), StubQueues()).run()

    assert not found.ready
    assert found.checks["database"].message == "The database does not answer."
    assert {name: check.ok for name, check in found.checks.items()} == {
        "database": False,
        "schema": False,
        "scheduler": False,
        "queues": False,
    }
    assert "internal" not in str(found)
