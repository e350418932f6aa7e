"""`salesforce.formulas`: bring calculated fields up to date, and fields that a row was stored without.

A formula may change without its row: by the row it refers to, by the day, by a person who writes it anew. Neither the
row's SystemModstamp nor any event tells of that, so the values are read again and again, for all rows, with nothing
else.

With `object` and `fields` it brings these of one object: a field that was made or shown since its rows were stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.postgres.salesforce_objects import ObjectState, note_formulas
from retinue import Completed, Exponential, Job, Outcome, Payload, Snooze, minutes, seconds, servant
from retinue.clock import SystemClock
from retinue.connection import Connection
from servants.deadline import Deadline
from servants.salesforce.client.errors import FieldMissing, ObjectDenied, ObjectMissing
from servants.salesforce.client.session import Salesforce, open_client
from servants.salesforce.comparison import refresh
from servants.salesforce.listing import Listing
from servants.salesforce.object_rows import FieldsChanged, OrgObject, load_object, load_objects

#: How long a run works before it puts its job back, in seconds.
WORK_SECONDS = 240.0


class Formulas(Payload):
    """Which connection; all calculated fields of all its objects unless `object` and `fields` are named."""

    connection_id: int
    object: str | None = None
    fields: tuple[str, ...] = ()


@servant(
    "salesforce.formulas",
    slots=2,
    timeout=minutes(10),
    grace=seconds(150),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    lane_limit=1,
)
def refresh_formulas(job: Job[Formulas]) -> Outcome:
    """Read the fields again."""
    connection = job.connection(job.payload.connection_id)
    with open_client(connection, stop_if_cancelled=job.stop_if_cancelled) as client:
        return _Refresh(job, client, connection).run()


class _Refresh:
    """One attempt; its checkpoint tells which objects are done, which is under way, and behind which Id."""

    def __init__(self, job: Job[Formulas], client: Salesforce, connection: Connection) -> None:
        self._job = job
        self._client = client
        self._connection = connection
        self._deadline = Deadline.after(WORK_SECONDS)
        checkpoint = job.checkpoint or {}
        self._done: list[str] = list(checkpoint.get("done", ()))
        self._at: str | None = checkpoint.get("object")
        self._behind: str | None = checkpoint.get("behind")
        self._updated = int(checkpoint.get("updated", 0))

    def run(self) -> Outcome:
        for found in self._objects():
            if found.name in self._done:
                continue
            try:
                is_whole = self._object(found)
            except (FieldMissing, FieldsChanged, ObjectMissing, ObjectDenied) as change:
                if self._job.payload.fields:
                    return self._again(change.message)
                is_whole = True
            if not is_whole:
                return Snooze(SystemClock().now(), "goes on at once: there is more to read")
            self._end(found)
        return Completed({"objects": len(self._done), "updated": self._updated})

    def _again(self, reason: str) -> Outcome:
        """The fields changed once more; as long as they are read, their values are wanted."""
        self._behind = None
        with self._job.commit() as tx:
            found = load_object(tx, self._connection, self._job.payload.object or "")
            tx.checkpoint(self._as_json())
        if found is None or found.row.state is ObjectState.GONE or not self._names(found):
            return Completed({"stale": True})
        return Snooze(SystemClock().now(), f"begins again: {reason}")

    def _objects(self) -> Sequence[OrgObject]:
        with self._job.commit() as tx:
            found = load_objects(tx, self._connection)
        there = [one for one in found if one.position is not None and one.row.state is not ObjectState.GONE]
        named = self._job.payload.object
        wanted = [one for one in there if (one.name == named if named else one.is_live) and self._names(one)]
        # What an earlier attempt began is brought to its end first.
        return sorted(wanted, key=lambda one: one.name != self._at)

    def _names(self, found: OrgObject) -> list[str]:
        if self._job.payload.object:
            return [name for name in self._job.payload.fields if name in found.names]
        return [one.name for one in found.calculated]

    def _object(self, found: OrgObject) -> bool:
        listing = Listing(self._job, self._client, found, self._names(found))
        if self._at != found.name:
            self._at, self._behind = found.name, None
        while True:
            part = listing.slice(self._behind)
            self._updated += refresh(self._job, found, part).updated
            self._behind = part.upto
            if self._behind is None:
                return True
            with self._job.commit() as tx:
                tx.checkpoint(self._as_json())
            if self._deadline.passed:
                return False

    def _end(self, found: OrgObject) -> None:
        self._done.append(found.name)
        self._behind = None
        with self._job.commit() as tx:
            if not self._job.payload.object:
                note_formulas(tx, self._connection, found.name)
            tx.checkpoint(self._as_json())

    def _as_json(self) -> dict[str, Any]:
        return {"done": self._done, "object": self._at, "behind": self._behind, "updated": self._updated}
