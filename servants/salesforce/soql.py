"""The queries that a sync asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from servants.salesforce.contents import ID
from servants.salesforce.id_ranges import EVERYTHING, IdRange


def literal(moment: datetime) -> str:
    """A moment as SOQL has it, to the millisecond where it needs that."""
    whole = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{moment.microsecond // 1000:03d}Z" if moment.microsecond >= 1000 else f"{whole}Z"


def quoted(text: str) -> str:
    """Text as SOQL has it ("Quoted String Escape Sequences")."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the order of (stamp, Id): behind the row `id`, or before all rows of the moment where that is None."""

    at: datetime
    id: str | None = None


def changed_since(object_name: str, fields: Iterable[str], *, stamp: str, key: Key, limit: int) -> str:
    """The next rows in the order of (stamp, Id): a total order, in which a page ends within one second as well."""
    order = f"ORDER BY {stamp}, {ID} LIMIT {limit}"
    return f"{_select(object_name, fields)} WHERE {_behind(stamp, key)} {order}"


def between(object_name: str, fields: Iterable[str], *, stamp: str, keys: tuple[Key, Key], limit: int) -> str:
    """The same rows again with other fields: those behind the first key, the second one's row the last of them."""
    first, last = keys
    until = f"{stamp} <= {literal(last.at)}"
    order = f"ORDER BY {stamp}, {ID} LIMIT {limit}"
    return f"{_select(object_name, fields)} WHERE ({_behind(stamp, first)}) AND {until} {order}"


def newest(object_name: str, fields: Iterable[str], *, stamp: str, since: datetime, limit: int) -> str:
    """What changed since then, the newest first."""
    order = f"ORDER BY {stamp} DESC, {ID} DESC LIMIT {limit}"
    return f"{_select(object_name, fields)} WHERE {stamp} >= {literal(since)} {order}"


def all_since(object_name: str, fields: Iterable[str], *, stamp: str, since: datetime) -> str:
    """All rows that changed since then, in no order: the Bulk API reads them in pieces side by side."""
    return f"{_select(object_name, fields)} WHERE {stamp} >= {literal(since)}"


def count_since(object_name: str, *, stamp: str, since: datetime) -> str:
    """How many changed since then."""
    return f"SELECT COUNT() FROM {object_name} WHERE {stamp} >= {literal(since)}"  # noqa: S608 - described names


def newest_first(object_name: str, *, stamp: str) -> str:
    """The row that changed last."""
    return f"{_select(object_name, [stamp])} WHERE {stamp} != null ORDER BY {stamp} DESC LIMIT 1"


def slice_of_ids(object_name: str, fields: Iterable[str], *, behind: str | None, upto: str | None) -> str:
    """All rows whose Id comes after `behind` and not after `upto`, in no order; None is no bound."""
    bounds = [("Id >", behind), ("Id <=", upto)]
    where = " AND ".join(f"{operator} {quoted(bound)}" for operator, bound in bounds if bound is not None)
    return _select(object_name, fields) + (f" WHERE {where}" if where else "")


def in_range(object_name: str, fields: Iterable[str], ids: IdRange = EVERYTHING) -> str:
    """All rows of a range, in no order: the Bulk API reads them in pieces side by side."""
    where = " AND ".join(ids.conditions)
    return _select(object_name, fields) + (f" WHERE {where}" if where else "")


def page_of_range(
    object_name: str, fields: Iterable[str], ids: IdRange, *, behind: str | None, limit: int | None = None
) -> str:
    """The rows of a range whose Id comes after `behind`, in the order of Ids."""
    later = [] if behind is None else [f"{ID} > {quoted(behind)}"]
    # Behind an Id that lies in the range its lower bound says nothing more.
    bounds = IdRange(None if later else ids.first, ids.end).conditions
    where = " AND ".join([*later, *bounds])
    order = f"ORDER BY {ID}" + (f" LIMIT {limit}" if limit is not None else "")
    return " ".join(filter(None, [_select(object_name, fields), where and f"WHERE {where}", order]))


def of_ids(object_name: str, fields: Iterable[str], ids: Sequence[str]) -> str:
    """The rows with these Ids."""
    return f"{_select(object_name, fields)} WHERE {ID} IN ({','.join(quoted(one) for one in ids)})"


def end_of_ids(object_name: str, *, is_last: bool) -> str:
    """The first Id, or the last."""
    return f"{_select(object_name, ())} ORDER BY {ID} {'DESC' if is_last else 'ASC'} LIMIT 1"


def count(object_name: str, ids: IdRange = EVERYTHING) -> str:
    """How many rows there are."""
    where = " AND ".join(ids.conditions)
    return f"SELECT COUNT() FROM {object_name}" + (f" WHERE {where}" if where else "")  # noqa: S608 - described names


def parts_that_fit(fields: Sequence[str], *, fits: Callable[[Sequence[str]], bool]) -> list[list[str]]:
    """The fields in as few parts as can be asked for at once, in their order; a single one is a part in any case."""
    if len(fields) <= 1 or fits(fields):
        return [list(fields)]
    middle = len(fields) // 2
    return [*parts_that_fit(fields[:middle], fits=fits), *parts_that_fit(fields[middle:], fits=fits)]


def _behind(stamp: str, key: Key) -> str:
    at = literal(key.at)
    if key.id is None:
        return f"{stamp} >= {at}"
    return f"{stamp} > {at} OR ({stamp} = {at} AND {ID} > {quoted(key.id)})"


def _select(object_name: str, fields: Iterable[str]) -> str:
    # Its own columns come first, and once.
    return f"SELECT {','.join(dict.fromkeys([ID, *fields]))} FROM {object_name}"  # noqa: S608 - described names
