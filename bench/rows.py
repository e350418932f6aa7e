"""Large tables, filled by the server itself: what enqueueing would have written, in minutes instead of hours."""

from __future__ import annotations

from bench.fleet import ECHO
from bench.machine import Machine

#: Rows of one statement: its transaction stays within the write-ahead log's size.
ROWS = 1_000_000

_JOBS = """
INSERT INTO jobs (type, account_id, lane, run_at, payload)
SELECT %(type)s, account, 'account:' || account, now() - interval '1 minute', %(payload)s::jsonb
FROM (SELECT %(first)s::bigint + n %% %(accounts)s::bigint AS account FROM generate_series(1, %(jobs)s::bigint) AS n)
"""

_WAKES = """
INSERT INTO lane_wakes (type, lane, due_at)
SELECT %(type)s, 'account:' || (%(first)s::bigint + n), now() - interval '1 minute'
FROM generate_series(0, %(accounts)s::bigint - 1) AS n
"""


def fill_jobs(machine: Machine, jobs: int, *, accounts: int, first: int = 1, payload: str = "{}") -> None:
    """Jobs of `system.echo` that are due, spread evenly over the lanes of so many accounts from `first` on."""
    connection = machine.connection()
    facts = {"type": ECHO, "accounts": accounts, "first": first, "payload": payload}
    for start in range(0, jobs, ROWS):
        connection.execute(_JOBS, facts | {"jobs": min(ROWS, jobs - start)})
    connection.execute("ANALYZE jobs")
    connection.execute(_WAKES, facts)
