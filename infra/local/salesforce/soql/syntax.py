"""A query as it is written, before anyone asks what its names mean. `at` is where in its text something stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Path:
    """A field, by the words that lead to it: `Account.Owner.Email`."""

    names: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True)
class Call:
    """A function of a field, or of nothing: `COUNT()`."""

    name: str
    argument: Path | Call | None
    at: int


Operand = Path | Call


@dataclass(frozen=True)
class Text:
    """A string: its value, and the value as a pattern of LIKE whose escapes are still there."""

    value: str
    pattern: str


@dataclass(frozen=True)
class Number:
    value: int | float


@dataclass(frozen=True)
class Day:
    value: date


@dataclass(frozen=True)
class Moment:
    """A moment, with its zone."""

    value: datetime


@dataclass(frozen=True)
class Span:
    """A date literal: `LAST_N_DAYS:30` is its upper-case name and 30; where the name takes no number, 0."""

    name: str
    count: int


@dataclass(frozen=True)
class Truth:
    value: bool


@dataclass(frozen=True)
class Null:
    pass


Value = Text | Number | Day | Moment | Span | Truth | Null


@dataclass(frozen=True)
class Comparison:
    """`operator` is one of = != < <= > >= LIKE."""

    operand: Operand
    operator: str
    value: Value


@dataclass(frozen=True)
class Membership:
    """IN, or NOT IN, a list or what a query of one field gives."""

    operand: Operand
    negated: bool
    values: tuple[Value, ...] | Query


@dataclass(frozen=True)
class Picks:
    """INCLUDES, or EXCLUDES, any of these choices of a multi-select picklist."""

    operand: Operand
    excluded: bool
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Both:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Negated:
    part: Condition


Condition = Comparison | Membership | Picks | Both | Either | Negated


@dataclass(frozen=True)
class Column:
    """What is selected, and the name it was given."""

    operand: Operand
    alias: str | None


@dataclass(frozen=True)
class Order:
    """One key of the order; nulls come first unless it says otherwise ("ORDER BY")."""

    operand: Operand
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """A whole query; as a subquery, `source` is a relationship of the query around it."""

    columns: tuple[Column | Query, ...]
    source: str
    at: int
    alias: str | None
    where: Condition | None
    group_by: tuple[Operand, ...]
    having: Condition | None
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int | None
    all_rows: bool
