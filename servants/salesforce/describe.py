"""An object's description before each increment: what it changes in how the object is read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.salesforce_fields import Drift, StaleReason, mark_stale, save_fields
from infra.postgres.salesforce_objects import ObjectState, note_described, save_state
from retinue.connection import Connection
from retinue.job import Job
from servants.salesforce import drift as drifts
from servants.salesforce.client.errors import ObjectDenied, ObjectMissing, QueryRefused
from servants.salesforce.client.rest import Rest
from servants.salesforce.client.values import Described
from servants.salesforce.object_rows import OrgObject, load_object, lock_fields, next_generation, note_log
from servants.salesforce.soql import quoted


class ObjectGone(Exception):
    """The org does not describe the object, or not to this user."""


class Describer:
    """Describes the objects of one connection, and stores what changed."""

    def __init__(self, job: Job[Any], rest: Rest, connection: Connection) -> None:
        self._job = job
        self._rest = rest
        self._connection = connection

    def describe(self, found: OrgObject, *, anew: bool = False) -> OrgObject:
        """The object as it is described now; `anew` does not trust that nothing changed since.

        Raises:
            ObjectGone: it is not there, or not for this user.
        """
        try:
            described = self._rest.describe(found.name, since=None if anew else found.row.describe_modified)
        except (ObjectMissing, ObjectDenied) as error:
            raise ObjectGone(error.message) from None
        if described is None:
            return found
        if described.name != found.name:
            # It answers to a name in any case of letters; under two names its records would be there twice.
            raise ObjectGone(f"The org calls {found.name} by the name {described.name}: add that, and remove this one.")
        drift = self._store(found, described)
        if found.position is not None:
            self._report(found, described, drift)
        return self._loaded(found)

    def _store(self, found: OrgObject, described: Described) -> Drift:
        fields = drifts.fields_to_read(described, found.row.chosen)
        target = found.target
        with self._job.commit() as tx:
            lock_fields(tx, target)
            drift = save_fields(tx, self._connection, found.name, fields)
            if drifts.has_changed(drift):
                next_generation(tx, target)
            note_described(
                tx,
                self._connection,
                found.name,
                label=described.label,
                key_prefix=described.key_prefix,
                modified=described.last_modified,
                bulk=found.row.bulk,
            )
            note_log(tx, target, has_log=described.replicateable)
            if found.position is not None and drifts.to_refresh(drift):
                enqueue_many(tx.connection, [self._refresh(found.name, drifts.to_refresh(drift))])
        return drift

    def _refresh(self, name: str, fields: list[str]) -> NewJob:
        """What brings the values of these fields for the rows that are stored already."""
        payload = {"connection_id": self._connection.id, "object": name, "fields": fields}
        return NewJob(type="salesforce.formulas", payload=payload, account_id=self._connection.account_id)

    def _report(self, found: OrgObject, described: Described, drift: Drift) -> None:
        for field in drift.retyped:
            self._job.anomaly(
                "salesforce_field_retyped", object=found.name, field=field.name, was=field.was, now=field.now
            )
        reasons = drifts.stale_reasons(
            drift.vanished, described, is_permitted=lambda field: self._is_permitted(found.name, field)
        )
        for reason, names in reasons.items():
            with self._job.commit() as tx:
                mark_stale(tx, self._connection, found.name, names, reason=reason)
            self._vanished(found.name, names, reason)

    def _vanished(self, name: str, fields: Collection[str], reason: StaleReason) -> None:
        for field in fields:
            self._job.anomaly("salesforce_field_vanished", object=name, field=field, reason=reason.value)

    def _is_permitted(self, name: str, field: str) -> bool | None:
        """Whether some permission still names a field, which it does not once the field was deleted.

        None where this user may not look ("FieldPermissions" in the Object Reference).
        """
        asked = f"SELECT COUNT() FROM FieldPermissions WHERE Field = {quoted(f'{name}.{field}')}"  # noqa: S608 - quoted
        try:
            return self._rest.count(asked) > 0
        except (ObjectMissing, ObjectDenied, QueryRefused):
            return None

    def _loaded(self, found: OrgObject) -> OrgObject:
        with self._job.commit() as tx:
            loaded = load_object(tx, self._connection, found.name)
        if loaded is None:
            raise ObjectGone(f"{found.name} is synced no more")
        return loaded

    def note_gone(self, found: OrgObject, problem: str) -> None:
        """Remember that it is gone; its records stay."""
        with self._job.commit() as tx:
            save_state(tx, self._connection, found.name, ObjectState.GONE, problem=problem)

    def note_back(self, found: OrgObject) -> OrgObject:
        """Remember that an object is there again: it goes on from where it was, and is compared as a whole."""
        with self._job.commit() as tx:
            state = ObjectState.PENDING if found.position is None else ObjectState.LIVE
            save_state(tx, self._connection, found.name, state)
        return self._loaded(found)
