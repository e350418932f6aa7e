"""Queries made from queries: with another value for a field, without a term."""

from __future__ import annotations

import re

from infra.job_query.errors import QueryError
from infra.job_query.terms import Term, read_terms

_NEEDS_QUOTES = re.compile(r'[\s,"\\]|^[~<>]')


def quoted(value: str) -> str:
    """`value` as it stands in a query."""
    if value and not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def replaced(text: str, field: str, value: str | None) -> str:
    """The query with this value alone for the field, or without the field where it is None."""
    try:
        terms = read_terms(text)
    except QueryError:
        terms = []
    kept = [text[term.start : term.end] for term in terms if term.field != field]
    return " ".join(kept if value is None else [*kept, f"{field}:{quoted(value)}"])


def without(text: str, term: Term) -> str:
    """The query without this term."""
    return " ".join(part for part in (text[: term.start].strip(), text[term.end :].strip()) if part)
