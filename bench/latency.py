"""Pickup latency: from the start of a single enqueue to the handler's first line, at 20 jobs a second."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from bench.fleet import ECHO, finished_jobs, fleet
from bench.machine import Machine
from infra.postgres.connect import sqlalchemy_url
from infra.postgres.enqueue import enqueue

RATE = 20


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float


def pickup_latency(machine: Machine, *, jobs: int) -> Latency:
    """Enqueue one job every 50 ms in a transaction of its own and ask each when it began."""
    with fleet(machine, ECHO, ECHO), Session(create_engine(sqlalchemy_url(machine.url))) as session:
        before = finished_jobs(machine, ECHO)
        called = dict(_enqueue_at_rate(session, jobs))
        machine.wait_for(lambda: finished_jobs(machine, ECHO) - before >= jobs, "the jobs")
    query = "SELECT id, (result->>'began')::float8 FROM job_history WHERE id = ANY(%s)"
    rows = machine.connection().execute(query, (list(called),)).fetchall()
    waits = sorted(1000 * (began - called[identity]) for identity, began in rows)
    # The first jobs find cold caches and unprepared statements.
    return quantiles(waits)


def quantiles(waits: list[float]) -> Latency:
    cuts = statistics.quantiles(waits, n=100)
    return Latency(cuts[49], cuts[98])


def _enqueue_at_rate(session: Session, jobs: int) -> list[tuple[int, float]]:
    called = []
    began = time.monotonic()
    for n in range(jobs):
        time.sleep(max(0.0, began + n / RATE - time.monotonic()))
        moment = time.time()
        enqueued = enqueue(session, ECHO, {"stamp": True}, account_id=1)
        session.commit()
        called.append((enqueued.id, moment))
    return called


@dataclass(frozen=True)
class SingleEnqueue:
    """Median milliseconds of a commit of one row of the caller's, without and with an enqueue in it."""

    plain: float
    enqueueing: float


def single_enqueue(machine: Machine, *, commits: int) -> SingleEnqueue:
    """What an enqueue adds to the caller's commit; the two kinds take turns, so that noise meets both."""
    machine.connection().execute("CREATE TABLE IF NOT EXISTS bench_orders (id bigserial PRIMARY KEY, note text)")
    plain, enqueueing = [], []
    with Session(create_engine(sqlalchemy_url(machine.url))) as session:
        for _ in range(commits):
            plain.append(_timed_commit(session, enqueueing=False))
            enqueueing.append(_timed_commit(session, enqueueing=True))
    return SingleEnqueue(statistics.median(plain), statistics.median(enqueueing))


def _timed_commit(session: Session, *, enqueueing: bool) -> float:
    began = time.perf_counter()
    session.execute(text("INSERT INTO bench_orders (note) VALUES ('x')"))
    if enqueueing:
        enqueue(session, ECHO, {}, account_id=1)
    session.commit()
    return 1000 * (time.perf_counter() - began)
