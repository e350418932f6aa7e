"""The peers that are measured, each at its best documented setting; two worker processes each."""

from __future__ import annotations

from bench.peers.peer import Entry

#: A backlog deeper than this makes the emulator slow, and the peer is what is measured.
SHALLOW = 500

_PGQUEUER_LEFT = "SELECT EXISTS (SELECT 1 FROM pgqueuer)"

CATALOGUE = (
    Entry(
        name="PgQueuer, batch 100",
        setting="PostgreSQL, asyncpg and uvloop, coroutines without a limit",
        program="pgqueuer_program",
        environment={"BENCH_BATCH": "100"},
        left=_PGQUEUER_LEFT,
    ),
    Entry(
        name="PgQueuer, batch 10",
        setting="PostgreSQL, asyncpg and uvloop, the default batch",
        program="pgqueuer_program",
        environment={"BENCH_BATCH": "10"},
        left=_PGQUEUER_LEFT,
    ),
    Entry(
        name="graphile-worker",
        setting="PostgreSQL, Node.js, 24 jobs at once, local queue of 500, batched completions",
        program="graphile_worker.js",
        left="SELECT EXISTS (SELECT 1 FROM graphile_worker._private_jobs)",
    ),
    Entry(
        name="Procrastinate",
        setting="PostgreSQL, psycopg, 10 coroutines each, finished jobs deleted",
        program="procrastinate_program",
        left="SELECT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
    ),
    Entry(
        name="Huey on Redis",
        setting="8 threads each, blocking, no results",
        program="huey_program",
        bulk=False,
        redis=True,
    ),
    Entry(
        name="Dramatiq on Redis",
        setting="2 processes × 16 threads",
        program="dramatiq_redis",
        workers=1,
        redis=True,
    ),
    Entry(
        name="Celery on Redis",
        setting="16 threads each, no results, no gossip, prefetch 16",
        program="celery_redis",
        bulk=False,
        redis=True,
    ),
    Entry(
        name="RQ",
        setting="Redis, simple workers (no fork for each job), no results",
        program="rq_program",
        redis=True,
    ),
    Entry(
        name="Dramatiq on SQS",
        setting="moto, 2 processes × 8 threads, long polls",
        program="dramatiq_sqs",
        workers=1,
        most=SHALLOW,
        bulk=False,
    ),
    Entry(
        name="Celery on SQS",
        setting="moto, prefork, 1 process each, long polls without pauses",
        program="celery_sqs",
        most=SHALLOW,
        bulk=False,
    ),
)
