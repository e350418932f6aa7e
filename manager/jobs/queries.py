"""What the list's address says: its query, and where its page begins."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from flask import request, url_for

from infra.job_query import JobQuery, QueryError, parse_query, quoted, replaced, without
from infra.job_query.terms import MAX_LENGTH
from infra.postgres.job_search import JobPage, read_place, search_jobs
from retinue.states import TERMINAL, JobState


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a query, and its text before, in and after the place that it is about."""

    message: str
    before: str
    place: str
    after: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A query as it was written, and either the page that it asks for or what is wrong with it."""

    text: str
    page: JobPage | None = None
    fault: Fault | None = None
    query: JobQuery | None = None


def query_of(**fields: object) -> str:
    """A query out of fields and values: `query_of(account="Kestrel Freight", state="failed")`. None leaves one out."""
    return " ".join(f"{field}:{quoted(str(value))}" for field, value in fields.items() if value is not None)


def asked_text() -> str:
    """The query in the address."""
    return request.args.get("q", "").strip()


def look(connection: psycopg.Connection, text: str, after: str | None = None) -> Listing:
    """What the query asks for."""
    try:
        query = parse_query(text)
        return Listing(text, search_jobs(connection, query, after=read_place(after)), query=query)
    except QueryError as error:
        return Listing(text, fault=fault_of(error, text))


def fault_of(error: QueryError, text: str) -> Fault:
    """The error with the place in the text that it is about; where that is its end, a blank stands for it."""
    text = text[: MAX_LENGTH + 100]
    return Fault(error.message, text[: error.start], text[error.start : error.end] or " ", text[error.end :])


def tabs(text: str, named: frozenset[JobState]) -> list[tuple[str, str, bool]]:
    """The states as tabs: what else the query asks for stays."""
    unfinished = frozenset(JobState) - TERMINAL
    choices = [("All", None, frozenset[JobState]()), ("Unfinished", "unfinished", unfinished)]
    choices += [(state.capitalize(), state.value, frozenset({state})) for state in JobState]
    return [(name, _address(replaced(text, "state", value)), named == states) for name, value, states in choices]


def chips(query: JobQuery) -> list[tuple[str, str]]:
    """Each term of the query, and the address without it."""
    text = query.text
    return [(text[term.start : term.end], _address(without(text, term))) for term in query.terms]


def _address(text: str) -> str:
    return url_for("jobs.index", q=text or None)
