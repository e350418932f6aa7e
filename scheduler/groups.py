"""Groups: adds up what happened to their jobs, cancels what is left of those that were cancelled, ends the done ones.

Nobody who ends a job waits for its group's row: the statement leaves a note, and this pass folds the notes. A group's
follow-up is made in the transaction that ends the group, so it comes once, whoever crashes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.groups import make_follow_up
from infra.postgres.holds import release_order_of
from infra.postgres.statements import statement

#: Notes folded, jobs cancelled and groups ended by one transaction.
MAX_NOTES = 10_000
MAX_CANCELLED = 1000
MAX_ENDED = 200

log = get_logger(__name__)


class Groups:
    """The pass. Two schedulers take different groups. `on_work` is called after jobs were made or lanes freed."""

    def __init__(self, database: Database, *, on_work: Callable[[], object] = lambda: None) -> None:
        self._database = database
        self._on_work = on_work

    def run_once(self) -> PassResult:
        """Do what there is to do, a batch of each.

        Raises:
            DatabaseUnreachable, psycopg.Error: the transaction that failed changed nothing.
        """
        folded = sum(notes for _, notes in self._database.fetch("fold_group_notes", {"limit": MAX_NOTES}))
        self._end_open()
        cancelled = self._cancel()
        ended = self._end()
        if cancelled or ended:
            self._on_work()
        more = folded >= MAX_NOTES or cancelled >= MAX_CANCELLED or ended > 0
        return PassResult(folded + cancelled + ended, again_after=0 if more else None)

    def _end_open(self) -> None:
        """Seal the groups whose parents have ended; where a parent did not complete, its group is cancelled."""
        for identity, reason in self._database.fetch("end_open_groups", {"limit": MAX_ENDED}):
            if reason is not None:
                log.warning("group_orphaned", group=identity, reason=reason)

    def _cancel(self) -> int:
        self._database.fetch("cancel_inner_groups")
        with self._database.transaction() as connection:
            rows = connection.execute(statement("lock_jobs_of_cancelled_groups"), {"limit": MAX_CANCELLED})
            ids = sorted(row[0] for row in rows)
            if ids:
                params = {"ids": ids}
                gone = [row[0] for row in connection.execute(statement("cancel_waiting_jobs"), params)]
                asked = connection.execute(statement("request_cancel"), params).rowcount
                release_order_of(connection, gone)
                log.info("group_jobs_cancelled", waiting=len(gone), running=asked)
        return len(ids)

    def _end(self) -> int:
        with self._database.transaction() as connection:
            ids = [row[0] for row in connection.execute(statement("lock_done_groups"), {"limit": MAX_ENDED})]
            ended = connection.execute(statement("end_groups"), {"ids": ids}).fetchall() if ids else []
            followed = [_follow(connection, identity, around, follow_up) for identity, _, _, around, follow_up in ended]
        for (identity, name, outcome, *_), job_id in zip(ended, followed, strict=True):
            log.info("group_ended", group=identity, name=name, outcome=outcome, follow_up_job=job_id)
        return len(ended)


def _follow(
    connection: psycopg.Connection, group_id: int, around: int | None, follow_up: dict[str, Any] | None
) -> int | None:
    """Make the group's follow-up, if one is to come; the group around it waits for that, too."""
    if follow_up is None:
        return None
    job_id = make_follow_up(connection, follow_up, group_id=around)
    connection.execute(statement("set_follow_up_job"), {"id": group_id, "job_id": job_id})
    if around is not None:
        connection.execute(statement("note_group_total"), {"id": around, "total": 1})
    return job_id
