"""The spans of jobs on their way to a queue. Where traces are off, dispatch has none of this and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg

from infra.postgres.arrays import numbers
from infra.postgres.statements import statement

if TYPE_CHECKING:
    from infra.otel import Dispatched, Tracing


class DispatchTraces:
    """Reads which of the dispatched jobs belong to a trace, and tells when they were sent."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def read(self, connection: psycopg.Connection, ids: Sequence[int]) -> list[Dispatched]:
        """Those of `ids` whose enqueue was traced, asked of the transaction that dispatches them."""
        from infra.otel import Dispatched

        rows = connection.execute(statement("read_traces"), {"ids": numbers(ids)})
        return [Dispatched._make(row) for row in rows]

    def sent(self, jobs: Sequence[Dispatched], ids: Sequence[int]) -> None:
        """Those with these `ids` have gone out."""
        went = set(ids)
        self._tracing.dispatched([job for job in jobs if job.id in went])
