"""A query as a statement for SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import ChildRelationship, SObject
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.compiled import Children, Compiled
from infra.local.salesforce.soql.conditions import Conditions
from infra.local.salesforce.soql.literals import Parameter
from infra.local.salesforce.soql.operands import is_aggregate, resolved
from infra.local.salesforce.soql.places import RELATIONSHIP_ADVICE, Misplaced, malformed
from infra.local.salesforce.soql.scope import Catalog, Resolved, Scope
from infra.local.salesforce.soql.selection import Selection, expanded

#: The parents whose children are wanted: a JSON list of ids, the first parameter.
_OF_PARENTS = "{} IN (SELECT value FROM json_each(?))"


def compiled(query: syntax.Query, catalog: Catalog) -> Compiled:
    """The statement of a whole query.

    Raises:
        Misplaced: the query does not go with the objects and fields there are.
    """
    source = _source(query, catalog)
    if _is_count(query):
        return _counted(_Clauses(query, catalog, source, []))
    columns = [column for column in query.columns if isinstance(column, syntax.Column)]
    if query.group_by or any(is_aggregate(column.operand) for column in columns):
        return _aggregates(_Clauses(query, catalog, source, []))
    return _rows(_Clauses(query, catalog, source, []))


def _source(query: syntax.Query, catalog: Catalog) -> SObject:
    try:
        source = catalog.schema.object(query.source)
    except SalesforceError as error:
        raise Misplaced(query.at, error) from None
    if not source.queryable:
        message = f"entity type {source.name} does not support query"
        raise Misplaced(query.at, SalesforceError(400, "INVALID_TYPE_FOR_OPERATION", message))
    return source


def _is_count(query: syntax.Query) -> bool:
    first = query.columns[0]
    if not isinstance(first, syntax.Column) or not isinstance(first.operand, syntax.Call):
        return False
    return first.operand.name == "COUNT" and first.operand.argument is None and len(query.columns) == 1


class _Clauses:
    """The clauses of one query. They must be made in the order of the SQL, for the sake of the parameters."""

    def __init__(self, query: syntax.Query, catalog: Catalog, source: SObject, parameters: list[Parameter]) -> None:
        self.query = query
        self.scope = Scope(catalog, source, query)
        self.selection = Selection(self.scope)
        self.parameters = parameters
        self._conditions = Conditions(self.scope, parameters, self._semijoin)

    def where(self, first: Sequence[str] = ()) -> str:
        """WHERE, with the conditions that are there anyway, or nothing."""
        alive = self.scope.alive_sql()
        tests = [*first, *([alive] if alive else [])]
        if self.query.where is not None:
            tests.append(self._conditions.where(self.query.where))
        return f"WHERE {' AND '.join(tests)}" if tests else ""

    def having(self) -> str:
        """HAVING, or nothing."""
        return f"HAVING {self._conditions.having(self.query.having)}" if self.query.having is not None else ""

    def order_by(self, keys: frozenset[str] | None = None) -> str:
        """ORDER BY, or nothing; `keys` are what a query that groups may be ordered by, beside aggregates."""
        orders = [self._order(order, keys) for order in self.query.order_by]
        return f"ORDER BY {', '.join(orders)}" if orders else ""

    def limits(self) -> str:
        """LIMIT and OFFSET, or nothing."""
        limit, offset = self.query.limit, self.query.offset
        if limit is None and offset is None:
            return ""
        return f"LIMIT {-1 if limit is None else limit} OFFSET {offset or 0}"

    def sql(self, selected: Sequence[str], *clauses: str) -> str:
        """The whole statement: by now every join is known."""
        parts = [f"SELECT {', '.join(selected)}", self.scope.from_sql(), *clauses]
        return " ".join(part for part in parts if part)

    def _order(self, order: syntax.Order, keys: frozenset[str] | None) -> str:
        found = resolved(self.scope, order.operand, aggregates=keys is not None)
        name = found.names[-1]
        if keys is not None and not is_aggregate(order.operand) and found.sql not in keys:
            raise Misplaced(order.operand.at, malformed(f"Ordered field must be grouped or aggregated: {name}"))
        if not found.field.sortable and not is_aggregate(order.operand):
            raise Misplaced(order.operand.at, malformed(f"field '{name}' can not be sorted in a query call"))
        nulls = f" NULLS {'LAST' if order.nulls_last else 'FIRST'}" if found.field.nillable else ""
        return f"{found.collated} {'DESC' if order.descending else 'ASC'}{nulls}"

    def _semijoin(self, query: syntax.Query, parameters: list[Parameter]) -> tuple[str, Resolved]:
        """The SQL of IN's query, which gives one field's values that are not null."""
        if query.order_by or query.group_by or query.limit is not None or query.offset is not None:
            raise Misplaced(query.at, malformed("a semi-join may only have a WHERE"))
        clauses = _Clauses(query, self.scope.catalog, _source(query, self.scope.catalog), parameters)
        found = resolved(clauses.scope, _only_path(query))
        where = clauses.where([f"{found.sql} IS NOT NULL"])
        return clauses.sql([found.sql], where), found


def _only_path(query: syntax.Query) -> syntax.Path:
    column = query.columns[0]
    if len(query.columns) != 1 or not isinstance(column, syntax.Column) or not isinstance(column.operand, syntax.Path):
        raise Misplaced(query.at, malformed("a semi-join selects one field"))
    return column.operand


def _counted(clauses: _Clauses) -> Compiled:
    """`SELECT COUNT()`: how many rows, at most as many as the limit says."""
    query = clauses.query
    if query.group_by or query.order_by:
        raise Misplaced(query.at, malformed("COUNT() goes with neither GROUP BY nor ORDER BY"))
    where = clauses.where()
    inner = clauses.sql(["1"], where, clauses.limits())
    sql = f"SELECT COUNT(*) FROM ({inner})"
    return Compiled("count", sql, tuple(clauses.parameters), clauses.scope.object)


def _aggregates(clauses: _Clauses) -> Compiled:
    """Groups, and what is worked out over each."""
    query, scope = clauses.query, clauses.scope
    if any(isinstance(column, syntax.Query) for column in query.columns):
        raise Misplaced(query.at, malformed("a query that groups cannot have subqueries"))
    groups = [_group(scope, operand) for operand in query.group_by]
    keys = frozenset(group.sql for group in groups)
    clauses.selection.add_aggregates(expanded(query, scope.object), keys)
    where, having = clauses.where(), clauses.having()
    grouping = f"GROUP BY {', '.join(group.collated for group in groups)}" if groups else ""
    sql = clauses.sql(clauses.selection.sql, where, grouping, having, clauses.order_by(keys), clauses.limits())
    return Compiled("aggregates", sql, tuple(clauses.parameters), scope.object, tuple(clauses.selection.outputs))


def _group(scope: Scope, operand: syntax.Operand) -> Resolved:
    found = resolved(scope, operand)
    if isinstance(operand, syntax.Path) and not found.field.groupable:
        name = found.names[-1]
        raise Misplaced(operand.at, malformed(f"field '{name}' can not be grouped in a query call"))
    return found


def _rows(clauses: _Clauses) -> Compiled:
    """Records, and the statements of their children."""
    subqueries = tuple(_subqueries(clauses))
    return replace(_records(clauses, limits=clauses.limits()), subqueries=subqueries)


def _records(clauses: _Clauses, *, limits: str = "", parent: str | None = None) -> Compiled:
    """The statement of records; where `parent` says how children name theirs, of those of given parents only."""
    query, selection = clauses.query, clauses.selection
    if query.having is not None:
        raise Misplaced(query.at, malformed("HAVING takes GROUP BY"))
    selection.add_rows(expanded(query, clauses.scope.object))
    parents = selection.add_parents()
    id_at = selection.add_hidden(clauses.scope.root.id_sql)
    if parent is not None:
        selection.add_hidden(parent)
    where = clauses.where([] if parent is None else [_OF_PARENTS.format(parent)])
    sql = clauses.sql(selection.sql, where, clauses.order_by(), limits)
    outputs = tuple(selection.outputs)
    return Compiled("rows", sql, tuple(clauses.parameters), clauses.scope.object, outputs, parents, id_at=id_at)


def _subqueries(clauses: _Clauses) -> Iterator[Children]:
    after = 0
    for column in clauses.query.columns:
        if isinstance(column, syntax.Query):
            yield _children(column, clauses.scope, after)
        else:
            after += 1


def _children(query: syntax.Query, scope: Scope, after: int) -> Children:
    relation = _relationship(query, scope)
    if query.group_by or query.offset is not None or any(isinstance(one, syntax.Query) for one in query.columns):
        raise Misplaced(query.at, malformed("a subquery has neither subqueries, GROUP BY nor OFFSET"))
    clauses = _Clauses(query, scope.catalog, relation.child, [])
    points = clauses.scope.sql(clauses.scope.root.sources[0], relation.field)
    statement = _records(clauses, parent=points)
    return Children(relation.name or "", after, statement, len(clauses.selection.sql) - 1, query.limit)


def _relationship(query: syntax.Query, scope: Scope) -> ChildRelationship:
    found = scope.catalog.schema.child(scope.object, query.source)
    if found is None:
        message = f"Didn't understand relationship '{query.source}' in FROM part of query call. {RELATIONSHIP_ADVICE}"
        raise Misplaced(query.at, SalesforceError(400, "INVALID_TYPE", message))
    return found
