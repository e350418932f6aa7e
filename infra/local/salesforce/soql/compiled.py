"""What a query becomes: SQL, and what its rows hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.local.salesforce.metadata import Field, SObject
from infra.local.salesforce.soql.literals import Parameter


@dataclass(frozen=True)
class Output:
    """One selected value: its names (`("Owner", "Name")`, `("expr0",)`), the field to read it by, its place."""

    names: tuple[str, ...]
    field: Field
    at: int

    @property
    def label(self) -> str:
        """The heading of its column in a CSV."""
        return ".".join(self.names)


@dataclass(frozen=True)
class Parent:
    """A parent that values are selected of: where its id and the name of its object are in the row."""

    names: tuple[str, ...]
    id_at: int
    type_at: int
    #: What its attributes call it; of a parent that may be of several objects that is "Name".
    type: str


@dataclass(frozen=True)
class Children:
    """A subquery: its first parameter is a JSON list of the parents' ids; which is a row's stands at `parent_at`."""

    name: str
    after: int
    statement: Compiled
    parent_at: int
    limit: int | None


@dataclass(frozen=True)
class Compiled:
    """A statement for SQLite. A row begins with the values of `columns` in their order; the others are for `records`.

    Attributes:
        kind: "rows", "aggregates" (rows without ids), or "count" (one row with one number, for `SELECT COUNT()`).
        object: the object queried.
        id_at: where in a row of "rows" its id is.
    """

    kind: Literal["rows", "aggregates", "count"]
    sql: str
    params: tuple[Parameter, ...]
    object: SObject
    columns: tuple[Output, ...] = ()
    parents: tuple[Parent, ...] = ()
    subqueries: tuple[Children, ...] = ()
    id_at: int = 0
    has_offset: bool = False

    @property
    def aggregated(self) -> bool:
        return self.kind != "rows"
