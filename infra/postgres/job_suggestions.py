"""What may come next in a query for jobs, at the place where somebody writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg

from infra.job_query import quoted
from infra.job_query.fields import FIELDS, Field
from infra.job_query.unfinished import Unfinished, unfinished_term
from infra.postgres.statements import statement
from retinue.states import JobState, Reason

#: Suggestions given at once.
LIMIT = 10

#: Failures of late whose kinds are known.
_LATE_FAILURES = 500

_MOMENTS = {"15m": "15 minutes ago", "1h": "an hour ago", "24h": "a day ago", "7d": "a week ago"}
_SAMPLES = {
    "attempts": {">1": "tried again", ">3": "tried often"},
    "ran": {">1m": "longer than a minute", ">10m": "longer than ten", "<1s": "less than a second"},
    "priority": {"<5": "more urgent than usual", ">5": "less urgent"},
}
_STATES = {
    **{state.value: "" for state in JobState},
    "unfinished": "pending, queued or running",
    "ended": "completed, failed or cancelled",
    "in_flight": "queued or running",
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`insert` takes the place of the text from `Suggestions.start` to `Suggestions.end`."""

    insert: str
    hint: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What may stand between `start` and `end`."""

    start: int
    end: int
    items: list[Suggestion]


def suggest(connection: psycopg.Connection, text: str, place: int) -> Suggestions:
    """What may come at this place of a query, the likeliest first."""
    term = unfinished_term(text, place)
    field = FIELDS.get(term.field)
    if not term.has_field:
        found = _fields(term)
    elif field is None:
        found = iter(())
    else:
        found = _values(connection, field, term)
    return Suggestions(term.start, term.end, list(found)[:LIMIT])


def _fields(term: Unfinished) -> Iterator[Suggestion]:
    for field in FIELDS.values():
        if field.name.startswith(term.value.lower()) and (field.negatable or not term.minus):
            yield Suggestion(f"{term.minus}{field.name}:", f"{field.meaning}, as in {field.example}")


def _values(connection: psycopg.Connection, field: Field, term: Unfinished) -> Iterator[Suggestion]:
    for value, hint in _known(connection, field.name, term):
        compares = value.startswith((">", "<"))
        written = f"{field.name}:{value}" if compares else f"{term.before_value}{quoted(value)}"
        yield Suggestion(f"{written} ", hint)


def _known(connection: psycopg.Connection, field: str, term: Unfinished) -> Iterable[tuple[str, str]]:
    match field:
        case "state":
            return _beginning(term.value, _STATES.items())
        case "reason":
            return _beginning(term.value, [(reason.value, "") for reason in Reason])
        case "type":
            return _containing(term.value, _types(connection))
        case "account":
            return _accounts(connection, term.value)
        case "error" if not term.operator:
            return _errors(connection, term.value)
        case "after" | "before":
            return _beginning(term.value, _MOMENTS.items())
        case _:
            return _beginning(term.operator + term.value, _SAMPLES.get(field, {}).items())


def _beginning(start: str, known: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((value, hint) for value, hint in known if value.startswith(start.lower()))


def _containing(part: str, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    found = [value for value in known if part.lower() in value.lower()]
    return ((value, "") for value in sorted(found, key=lambda value: (not value.startswith(part), value)))


def _types(connection: psycopg.Connection) -> list[str]:
    names = [row[0] for row in connection.execute(statement("list_known_types"))]
    families = sorted({f"{name.partition('.')[0]}.*" for name in names if "." in name})
    return [*names, *families]


def _accounts(connection: psycopg.Connection, part: str) -> Iterator[tuple[str, str]]:
    escaped = _escaped(part)
    params = {"pattern": f"%{escaped}%", "start": f"{escaped}%", "limit": LIMIT}
    rows = connection.execute(statement("suggest_accounts"), params)
    return ((name, f"account {identity}") for identity, name in rows)


def _errors(connection: psycopg.Connection, part: str) -> Iterator[tuple[str, str]]:
    params = {"pattern": f"%{_escaped(part)}%", "window": _LATE_FAILURES, "limit": LIMIT}
    rows = connection.execute(statement("suggest_errors"), params)
    return ((kind, f"{count} of the last {_LATE_FAILURES} failures") for kind, count in rows)


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
