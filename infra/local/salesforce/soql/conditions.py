"""Conditions as SQL. They are true or false: what is null is unequal to every value, and NOT turns that round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import Field
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.literals import Parameter, edge, parameter
from infra.local.salesforce.soql.operands import is_aggregate, resolved
from infra.local.salesforce.soql.places import Misplaced, invalid_field, invalid_operator, malformed
from infra.local.salesforce.soql.scope import TEXT_TYPES, Resolved, Scope
from infra.local.salesforce.soql.spans import Days, days_of
from infra.local.salesforce.soql.strings import PATTERN_ESCAPE

#: So many tests are joined as they stand.
_FLAT = 100

#: Compiles a query of one column in IN (...): its SQL and what the column is.
Semijoin = Callable[[syntax.Query, list[Parameter]], tuple[str, Resolved]]


class Conditions:
    """Makes SQL of the conditions of one query; its parameters are added to `parameters` in the order of the text."""

    def __init__(self, scope: Scope, parameters: list[Parameter], semijoin: Semijoin) -> None:
        self._scope = scope
        self._parameters = parameters
        self._semijoin = semijoin
        self._having = False

    def where(self, condition: syntax.Condition) -> str:
        """The SQL of a WHERE.

        Raises:
            Misplaced: the condition does not go with its fields.
        """
        return self._sql(condition)

    def having(self, condition: syntax.Condition) -> str:
        """The SQL of a HAVING, in which aggregates may be compared too."""
        self._having = True
        return self._sql(condition)

    def _sql(self, condition: syntax.Condition) -> str:
        if isinstance(condition, syntax.Both):
            return _tree("AND", [self._sql(part) for part in condition.parts])
        if isinstance(condition, syntax.Either):
            begins = self._beginning(condition)
            either = _tree("OR", [self._sql(part) for part in condition.parts])
            return f"({begins}{either})"
        if isinstance(condition, syntax.Negated):
            return _negated(self._sql(condition.part))
        target = self._target(condition.operand)
        try:
            return self._test(target, condition)
        except SalesforceError as error:
            raise Misplaced(condition.operand.at, error) from None

    def _beginning(self, condition: syntax.Either) -> str:
        """Where an index can begin: `a >= 1` follows from `a > 1 OR (a = 1 AND b > 2)`, which SQLite does not see."""
        first, *others = condition.parts
        if not isinstance(first, syntax.Comparison) or first.operator not in {"<", ">"}:
            return ""
        if not all(_goes_on(first, other) for other in others):
            return ""
        return self._sql(replace(first, operator=f"{first.operator}=")) + " AND "

    def _test(self, target: Resolved, condition: syntax.Comparison | syntax.Membership | syntax.Picks) -> str:
        if isinstance(condition, syntax.Comparison):
            return self._comparison(target, condition.operator, condition.value)
        if isinstance(condition, syntax.Picks):
            return self._picks(target, condition)
        if isinstance(condition.values, syntax.Query):
            member = self._in_query(target, condition.values, condition.operand)
        else:
            member = self._in_list(target, condition.values)
        return _negated(member) if condition.negated else member

    def _target(self, operand: syntax.Operand) -> Resolved:
        target = resolved(self._scope, operand, aggregates=self._having)
        if not target.field.filterable and not is_aggregate(operand):
            error = invalid_field(f"field '{target.field.name}' can not be filtered in a query call")
            raise Misplaced(operand.at, error)
        return target

    def _comparison(self, target: Resolved, operator: str, value: syntax.Value) -> str:
        if operator == "LIKE":
            return self._like(target, value)
        if isinstance(value, syntax.Null) or (value == syntax.Text("", "") and target.field.type in TEXT_TYPES):
            return _is_null(target, operator)
        if isinstance(value, syntax.Span):
            return self._in_span(target, operator, value)
        _check_operator(target.field, operator)
        self._parameters.append(parameter(target.field, value))
        return f"{target.collated} {'IS NOT' if operator == '!=' else operator} ?"

    def _like(self, target: Resolved, value: syntax.Value) -> str:
        if target.field.type not in TEXT_TYPES - {"multipicklist"}:
            raise invalid_operator(f"invalid operator on {target.field.type} field")
        if not isinstance(value, syntax.Text):
            parameter(target.field, value)
            raise invalid_operator("LIKE takes a string")
        self._parameters.append(value.pattern)
        return f"{target.sql} LIKE ? ESCAPE '{PATTERN_ESCAPE}'"

    def _in_span(self, target: Resolved, operator: str, value: syntax.Span) -> str:
        first, end = (edge(target.field, day) for day in self._days(value))
        before, after = f"{target.sql} < ?", f"{target.sql} >= ?"
        if operator in {"<", ">="}:
            self._parameters.append(first)
            return before if operator == "<" else after
        if operator in {"<=", ">"}:
            self._parameters.append(end)
            return before if operator == "<=" else after
        self._parameters.extend((first, end))
        within = f"({after} AND {before})"
        return within if operator == "=" else _negated(within)

    def _days(self, value: syntax.Span) -> Days:
        try:
            return days_of(value.name, value.count, self._scope.catalog.today)
        except (ValueError, OverflowError):
            raise malformed(f"Invalid date literal: {value.name}:{value.count}") from None

    def _in_list(self, target: Resolved, values: Sequence[syntax.Value]) -> str:
        plain = [value for value in values if not _alone(value)]
        tests = []
        if plain:
            found = [parameter(target.field, value) for value in plain]
            self._parameters.extend(found)
            tests.append(f"{target.collated} IN ({', '.join('?' * len(found))})")
        tests += [self._comparison(target, "=", value) for value in values if _alone(value)]
        return _tree("OR", tests)

    def _in_query(self, target: Resolved, query: syntax.Query, operand: syntax.Operand) -> str:
        sql, inner = self._semijoin(query, self._parameters)
        if not _points_at(target) & _points_at(inner):
            message = (
                f"The selected field '{inner.names[-1]}' in the subquery and the left operand field in the where "
                f"expression in the outer query '{target.names[-1]}' should point to the same object type"
            )
            raise Misplaced(operand.at, malformed(message))
        return f"{target.sql} IN ({sql})"

    def _picks(self, target: Resolved, condition: syntax.Picks) -> str:
        if target.field.type != "multipicklist":
            raise invalid_operator(f"invalid operator on {target.field.type} field")
        tests = [self._has_all(target, str(parameter(target.field, value))) for value in condition.values]
        found = "(" + " OR ".join(tests) + ")"
        return _negated(found) if condition.excluded else found

    def _has_all(self, target: Resolved, value: str) -> str:
        """`a;b` asks for both at once."""
        choices = [choice.strip().lower() for choice in value.split(";")]
        self._parameters.extend(f";{choice};" for choice in choices)
        return "(" + " AND ".join([f"instr(lower(';' || {target.sql} || ';'), ?) > 0"] * len(choices)) + ")"


def _tree(word: str, tests: Sequence[str]) -> str:
    """The tests joined as a tree of few levels: SQLite takes no expression of more than a thousand."""
    if len(tests) <= _FLAT:
        return f"({f' {word} '.join(tests)})"
    middle = len(tests) // 2
    return f"({_tree(word, tests[:middle])} {word} {_tree(word, tests[middle:])})"


def _goes_on(first: syntax.Comparison, other: syntax.Condition) -> bool:
    """Whether the other condition wants the first one's field to have the first one's value."""
    if not isinstance(other, syntax.Both):
        return False
    equals = replace(first, operator="=")
    return any(isinstance(part, syntax.Comparison) and _same(part, equals) for part in other.parts)


def _same(one: syntax.Comparison, other: syntax.Comparison) -> bool:
    paths = [comparison.operand for comparison in (one, other)]
    names = [path.names if isinstance(path, syntax.Path) else None for path in paths]
    return names[0] is not None and names[0] == names[1] and (one.operator, one.value) == (other.operator, other.value)


def _alone(value: syntax.Value) -> bool:
    """Whether a list's value cannot go into SQL's IN."""
    return isinstance(value, syntax.Null | syntax.Span) or value == syntax.Text("", "")


def _negated(sql: str) -> str:
    return f"NOT COALESCE({sql}, 0)"


def _is_null(target: Resolved, operator: str) -> str:
    if operator not in {"=", "!="}:
        raise invalid_operator(f"invalid operator {operator} on null")
    return f"{target.sql} IS {'NOT ' if operator == '!=' else ''}NULL"


def _check_operator(field: Field, operator: str) -> None:
    if field.type in {"boolean", "multipicklist"} and operator not in {"=", "!="}:
        raise invalid_operator(f"invalid operator on {field.type} field")


def _points_at(operand: Resolved) -> frozenset[str]:
    """The objects an id may be of."""
    if operand.field.type == "id":
        return frozenset({operand.object})
    return frozenset(operand.field.reference_to)
