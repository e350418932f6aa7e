"""Made-up rows in great number, the same for the same seed: about what a company's people type into its org."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.metadata import Field, SObject
from infra.local.salesforce.org import Org


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WORDS = _words(
    "order renewal site visit roof survey invoice quote window frame delivery crane permit lift cable meter pump valve "
    "boiler heat solar panel garden north south annual service contract deposit fitting repair insulation access key "
    "schedule follow agreed asked sent called waiting approved signed measured ordered second third early late"
)
_COMPANIES = _words("Hollis Vane Marlowe Kestrel Ardent Brook Calder Dunmore Elgin Farrow Glen Harrow Innes Jura Kelso")
_KINDS = _words("Roofing Joinery Heating Electrical Glazing Landscapes Builders Interiors Lifts Energy")
_FIRST = _words("Ada Ben Clara Dev Elin Farid Grace Hugo Iris Jonas Kira Leo Mina Noor Owen Priya Rosa Sam Tess Uma")
_LAST = _words("Abbott Byrne Castle Doyle Ekman Flores Grant Hughes Ismail Jensen Kaur Lund Moore Nolan Okafor Reyes")

#: Long texts are this long at most, so that a row takes about 1 kB.
_LONG = 600

#: So many rows of a parent are drawn from.
_PARENTS = 10_000

#: Dates lie within these days of the org's start of time for made-up rows.
_EPOCH = date(2026, 1, 1)
_DAYS = 700


def seed(org: Org, name: str, count: int, *, seed: int) -> int:
    """Add `count` rows to an object past the rules; how many there are."""
    sobject = org.full_schema().object(name)
    maker = _Maker(random.Random(f"{seed}/{name}"), _parents(org, sobject))  # noqa: S311 - made-up data
    with org.edit(org.admin) as edit:
        return edit.load(sobject.name, maker.rows(sobject, count))


def _parents(org: Org, sobject: SObject) -> Mapping[str, Sequence[str]]:
    """Ids that each reference may hold."""
    full = org.full_schema()
    found: dict[str, list[str]] = {}
    with org.store.read() as db:
        for field in sobject.fields:
            tables = [target.table for target in map(full.find, field.reference_to) if target is not None]
            for table in tables[:1]:
                rows = db.execute(f'SELECT "Id" FROM "{table}" LIMIT {_PARENTS}').fetchall()
                found[field.name] = [row[0] for row in rows]
    return found


class _Maker:
    """Makes values by a field's type and name."""

    def __init__(self, source: random.Random, parents: Mapping[str, Sequence[str]]) -> None:
        self._source = source
        self._parents = parents
        self._prose = " ".join(source.choices(_WORDS, k=5000))
        self._by_type: dict[str, Callable[[Field], Any]] = {
            "string": self._string,
            "textarea": self._text,
            "email": lambda _: f"{source.choice(_FIRST)}.{source.choice(_LAST)}{source.randrange(9999)}@example.com",
            "phone": lambda _: f"+44 20 7946 {source.randrange(10_000):04}",
            "url": lambda _: f"https://www.example.com/{source.choice(_WORDS)}{source.randrange(10_000)}",
            "picklist": self._choice,
            "combobox": self._choice,
            "multipicklist": self._choice,
            "boolean": lambda _: source.random() < 0.3,
            "int": lambda _: source.randrange(1, 500),
            "double": lambda field: round(source.uniform(1, 900), field.scale),
            "currency": lambda _: source.randrange(10_000, 9_000_000) / 100,
            "percent": lambda _: float(source.randrange(0, 101, 5)),
            "date": lambda _: (_EPOCH + timedelta(source.randrange(_DAYS))).isoformat(),
            "datetime": lambda _: stamp(_midnight() + timedelta(minutes=source.randrange(_DAYS * 1440))),
            "reference": self._reference,
        }

    def rows(self, sobject: SObject, count: int) -> Iterator[Mapping[str, Any]]:
        made = [(field.name, self._by_type[field.type], field) for field in sobject.fields if self._is_made(field)]
        for _ in range(count):
            yield {name: make(field) for name, make, field in made}

    def _is_made(self, field: Field) -> bool:
        if field.type == "reference" and not self._parents.get(field.name):
            return False
        return field.createable and not field.unique and field.type in self._by_type

    def _string(self, field: Field) -> str:
        source = self._source
        if field.name == "FirstName":
            return source.choice(_FIRST)
        if field.name == "LastName":
            return source.choice(_LAST)
        if field.name in ("Name", "Company"):
            return f"{source.choice(_COMPANIES)} {source.choice(_KINDS)} {source.randrange(100_000)}"
        return " ".join(source.choices(_WORDS, k=3)).capitalize()[: field.length or 80]

    def _text(self, field: Field) -> str:
        """A piece of one long text: making each of its own takes too long for a million rows."""
        begin = self._source.randrange(len(self._prose) - _LONG)
        return self._prose[begin : begin + min(field.length or _LONG, _LONG)].strip()

    def _choice(self, field: Field) -> str | None:
        return self._source.choice(field.values) if field.values else None

    def _reference(self, field: Field) -> str:
        return self._source.choice(self._parents[field.name])


def _midnight() -> datetime:
    return datetime.combine(_EPOCH, datetime.min.time(), UTC)
