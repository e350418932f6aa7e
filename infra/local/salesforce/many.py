"""Writing rows of several objects in the order in which they were sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.request import Caller
from infra.local.salesforce.results import RowResult, rolled_back

#: A record as a client sends it.
Sent = dict[str, Any]

#: How rows of one object are written: `Edit.insert` or `Edit.update`.
Write = Callable[..., list[RowResult]]


class _Undone(Exception):
    """Ends a transaction without its writes."""

    def __init__(self, results: list[RowResult]) -> None:
        super().__init__()
        self.results = results


def changed(by: Caller, records: Sequence[tuple[str, Sent]], write: Write, *, all_or_none: bool) -> list[RowResult]:
    """Write rows, each with the name of its object, in one transaction; the results in their order."""
    results: list[RowResult] = []
    try:
        with by.edit() as edit:
            for name, group in groupby(records, key=lambda pair: pair[0]):
                results += write(edit, name, [row for _, row in group], all_or_none=all_or_none)
            if all_or_none and not all(result.success for result in results):
                raise _Undone(results)
    except _Undone as undone:
        return [rolled_back(result) for result in undone.results]
    return results


def record_type(record: Sent) -> str:
    """The object that a record says it is of.

    Raises:
        SalesforceError: INVALID_TYPE, it does not say.
    """
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise SalesforceError(400, "INVALID_TYPE", "The sObject type of a record is missing from its attributes")
    return name


def without_attributes(record: Sent) -> Sent:
    """The record's fields."""
    return {name: value for name, value in record.items() if name != "attributes"}
