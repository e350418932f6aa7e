"""Who may see and do what: permissions by profile, for objects, for fields and of the system.

Everything is allowed until it is taken away, but for deleting past the recycle bin ("Bulk API Hard Delete" is off in
every profile of a new org). What a user may not read is not there for him: describe leaves it out and a query naming
it fails as one naming nothing ("Field-Level Security").
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from infra.local.salesforce.metadata import Field, Schema, SObject
from infra.local.salesforce.store import Store

#: System permissions that a profile lacks until it is given them.
_OFF_AT_FIRST = frozenset({"bulk_api_hard_delete"})

#: Every user reads these of any object he may read at all.
_ALWAYS_READ = frozenset({"id", "isdeleted", "createddate", "createdbyid", "lastmodifieddate", "lastmodifiedbyid"}) | {
    "systemmodstamp",
    "ownerid",
    "name",
}


@dataclass(frozen=True)
class ObjectAccess:
    """What a profile may do with an object's records."""

    read: bool = True
    create: bool = True
    edit: bool = True
    delete: bool = True


@dataclass(frozen=True)
class FieldAccess:
    """What a profile may do with a field."""

    read: bool = True
    edit: bool = True


@dataclass(frozen=True)
class Profile:
    """What was said of one profile; whatever is not named is as in a new org. Names are in lower case."""

    objects: dict[str, ObjectAccess] = field(default_factory=dict)
    fields: dict[str, FieldAccess] = field(default_factory=dict)
    system: dict[str, bool] = field(default_factory=dict)


class Security:
    """The profiles' permissions, kept in the org's file. `changed` hears of objects that now look different."""

    def __init__(self, store: Store, changed: Callable[[str], None]) -> None:
        self._store = store
        self._changed = changed
        self._lock = threading.Lock()
        with store.write() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS sandbox_profiles (id TEXT PRIMARY KEY, permissions TEXT)")
        self._profiles = self._load()
        self.version = 0

    def set_object(self, profile_id: str, sobject: str, **allowed: bool) -> None:
        """Say what a profile may do with an object: `read`, `create`, `edit`, `delete`; all that is not denied.

        Raises:
            TypeError: something else is said.
        """
        known = self._profile(profile_id)
        self._save(profile_id, replace(known, objects=known.objects | {sobject.lower(): ObjectAccess(**allowed)}))
        self._changed(sobject)

    def set_field(self, profile_id: str, sobject: str, name: str, **allowed: bool) -> None:
        """Say what a profile may do with a field, of an address with all its parts: `read`, `edit`.

        Raises:
            ValueError: the field is one that everybody reads.
            TypeError: something else is said.
        """
        access = FieldAccess(**allowed)
        if name.lower() in _ALWAYS_READ and not access.read:
            raise ValueError(f"Everybody reads {sobject}.{name}.")
        known = self._profile(profile_id)
        self._save(profile_id, replace(known, fields=known.fields | {_key(sobject, name): access}))
        self._changed(sobject)

    def set_system(self, profile_id: str, permission: str, allowed: bool) -> None:
        """Give or take a permission of the system, e.g. `api_enabled`."""
        known = self._profile(profile_id)
        self._save(profile_id, replace(known, system=known.system | {permission: allowed}))

    def allows(self, profile_id: str, permission: str) -> bool:
        """Whether a profile has a permission of the system."""
        return self._profile(profile_id).system.get(permission, permission not in _OFF_AT_FIRST)

    def object_access(self, profile_id: str, sobject: str) -> ObjectAccess:
        """What a profile may do with an object."""
        return self._profile(profile_id).objects.get(sobject.lower(), ObjectAccess())

    def visible(self, profile_id: str, full: Schema) -> Schema:
        """What of all there is a profile may see."""
        profile = self._profile(profile_id)
        seen = (one for one in full.objects if profile.objects.get(one.name.lower(), ObjectAccess()).read)
        return Schema.of(_seen(profile, one) for one in seen)

    def _profile(self, profile_id: str) -> Profile:
        return self._profiles.get(profile_id, Profile())

    def _save(self, profile_id: str, permissions: Profile) -> None:
        text = json.dumps(asdict(permissions))
        with self._lock, self._store.write() as connection:
            connection.execute("INSERT OR REPLACE INTO sandbox_profiles VALUES (?, ?)", (profile_id, text))
            self._profiles = self._profiles | {profile_id: permissions}
            self.version += 1

    def _load(self) -> dict[str, Profile]:
        with self._store.read() as connection:
            return {row[0]: _profile(row) for row in connection.execute("SELECT * FROM sandbox_profiles")}


def _profile(row: sqlite3.Row) -> Profile:
    kept = json.loads(row[1])
    return Profile(
        {name: ObjectAccess(**access) for name, access in kept["objects"].items()},
        {name: FieldAccess(**access) for name, access in kept["fields"].items()},
        kept["system"],
    )


def _key(sobject: str, name: str) -> str:
    return f"{sobject}.{name}".lower()


def _seen(profile: Profile, sobject: SObject) -> SObject:
    access = profile.objects.get(sobject.name.lower(), ObjectAccess())
    fields = [(one, _field_access(profile, sobject, one)) for one in sobject.fields]
    return replace(
        sobject,
        fields=tuple(one if may.edit else _read_only(one) for one, may in fields if may.read),
        createable=sobject.createable and access.create,
        updateable=sobject.updateable and access.edit,
        deletable=sobject.deletable and access.delete,
        undeletable=sobject.undeletable and access.delete,
    )


def _field_access(profile: Profile, sobject: SObject, one: Field) -> FieldAccess:
    names = (name for name in (one.name, one.compound) if name)
    said = [profile.fields[key] for key in (_key(sobject.name, name) for name in names) if key in profile.fields]
    return FieldAccess(all(access.read for access in said), all(access.edit for access in said))


def _read_only(one: Field) -> Field:
    return replace(one, createable=False, updateable=False)
