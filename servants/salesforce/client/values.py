"""What the client hands out: frozen values, and Salesforce's spellings of moments and text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: Types that are several fields in one.
COMPOUND = frozenset({"address", "location"})

_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\f": r"\f", "\b": r"\b"})


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a query's rows, without their `attributes`. `total` is of all pages; `next` leads to the next one."""

    rows: list[dict[str, Any]]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """One object of the org."""

    name: str
    label: str
    key_prefix: str | None
    custom: bool
    queryable: bool
    replicateable: bool
    deprecated: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `type` is Salesforce's word; `compound_of` names the compound field that it is a part of."""

    name: str
    type: str
    label: str
    length: int
    precision: int
    scale: int
    nillable: bool
    calculated: bool
    custom: bool
    filterable: bool
    sortable: bool
    aggregatable: bool
    reference_to: tuple[str, ...]
    relationship: str | None
    compound_of: str | None

    @property
    def is_compound(self) -> bool:
        """Whether its parts are fields of their own."""
        return self.type in COMPOUND

    @property
    def is_binary(self) -> bool:
        """Whether queries give an address in place of its content."""
        return self.type == "base64"

    @property
    def in_bulk(self) -> bool:
        """Whether the Bulk API gives it."""
        return not self.is_compound and not self.is_binary


@dataclass(frozen=True, slots=True)
class Described:
    """An object with its fields, as this user may see them. `last_modified` is to be given back as `since`."""

    name: str
    label: str
    key_prefix: str | None
    custom: bool
    queryable: bool
    replicateable: bool
    fields: tuple[Field, ...]
    last_modified: str | None

    def field(self, name: str) -> Field | None:
        """The field of this name."""
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """One row that was deleted."""

    id: str
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class Updated:
    """Rows that changed. What is later than `latest_date_covered` may lack changes that were not finished."""

    ids: list[str]
    latest_date_covered: datetime


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows that were deleted. What is earlier than `earliest_date_available` is no longer known."""

    rows: list[DeletedRow]
    earliest_date_available: datetime
    latest_date_covered: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """One of the org's limits, and what is left of it."""

    max: int
    remaining: int

    @property
    def used(self) -> int:
        return self.max - self.remaining


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is signed in."""

    user_id: str
    organization_id: str
    username: str
    name: str


def moment(text: str) -> datetime:
    """A moment as either API writes it, with `+0000` or `Z`; aware, in UTC.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a moment needs its zone")
    return found.astimezone(UTC)


def soql_moment(at: datetime) -> str:
    """An aware moment as a literal of SOQL, in whole seconds: the fraction is cut off."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def soql_text(text: str) -> str:
    """Text as a literal of SOQL, quoted and escaped."""
    return f"'{text.translate(_ESCAPES)}'"
