"""Records as the REST API shows them, of the rows of a statement."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.local.salesforce.soql.compiled import Children, Compiled, Output, Parent
from infra.local.salesforce.values import to_json

Row = Sequence[Any]
Record = dict[str, Any]

#: For each subquery, by its place: the children of each parent's id.
_Found = list[dict[str, list[Record]]]


@dataclass
class _Branch:
    """An object's part of a record: its values, parents and children, in the order of the query."""

    parent: Parent | None = None
    entries: dict[str, Output | _Branch | int] = field(default_factory=dict)


class Records:
    """Makes records of the rows of one statement; `base` is the path that their URLs begin with."""

    def __init__(self, statement: Compiled, base: str) -> None:
        self._statement = statement
        self._base = base
        self._tree = _tree(statement)
        self._children = [Records(one.statement, base) for one in statement.subqueries]

    def made(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[Record]:
        """The records of these rows, with their children as the connection sees them."""
        if self._statement.kind == "aggregates":
            return [self._group(row) for row in rows]
        ids = [row[self._statement.id_at] for row in rows]
        pairs = zip(self._statement.subqueries, self._children, strict=True)
        found = [maker.of_parents(connection, children, ids) for children, maker in pairs]
        return [self._record(row, found) for row in rows]

    def of_parents(
        self, connection: sqlite3.Connection, children: Children, ids: Sequence[str]
    ) -> dict[str, list[Record]]:
        """The children of each of these parents, at most as many as the subquery says."""
        found: dict[str, list[Record]] = {}
        for row in connection.execute(children.statement.sql, (json.dumps(ids), *children.statement.params)):
            mine = found.setdefault(row[children.parent_at], [])
            if children.limit is None or len(mine) < children.limit:
                mine.append(self._record(row, []))
        return found

    def _group(self, row: Row) -> Record:
        shown: Record = {"attributes": {"type": "AggregateResult"}}
        for output in self._statement.columns:
            shown[output.label] = to_json(output.field, row[output.at])
        return shown

    def _record(self, row: Row, found: _Found) -> Record:
        record_id = row[self._statement.id_at]
        shown: Record = {"attributes": self._attributes(self._statement.object.name, None, record_id)}
        self._fill(shown, self._tree, row)
        for place, children in enumerate(found):
            name = self._statement.subqueries[place].name
            shown[name] = _result(children.get(record_id))
        return shown

    def _fill(self, shown: Record, branch: _Branch, row: Row) -> None:
        for name, entry in branch.entries.items():
            if isinstance(entry, Output):
                shown[name] = to_json(entry.field, row[entry.at])
            elif isinstance(entry, _Branch):
                shown[name] = self._parent(entry, row)
            else:
                # Holds the place of children, who come when the record is whole.
                shown[name] = None

    def _parent(self, branch: _Branch, row: Row) -> Record | None:
        parent = branch.parent
        if parent is None or row[parent.id_at] is None:
            return None
        shown: Record = {"attributes": self._attributes(parent.type, row[parent.type_at], row[parent.id_at])}
        self._fill(shown, branch, row)
        return shown

    def _attributes(self, kind: str, of: str | None, record_id: str) -> dict[str, str]:
        return {"type": kind, "url": f"{self._base}/sobjects/{of or kind}/{record_id}"}


def _tree(statement: Compiled) -> _Branch:
    parents = {parent.names: parent for parent in statement.parents}
    root = _Branch()
    for place in range(len(statement.columns) + 1):
        _place_children(root, statement.subqueries, place)
        if place < len(statement.columns):
            _place_value(root, statement.columns[place], parents)
    return root


def _place_children(root: _Branch, subqueries: Iterable[Children], place: int) -> None:
    for number, children in enumerate(subqueries):
        if children.after == place:
            root.entries[children.name] = number


def _place_value(root: _Branch, output: Output, parents: dict[tuple[str, ...], Parent]) -> None:
    branch = root
    for depth, name in enumerate(output.names[:-1], start=1):
        inner = branch.entries.setdefault(name, _Branch(parents[output.names[:depth]]))
        assert isinstance(inner, _Branch)  # noqa: S101 - a relationship and a field never share a name
        branch = inner
    branch.entries[output.names[-1]] = output


def _result(children: list[Record] | None) -> dict[str, Any] | None:
    """What stands for children: nothing where there are none."""
    if not children:
        return None
    return {"totalSize": len(children), "done": True, "records": children}
