"""The list of what is selected, as SQL."""

from __future__ import annotations

from collections.abc import Iterator

from infra.local.salesforce.metadata import Field, SObject
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.compiled import Output, Parent
from infra.local.salesforce.soql.operands import is_aggregate, resolved
from infra.local.salesforce.soql.places import Misplaced, invalid_field, malformed
from infra.local.salesforce.soql.scope import Resolved, Scope

#: "The SOQL FIELDS function must have a LIMIT of at most 200" ("FIELDS()").
MAX_FIELDS_LIMIT = 200


def expanded(query: syntax.Query, source: SObject) -> list[syntax.Column]:
    """The columns with FIELDS() written out; subqueries are left to others.

    Raises:
        Misplaced: MALFORMED_QUERY, FIELDS() is not used as it may be.
    """
    columns: list[syntax.Column] = []
    for column in query.columns:
        if not isinstance(column, syntax.Column):
            continue
        if isinstance(column.operand, syntax.Call) and column.operand.name == "FIELDS":
            columns += _fields(column.operand, query, source)
        else:
            columns.append(column)
    return columns


def _fields(call: syntax.Call, query: syntax.Query, source: SObject) -> Iterator[syntax.Column]:
    group = call.argument.text.upper() if isinstance(call.argument, syntax.Path) else ""
    if group not in {"ALL", "STANDARD", "CUSTOM"}:
        raise Misplaced(call.at, malformed("FIELDS takes ALL, STANDARD or CUSTOM"))
    if group != "STANDARD" and (query.limit is None or query.limit > MAX_FIELDS_LIMIT):
        message = f"The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_LIMIT}"
        raise Misplaced(call.at, malformed(message))
    if query.group_by:
        raise Misplaced(call.at, malformed("The SOQL FIELDS function cannot be used with GROUP BY"))
    chosen = [field for field in source.fields if _chosen(field, group)]
    return (syntax.Column(syntax.Path((field.name,), call.at), None) for field in chosen)


def _chosen(field: Field, group: str) -> bool:
    return group == "ALL" or field.custom == (group == "CUSTOM")


class Selection:
    """SQL of the selected values of one query, in the order in which they are added."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.sql: list[str] = []
        self.outputs: list[Output] = []

    def add_rows(self, columns: list[syntax.Column]) -> None:
        """Columns of a query whose records are shown themselves.

        Raises:
            Misplaced: INVALID_FIELD, a field is not there or there twice; MALFORMED_QUERY, it is given another name.
        """
        seen: set[tuple[str, ...]] = set()
        for column in columns:
            if column.alias is not None:
                raise Misplaced(column.operand.at, malformed("only aggregate expressions use field aliasing"))
            found = resolved(self._scope, column.operand)
            if found.names in seen:
                shown = ".".join(found.names)
                raise Misplaced(column.operand.at, invalid_field(f"duplicate field selected: {shown}"))
            seen.add(found.names)
            self._add(found, found.names)

    def add_aggregates(self, columns: list[syntax.Column], grouped: frozenset[str]) -> None:
        """Columns of a query that groups: aggregates, and what is grouped by, which the SQL of `grouped` says.

        Raises:
            Misplaced: MALFORMED_QUERY, a field is neither grouped nor aggregated, or a name is there twice.
        """
        unnamed = 0
        for column in columns:
            found = resolved(self._scope, column.operand, aggregates=True)
            if not is_aggregate(column.operand) and found.sql not in grouped:
                shown = ".".join(found.names)
                raise Misplaced(column.operand.at, malformed(f"Field must be grouped or aggregated: {shown}"))
            name = column.alias or (found.names[-1] if isinstance(column.operand, syntax.Path) else f"expr{unnamed}")
            unnamed += name == f"expr{unnamed}"
            if any(output.names == (name,) for output in self.outputs):
                raise Misplaced(column.operand.at, malformed(f"duplicate alias: {name}"))
            self._add(found, (name,))

    def add_hidden(self, sql: str) -> int:
        """A value for the records' own use; its place in the row."""
        self.sql.append(sql)
        return len(self.sql) - 1

    def add_parents(self) -> tuple[Parent, ...]:
        """What shows the parents of the selected values: their ids and objects."""
        paths = {output.names[:length] for output in self.outputs for length in range(1, len(output.names))}
        return tuple(self._parent(path) for path in sorted(paths, key=len))

    def _parent(self, path: tuple[str, ...]) -> Parent:
        node = self._scope.node(path)
        shown = "Name" if node.several else node.sources[0].object.name
        return Parent(path, self.add_hidden(node.id_sql), self.add_hidden(node.type_sql), shown)

    def _add(self, found: Resolved, names: tuple[str, ...]) -> None:
        self.outputs.append(Output(names, found.field, self.add_hidden(found.sql)))
