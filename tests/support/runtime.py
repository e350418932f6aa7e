"""A real servant process inside the test's own: real PostgreSQL, queues in memory, and dispatch by hand."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar

import psycopg

from infra.logs import configure_logs
from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.queues.memory import MemoryQueues
from infra.secrets import Keyring, generate_key
from infra.settings import load_settings
from retinue import Job, Outcome, Payload, ServantType, servant
from retinue.job import JobFacts
from retinue.retry import Exponential
from scheduler.dispatch import Dispatch
from scheduler.rescue import Rescue
from servants.runtime.held import HeldJob
from servants.runtime.process import ServantProcess
from tests.support.assertions import state_of
from tests.support.factories import queue_jobs
from tests.support.lanes import resume
from tests.support.postgres import DatabaseServer
from tests.support.race import DEADLINE_SECONDS, wait_until

TYPE = "test.say"

#: Tries again at once.
AT_ONCE = Exponential(base=0, cap=0, floor=0, attempts=3)


class Say(Payload):
    """What the handlers of these tests are given."""

    text: str = ""


Handler = Callable[[Job[Say]], Outcome | None]


def kind_of(handler: Handler, *, name: str = TYPE, **rules: Any) -> ServantType[Say]:
    """The type of work that `handler` does; two slots and three attempts without a wait, unless a rule says other."""

    def handle(job: Job[Say]) -> Outcome | None:
        return handler(job)

    all_rules: dict[str, Any] = {"slots": 2, "retry": AT_ONCE} | rules
    return servant(name, **all_rules)(handle)


class Gate:
    """Holds handlers until it is opened; they may look at their job while they wait."""

    def __init__(self) -> None:
        self._entered = threading.Semaphore(0)
        self._opened = threading.Event()
        self.jobs: list[Job[Say]] = []

    def __call__(self, job: Job[Say]) -> None:
        """Wait inside a handler, whatever the job is asked."""
        self.jobs.append(job)
        self._entered.release()
        assert self._opened.wait(DEADLINE_SECONDS), "nobody opened the gate"

    def await_entry(self, count: int = 1) -> Job[Say]:
        """Wait until `count` more handlers stand at the gate; the newest job."""
        for _ in range(count):
            assert self._entered.acquire(timeout=DEADLINE_SECONDS), "no handler came to the gate"
        return self.jobs[-1]

    def open(self) -> None:
        self._opened.set()


class CountedConnection(psycopg.Connection[Any]):
    """Counts the statements of all servants by name."""

    counts: ClassVar[Counter[str]] = Counter()

    def execute(self, query: Any, params: Any = None, **options: Any) -> psycopg.Cursor[Any]:
        CountedConnection.counts[_name_of(query) if isinstance(query, bytes) else "other"] += 1
        return super().execute(query, params, **options)


@cache
def _name_of(query: bytes) -> str:
    names = ("claim_jobs", "finish_jobs", "put_back_jobs", "heartbeat", "hold_fence", "save_checkpoint", "ping")
    return next((name for name in names if statement(name) == query), "other")


class House:
    """One database and one set of queues, with what is started on them."""

    def __init__(self, url: str, sql: psycopg.Connection) -> None:
        self.url = url
        self.sql = sql
        self.queues = MemoryQueues()
        self.keyring = Keyring(generate_key())
        self.scheduler_database = Database(url, application_name="scheduler")
        self._databases = [self.scheduler_database]
        self._gates: list[Gate] = []
        self._processes: list[ServantProcess] = []

    def gate(self) -> Gate:
        """A gate that opens at the end, whatever becomes of the test."""
        self._gates.append(Gate())
        return self._gates[-1]

    def start(self, kind: ServantType[Any], **settings: Any) -> ServantProcess:
        """A servant process at work; what it still holds at the end is released."""
        process = self.prepare(kind, **settings)
        process.start()
        return process

    def prepare(self, kind: ServantType[Any], **given: Any) -> ServantProcess:
        """A servant process that has not started. It listens on queues of its own, the newest to be dispatched to."""
        self.queues = MemoryQueues()
        options = {
            "heartbeat_seconds": 0.05,
            "lease_seconds": 30,
            "drain_grace_seconds": 0,
            "metrics_port": "off",
        } | given
        settings = load_settings(env_file=None, database_url=self.url, **options)
        # As large as the command line makes it, and counting its statements.
        database = Database(self.url, application_name="servant", max_connections=kind.slots + 4)
        database._pool.connection_class = CountedConnection
        self._databases.append(database)
        process = ServantProcess(kind, settings, database=database, queues=self.queues, keyring=self.keyring)
        self._processes.append(process)
        return process

    def add(self, *payloads: Mapping[str, Any], job_type: str = TYPE, **columns: Any) -> list[int]:
        """Pending jobs with these payloads, or one with an empty one."""
        count = len(payloads) or 1
        row = {
            "account_id": None,
            "lane": "account:1",
            "request_id": None,
            "ordered": False,
            "group_id": None,
        } | columns
        params = {
            "type": texts([job_type] * count),
            "account_id": numbers([row["account_id"]] * count),
            "lane": texts([row["lane"]] * count),
            "priority": numbers([5] * count),
            "run_at": moments([None] * count),
            "payload": texts([json.dumps(payload) for payload in payloads] or ["{}"]),
            "request_id": texts([row["request_id"]] * count),
            "retry_of": numbers([None] * count),
            "ordered": numbers([row["ordered"]] * count),
            "group_id": numbers([row["group_id"]] * count),
        }
        return [made[0] for made in self.sql.execute(statement("enqueue_jobs"), params)]

    def dispatch(self) -> int:
        """One pass; how many jobs it sent."""
        return Dispatch(self.scheduler_database, self.queues, alive_seconds=30).run_once().done

    def rescue(self) -> int:
        """One pass; how many jobs it took back."""
        return Rescue(self.scheduler_database, queued_timeout_seconds=0, lost_seconds=60).run_once().done

    def run(self, *payloads: Mapping[str, Any], job_type: str = TYPE, **columns: Any) -> list[int]:
        """Jobs, dispatched."""
        ids = self.add(*payloads, job_type=job_type, **columns)
        assert self.dispatch() == len(ids)
        return ids

    def send(self, *ids: int) -> None:
        """Have these dispatched in one message, past every limit: whoever receives it claims all of them."""
        queue_jobs(self.sql, ids)
        self.queues.send(TYPE, [ids])

    def resume(self, lane: str) -> None:
        """Un-park a lane, as a person does."""
        resume(self.sql, lane)

    def wait(self, job_id: int, state: str, reason: str) -> None:
        """Dispatch what is due until the job has come to this state for this reason."""

        def arrived() -> bool:
            self.dispatch()
            return state_of(self.sql, job_id) == (state, reason)

        wait_until(arrived, f"job {job_id} did not become {state} ({reason})")

    def wait_for(self, condition: str, *params: Any) -> None:
        """Wait until this SQL is true, dispatching nothing."""

        def holds() -> bool:
            return self.sql.execute(f"SELECT {condition}".encode(), params).fetchone() == (True,)

        wait_until(holds, condition)

    def close(self) -> None:
        """Open the gates, drain what the test has not drained, close the pools."""
        for gate in self._gates:
            gate.open()
        for process in self._processes:
            if process._receiver._thread.is_alive():
                process.drain()
        for database in self._databases:
            database.close()


@contextmanager
def open_house(url: str, sql: psycopg.Connection) -> Iterator[House]:
    """A house that is empty again at the end, whatever becomes of the test."""
    CountedConnection.counts.clear()
    house = House(url, sql)
    try:
        yield house
    finally:
        house.close()


class Outage:
    """Keeps everybody away from a database: ends their connections and refuses new ones."""

    def __init__(self, server: DatabaseServer, sql: psycopg.Connection) -> None:
        self._admin_url = server.url
        self._name = sql.info.dbname
        self._spared = sql.info.backend_pid

    def begin(self) -> None:
        with psycopg.connect(self._admin_url, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false'.encode())
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                (self._name, self._spared),
            )

    def end(self) -> None:
        with psycopg.connect(self._admin_url, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true'.encode())


class LogLines:
    """The log as JSON lines."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self, event: str) -> list[dict[str, Any]]:
        """Every line of this event so far."""
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["message"] == event]

    def wait(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until there are so many lines of this event."""
        wait_until(lambda: len(self.all(event)) >= count, f"{event} was not logged")
        return self.all(event)


@contextmanager
def captured_logs() -> Iterator[LogLines]:
    """What is logged inside."""
    lines = LogLines()
    configure_logs("json", "debug", stream=lines.stream)
    try:
        yield lines
    finally:
        configure_logs("console", "info")


def held_job(identity: int = 1, *, attempt: int = 1, failures: int = 0, payload: str = "{}") -> HeldJob:
    """A claimed job that no database knows."""
    facts = JobFacts(identity, TYPE, attempt, None, "account:1", failures, None, None, None)
    return HeldJob(facts, payload, claimed_at=0.0)
