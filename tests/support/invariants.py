"""What must hold of the database after a fault run, found out by reading the database alone.

The tables of `tests.support.trial_servants` are read with the engine's own. An attempt is in effect from the commit in
which it noted that it had begun until it left `running`, as `job_events` or its history tells: what a servant does
after its lease was taken away can change nothing, and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from tests.support.assertions import assert_consistent

#: Types at most so many of whose jobs may be in effect at once, in one lane or in all.
LANE_LIMITS = {"trial.lane": 1, "trial.order": 1}
TYPE_LIMITS = {"trial.type": 1}
ORDERED = ("trial.order",)

_IN_EFFECT = """
    CREATE TEMPORARY VIEW in_effect AS
    WITH ended AS (
        SELECT job_id, attempt, at FROM job_events WHERE from_state = 'running'
        UNION ALL
        SELECT id, attempt, finished_at FROM job_history WHERE state = 'completed'
    )
    SELECT begun.*, greatest(ended.at, begun.begun_at) AS ended_at
    FROM trial_begun AS begun
    LEFT JOIN ended USING (job_id, attempt)
"""

#: Each returns the rows that break it, and none where all is well.
RULES = {
    "every job that was enqueued is there exactly once": """
        SELECT job_id, count(job.id)
        FROM trial_enqueued
        LEFT JOIN (SELECT id FROM jobs UNION ALL SELECT id FROM job_history) AS job ON job.id = job_id
        GROUP BY job_id HAVING count(job.id) <> 1
    """,
    "no job is there that nobody enqueued": """
        SELECT id FROM (SELECT id FROM jobs UNION ALL SELECT id FROM job_history) AS job
        EXCEPT SELECT job_id FROM trial_enqueued
    """,
    "every job has finished": "SELECT id, type, lane, state, reason, attempt FROM jobs",
    "a completed job's effect is there once, and of its last attempt": """
        SELECT history.id, history.attempt, array_agg(effect.attempt)
        FROM job_history AS history
        LEFT JOIN trial_effects AS effect ON effect.job_id = history.id
        WHERE history.state = 'completed' AND history.type IN ('trial.lane', 'trial.type', 'trial.order')
        GROUP BY history.id, history.attempt HAVING array_agg(effect.attempt) <> ARRAY[history.attempt]
            OR array_agg(effect.attempt) IS NULL
    """,
    "no other job has an effect": """
        SELECT effect.job_id, effect.attempt
        FROM trial_effects AS effect
        LEFT JOIN job_history AS history ON history.id = effect.job_id AND history.state = 'completed'
        WHERE history.id IS NULL
    """,
    "an echo is there exactly where a job that wanted one completed": """
        SELECT history.id, history.state, count(echo.job_id)
        FROM job_history AS history
        LEFT JOIN echoes AS echo ON echo.job_id = history.id AND echo.attempt = history.attempt
        WHERE history.type = 'system.echo'
        GROUP BY history.id, history.state, history.payload
        HAVING count(echo.job_id)
            <> (history.state = 'completed' AND coalesce((history.payload->>'effect')::bool, false))::int
    """,
    "no echo is of an attempt that did not complete its job": """
        SELECT echo.job_id, echo.attempt
        FROM echoes AS echo
        LEFT JOIN job_history AS history ON history.id = echo.job_id AND history.attempt = echo.attempt
        WHERE history.id IS NULL
    """,
    "an attempt begins once": "SELECT job_id, attempt FROM trial_begun GROUP BY 1, 2 HAVING count(*) > 1",
    "a job's attempts begin in the order of their numbers": """
        SELECT job_id, attempt, begun_at
        FROM (
            SELECT *, max(begun_at) OVER (
                PARTITION BY job_id ORDER BY attempt ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before
            FROM trial_begun
        ) AS begun
        WHERE begun_at <= before
    """,
    "a job's events carry attempts that only grow": """
        SELECT job_id, at, attempt
        FROM (
            SELECT *, max(attempt) OVER (
                PARTITION BY job_id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before
            FROM job_events
        ) AS event
        WHERE attempt < before
    """,
    "an attempt leaves running once": """
        SELECT job_id, attempt, count(*)
        FROM (
            SELECT job_id, attempt FROM job_events WHERE from_state = 'running'
            UNION ALL
            SELECT id, attempt FROM job_history WHERE state = 'completed'
        ) AS ended
        GROUP BY job_id, attempt HAVING count(*) > 1
    """,
    "an attempt that began has ended": "SELECT job_id, attempt FROM in_effect WHERE ended_at IS NULL",
    "the history ends as the last event says": """
        SELECT history.id, history.state, array_agg(event.to_state)
        FROM job_history AS history
        LEFT JOIN job_events AS event
            ON event.job_id = history.id AND event.to_state NOT IN ('pending', 'queued', 'running')
        GROUP BY history.id, history.state
        HAVING coalesce(array_agg(event.to_state) FILTER (WHERE event.to_state IS NOT NULL), '{}')
            <> CASE WHEN history.state = 'completed' THEN '{}' ELSE ARRAY[history.state] END
    """,
    "strict order: a job begins when all before it in its lane have finished": """
        SELECT job_id, attempt, lane, begun_at, before
        FROM trial_begun
        JOIN (
            SELECT id, max(finished_at) OVER (
                PARTITION BY type, lane ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before
            FROM job_history
            WHERE type = ANY(%(ordered)s)
        ) AS history ON history.id = job_id
        WHERE begun_at <= before
    """,
    "nothing is left to tell a lane": "SELECT * FROM lane_wakes WHERE due_at IS NOT NULL",
    "no hold is left": "SELECT * FROM lane_holds",
}

_TOO_MANY = """
    SELECT key, moment, together
    FROM (
        SELECT key, moment, sum(step) OVER (PARTITION BY key ORDER BY moment, step) AS together
        FROM (
            SELECT {key} AS key, begun_at AS moment, 1 AS step FROM in_effect WHERE type = %(type)s
            UNION ALL
            SELECT {key}, ended_at, -1 FROM in_effect WHERE type = %(type)s
        ) AS change
    ) AS course
    WHERE together > %(limit)s
"""


def broken_rules(sql: psycopg.Connection) -> list[str]:
    """Every rule that does not hold, with the first rows that show it."""
    sql.execute("DROP VIEW IF EXISTS in_effect")
    sql.execute(_IN_EFFECT)
    found = list(_broken(sql))
    sql.execute("DROP VIEW in_effect")
    try:
        assert_consistent(sql)
    except AssertionError as error:
        found.append(f"between two transactions: {error}")
    return found


def limits_passed(sql: psycopg.Connection) -> list[str]:
    """Each limit that more attempts than it allows were in effect under."""
    checks = [("type || ' ' || lane", name, limit) for name, limit in LANE_LIMITS.items()]
    checks += [("type", name, limit) for name, limit in TYPE_LIMITS.items()]
    found = []
    for key, name, limit in checks:
        rows = sql.execute(_TOO_MANY.format(key=key).encode(), {"type": name, "limit": limit}).fetchall()
        found += [f"{name}: more than {limit} at once: {rows[:5]}"] if rows else []
    return found


def _broken(sql: psycopg.Connection) -> Iterator[str]:
    for rule, query in RULES.items():
        rows = sql.execute(query.encode(), {"ordered": list(ORDERED)}).fetchall()
        if rows:
            yield f"{rule}: {len(rows)} rows: {rows[:5]}"
    yield from limits_passed(sql)


#: What to look at when a run does not come to its end.
_LEFT = {
    "jobs": """
        SELECT type, lane, state, reason, count(*),
            min(run_at) - now(), now() - max(queued_at), min(lease_until) - now()
        FROM jobs GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """,
    "lanes": """
        SELECT type, lane, due_at - now(), held_until, ready, "full"
        FROM lanes WHERE EXISTS (SELECT FROM jobs WHERE jobs.type = lanes.type AND jobs.lane = lanes.lane)
    """,
    "notes": "SELECT type, lane, due_at - now(), charge FROM lane_wakes LIMIT 10",
    "holds": "SELECT type, lane, kind, reason FROM lane_holds",
    "servants": "SELECT id, type, state, busy, slots, rate, now() - heartbeat_at, now() - received_at FROM servants",
    "schedulers": "SELECT id, now() - heartbeat_at, passes FROM schedulers",
}


def leftovers(sql: psycopg.Connection) -> str:
    """What is not done, for a person to read."""
    told = []
    for what, query in _LEFT.items():
        told += [f"{what}: " + ", ".join(map(str, row)) for row in sql.execute(query.encode())]
    return "\n".join(told)
