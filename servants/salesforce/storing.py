"""Storing what was read of an object: records, position and what else belongs together, in fenced commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from infra.postgres.record_values import NewRecord, values_of
from infra.postgres.records import Merged, Target, stage_and_merge
from retinue.job import Commit, Job
from servants.salesforce.object_rows import OrgObject, hold, moment, save_position
from servants.salesforce.position import Position

T = TypeVar("T")

#: Records that are merged by one commit.
MERGE_ROWS = 5000


def now_of(job: Job[Any]) -> datetime:
    """Now, on the clock by which readings are ordered: the database's, whichever servant reads."""
    with job.commit() as tx:
        return moment(tx)


class ObjectSink:
    """Stores changes of one object together with its position; see `servants.salesforce.increment.Sink`."""

    def __init__(self, job: Job[Any], found: OrgObject) -> None:
        self._job = job
        self._found = found

    def moment(self) -> datetime:
        """Now."""
        return now_of(self._job)

    def keep(
        self, rows: Sequence[NewRecord], advance: Callable[[Merged], Position], *, observed_at: datetime
    ) -> Merged:
        """One commit; raises FieldsChanged where the fields are not those that the rows were read with."""
        target = self._found.target
        with self._job.commit() as tx:
            hold(tx, target, generation=self._found.row.field_generation)
            merged = merge(tx, self._found, rows, observed_at=observed_at)
            save_position(tx, target, advance(merged))
        return merged


def merge(
    tx: Commit,
    found: OrgObject,
    rows: Sequence[NewRecord],
    *,
    observed_at: datetime,
    replacement: int | None = None,
    mend: bool = False,
) -> Merged:
    """Merge records, keeping the values of fields that are read no more; the caller has the object's row."""
    if not rows:
        return Merged()
    kept = with_kept(tx, found.target, rows, found.kept)
    return stage_and_merge(tx, found.target, kept, observed_at=observed_at, generation=replacement, mend=mend)


_KEPT = """
SELECT external_id, jsonb_object_agg(field.key, field.value)
FROM records CROSS JOIN LATERAL jsonb_each(records.payload) AS field
WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND external_id = ANY(%(ids)s)
  AND field.key = ANY(%(names)s)
GROUP BY external_id
"""


def with_kept(tx: Commit, target: Target, rows: Sequence[NewRecord], names: Sequence[str]) -> Iterable[NewRecord]:
    """The records with what is stored of these fields, which the org does not tell any more."""
    if not names:
        return rows
    ids = [row.external_id for row in rows]
    stored = dict(tx.execute(_KEPT, target.params | {"ids": ids, "names": list(names)}).fetchall())
    return [_kept(row, stored.get(row.external_id)) for row in rows]


def _kept(row: NewRecord, stored: dict[str, Any] | None) -> NewRecord:
    return row if stored is None or row.payload is None else row._replace(payload={**stored, **values_of(row.payload)})


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Rows in lists of so many, the last one shorter."""
    rest = iter(rows)
    while some := list(islice(rest, size)):
        yield some
