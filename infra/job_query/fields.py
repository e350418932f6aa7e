"""The fields of a query, each with what it takes: the one list for reading, for suggesting and for the page's help."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.job_query.query import Span
from infra.job_query.terms import Term
from infra.job_query.values import fault, identities, moment, one_of, span
from retinue.fingerprint import is_fingerprint
from retinue.states import IN_FLIGHT, TERMINAL, JobState, Reason

#: What is gathered while the terms are read.
Draft = dict[str, Any]

#: Names for several states.
STATE_GROUPS = {
    "unfinished": frozenset(JobState) - TERMINAL,
    "ended": TERMINAL,
    "in_flight": IN_FLIGHT,
}

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `read` notes a term's meaning; `operators` are those it takes beside the colon alone."""

    name: str
    meaning: str
    example: str
    read: Callable[[Term, Draft], None]
    operators: frozenset[str] = frozenset()
    negatable: bool = False


def _listed(name: str, values: Callable[[Term], tuple[Any, ...]]) -> Callable[[Term, Draft], None]:
    def read(term: Term, draft: Draft) -> None:
        key = f"not_{name}" if term.negated else name
        draft[key] = draft.get(key, ()) + values(term)

    return read


def _spanned(name: str, *, seconds: bool = False) -> Callable[[Term, Draft], None]:
    def read(term: Term, draft: Draft) -> None:
        spans = draft.setdefault("spans", {})
        spans[name] = spans.get(name, Span()).narrowed(span(term, seconds=seconds))

    return read


def _states(term: Term, draft: Draft) -> None:
    words = one_of(term, [*map(str, JobState), *STATE_GROUPS])
    named = frozenset().union(*(STATE_GROUPS.get(word) or {JobState(word)} for word in words))
    key = "not_states" if term.negated else "named_states"
    draft[key] = draft.get(key, frozenset()) | named


def _error(term: Term, draft: Draft) -> None:
    name = "texts" if term.operator else "kinds"
    if term.operator and len(term.values) > 1:
        raise fault(term, 'error:~ takes one text; put one with commas in quotes: error:~"a, b".')
    _listed(name, _words)(term, draft)


def _bound(name: str) -> Callable[[Term, Draft], None]:
    def read(term: Term, draft: Draft) -> None:
        if name in draft:
            raise fault(term, f"{name} was given already.")
        draft[name] = moment(term)

    return read


def _words(term: Term) -> tuple[str, ...]:
    if not all(value and _PRINTABLE.fullmatch(value) for value in term.values):
        raise fault(term, f"{term.field or 'A word'} takes printable characters.")
    return term.values


def _types(term: Term) -> tuple[str, ...]:
    if any("*" in value[:-1] for value in term.values):
        raise fault(term, "A * stands at the end of a type only, such as type:salesforce.*")
    return _words(term)


def _reasons(term: Term) -> tuple[Reason, ...]:
    return tuple(map(Reason, one_of(term, map(str, Reason))))


def _fingerprints(term: Term) -> tuple[str, ...]:
    if not all(map(is_fingerprint, term.values)):
        raise fault(term, "A fingerprint is eight hexadecimal characters, as an error's own page tells them.")
    return term.values


def _connections(term: Term) -> tuple[str, ...]:
    return tuple(f"connection_id:{identity}" for identity in identities(term))


_CONTAINS = frozenset({"~"})
_COMPARES = frozenset({">", ">=", "<", "<="})

FIELDS = {
    field.name: field
    for field in (
        Field("state", "where it stands", "state:failed", _states, negatable=True),
        Field("type", "its type; * at the end takes several", "type:email.*", _listed("types", _types), negatable=True),
        Field("account", "its account's name or ID", "account:acme", _listed("accounts", _words), negatable=True),
        Field("error", "the kind of its error, or ~ a text", "error:~timeout", _error, _CONTAINS, negatable=True),
        Field("after", "made or ended at this time or later", "after:2h", _bound("after")),
        Field("before", "made or ended before this time", "before:2026-11-20", _bound("before")),
        Field("reason", "why it is in its state", "reason:poison", _listed("reasons", _reasons), negatable=True),
        Field("fingerprint", "errors like this", "fingerprint:8aa7d072", _listed("fingerprints", _fingerprints)),
        Field("lane", "its lane", "lane:account:7", _listed("lanes", _words)),
        Field("connection", "its connection's ID", "connection:12", _listed("lanes", _connections)),
        Field("schedule", "the schedule that made it", "schedule:3", _listed("schedules", identities)),
        Field("group", "the group it belongs to", "group:9", _listed("groups", identities)),
        Field("servant", "the servant that has or had it", "servant:41", _listed("servants", identities)),
        Field("attempts", "attempts begun", "attempts:>3", _spanned("attempts"), _COMPARES),
        Field("ran", "how long its last attempt ran", "ran:>10m", _spanned("ran", seconds=True), _COMPARES),
        Field("priority", "0 is the most urgent, 9 the least", "priority:<5", _spanned("priority"), _COMPARES),
        Field("retry_of", "the job that it runs again", "retry_of:4711", _listed("retries_of", identities)),
        Field("request", "the request that made it", "request:8c8f4c0b", _listed("requests", _words)),
        Field("key", "its unique key", "key:invoice-7", _listed("keys", _words)),
        Field("id", "its number", "id:4711", _listed("ids", identities)),
    )
}
