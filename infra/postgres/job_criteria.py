"""A query for jobs with everything looked up that it names: accounts by their IDs, types, servants, moments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg

from infra.job_query import JobQuery, QueryError, Span
from infra.job_query.values import did_you_mean
from infra.postgres.accounts import Account, find_account
from infra.postgres.enqueue import RUN_AT_RANGE
from infra.postgres.statements import statement
from retinue.errors import NotFound
from retinue.states import JobState

_FIRST, _LAST = RUN_AT_RANGE

#: Finds an account by its name or ID, or raises NotFound.
_Find = Callable[[psycopg.Connection, str], Account]

#: Numbers that no job goes beyond.
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What `infra.postgres.job_search` looks for. `known_types` are all there are, `types` those asked for."""

    query: JobQuery
    known_types: tuple[str, ...]
    types: tuple[str, ...] | None
    not_types: tuple[str, ...]
    account_ids: tuple[int, ...] | None
    not_account_ids: tuple[int, ...]
    since: datetime
    until: datetime

    @property
    def states(self) -> frozenset[JobState]:
        """The states looked in."""
        return self.query.states

    @property
    def nothing(self) -> bool:
        """Whether no job can fit, whatever there is."""
        return not self.states or self.types == () or self.account_ids == () or self.since >= self.until

    def params(self, states: Collection[JobState]) -> dict[str, Any]:
        """The parameters of `fit_jobs`, for jobs in these states."""
        query = self.query
        return {
            "states": [state.value for state in states],
            "types": _listed(self.types),
            "not_types": list(self.not_types),
            "account_ids": _listed(self.account_ids),
            "not_account_ids": list(self.not_account_ids),
            "lanes": _listed(query.lanes or None),
            "reasons": _listed(query.reasons or None),
            "not_reasons": list(query.not_reasons),
            "kinds": _listed(query.kinds or None),
            "not_kinds": list(query.not_kinds),
            "with_error": bool(query.kinds or query.texts or query.fingerprints),
            "texts": list(query.texts),
            "not_texts": list(query.not_texts),
            "fingerprints": _listed(query.fingerprints or None),
            "groups": _listed(query.groups or None),
            "schedules": _listed(query.schedules or None),
            "servants": _listed(query.servants or None),
            "retries_of": _listed(query.retries_of or None),
            "requests": _listed(query.requests or None),
            "keys_held": _listed(query.keys or None),
            "since": self.since,
            "until": self.until,
            **_bounds(query),
        }


def look_up(connection: psycopg.Connection, query: JobQuery, *, account_id: int | None = None) -> Criteria:
    """The criteria that a query stands for; with `account_id`, among that account's jobs alone.

    Whoever may see one account does not learn which others there are, nor what types of jobs those have: another
    account is none, and a type that none of its jobs has finds none.

    Raises:
        QueryError: it names an account or a type that there is not; says where.
    """
    known = tuple(row[0] for row in connection.execute(statement("list_known_types")))
    now = connection.execute(statement("read_now")).fetchall()[0][0]
    find = find_account if account_id is None else partial(_find_own, account_id=account_id)
    wanted = _account_ids(connection, query, query.accounts, find) if query.accounts else None
    return Criteria(
        query=query,
        known_types=known,
        types=_types(query, known, query.types, checks=account_id is None) if query.types else None,
        not_types=_types(query, known, query.not_types, checks=account_id is None),
        account_ids=(account_id,) if account_id is not None else wanted,
        not_account_ids=_account_ids(connection, query, query.not_accounts, find),
        since=_moment(query.after, now, _FIRST),
        until=_moment(query.before, now, _LAST),
    )


def _account_ids(
    connection: psycopg.Connection, query: JobQuery, accounts: Collection[str], find: _Find
) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(find(connection, account).id for account in accounts))
    except NotFound as error:
        raise _at(query, "account", error.message) from None


def _find_own(connection: psycopg.Connection, name_or_id: str, *, account_id: int) -> Account:
    own = find_account(connection, str(account_id))
    if name_or_id not in (str(own.id), own.name):
        raise NotFound(f"There is no account {name_or_id!r}.")
    return own


def _types(query: JobQuery, known: Collection[str], wanted: Collection[str], *, checks: bool) -> tuple[str, ...]:
    """The types that are wanted; unless it checks them, one that there is not is as good as any."""
    found = (name for pattern in wanted for name in _matching(query, known, pattern, checks=checks))
    return tuple(dict.fromkeys(found))


def _matching(query: JobQuery, known: Collection[str], pattern: str, *, checks: bool) -> Iterator[str]:
    if pattern.endswith("*"):
        yield from (name for name in known if name.startswith(pattern[:-1]))
    elif pattern in known or not checks:
        yield pattern
    else:
        raise _at(query, "type", f"There is no job of type {pattern!r}{did_you_mean(pattern, known)}")


def _at(query: JobQuery, field: str, message: str) -> QueryError:
    term = query.term_of(field)
    return QueryError(message, 0, len(query.text)) if term is None else QueryError(message, term.start, term.end)


def _moment(given: datetime | timedelta | None, now: datetime, otherwise: datetime) -> datetime:
    if given is None:
        return otherwise
    return given if isinstance(given, datetime) else now - given


def _bounds(query: JobQuery) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for name in ("attempts", "priority"):
        span = query.spans.get(name, Span())
        bounds[f"{name}_from"] = int(0 if span.least is None else min(span.least, _MOST))
        bounds[f"{name}_to"] = int(_MOST if span.most is None else max(span.most, -1))
    ran = query.spans.get("ran")
    bounds["ran_from"] = None if ran is None else (ran.least or 0.0)
    bounds["ran_to"] = None if ran is None else (float(_MOST) if ran.most is None else ran.most)
    return bounds


def _listed(values: Collection[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)
