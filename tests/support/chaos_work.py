"""The work during a chaos run: jobs of every kind come in, people cancel, retry, pause and resume, messages go astray.

Whatever the client wants from a server that is away, it leaves for later: its own troubles are not what is tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import psycopg

from infra.postgres.enqueue import NewJob
from infra.postgres.job_actions import cancel_jobs, retry_jobs
from infra.queues.body import pack
from tests.support.fleet import ECHO
from tests.support.lanes import pause, resume
from tests.support.moto_server import ask
from tests.support.trials import LANE, ORDER, TYPE, TrialFleet, add_trials, note_enqueued, trial

SLEEP = "system.sleep"
TYPES = (ECHO, SLEEP, LANE, TYPE, ORDER)

#: How often each is drawn; of one type a single job runs at a time, and all of them must be done soon.
SHARES = (4, 2, 4, 1, 4)

#: The lanes of one type; jobs are drawn for each of them.
LANES = tuple(f"lane-{n}" for n in range(5))

#: How much waits at most: the run must drain soon after its faults are over.
MOST_WAITING = 150

#: Bodies that no scheduler sends.
GARBAGE = ("", "not JSON", '{"v": 1}', '{"v": 9, "ids": [1]}', '{"v": 1, "ids": ["1"]}', "\\ud83e\\udd80" * 50)


@dataclass
class Client:
    """One application and one operator; `draw` says what they do."""

    fleet: TrialFleet
    draw: random.Random
    _sql: psycopg.Connection | None = None

    def work(self) -> None:
        """Do one thing."""
        deeds: list[Callable[[psycopg.Connection], None]] = [self._enqueue, self._cancel, self._retry, self._pause]
        (deed,) = self.draw.choices(deeds, weights=(8, 1, 1, 1))
        self._on_database(deed)

    def resume_all(self) -> bool:
        """Release every lane that was paused; true when that is done."""
        self.hang_up()
        with psycopg.connect(self.fleet.machine.url, autocommit=True, connect_timeout=2) as sql:
            for lane in _paused(sql):
                resume(sql, lane)
        self.fleet.ring()
        return True

    def meddle(self, what: str) -> None:
        """Lose or double some messages, or send garbage."""
        job_type = self.draw.choice(TYPES)
        deed = {"lose messages": self._lose, "double messages": self._double, "send garbage": self._send_garbage}[what]
        try:
            deed(self._queue(job_type), job_type)
        except (OSError, HTTPException, AssertionError, psycopg.Error):
            return  # the server is away

    def _on_database(self, deed: Callable[[psycopg.Connection], None]) -> None:
        try:
            if self._sql is None:
                self._sql = psycopg.connect(
                    self.fleet.machine.url, connect_timeout=2, options="-c statement_timeout=2s"
                )
            with self._sql.transaction():
                deed(self._sql)
        except psycopg.Error:
            self.hang_up()  # the server is away, or it rolled everything back
            return
        self.fleet.ring()

    def hang_up(self) -> None:
        """Close the connection to the database; the next deed opens another."""
        if self._sql is not None:
            self._sql.close()
            self._sql = None

    def _enqueue(self, sql: psycopg.Connection) -> None:
        (waiting,) = sql.execute("SELECT count(*) FROM jobs").fetchone() or (0,)
        if waiting < MOST_WAITING:
            add_trials(sql, [self._job() for _ in range(self.draw.randint(1, 12))])

    def _job(self) -> NewJob:
        (job_type,) = self.draw.choices(TYPES, weights=SHARES)
        seconds = self.draw.choice((0, 0, 0.01, 0.05, 0.3))
        if job_type == ECHO:
            fail = self.draw.choice((None, None, None, None, "permanent"))
            payload = {"effect": self.draw.random() < 0.7, "seconds": seconds, "fail": fail}
            return NewJob(
                type=ECHO, payload=payload, account_id=self.draw.randint(1, 4), priority=self.draw.randint(0, 9)
            )
        if job_type == SLEEP:
            return NewJob(type=SLEEP, payload={"seconds": seconds + 0.1}, account_id=self.draw.randint(1, 4))
        return trial(
            job_type, lane=self.draw.choice(LANES), seconds=seconds, failures=self.draw.choice((0, 0, 0, 1, 3))
        )

    def _cancel(self, sql: psycopg.Connection) -> None:
        cancel_jobs(sql, self._some(sql, "jobs"))

    def _retry(self, sql: psycopg.Connection) -> None:
        results = retry_jobs(sql, self._some(sql, "job_history WHERE state <> 'completed'"))
        note_enqueued(sql, [result.new_job_id for result in results if result.deed == "retried" and result.new_job_id])

    def _pause(self, sql: psycopg.Connection) -> None:
        """Pause a lane, or resume one that is."""
        paused = _paused(sql)
        if paused and self.draw.random() < 0.7:
            resume(sql, self.draw.choice(paused))
            return
        pause(sql, f"lane:{self.draw.choice(LANES)}", self.draw.choice((LANE, TYPE, ORDER)))

    def _some(self, sql: psycopg.Connection, where: str) -> list[int]:
        ids = [row[0] for row in sql.execute(f"SELECT id FROM {where} ORDER BY id".encode())]  # noqa: S608 - from the deeds above
        return self.draw.sample(ids, min(len(ids), 2))

    def _queue(self, job_type: str) -> str:
        name = f"retinue-local-{job_type.replace('.', '-')}"
        return str(self._ask("GetQueueUrl", QueueName=name)["QueueUrl"])

    def _lose(self, queue: str, _: str) -> None:
        for message in self._ask("ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            self._ask("DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def _double(self, queue: str, job_type: str) -> None:
        """Messages for jobs in whatever state, finished ones too."""
        with psycopg.connect(self.fleet.machine.url, connect_timeout=2) as sql:
            rows = sql.execute(
                "SELECT id FROM jobs WHERE type = %(type)s UNION ALL SELECT id FROM job_history WHERE type = %(type)s",
                {"type": job_type},
            ).fetchall()
        if rows:
            ids = self.draw.sample([row[0] for row in rows], min(len(rows), 20))
            self._ask("SendMessage", QueueUrl=queue, MessageBody=pack(ids))

    def _send_garbage(self, queue: str, _: str) -> None:
        self._ask("SendMessage", QueueUrl=queue, MessageBody=self.draw.choice(GARBAGE[1:]))

    def _ask(self, action: str, **parameters: object) -> Any:
        return ask(self.fleet.machine.sqs_url, action, timeout=3, **parameters)


def _paused(sql: psycopg.Connection) -> list[str]:
    return [row[0] for row in sql.execute("SELECT DISTINCT lane FROM lane_holds ORDER BY lane")]
