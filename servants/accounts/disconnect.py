"""`connection.remove`: a connection that somebody has disconnected goes, with everything that came over it."""

from __future__ import annotations

from infra.postgres.connect import connect
from infra.postgres.connection_removal import plan_removal, remove_connection
from infra.postgres.ordered_types import REMOVE_TYPE
from infra.postgres.removal_orders import Removing
from infra.secrets import Keyring
from infra.settings import load_settings
from retinue import Completed, Exponential, Job, Outcome, hours, servant
from retinue.errors import NotFound
from retinue.outcomes import Cancelled


@servant(REMOVE_TYPE, slots=2, timeout=hours(4), retry=Exponential(base=5, cap=600, attempts=20))
def remove(job: Job[Removing]) -> Outcome:
    """Remove the connection in short transactions; what another attempt has removed already is passed over."""
    settings, gone = load_settings(), 0
    # Its own, in autocommit mode: a row that was deleted stays so, whatever becomes of this attempt.
    with connect(settings.database_url, application_name="retinue-removal", autocommit=True) as connection:
        try:
            plan = plan_removal(connection, job.payload.removed)
        except NotFound:
            return Completed({"rows": 0})
        total = sum(plan.rows.values())
        for _table, rows in remove_connection(connection, Keyring.from_settings(settings), plan):
            gone += rows
            job.progress(gone, max(gone, total))
            if job.cancelled.is_set():
                return Cancelled(f"{job.cancelled.reason} after {gone} rows")
    return Completed({"rows": gone})
