"""Enqueueing: one by one and in bulk beside the peers; and what it adds to the commit of a caller."""

from __future__ import annotations

import statistics
import time

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from bench.contestants import NOOP, Contestant
from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO
from bench.machine import Machine, machine
from bench.side_by_side import Measured, side_by_side
from infra.postgres.connect import sqlalchemy_url
from infra.postgres.enqueue import enqueue

SINGLE, BULK, ADDED = "enqueue, one by one", "enqueue, in bulk", "a single enqueue adds to its caller's commit"
GOALS = {BULK: 50_000.0}

#: Jobs of the bulk enqueue for each second that the options ask for.
BULK_JOBS = 10_000


def measure(options: Options) -> Section:
    """Workers are held meanwhile: the enqueueing alone is measured."""

    def once(contestant: Contestant) -> Measured:
        contestant.hold()
        measured = {SINGLE: contestant.single(options.seconds / 2)}
        if contestant.bulk:
            jobs = min(round(BULK_JOBS * options.seconds), contestant.most)
            measured[BULK] = jobs / contestant.fill(NOOP, jobs)
        return measured

    readings = side_by_side(options, once)
    figures = [
        Figure(who=who, what=what, unit="jobs/s", values=values, goal=GOALS.get(what) if who == RETINUE else None)
        for what in (SINGLE, BULK)
        for who, values in readings.of(what)
    ]
    return Section([*figures, *_added(options)], readings.settings, readings.missing)


def _added(options: Options) -> list[Figure]:
    with machine() as host:
        added = tuple(added_milliseconds(host, commits=round(100 * options.seconds)) for _ in range(options.runs))
    return [Figure(who=RETINUE, what=ADDED, unit="ms", values=added, goal=0.5, better="less")]


def added_milliseconds(host: Machine, *, commits: int) -> float:
    """Median commit with an enqueue in it less the median without; the two take turns, so that noise meets both."""
    host.connection().execute("CREATE TABLE IF NOT EXISTS bench_orders (id bigserial PRIMARY KEY, note text)")
    plain, enqueueing = [], []
    with Session(create_engine(sqlalchemy_url(host.url))) as session:
        for _ in range(commits):
            plain.append(_timed_commit(session, enqueueing=False))
            enqueueing.append(_timed_commit(session, enqueueing=True))
    return statistics.median(enqueueing) - statistics.median(plain)


def _timed_commit(session: Session, *, enqueueing: bool) -> float:
    began = time.perf_counter()
    session.execute(text("INSERT INTO bench_orders (note) VALUES ('x')"))
    if enqueueing:
        enqueue(session, ECHO, {}, account_id=1)
    session.commit()
    return 1000 * (time.perf_counter() - began)
