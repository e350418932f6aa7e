"""Trees: records and their children made together, all or none ("sObject Tree", REST API Developer Guide)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.many import Sent, record_type
from infra.local.salesforce.records import Edit
from infra.local.salesforce.request import Caller
from infra.local.salesforce.results import RowResult

MAX_RECORDS = 200
MAX_DEPTH = 5


@dataclass(frozen=True)
class _Node:
    """A record to make: its name in the request, its object, its own fields, its children by relationship."""

    reference: str
    object: str
    fields: Sent
    children: dict[str, list[Sent]]


class _Undone(Exception):
    """Ends the transaction without its writes."""


def tree_made(by: Caller, name: str, body: Sent) -> tuple[Sent, int]:
    """Make the records of a tree whose roots are of this object: the answer and its status.

    Raises:
        SalesforceError: what was sent is no such tree, or too large.
    """
    roots = [_node(record) for record in _list(body.get("records"))]
    if any(root.object.lower() != by.schema.object(name).name.lower() for root in roots):
        raise SalesforceError(400, "INVALID_TYPE", f"All records must be of type {name}")
    _require_small(roots)
    made: list[tuple[str, RowResult]] = []
    try:
        with by.edit() as edit:
            _make(by, edit, roots, made)
            if any(not result.success for _, result in made):
                raise _Undone
    except _Undone:
        failed = [(reference, result) for reference, result in made if not result.success]
        return {"hasErrors": True, "results": [_errors(reference, result) for reference, result in failed]}, 400
    results = [{"referenceId": reference, "id": result.id} for reference, result in made]
    return {"hasErrors": False, "results": results}, 201


def _make(by: Caller, edit: Edit, nodes: list[_Node], made: list[tuple[str, RowResult]]) -> None:
    """Make records, and then the children of those that could be made."""
    for node in nodes:
        (result,) = edit.insert(node.object, [node.fields])
        made.append((node.reference, result))
        if result.success:
            for relationship, children in node.children.items():
                _make(by, edit, [_child(by, node, relationship, child, str(result.id)) for child in children], made)


def _child(by: Caller, parent: _Node, relationship: str, record: Sent, parent_id: str) -> _Node:
    found = by.schema.child(by.schema.object(parent.object), relationship)
    if found is None:
        raise SalesforceError(400, "INVALID_FIELD", f"No such relationship '{relationship}' on {parent.object}")
    node = _node(record)
    return _Node(node.reference, node.object, node.fields | {found.field.name: parent_id}, node.children)


def _node(record: Sent) -> _Node:
    attributes = record.get("attributes")
    reference = attributes.get("referenceId") if isinstance(attributes, dict) else None
    if not isinstance(reference, str):
        raise SalesforceError(400, "INVALID_INPUT", "Each record must have a referenceId in its attributes")
    children = {name: _list(value.get("records")) for name, value in record.items() if _has_records(name, value)}
    fields = {name: value for name, value in record.items() if name != "attributes" and name not in children}
    return _Node(reference, record_type(record), fields, children)


def _has_records(name: str, value: Any) -> bool:
    return name != "attributes" and isinstance(value, dict) and "records" in value


def _list(value: Any) -> list[Sent]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "records must be a list of objects")
    return value


def _require_small(roots: list[_Node]) -> None:
    depths = list(_depths(roots, 1))
    if len(depths) > MAX_RECORDS or max(depths, default=0) > MAX_DEPTH:
        message = f"A tree may have {MAX_RECORDS} records and {MAX_DEPTH} levels"
        raise SalesforceError(400, "LIMIT_EXCEEDED", message)


def _depths(nodes: list[_Node], depth: int) -> Iterator[int]:
    for node in nodes:
        yield depth
        for children in node.children.values():
            yield from _depths([_node(child) for child in children], depth + 1)


def _errors(reference: str, result: RowResult) -> Sent:
    return {"referenceId": reference, "errors": [error.json() for error in result.errors]}
