"""The spans of jobs on their way to a queue. Where traces are off, dispatch has none of this and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg

from infra.logs import get_logger
from infra.postgres.arrays import numbers
from infra.postgres.connect import Database, DatabaseUnreachable

if TYPE_CHECKING:
    from infra.otel import Dispatched, Tracing

log = get_logger(__name__)


class DispatchTraces:
    """Reads which of the dispatched jobs belong to a trace, and tells when they were sent."""

    def __init__(self, database: Database, tracing: Tracing) -> None:
        self._database = database
        self._tracing = tracing

    def read(self, ids: Sequence[int]) -> list[Dispatched]:
        """Those of `ids` whose enqueue was traced; none where the database is away, for jobs matter more."""
        from infra.otel import Dispatched

        try:
            rows = self._database.fetch("read_traces", {"ids": numbers(ids)})
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("traces_not_read", jobs=len(ids), error=str(error))
            return []
        return [Dispatched._make(row) for row in rows]

    def sent(self, jobs: Sequence[Dispatched], ids: Sequence[int]) -> None:
        """Those with these `ids` have gone out."""
        went = set(ids)
        self._tracing.dispatched([job for job in jobs if job.id in went])
