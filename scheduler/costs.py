"""Costs: shares an hour's calls to SQS out among accounts, once it has ended, by what each had of its type's jobs.

One scheduler is at it at a time; the others leave it alone.
"""

from __future__ import annotations

from datetime import datetime

import psycopg

from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.statements import statement

#: How long after its end an hour is shared out, in seconds: processes tell of their calls once a minute.
PATIENCE_SECONDS = 180.0


class Costs:
    """The pass."""

    def __init__(self, database: Database, *, figures_days: int) -> None:
        self._database = database
        self._figures_days = figures_days

    def run_once(self) -> PassResult:
        """Share out the next hour, if it has ended.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was changed.
        """
        with self._database.transaction() as connection:
            connection.execute(statement("begin_costs"))
            params = {"patience_seconds": PATIENCE_SECONDS}
            row = connection.execute(statement("take_cost_progress"), params).fetchone()
            if row is None or not row[1]:
                return PassResult()
            return self._share(connection, row[0])

    def _share(self, connection: psycopg.Connection, since: datetime) -> PassResult:
        shared = connection.execute(statement("share_calls"), {"since": since}).rowcount
        connection.execute(statement("advance_costs"), {"since": since})
        connection.execute(statement("forget_costs"), {"days": self._figures_days})
        return PassResult(shared, again_after=0)
