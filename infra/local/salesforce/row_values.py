"""What a writer sends for a record, checked field by field and made ready to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.metadata import Field, Schema, SObject
from infra.local.salesforce.results import RowFault
from infra.local.salesforce.transactions import Transactions
from infra.local.salesforce.values import BadValue, Raw, stored
from infra.local.salesforce.writer import Row, Writer

#: Keys of a JSON record that are about the record itself.
_ABOUT = frozenset({"attributes", "id"})


@dataclass(frozen=True)
class Checker:
    """Checks rows against what their writer may see and what is there."""

    seen: Schema
    full: Schema
    writer: Writer
    transactions: Transactions

    def given(self, sobject: SObject, row: Mapping[str, Any], *, inserting: bool) -> Row:
        """The fields that the row names, as they are stored.

        Raises:
            RowFault: a field is not there, may not be written, or does not take its value.
        """
        values: Row = {}
        for key, value in row.items():
            if key.lower() in _ABOUT:
                continue
            field, plain = self._field(sobject, key, value)
            if not (field.createable if inserting else field.updateable):
                raise _unwritable(field)
            values[field.name] = self._value(field, plain)
        return values

    def plain(self, field: Field, value: Any) -> Raw:
        """A value as it is stored.

        Raises:
            RowFault: the field does not take it.
        """
        try:
            return stored(field, value)
        except BadValue as fault:
            raise RowFault(fault.code, str(fault), (field.name,)) from None

    def unique(self, sobject: SObject, row: Row, record_id: str) -> None:
        """Whether no other record has what must be this one's alone.

        Raises:
            RowFault: another record has this record's value in a field in which no two may have the same.
        """
        for field in sobject.fields:
            value = row.get(field.name)
            if not field.unique or field.type == "id" or value is None:
                continue
            others = [other for other in self.writer.ids(sobject, field.name, value) if other != record_id]
            if others:
                message = f"duplicate value found: {field.name} duplicates value on record with id: {others[0]}"
                raise RowFault("DUPLICATE_VALUE", message, (field.name,))
            self.unlocked(value_key(sobject, field, value))

    def required(self, sobject: SObject, row: Row) -> None:
        """Whether all is there that must be.

        Raises:
            RowFault: a field that must not be empty is.
        """
        missing = tuple(one.name for one in sobject.fields if _required(one) and row.get(one.name) is None)
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise RowFault("REQUIRED_FIELD_MISSING", message, missing)

    def unlocked(self, key: str) -> None:
        """Whether a row, or a unique value, is free to be written.

        Raises:
            RowFault: another transaction holds the row.
        """
        if self.transactions.locked(key):
            message = f"unable to obtain exclusive access to this record or 1 records: {key}"
            raise RowFault("UNABLE_TO_LOCK_ROW", message)

    def _field(self, sobject: SObject, key: str, value: Any) -> tuple[Field, Any]:
        reference = sobject.relationship(key)
        if reference is not None and isinstance(value, Mapping):
            return reference, self._referred(reference, value)
        found = sobject.find(key)
        if found is None:
            raise RowFault("INVALID_FIELD", f"No such column '{key}' on sobject of type {sobject.name}")
        return found, value

    def _referred(self, reference: Field, named: Mapping[str, Any]) -> str:
        """The id of the parent that a row names by an external id, `{"Account": {"Number__c": "7"}}`."""
        parent = self.full.object(reference.reference_to[0])
        keys = [(name, value) for name, value in named.items() if name.lower() != "attributes"]
        field = parent.find(keys[0][0]) if len(keys) == 1 else None
        if field is None or not (field.external_id or field.type == "id"):
            raise RowFault("INVALID_FIELD", f"{reference.relationship}: one external id of {parent.name} is needed")
        found = self.writer.ids(parent, field.name, self.plain(field, keys[0][1]))
        if len(found) == 1:
            return found[0]
        message = f"Foreign key external ID: {keys[0][1]} not found for field {field.name} in entity {parent.name}"
        raise RowFault("INVALID_FIELD", message)

    def _value(self, field: Field, value: Any) -> Raw:
        raw = self.plain(field, value)
        if field.type == "reference" and raw is not None:
            self._parent(field, str(raw))
        return raw

    def _parent(self, field: Field, parent_id: str) -> None:
        parent = self.full.of_id(parent_id)
        if parent is None or parent.name not in field.reference_to:
            message = f"{field.label}: id value of incorrect type: {parent_id}"
            raise RowFault("FIELD_INTEGRITY_EXCEPTION", message, (field.name,))
        row = self.writer.row(parent, parent_id)
        if row is None:
            raise RowFault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
        if row.get("IsDeleted"):
            raise RowFault("ENTITY_IS_DELETED", "entity is deleted", (field.name,))
        if field.cascade:
            self.unlocked(parent_id)


def record_id(value: Any, sobject: SObject | None = None) -> str:
    """The 18 characters of a record's id, of this object where one is given.

    Raises:
        RowFault: it is no such id.
    """
    found = normal_id(str(value))
    if found is None or (sobject is not None and found[:3] != sobject.prefix):
        raise RowFault("MALFORMED_ID", f"Record ID: id value of incorrect type: {value}", ("Id",))
    return found


def value_key(sobject: SObject, field: Field, value: Raw) -> str:
    """What a transaction locks so that nobody else takes a unique value."""
    text = str(value) if field.case_sensitive else str(value).lower()
    return f"{sobject.name}.{field.name}={text}"


def _required(field: Field) -> bool:
    return field.createable and not field.nillable and field.type != "boolean"


def _unwritable(field: Field) -> RowFault:
    advice = "Please check the security settings of this field and verify that it is read/write for your profile"
    message = f"Unable to create/update fields: {field.name}. {advice} or permission set."
    return RowFault("INVALID_FIELD_FOR_INSERT_UPDATE", message, (field.name,))
