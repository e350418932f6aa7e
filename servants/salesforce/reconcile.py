"""`salesforce.reconcile`: prove that what is stored equals the org, and mend what does not.

Every hour the log of deletions of each object is asked for, which an increment does only where something else changed.
Once a day each object is compared as a whole, slice by slice: the Ids and versions of a slice by count and hash, and
where these differ, record by record. With each slice come the values of calculated fields, which change without a new
version.

It follows a first reading, too: what that has missed is brought, and the object is live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from infra.postgres.imports import Kind, finish_import
from infra.postgres.record_replacements import finish_replacement
from infra.postgres.records import ReplacementOver
from infra.postgres.salesforce_objects import ObjectState, has_unfinished_backfill, note_reconciled, save_state
from retinue import Completed, Exponential, Job, Outcome, Payload, Snooze, minutes, seconds, servant
from retinue.clock import SystemClock
from retinue.connection import Connection
from retinue.job import Commit
from servants.deadline import Deadline
from servants.salesforce.client.errors import FieldMissing, ObjectDenied, ObjectMissing
from servants.salesforce.client.session import Salesforce, open_client
from servants.salesforce.comparison import Comparison, Report
from servants.salesforce.increment import Follower
from servants.salesforce.listing import Listing
from servants.salesforce.object_rows import FieldsChanged, OrgObject, hold, load_object, load_objects, save_position
from servants.salesforce.org_reading import OrgReader
from servants.salesforce.storing import ObjectSink

#: How often each object is compared as a whole; a little less than a day, so that no day is left out.
COMPARE_EVERY = timedelta(hours=20)

#: How long a run works before it puts its job back, in seconds.
WORK_SECONDS = 240.0


class Reconcile(Payload):
    """Which objects of which connection; all, and those whole that are due, unless they are named.

    `deep` compares the contents of records, not only their versions. Without `mend` nothing is written: a check.
    `replacements` are the readings anew that have come to their end, by object.
    """

    connection_id: int
    objects: tuple[str, ...] = ()
    deep: bool = False
    mend: bool = True
    replacements: dict[str, int] = Field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """How far a job is: what was found of objects that are done, and where the one under way goes on.

    `unproven` says whether that `object` was unproven when its comparison began.
    """

    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    object: str | None = None
    behind: str | None = None
    generation: int | None = None
    unproven: bool = False
    report: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@servant(
    "salesforce.reconcile",
    slots=2,
    timeout=minutes(10),
    grace=seconds(150),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    lane_limit=1,
)
def reconcile(job: Job[Reconcile]) -> Outcome:
    """Compare what is stored with the org."""
    connection = job.connection(job.payload.connection_id)
    with open_client(connection, stop_if_cancelled=job.stop_if_cancelled) as client:
        return _Reconciliation(job, client, connection).run()


class _Reconciliation:
    """One attempt."""

    def __init__(self, job: Job[Reconcile], client: Salesforce, connection: Connection) -> None:
        self._job = job
        self._client = client
        self._connection = connection
        self._deadline = Deadline.after(WORK_SECONDS)
        self._progress = Progress(**(job.checkpoint or {}))

    def run(self) -> Outcome:
        for found in self._objects():
            if found.name in self._progress.done:
                continue
            self._job.stop_if_cancelled()
            try:
                is_whole = self._bring(found)
            except (FieldMissing, FieldsChanged, ObjectMissing, ObjectDenied, ReplacementOver) as change:
                # The next sync describes the object anew; the next hourly comparison goes by that.
                self._keep(found.name, {"put_off": change.message})
                continue
            if not is_whole:
                return Snooze(SystemClock().now(), "goes on at once: there is more to compare")
        return Completed(self._result())

    def _objects(self) -> Sequence[OrgObject]:
        with self._job.commit() as tx:
            found = load_objects(tx, self._connection)
        named = self._job.payload.objects
        wanted = [one for one in found if one.position is not None and (not named or one.name in named)]
        # What an earlier attempt began is brought to its end first.
        return sorted(wanted, key=lambda one: one.name != self._progress.object)

    def _bring(self, found: OrgObject) -> bool:
        """Bring one object in step; False where the time was over before that."""
        if found.row.state is ObjectState.GONE:
            return True
        if self._job.payload.mend and self._progress.object != found.name:
            self._finish_replacement(found)
            found = self._with_log(self._reloaded(found))
        if not self._is_due(found):
            return True
        return self._compare(found)

    def _is_due(self, found: OrgObject) -> bool:
        if found.name in self._job.payload.objects:
            return True
        if not found.is_live:
            # While its history is being read a comparison follows of itself, unless that has come to nothing.
            return found.row.state is ObjectState.HISTORY and not self._is_read(found)
        at = found.row.reconciled_at
        unproven = found.position is not None and found.position.unproven
        return unproven or at is None or at < datetime.now(UTC) - COMPARE_EVERY

    def _is_read(self, found: OrgObject) -> bool:
        """Whether jobs that read its history are unfinished."""
        with self._job.commit() as tx:
            return has_unfinished_backfill(tx, self._connection, found.name)

    def _reloaded(self, found: OrgObject) -> OrgObject:
        """The object as it is now: a sync may have moved its position on since the attempt began."""
        with self._job.commit() as tx:
            return load_object(tx, self._connection, found.name) or found

    def _with_log(self, found: OrgObject) -> OrgObject:
        """The object, after the log of its deletions was read."""
        position = found.position
        if position is None or found.stamp is None or not found.has_log:
            return found
        # The clock of the org comes with an answer.
        self._client.rest.describe(found.name, since=found.row.describe_modified)
        follower = Follower(OrgReader(self._client, found), ObjectSink(self._job, found), position, may_go_on=bool)
        follower.read_log()
        return replace(found, row=replace(found.row, position=follower.followed.position.as_json()))

    def _finish_replacement(self, found: OrgObject) -> None:
        """Delete what a reading anew has not seen."""
        generation = self._job.payload.replacements.get(found.name)
        deleted = 1
        while generation is not None and deleted:
            with self._job.commit() as tx:
                hold(tx, found.target, generation=found.row.field_generation)
                deleted = finish_replacement(tx, found.target, generation)

    # the comparison

    def _compare(self, found: OrgObject) -> bool:
        deep = self._job.payload.deep or found.stamp is None
        names = found.names if deep else [one.name for one in found.calculated]
        listing = Listing(self._job, self._client, found, names)
        comparison = Comparison(self._job, self._client, found, deep=deep, mend=self._job.payload.mend)
        behind, report = self._begun(found)
        while True:
            part = listing.slice(behind)
            comparison.slice(part, report)
            behind = part.upto
            if behind is None:
                self._end(found, report)
                return True
            self._checkpoint(behind, report)
            if self._deadline.passed:
                return False

    def _begun(self, found: OrgObject) -> tuple[str | None, Report]:
        """Where an earlier attempt stopped, unless the fields are others since."""
        going = self._progress
        if going.object == found.name and going.generation == found.row.field_generation:
            return going.behind, Report.of_json(going.report)
        unproven = found.position is not None and found.position.unproven
        self._progress = Progress(
            done=going.done, object=found.name, generation=found.row.field_generation, unproven=unproven
        )
        return None, Report()

    def _checkpoint(self, behind: str, report: Report) -> None:
        self._progress = replace(self._progress, behind=behind, report=report.as_json())
        with self._job.commit() as tx:
            tx.checkpoint(self._progress.as_json())
        self._job.progress(report.counts["rows"])

    def _end(self, found: OrgObject, report: Report) -> None:
        told = report.as_json()
        if self._job.payload.mend and report.counts["drift"] and found.is_live:
            counts = {name: report.counts[name] for name in ("missing", "stale", "surplus")}
            self._job.anomaly("salesforce_drift", object=found.name, **counts)
        was_unproven = self._progress.unproven
        self._progress = Progress(done={**self._progress.done, found.name: told})
        with self._job.commit() as tx:
            if self._job.payload.mend:
                self._note(tx, found, told, was_unproven=was_unproven)
            tx.checkpoint(self._progress.as_json())

    def _note(self, tx: Commit, found: OrgObject, told: Mapping[str, Any], *, was_unproven: bool) -> None:
        position = hold(tx, found.target, generation=found.row.field_generation)
        note_reconciled(tx, self._connection, found.name, told)
        # What became unproven while it was compared is compared again.
        if position is not None and position.unproven and was_unproven:
            save_position(tx, found.target, replace(position, unproven=False))
        if found.row.state is ObjectState.HISTORY:
            save_state(tx, self._connection, found.name, ObjectState.LIVE)
        if all(one.is_live or one.row.state is ObjectState.GONE for one in load_objects(tx, self._connection)):
            finish_import(tx, self._connection.id, Kind.SALESFORCE)

    def _keep(self, name: str, told: dict[str, Any]) -> None:
        self._progress = Progress(done={**self._progress.done, name: told})
        with self._job.commit() as tx:
            tx.checkpoint(self._progress.as_json())

    def _result(self) -> dict[str, Any]:
        done = self._progress.done
        return {"objects": done, "equal": all(one.get("equal", False) for one in done.values())}
