"""From a query's text to what it asks for."""

from __future__ import annotations

from infra.job_query.fields import FIELDS, Draft
from infra.job_query.query import JobQuery
from infra.job_query.terms import Term, read_terms
from infra.job_query.values import did_you_mean, fault


def parse_query(text: str) -> JobQuery:
    """What `text` asks for; nothing asks for all jobs.

    Raises:
        QueryError: says what cannot be read, and where.
    """
    terms = read_terms(text)
    draft: Draft = {}
    for term in terms:
        _read(term, draft)
    return JobQuery(text=text.strip(), terms=tuple(terms), **draft)


def _read(term: Term, draft: Draft) -> None:
    if not term.field:
        return _word(term, draft)
    field = FIELDS.get(term.field)
    if field is None:
        raise fault(
            term, f"There is no field {term.field!r}{did_you_mean(term.field, FIELDS)} A text stands in quotes."
        )
    if term.operator and term.operator not in field.operators:
        raise fault(term, f"{term.field} takes no {term.operator}: write it as in {field.example}.")
    if term.negated and not field.negatable:
        raise fault(term, f"{term.field} cannot be turned round with a minus.")
    return field.read(term, draft)


def _word(term: Term, draft: Draft) -> None:
    """A number alone is an ID, another word is looked for in errors."""
    (word,) = term.values
    field = FIELDS["id"] if word.isascii() and word.isdecimal() else FIELDS["error"]
    operator = "" if field.name == "id" else "~"
    field.read(Term(field.name, operator, term.values, negated=False, start=term.start, end=term.end), draft)
