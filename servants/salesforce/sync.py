"""`salesforce.sync`: bring the chosen objects of one connection in step with its org.

    describe ─▶ follow what changed ─▶ the next object …          objects that are new, or to be read anew: onboarding

One object's trouble is none of the others': they are brought in step before it is told; an incident that holds nothing
tells of one that is gone. What ends the run at once is what concerns the whole org: credentials, quota, an org that
does not answer its sign-in.

A run works for some minutes. If it is not done then, it puts its own job back: position and key tell where to go on.
Whoever was not in step for longest has the first turn; after those, in turns, what had trouble or is too much for one
run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.logs import get_logger
from infra.postgres.breakers import Attempt
from infra.postgres.incidents import tell_of_part
from infra.postgres.salesforce_connections import keep_organization
from infra.postgres.salesforce_objects import ObjectState, list_objects, note_synced
from retinue import (
    Completed,
    Exponential,
    Job,
    Outcome,
    Payload,
    PermanentError,
    Snooze,
    TransientError,
    minutes,
    seconds,
    servant,
)
from retinue.clock import SystemClock
from retinue.connection import Connection
from servants.deadline import Deadline
from servants.salesforce import objects, onboarding
from servants.salesforce.bulk_reading import OrgSource
from servants.salesforce.client.errors import FieldMissing
from servants.salesforce.client.session import Salesforce, open_client
from servants.salesforce.describe import Describer, ObjectGone
from servants.salesforce.increment import Followed, Follower
from servants.salesforce.object_rows import FieldsChanged, OrgObject, load_object, load_objects
from servants.salesforce.storing import ObjectSink

log = get_logger(__name__)

#: How long a run works before it puts its job back, in seconds.
WORK_SECONDS = 240.0

#: After how long a Bulk job is looked at again at the latest: the other objects wait meanwhile.
LONGEST_WAIT = timedelta(minutes=5)

#: How often the fields of one object may change while one run reads it.
DESCRIPTIONS = 3


class SalesforceSync(Payload):
    """Which connection to bring in step; `resync` names objects that are to be read anew as a whole."""

    connection_id: int
    resync: tuple[str, ...] = ()


@servant(
    "salesforce.sync",
    slots=8,
    timeout=minutes(10),
    # As long as one request may take, for only then can the job notice that it should stop.
    grace=seconds(150),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    lane_limit=1,
)
def sync_salesforce(job: Job[SalesforceSync]) -> Outcome:
    """Fetch what changed in the connection's objects since the last sync."""
    connection = job.connection(job.payload.connection_id)
    with open_client(connection, stop_if_cancelled=job.stop_if_cancelled) as client:
        return ConnectionSync(job, client, connection).run()


class ConnectionSync:
    """One run over all objects of a connection."""

    def __init__(self, job: Job[SalesforceSync], client: Salesforce, connection: Connection) -> None:
        self._job = job
        self.client = client
        self.connection = connection
        self.deadline = Deadline.after(WORK_SECONDS)
        self._describer = Describer(job, client.rest, connection)
        self._tally: Counter[str] = Counter()
        self._troubles: list[TransientError | PermanentError] = []
        checkpoint = job.checkpoint or {}
        #: What an earlier attempt, or this one, has begun to read anew.
        self._handed_over = set(checkpoint.get("handed_over", ()))
        #: Objects that earlier attempts did not get to the end of, the one whose turn it was longest ago first.
        self._last: list[str] = list(checkpoint.get("last", ()))
        self._unfinished = False
        self._left_out = False
        self._waits: list[timedelta] = []

    def run(self) -> Outcome:
        """Bring every object in step.

        Raises:
            TransientError, PermanentError: some object could not be brought in step; the others are.
        """
        self._job.progress(0)
        found = self._objects()
        fresh = [described for one in found if (described := self._bring(one)) is not None]
        if fresh and not self._left_out:
            self._tally += Counter(onboarding.begin(self._job, self, fresh))
        return self._outcome(found, gone=self._tell_of_gone())

    def note_handed_over(self, names: Iterable[str]) -> dict[str, Any]:
        """Remember what is read anew from now on; the checkpoint that goes with it."""
        self._handed_over |= {*names}
        return self._as_json()

    def _objects(self) -> Sequence[OrgObject]:
        """What is synced; the default objects that the org has, where nothing was chosen yet."""
        with self._job.commit() as tx:
            keep_organization(tx, self.connection)
            found = load_objects(tx, self.connection)
            # Where a person has removed them all, nothing is synced.
            is_chosen = bool(list_objects(tx, self.connection.id, selected_only=False))
        if is_chosen:
            return sorted(found, key=self._turn)
        names = [line.name for line in self.client.rest.objects() if line.queryable]
        with self._job.commit() as tx:
            objects.select_defaults(tx, self.connection, names)
            return load_objects(tx, self.connection)

    def _turn(self, found: OrgObject) -> tuple[int, datetime]:
        place = self._last.index(found.name) + 1 if found.name in self._last else 0
        return place, found.row.synced_at or datetime.min.replace(tzinfo=UTC)

    def _bring(self, found: OrgObject) -> OrgObject | None:
        """Bring one object in step; it is returned where it is to be read as a whole."""
        self._job.stop_if_cancelled()
        if self._unfinished:
            self._left_out = True
            return None
        try:
            return self._follow(found)
        except ObjectGone as gone:
            self._describer.note_gone(found, str(gone))
        except (TransientError, PermanentError) as trouble:
            self.note_trouble(found, trouble)
        return None

    def note_trouble(self, found: OrgObject, trouble: TransientError | PermanentError) -> None:
        """Keep what is wrong with one object until the others are in step."""
        log.info("object_not_in_step", object=found.name, connection=self.connection.id, reason=trouble.message)
        self._troubles.append(trouble)
        self._put_last(found)

    def _put_last(self, found: OrgObject) -> None:
        """Let the others have their turn first from the next attempt on, whatever ends this one."""
        self._last = [*(name for name in self._last if name != found.name), found.name]
        with self._job.commit() as tx:
            tx.checkpoint(self._as_json())

    def _follow(self, found: OrgObject) -> OrgObject | None:
        described = self._describer.describe(found)
        if described.row.state is ObjectState.GONE:
            described = self._describer.note_back(described)
        for attempt in range(DESCRIPTIONS):
            if onboarding.is_due(described, {*self._job.payload.resync} - self._handed_over):
                return described
            try:
                self._count(described, self._followed(described))
                return None
            except (FieldMissing, FieldsChanged):
                if attempt + 1 == DESCRIPTIONS:
                    raise
                described = self._describer.describe(self._reloaded(described), anew=True)
        return None

    def _followed(self, found: OrgObject) -> Followed:
        position = found.position
        if position is None or found.stamp is None:
            # Rows that have no stamp are only ever compared.
            return Followed(position or onboarding.NOWHERE, is_done=True)
        source = OrgSource(self.client, found)
        sink = ObjectSink(self._job, found)
        return Follower(source, sink, position, may_go_on=self._may_go_on).run()

    def _may_go_on(self) -> bool:
        self._job.stop_if_cancelled()
        return not self.deadline.passed

    def _reloaded(self, found: OrgObject) -> OrgObject:
        with self._job.commit() as tx:
            loaded = load_object(tx, self.connection, found.name)
        if loaded is None:
            raise ObjectGone(f"{found.name} is synced no more")
        return loaded

    def _count(self, found: OrgObject, followed: Followed) -> None:
        merged = followed.merged
        self._tally += Counter(added=merged.added, updated=merged.updated, deleted=merged.deleted, rows=followed.rows)
        if followed.again is not None:
            self._waits.append(followed.again)
            return
        if not followed.is_done:
            self._unfinished = True
            self._put_last(found)
            return
        self._last = [name for name in self._last if name != found.name]
        with self._job.commit() as tx:
            note_synced(tx, self.connection, found.name)

    def _tell_of_gone(self) -> list[str]:
        """Keep the incident of objects that are not there any more; which they are."""
        with self._job.commit() as tx:
            rows = list_objects(tx, self.connection.id)
            gone = [row.name for row in rows if row.state is ObjectState.GONE]
            attempt = Attempt(self._job.id, self._job.attempt)
            reason = self._gone_sentence(gone) if gone else None
            tell_of_part(tx.connection, self.connection.id, reason, attempt=attempt)
        return gone

    def _as_json(self) -> dict[str, Any]:
        return {"handed_over": sorted(self._handed_over), "last": self._last}

    def _outcome(self, found: Sequence[OrgObject], *, gone: Sequence[str]) -> Outcome:
        if self._unfinished:
            return Snooze(SystemClock().now(), "goes on at once: there is more to read than one run may take time for")
        if self._waits:
            again = min(*self._waits, LONGEST_WAIT)
            return Snooze(SystemClock().now() + again, "Salesforce still looks for a large number of changes")
        if self._troubles:
            raise self._troubles[0]
        counts = {name: count for name, count in self._tally.items() if count}
        return Completed({"objects": len(found), **counts, **({"gone": gone} if gone else {})})

    def _gone_sentence(self, gone: Sequence[str]) -> str:
        command = f"retinue salesforce objects {self.connection.id}"
        return (
            f"The org does not show {', '.join(gone)} to this user: deleted, or a permission was withdrawn. Everything "
            f"else goes on. Give the permission back, or leave it out: `{command} --remove {gone[0]}`; `{command}` "
            "shows what the org says."
        )
