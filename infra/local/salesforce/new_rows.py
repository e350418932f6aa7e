"""Records before anybody said anything of them, and many of them at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.ids import make_id
from infra.local.salesforce.metadata import Field, SObject
from infra.local.salesforce.values import Raw, stored
from infra.local.salesforce.writer import Row, Writer

#: Rows that SQLite is handed at a time.
_AT_ONCE = 5_000


@dataclass(frozen=True)
class NewRows:
    """New records of one user in one transaction."""

    writer: Writer
    user_id: str
    now: datetime

    def blank(self, sobject: SObject) -> Row:
        """A new record with its defaults, its automatic numbers, and its maker."""
        row: Row = {one.name: stored(one, one.default) for one in sobject.fields if one.stored}
        for field in _automatic(sobject):
            row[field.name] = _numbered(field, self.writer.number(_counter(sobject, field)))
        return row | self._made(sobject)

    def stamps(self) -> Row:
        """What every write leaves in a record."""
        moment = stamp(self.now)
        return {"LastModifiedDate": moment, "LastModifiedById": self.user_id, "SystemModstamp": moment}

    def load(self, sobject: SObject, rows: Iterable[Mapping[str, Raw]]) -> int:
        """Create records of stored values; all have the fields of the first, in its order; how many."""
        count = 0
        remaining = iter(rows)
        while chunk := list(itertools.islice(remaining, _AT_ONCE)):
            self._load(sobject, chunk)
            count += len(chunk)
        return count

    def _load(self, sobject: SObject, rows: Sequence[Mapping[str, Raw]]) -> None:
        usual = {one.name: stored(one, one.default) for one in sobject.fields if one.stored}
        usual |= self._made(sobject)
        usual |= {name: value for name, value in self.stamps().items() if sobject.find(name)}
        automatic = [one for one in _automatic(sobject) if one.name not in rows[0]]
        worked_out = {"Id", *rows[0], *(one.name for one in automatic)}
        constant = {name: value for name, value in usual.items() if name not in worked_out}
        names = ["Id", *rows[0], *constant, *(one.name for one in automatic)]
        numbers = self._numbers(sobject, automatic, len(rows))
        first = self.writer.number(sobject.prefix, len(rows))
        ids = (make_id(sobject.prefix, number) for number in itertools.count(first))
        made = ((next(ids), *row.values(), *constant.values(), *next(numbers)) for row in rows)
        self.writer.insert_many(sobject, names, made)

    def _numbers(self, sobject: SObject, fields: Sequence[Field], count: int) -> Iterator[tuple[str, ...]]:
        """Each row's automatic numbers."""
        firsts = [self.writer.number(_counter(sobject, field), count) for field in fields]
        for place in range(count):
            yield tuple(_numbered(field, first + place) for field, first in zip(fields, firsts, strict=True))

    def _made(self, sobject: SObject) -> Row:
        marks: Row = {"CreatedDate": stamp(self.now), "CreatedById": self.user_id, "OwnerId": self.user_id}
        return {name: value for name, value in marks.items() if sobject.find(name)}


def _automatic(sobject: SObject) -> list[Field]:
    return [one for one in sobject.fields if one.auto_number]


def _counter(sobject: SObject, field: Field) -> str:
    return f"{sobject.name}.{field.name}"


def _numbered(field: Field, number: int) -> str:
    """`{00000000}` is the number in as many digits, with what stands around it."""
    before, _, after = str(field.auto_number).partition("{")
    zeros, _, rest = after.partition("}")
    return f"{before}{number:0{len(zeros)}d}{rest}"
