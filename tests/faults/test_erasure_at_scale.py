"""A large account is erased by a real servant, which is killed, while another account's jobs run as they did before."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from infra.postgres.audit import Actor, ActorKind
from infra.postgres.connect import Database
from infra.postgres.erasure_orders import order_erasure
from infra.postgres.ordered_types import ERASE_TYPE
from infra.postgres.traces import find_traces
from scheduler.retain import Retain
from tests.support.factories import add_account
from tests.support.fleet import Fleet, fleet

CANARY = "canary-of-the-erased"

#: The other's jobs come so often, and take so long, in seconds.
EVERY, TAKES = 0.1, 0.02

#: How much longer the other's jobs may take, all in all, than before.
MOST_SLOWER = 2.5

#: No transaction of the erasure may last longer, in seconds.
LONGEST = 5.0

_ROWS = """
WITH rows AS (SELECT number FROM generate_series(1, %(rows)s) AS number), records AS (
    INSERT INTO records (connection_id, kind, external_id, account_id, version, observed_at, content_hash, payload)
    SELECT %(connection)s, 'Contact', number::text, %(account)s, 1, now(), number,
        jsonb_build_object('Name', %(text)s::text)
    FROM rows WHERE number %% 10 < 5
), changes AS (
    INSERT INTO record_changes (account_id, position, at, connection_id, kind, external_id, change, version, before)
    SELECT %(account)s, number, now(), %(connection)s, 'Contact', number::text, 'updated', 1,
        jsonb_build_object('Name', %(text)s::text)
    FROM rows WHERE number %% 10 IN (5, 6)
), history AS (
    INSERT INTO job_history (id, type, account_id, lane, state, reason, finished_at, payload)
    SELECT nextval('jobs_id_seq'), 'system.echo', %(account)s, 'account:' || %(account)s::bigint,
        'completed', 'complete', now(), jsonb_build_object('message', %(text)s::text)
    FROM rows WHERE number %% 10 IN (7, 8)
)
INSERT INTO job_events (job_id, account_id, attempt, from_state, to_state, reason, detail)
SELECT number, %(account)s, 1, 'running', 'pending', 'retry', jsonb_build_object('message', %(text)s::text)
FROM rows WHERE number %% 10 = 9
"""

_TABLES = ("records", "record_changes", "job_history", "job_events")

_HASH = """
SELECT md5(string_agg(row::text, ',' ORDER BY external_id)), count(*) FROM records AS row WHERE account_id = %s
"""

_P95 = """
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)), count(*)
FROM job_history
WHERE account_id = %s AND type = 'system.echo' AND claimed_at IS NOT NULL AND created_at >= %s AND created_at < %s
"""

_OLDEST = """
SELECT application_name, max(extract(epoch FROM clock_timestamp() - xact_start))
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'retinue-%' AND xact_start IS NOT NULL
GROUP BY application_name
"""


@dataclass
class Work:
    """Another account's jobs, and the longest transaction that was seen meanwhile of each program, in seconds."""

    longest: dict[str, float] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def work_of(house: Fleet, account_id: int) -> Iterator[Work]:
    """A thread that makes a job every so often, and looks at the transactions."""
    work = Work()

    def go_on() -> None:
        with psycopg.connect(house.machine.url, autocommit=True) as looks:
            while not work.stop.wait(EVERY):
                house.enqueue({"seconds": TAKES}, account_id=account_id)
                for program, seconds in looks.execute(_OLDEST).fetchall():
                    work.longest[program] = max(work.longest.get(program, 0.0), float(seconds))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield work
    finally:
        work.stop.set()
        thread.join()


@pytest.fixture
def house() -> Iterator[Fleet]:
    with fleet() as made:
        yield made


@pytest.mark.timeout(180)
def test_a_large_account_goes_while_another_works(house: Fleet) -> None:
    erase_beside(house, rows=20_000, before_jobs=40)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_million_rows_go_while_another_account_works(house: Fleet) -> None:
    ratio, longest = erase_beside(house, rows=int(os.environ.get("ROWS", "1000000")), before_jobs=200)
    assert ratio < MOST_SLOWER
    assert longest < LONGEST


def erase_beside(house: Fleet, *, rows: int, before_jobs: int) -> tuple[float, float]:
    """How much longer the jobs beside it took than before, by 95th percentiles; the erasure's longest transaction."""
    make_partitions(house)
    house.start_scheduler()
    house.start_servant("echo")
    house.start_servant("eraser", ERASE_TYPE)
    with psycopg.connect(house.machine.url, autocommit=True) as sql:
        erased, other = (prepare(sql, name, count) for name, count in (("erased", rows), ("other", rows // 10)))
        sql.execute("ANALYZE")
        kept = sql.execute(_HASH, (other,)).fetchone()
        with work_of(house, other) as work:
            first = moment(sql)
            house.wait(lambda: done_since(house, other, first), "a job")
            began = moment(sql)
            house.wait(lambda: done_since(house, other, began) >= before_jobs, "the work to be measured")
            ordered, started = moment(sql), time.monotonic()
            work.longest.clear()
            job = order(house, sql, erased)
            kill_in_the_middle(house, job)
            house.wait(lambda: ended(house, job), "the erasure", seconds=3000)
            over, took = moment(sql), time.monotonic() - started
        check(sql, job, rows)
        assert sql.execute(_HASH, (other,)).fetchone() == kept
        before, during = p95(sql, other, began, ordered), p95(sql, other, ordered, over)
    longest = work.longest.get(f"retinue-{ERASE_TYPE}", 0.0)
    print(  # noqa: T201 - what a proof is run for
        f"{rows} rows erased in {took:.1f} s, a kill included; jobs beside it: p95 {before[0] * 1000:.0f} ms before "
        f"(of {before[1]}), {during[0] * 1000:.0f} ms meanwhile (of {during[1]}), ratio {during[0] / before[0]:.2f}; "
        f"its longest transaction {longest:.2f} s; all programs' {work.longest}"
    )
    return during[0] / before[0], longest


def make_partitions(house: Fleet) -> None:
    """Before anything lies in the default ones: the scheduler would have to move it."""
    pool = Database(house.machine.url, application_name="tests")
    Retain(pool, history_days=1).run_once()
    pool.close()


def prepare(sql: psycopg.Connection, name: str, rows: int) -> int:
    """An account with so many rows; its ID."""
    account = add_account(sql, f"{CANARY} {name}" if name == "erased" else name)
    query = "INSERT INTO connections (account_id, provider, name, config, credentials) VALUES (%s, 'x', 'x', '{}', '')"
    (connection,) = sql.execute(query + " RETURNING id", (account,)).fetchone() or (0,)
    text = f"{CANARY} and nobody else" if name == "erased" else "somebody else"
    sql.execute(_ROWS.encode(), {"rows": rows, "account": account, "connection": connection, "text": text})
    return account


def done_since(house: Fleet, account_id: int, since: object) -> int:
    query = "SELECT count(*) FROM job_history WHERE account_id = %s AND claimed_at IS NOT NULL AND created_at >= %s"
    return house.number(query, account_id, since)


def moment(sql: psycopg.Connection) -> object:
    return (sql.execute("SELECT clock_timestamp()").fetchone() or (None,))[0]


def order(house: Fleet, sql: psycopg.Connection, account_id: int) -> int:
    with sql.transaction():
        return order_erasure(sql, Actor(ActorKind.COMMAND_LINE, None, "proof"), account_id, reason="a proof")


def kill_in_the_middle(house: Fleet, job: int) -> None:
    """SIGKILL as soon as something has gone, and another servant in its place."""
    some = "SELECT count(*) FROM jobs WHERE id = %s AND (checkpoint -> 'rows' ->> 'records')::int > 0"
    house.wait(lambda: house.number(some, job), "the first rows to go", every=0.01)
    house.kill("eraser")
    house.restart("eraser")


def ended(house: Fleet, job: int) -> bool:
    return house.number("SELECT count(*) FROM job_history WHERE id = %s", job) == 1


def check(sql: psycopg.Connection, job: int, rows: int) -> None:
    """It went, all of it, and is counted to the row although a servant died."""
    state, attempt, result = sql.execute(
        "SELECT state, attempt, result FROM job_history WHERE id = %s", (job,)
    ).fetchone() or (None, 0, {})
    assert (state, attempt > 1) == ("completed", True)
    assert sum(result["rows"][table] for table in _TABLES) == rows
    assert find_traces(sql, [CANARY]) == []


def p95(sql: psycopg.Connection, account_id: int, since: object, until: object) -> tuple[float, int]:
    """From being made to its end, in seconds, of the account's jobs that were made then; and of how many."""
    seconds, jobs = sql.execute(_P95, (account_id, since, until)).fetchone() or (0, 0)
    assert jobs > 10
    return float(seconds), jobs
