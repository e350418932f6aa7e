"""What must hold of a database at any time, and short ways to say what became of a job."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg

from retinue.states import TRANSITIONS


def state_of(sql: psycopg.Connection, job_id: int) -> tuple[str, str]:
    """A job's state and reason, wherever it is kept."""
    rows = sql.execute(
        "SELECT state, reason FROM jobs WHERE id = %(id)s"
        " UNION ALL SELECT state, reason FROM job_history WHERE id = %(id)s",
        {"id": job_id},
    ).fetchall()
    assert len(rows) == 1, f"job {job_id} has {len(rows)} rows"
    return rows[0][0], rows[0][1]


def states(sql: psycopg.Connection) -> Counter[str]:
    """How many jobs are in each state, history included."""
    rows = sql.execute("SELECT state FROM jobs UNION ALL SELECT state FROM job_history").fetchall()
    return Counter(row[0] for row in rows)


def events_of(sql: psycopg.Connection, job_id: int) -> list[str]:
    """A job's noted changes as `running → pending (retry)`, oldest first."""
    rows = sql.execute(
        "SELECT from_state, to_state, reason FROM job_events WHERE job_id = %s ORDER BY at, attempt", (job_id,)
    )
    return [f"{source} → {target} ({reason})" for source, target, reason in rows]


def row_of(sql: psycopg.Connection, job_id: int, columns: str) -> tuple[Any, ...]:
    """Columns of an unfinished job."""
    row = sql.execute(f"SELECT {columns} FROM jobs WHERE id = %s".encode(), (job_id,)).fetchone()  # noqa: S608 - the test's own column names
    assert row is not None, f"job {job_id} is no longer in jobs"
    return row


def history_of(sql: psycopg.Connection, job_id: int, columns: str) -> tuple[Any, ...]:
    """Columns of a finished job."""
    row = sql.execute(f"SELECT {columns} FROM job_history WHERE id = %s".encode(), (job_id,)).fetchone()  # noqa: S608 - the test's own column names
    assert row is not None, f"job {job_id} is not in job_history"
    return row


def assert_consistent(sql: psycopg.Connection) -> None:
    """Everything that holds between two transactions, whatever came before."""
    assert_each_job_once(sql)
    assert_rollups_count_history(sql)
    assert_events_are_legal(sql)
    assert_due_jobs_are_in_sight(sql)
    assert_pending_jobs_are_counted(sql)


def assert_each_job_once(sql: psycopg.Connection) -> None:
    """No job is both finished and unfinished, or finished twice."""
    rows = sql.execute(
        "SELECT id FROM (SELECT id FROM jobs UNION ALL SELECT id FROM job_history) AS job"
        " GROUP BY id HAVING count(*) > 1"
    )
    assert rows.fetchall() == []


def assert_rollups_count_history(sql: psycopg.Connection) -> None:
    """The rollups say what counting the history says."""
    counted = sql.execute("SELECT type, state, sum(jobs)::int FROM job_rollups GROUP BY type, state ORDER BY 1, 2")
    kept = sql.execute("SELECT type, state, count(*)::int FROM job_history GROUP BY type, state ORDER BY 1, 2")
    assert counted.fetchall() == kept.fetchall()


def assert_events_are_legal(sql: psycopg.Connection) -> None:
    """Every noted change is one of the table's."""
    noted = set(sql.execute("SELECT DISTINCT from_state, to_state, reason FROM job_events").fetchall())
    assert noted <= {tuple(map(str, transition)) for transition in TRANSITIONS}


def assert_due_jobs_are_in_sight(sql: psycopg.Connection) -> None:
    """Dispatch will find every pending job when its time comes: no wake was lost.

    Its lane has a note, or a turn that comes no later than the job or the present, or it is full and work in flight
    will wake it.
    """
    lost = sql.execute(
        """
        SELECT jobs.id, jobs.run_at, lanes.due_at, lanes."full"
        FROM jobs
        LEFT JOIN lanes USING (type, lane)
        WHERE jobs.state = 'pending'
            -- In strict order only the head has a turn.
            AND NOT (jobs.ordered AND EXISTS (
                SELECT 1 FROM jobs AS older
                WHERE older.type = jobs.type AND older.lane = jobs.lane AND older.ordered AND older.id < jobs.id
            ))
            AND NOT EXISTS (
                SELECT 1 FROM lane_wakes AS wake
                WHERE wake.type = jobs.type AND wake.lane = jobs.lane AND wake.due_at <= greatest(jobs.run_at, now())
            )
            AND NOT coalesce(
                lanes.due_at <= greatest(jobs.run_at, now())
                AND (
                    lanes.ready
                    -- Made ready when its time comes, if it does not wait for a place.
                    OR NOT lanes."full"
                    OR EXISTS (
                        SELECT 1 FROM jobs AS flight
                        WHERE flight.type = jobs.type AND flight.lane = jobs.lane AND flight.state <> 'pending'
                    )
                ),
                false
            )
        """
    ).fetchall()
    assert lost == []


def assert_nothing_in_flight(sql: psycopg.Connection) -> None:
    """No job is queued or running."""
    assert sql.execute("SELECT id, state FROM jobs WHERE state <> 'pending'").fetchall() == []


def assert_pending_jobs_are_counted(sql: psycopg.Connection) -> None:
    """What lanes and notes say waits is what waits."""
    wrong = sql.execute(
        """
        SELECT type, lane, sum(kept), sum(waiting)
        FROM (
            SELECT type, lane, pending AS kept, 0 AS waiting FROM lanes
            UNION ALL
            SELECT type, lane, pending, 0 FROM lane_wakes
            UNION ALL
            SELECT type, lane, 0, 1 FROM jobs WHERE state = 'pending'
        ) AS told
        GROUP BY type, lane
        HAVING sum(kept) <> sum(waiting)
        """
    )
    assert wrong.fetchall() == []
