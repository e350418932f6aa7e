"""Reading one row."""

from __future__ import annotations

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.metadata import NUMBERS, Field, SObject
from infra.local.salesforce.query import selected
from infra.local.salesforce.request import Caller
from infra.local.salesforce.soql.records import Record


def malformed_id(text: str) -> SalesforceError:
    """`MALFORMED_ID`: the text of an id is none."""
    return SalesforceError(400, "MALFORMED_ID", f"malformed id {text}")


def row(by: Caller, name: str, key: str, value: str, fields: str | None) -> Record:
    """The row of an object whose id or external id is this, with the given fields, or all.

    Raises:
        SalesforceError: NOT_FOUND, ENTITY_IS_DELETED, INVALID_FIELD, MALFORMED_ID.
    """
    sobject = by.object(name)
    field = sobject.field(key)
    names = [part.strip() for part in fields.split(",")] if fields else [field.name for field in sobject.fields]
    found = matching(by, sobject, field, value, names)
    if found:
        return found[0]
    if key.lower() == "id" and matching(by, sobject, field, value, ["Id"], all_rows=True):
        raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
    message = f"Provided external ID field does not exist or is not accessible: {value}"
    raise SalesforceError(404, "NOT_FOUND", message)


def matching(
    by: Caller, sobject: SObject, field: Field, value: str, names: list[str], *, all_rows: bool = False
) -> list[Record]:
    """The rows whose field has this value."""
    text = f"SELECT {', '.join(names)} FROM {sobject.name} WHERE {field.name} = {_literal(field, value)}"
    return selected(by, text, all_rows=all_rows)


def _literal(field: Field, value: str) -> str:
    if field.type in NUMBERS:
        return _number(field, value)
    if field.type in {"id", "reference"} and normal_id(value) is None:
        raise malformed_id(value)
    return quoted_text(value)


def quoted_text(value: str) -> str:
    """A text as SOQL takes it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _number(field: Field, value: str) -> str:
    try:
        return str(float(value))
    except ValueError:
        raise SalesforceError(400, "INVALID_FIELD", f"{field.name} is a number: {value}", [field.name]) from None
