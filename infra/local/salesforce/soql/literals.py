"""Literals as SQLite has such values, where they go with the field."""

from __future__ import annotations

from datetime import UTC, date, datetime

from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.metadata import NUMBERS, Field
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.places import invalid_field, invalid_operator
from infra.local.salesforce.soql.scope import TEXT_TYPES

Parameter = str | int | float


def parameter(field: Field, value: syntax.Value) -> Parameter:
    """What to compare the field's column with.

    Raises:
        SalesforceError: INVALID_FIELD where the literal is of another type, INVALID_QUERY_FILTER_OPERATOR where a text
            is no id.
    """
    if isinstance(value, syntax.Text) and field.type in TEXT_TYPES:
        return value.value
    if isinstance(value, syntax.Text) and field.type in {"id", "reference"}:
        return _id(value.value)
    if isinstance(value, syntax.Number) and field.type in NUMBERS:
        return value.value
    if isinstance(value, syntax.Truth) and field.type == "boolean":
        return int(value.value)
    if isinstance(value, syntax.Day) and field.type == "date":
        return value.value.isoformat()
    if isinstance(value, syntax.Moment) and field.type == "datetime":
        return moment_text(value.value)
    raise _other_type(field)


def moment_text(moment: datetime) -> str:
    """A moment as it is stored, to the millisecond: what is compared as text must not round."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}+0000"


def edge(field: Field, day: date) -> str:
    """The beginning of a day, as the field has it.

    Raises:
        SalesforceError: INVALID_FIELD, the field has no days.
    """
    if field.type == "date":
        return day.isoformat()
    if field.type == "datetime":
        return f"{day.isoformat()}T00:00:00.000+0000"
    raise _other_type(field)


def _id(text: str) -> str:
    found = normal_id(text)
    if found is None:
        raise invalid_operator(f"invalid ID field: {text}")
    return found


def _other_type(field: Field) -> Exception:
    quoted = field.type in TEXT_TYPES or field.type in {"id", "reference"}
    how = "should be enclosed in quotes" if quoted else "should not be enclosed in quotes"
    kind = {"datetime": "dateTime"}.get(field.type, "string" if quoted else field.type)
    return invalid_field(f"value of filter criterion for field '{field.name}' must be of type {kind} and {how}")
