"""Which described fields are read, and what follows from a description that changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from infra.postgres.salesforce_fields import Drift, NewField, StaleReason
from servants.salesforce.client.values import Described, Field
from servants.salesforce.contents import DELETED, ID, STAMPS

#: Fields without which a row is no record.
MARKS = frozenset({ID, DELETED, *STAMPS})


def fields_to_read(described: Described, chosen: Collection[str] | None) -> list[NewField]:
    """The fields that are read of an object: all that a person wants and the Bulk API has, too.

    A compound field is made of others, which are read; the content of a file is none of a record.
    """
    return [
        NewField(field.name, field.type, _details(field), calculated=field.calculated)
        for field in described.fields
        if field.in_bulk and is_wanted(field.name, chosen)
    ]


def is_wanted(name: str, chosen: Collection[str] | None) -> bool:
    """Whether a person wants it; None is all. What tells which row it is, and of when, is always read."""
    return chosen is None or name in chosen or name in MARKS


def _details(field: Field) -> dict[str, object]:
    return {"length": field.length, "scale": field.scale, "reference_to": list(field.reference_to)}


def to_refresh(drift: Drift) -> list[str]:
    """Fields of which every stored record lacks the value, has an old one, or has it in another form."""
    return list(dict.fromkeys([*drift.added, *drift.returned, *(one.name for one in drift.retyped)]))


def stale_reasons(
    names: Iterable[str], described: Described, *, is_permitted: Callable[[str], bool | None]
) -> dict[StaleReason, list[str]]:
    """Why fields are described no more.

    One that is described and only not wanted was left out by a person. Salesforce's own fields cannot be deleted.
    Of a custom one `is_permitted` tells whether any permission still names it; None where that cannot be known.
    """
    reasons: dict[StaleReason, list[str]] = {}
    for name in names:
        if described.field(name) is None:
            reasons.setdefault(_reason(name, is_permitted), []).append(name)
    return reasons


def _reason(name: str, is_permitted: Callable[[str], bool | None]) -> StaleReason:
    if not name.endswith("__c"):
        return StaleReason.PERMISSION
    return {True: StaleReason.PERMISSION, False: StaleReason.DELETED, None: StaleReason.UNKNOWN}[is_permitted(name)]


def has_changed(drift: Drift) -> bool:
    """Whether rows that were read by the earlier description may not be stored any more."""
    return bool(drift.added or drift.vanished or drift.returned or drift.retyped)
