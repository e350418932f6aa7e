"""Functions of fields: aggregates ("Aggregate Functions") and parts of dates ("Date Functions")."""

from __future__ import annotations

from infra.local.salesforce.metadata import NUMBERS, Field, new_field
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.places import Misplaced, malformed
from infra.local.salesforce.soql.scope import Resolved, Scope

#: The SQL of each aggregate.
_AGGREGATES = {
    "COUNT": "COUNT({})",
    "COUNT_DISTINCT": "COUNT(DISTINCT {})",
    "SUM": "SUM({})",
    "AVG": "AVG({})",
    "MIN": "MIN({})",
    "MAX": "MAX({})",
}

_UNFIT_FOR_EXTREMES = frozenset({"boolean", "base64", "address", "multipicklist"})

#: The type of each part of a date, and its SQL; moments are cut as text, which begins with the day.
_DATE_PARTS = {
    "CALENDAR_YEAR": ("int", "CAST(substr({}, 1, 4) AS INTEGER)"),
    "CALENDAR_QUARTER": ("int", "((CAST(substr({}, 6, 2) AS INTEGER) + 2) / 3)"),
    "CALENDAR_MONTH": ("int", "CAST(substr({}, 6, 2) AS INTEGER)"),
    "DAY_IN_MONTH": ("int", "CAST(substr({}, 9, 2) AS INTEGER)"),
    "DAY_IN_WEEK": ("int", "(strftime('%w', substr({}, 1, 10)) + 1)"),
    "DAY_IN_YEAR": ("int", "CAST(strftime('%j', substr({}, 1, 10)) AS INTEGER)"),
    "DAY_ONLY": ("date", "substr({}, 1, 10)"),
    "HOUR_IN_DAY": ("int", "CAST(substr({}, 12, 2) AS INTEGER)"),
}
_ONLY_OF_MOMENTS = frozenset({"DAY_ONLY", "HOUR_IN_DAY"})


def is_aggregate(operand: syntax.Operand) -> bool:
    """Whether it takes many rows to one value."""
    return isinstance(operand, syntax.Call) and operand.name in _AGGREGATES


def resolved(scope: Scope, operand: syntax.Operand, *, aggregates: bool = False) -> Resolved:
    """What an operand means; aggregates only where they may stand.

    Raises:
        Misplaced: INVALID_FIELD or MALFORMED_QUERY.
    """
    if isinstance(operand, syntax.Path):
        return scope.field(operand)
    if operand.name in _DATE_PARTS:
        return _date_part(scope, operand)
    if operand.name not in _AGGREGATES:
        raise Misplaced(operand.at, malformed(f"unknown function: {operand.name}"))
    if not aggregates:
        raise Misplaced(operand.at, malformed(f"aggregate function not allowed here: {operand.name}"))
    return _aggregate(scope, operand)


def _argument(scope: Scope, call: syntax.Call) -> Resolved:
    if not isinstance(call.argument, syntax.Path):
        raise Misplaced(call.at, malformed(f"{call.name} takes the name of a field"))
    return scope.field(call.argument)


def _date_part(scope: Scope, call: syntax.Call) -> Resolved:
    inner = _argument(scope, call)
    kinds = {"datetime"} if call.name in _ONLY_OF_MOMENTS else {"date", "datetime"}
    if inner.field.type not in kinds:
        raise Misplaced(call.at, malformed(f"field {inner.names[-1]} does not support function {call.name}"))
    kind, sql = _DATE_PARTS[call.name]
    return Resolved(sql.format(inner.sql), new_field(call.name, kind), (call.name,), inner.object)


def _aggregate(scope: Scope, call: syntax.Call) -> Resolved:
    inner = _argument(scope, call)
    if not _fit(call.name, inner.field):
        shown = f"field {inner.names[-1]} does not support aggregate operator {call.name}"
        raise Misplaced(call.at, malformed(shown))
    field = inner.field
    if call.name.startswith("COUNT"):
        field = new_field(call.name, "int")
    elif call.name in {"SUM", "AVG"}:
        field = new_field(call.name, "double")
    return Resolved(_AGGREGATES[call.name].format(inner.collated), field, (call.name,), inner.object)


def _fit(function: str, field: Field) -> bool:
    if function in {"SUM", "AVG"}:
        return field.type in NUMBERS
    if function in {"MIN", "MAX"}:
        return field.type not in _UNFIT_FOR_EXTREMES and field.filterable
    return field.filterable
