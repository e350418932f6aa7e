"""A query's text as terms, each with its place, so that whatever is wrong can be pointed at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.job_query.errors import QueryError

#: Longer than any address that a browser keeps.
MAX_LENGTH = 1000

_BLANK = re.compile(r"\s*")
_HEAD = re.compile(r"(-?)([A-Za-z_-]*[A-Za-z]):(~|>=|<=|>|<)?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE = re.compile(r'[^\s,"]+')
_WORD = re.compile(r'[^\s"]+')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` is empty for a word alone; `operator` is empty, `~`, or a comparison."""

    field: str
    operator: str
    values: tuple[str, ...]
    negated: bool
    start: int
    end: int


def read_terms(text: str) -> list[Term]:
    """The terms of a query.

    Raises:
        QueryError: a quote is not closed, a value is missing, or the query is too long.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"A query has at most {MAX_LENGTH} characters.", MAX_LENGTH, len(text))
    return list(_terms(text))


def _terms(text: str) -> Iterator[Term]:
    place = _skip_blanks(text, 0)
    while place < len(text):
        term = _term(text, place)
        yield term
        place = _skip_blanks(text, term.end)


def _term(text: str, start: int) -> Term:
    head = _HEAD.match(text, start)
    if head is None:
        word, end = _value(text, start, _WORD)
        return Term("", "", (word,), negated=False, start=start, end=end)
    values, end = _values(text, head.end())
    return Term(
        field=head[2].lower().replace("-", "_"),
        operator=head[3] or "",
        values=values,
        negated=bool(head[1]),
        start=start,
        end=end,
    )


def _values(text: str, place: int) -> tuple[tuple[str, ...], int]:
    """One value, or several with commas between them, and where they end."""
    value, end = _value(text, place, _BARE)
    values = [value]
    while text[end : end + 1] == ",":
        value, end = _value(text, end + 1, _BARE)
        values.append(value)
    return tuple(values), end


def _value(text: str, place: int, bare: re.Pattern[str]) -> tuple[str, int]:
    quote = _QUOTED.match(text, place)
    if quote is not None:
        return _ESCAPED.sub(r"\1", quote[1]), quote.end()
    if text[place : place + 1] == '"':
        raise QueryError("This quote is not closed.", place, len(text))
    found = bare.match(text, place)
    if found is None:
        raise QueryError("A value is missing here.", place, min(place + 1, len(text)))
    return found[0], found.end()


def _skip_blanks(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    return place if blank is None else blank.end()
