"""Objects and fields as values ("DescribeSObjectResult" says what each property means)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from infra.local.salesforce.errors import no_such_column, no_such_type

#: Where a type's length is not said: Salesforce's own.
LENGTHS = {
    "id": 18,
    "reference": 18,
    "string": 255,
    "textarea": 32_000,
    "email": 80,
    "phone": 40,
    "url": 255,
    "picklist": 255,
    "combobox": 255,
    "multipicklist": 4_099,
}

NUMBERS = frozenset({"int", "double", "currency", "percent"})

#: The beginning of time, for metadata nobody has changed since the org was made.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Summary:
    """A roll-up: the function (COUNT, SUM, MIN, MAX) of a field over the children that refer to the row."""

    child: str
    reference: str
    function: str
    field: str = "Id"


@dataclass(frozen=True)
class Field:
    """One field of an object. `column`, where it is stored, is not its name once it was retyped or made anew."""

    name: str
    type: str
    label: str
    column: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    filterable: bool = True
    sortable: bool = True
    groupable: bool = True
    unique: bool = False
    external_id: bool = False
    case_sensitive: bool = False
    default: Any = None
    values: tuple[str, ...] = ()
    restricted: bool = False
    reference_to: tuple[str, ...] = ()
    relationship: str | None = None
    child_relationship: str | None = None
    cascade: bool = False
    formula: str | None = None
    summary: Summary | None = None
    compound: str | None = None
    auto_number: str | None = None
    shown_as_calculated: bool = True

    @property
    def custom(self) -> bool:
        return self.name.lower().endswith("__c")

    @property
    def stored(self) -> bool:
        """Whether it has a column; formulas, roll-ups and addresses are made of others when they are read."""
        return self.formula is None and self.summary is None and self.type != "address"

    @property
    def calculated(self) -> bool:
        """What describe says; some fields that the system works out do not say so (`ContractLineItem.Status`)."""
        return (self.formula is not None or self.summary is not None) and self.shown_as_calculated


@dataclass(frozen=True)
class SObject:
    """One object: a kind of record."""

    name: str
    label: str
    plural: str
    prefix: str
    fields: tuple[Field, ...]
    table: str
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    undeletable: bool = True
    queryable: bool = True
    replicateable: bool = True
    bulk: bool = True
    modified: datetime = LONG_AGO
    tracked: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def custom(self) -> bool:
        return self.name.lower().endswith("__c")

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {one.name.lower(): one for one in self.fields}

    @cached_property
    def _by_relationship(self) -> dict[str, Field]:
        return {one.relationship.lower(): one for one in self.fields if one.relationship}

    @property
    def has_deleted(self) -> bool:
        return self.find("IsDeleted") is not None

    def find(self, name: str) -> Field | None:
        """The field of this name in any case, or None."""
        return self._by_name.get(name.lower())

    def field(self, name: str) -> Field:
        """The field of this name in any case.

        Raises:
            SalesforceError: INVALID_FIELD, there is none.
        """
        found = self.find(name)
        if found is None:
            raise no_such_column(self.name, name)
        return found

    def relationship(self, name: str) -> Field | None:
        """The reference that this word of a parent path (`Owner`, `Parent__r`) goes along, or None."""
        return self._by_relationship.get(name.lower())

    def with_field(self, new: Field) -> SObject:
        """The same with this field put in the place of the one of its name, or at the end."""
        names = [one.name.lower() for one in self.fields]
        if new.name.lower() not in names:
            return replace(self, fields=(*self.fields, new))
        at = names.index(new.name.lower())
        return replace(self, fields=(*self.fields[:at], new, *self.fields[at + 1 :]))


@dataclass(frozen=True)
class ChildRelationship:
    """An object's children: the records of `child` whose `field` refers to it; the name may be missing."""

    name: str | None
    child: SObject
    field: Field


@dataclass(frozen=True)
class Schema:
    """The objects there are for one user; it never changes."""

    objects: tuple[SObject, ...]

    @classmethod
    def of(cls, objects: Iterable[SObject]) -> Schema:
        return cls(tuple(sorted(objects, key=lambda one: one.name.lower())))

    @cached_property
    def _by_name(self) -> dict[str, SObject]:
        return {one.name.lower(): one for one in self.objects}

    @cached_property
    def _by_prefix(self) -> dict[str, SObject]:
        return {one.prefix: one for one in self.objects}

    @cached_property
    def _children(self) -> dict[str, list[ChildRelationship]]:
        found: dict[str, list[ChildRelationship]] = {}
        for child in self.objects:
            for one in child.fields:
                for parent in one.reference_to:
                    found.setdefault(parent.lower(), []).append(ChildRelationship(one.child_relationship, child, one))
        return found

    def find(self, name: str) -> SObject | None:
        """The object of this name in any case, or None."""
        return self._by_name.get(name.lower())

    def object(self, name: str) -> SObject:
        """The object of this name in any case.

        Raises:
            SalesforceError: INVALID_TYPE, there is none.
        """
        found = self.find(name)
        if found is None:
            raise no_such_type(name)
        return found

    def of_id(self, record_id: str) -> SObject | None:
        """The object whose records' ids begin as this one does, or None."""
        return self._by_prefix.get(record_id[:3])

    def children(self, parent: SObject | str) -> list[ChildRelationship]:
        """Whatever refers to an object, named or not."""
        name = parent if isinstance(parent, str) else parent.name
        return self._children.get(name.lower(), [])

    def child(self, parent: SObject, relationship: str) -> ChildRelationship | None:
        """The children that a subquery over this word reads, or None."""
        return next((one for one in self.children(parent) if (one.name or "").lower() == relationship.lower()), None)


def label_of(name: str) -> str:
    """A label as people would write it: `AnnualRevenue` is "Annual Revenue"."""
    plain = name.removesuffix("__c").replace("_", " ")
    spaced = "".join(
        f" {letter}" if letter.isupper() and plain[at - 1].islower() else letter for at, letter in enumerate(plain)
    )
    return spaced.removesuffix(" Id").strip() or name


def new_field(name: str, kind: str, **changes: Any) -> Field:
    """A field of this type with what Salesforce gives such a field unless said otherwise."""
    length = changes.get("length", LENGTHS.get(kind, 0))
    given = {"label": label_of(name), "column": name, "length": length} | _usual(kind, length)
    if kind == "address" or changes.get("formula") or changes.get("summary"):
        given |= {"createable": False, "updateable": False}
    return Field(name=name, type=kind, **(given | changes))


def _usual(kind: str, length: int) -> dict[str, Any]:
    """What is usual for a type: long text can be neither filtered, sorted nor grouped by; a boolean is never null."""
    if kind == "boolean":
        return {"nillable": False, "default": False}
    if kind == "double":
        return {"precision": 18, "groupable": False}
    if kind in {"currency", "percent"}:
        return {"precision": 18, "scale": 2, "groupable": False}
    if kind in {"base64", "address"} or (kind == "textarea" and length > 255):
        return {"filterable": False, "sortable": False, "groupable": False}
    return {"groupable": False} if kind in {"datetime", "multipicklist"} else {}


def system_fields(*, deleted: bool = True) -> tuple[Field, ...]:
    """What every record has and nobody writes ("System Fields")."""
    read_only: dict[str, Any] = {"createable": False, "updateable": False, "nillable": False}
    by_user: dict[str, Any] = read_only | {"reference_to": ("User",)}
    made = [new_field("Id", "id", **read_only, label="Record ID", unique=True)]
    if deleted:
        made.append(new_field("IsDeleted", "boolean", **read_only, label="Deleted"))
    return (
        *made,
        new_field("CreatedDate", "datetime", **read_only),
        new_field("CreatedById", "reference", **by_user, relationship="CreatedBy"),
        new_field("LastModifiedDate", "datetime", **read_only),
        new_field("LastModifiedById", "reference", **by_user, relationship="LastModifiedBy"),
        new_field("SystemModstamp", "datetime", **read_only),
    )


def owner_field() -> Field:
    """Who the record belongs to: the one who made it, unless said otherwise."""
    return new_field("OwnerId", "reference", nillable=False, reference_to=("User",), relationship="Owner")


def new_object(name: str, fields: Iterable[Field], **changes: Any) -> SObject:
    """An object with these fields after the system's; its owner too where it has no master.

    `prefix` may be left out for a custom object: the org gives it the next free one.
    """
    own = tuple(fields)
    mastered = any(one.cascade and not one.nillable for one in own)
    system = changes.pop("system", None) or (system_fields() if mastered else (*system_fields(), owner_field()))
    label = label_of(name)
    given: dict[str, Any] = {"label": label, "plural": f"{label}s", "prefix": "", "table": name} | changes
    return SObject(name=name, fields=(*system, *own), **given)
