"""Anomalies: folds what jobs reported into one row for each fingerprint, and one for each account that met it.

One scheduler is at it at a time; the others leave it alone.
"""

from __future__ import annotations

from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.statements import statement

#: Sightings folded by one transaction.
MAX_SIGHTINGS = 5000

#: Fingerprints of one type and name that are told apart.
MAX_FINGERPRINTS = 200

_FOLD_LOCK = 7_218_310_049


class Anomalies:
    """The pass."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run_once(self) -> PassResult:
        """Fold a batch.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was changed.
        """
        with self._database.transaction() as connection:
            locked = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_FOLD_LOCK,)).fetchone()
            if locked != (True,):
                return PassResult()
            params = {"limit": MAX_SIGHTINGS, "most": MAX_FINGERPRINTS}
            ((folded,),) = connection.execute(statement("fold_anomaly_sightings"), params).fetchall()
        return PassResult(folded, again_after=0 if folded >= MAX_SIGHTINGS else None)
