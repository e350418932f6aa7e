"""From what Salesforce answers to an error with a sentence for the operator, by the table in `meanings`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from retinue.errors import JobError, RateLimited
from retinue.limits import DEFAULT_WAIT_SECONDS, retry_after
from servants.salesforce.client import errors
from servants.salesforce.client.errors import Told
from servants.salesforce.client.meanings import (
    DOWN,
    FIELD_GONE,
    JOB_STATE,
    LONG,
    MEANINGS,
    NO_API,
    NO_BULK,
    OBJECT_GONE,
    POOL,
    REQUEST,
    ROW,
    SESSION,
    SLOW,
    Meaning,
)

#: When to look again after the day's calls are spent; Salesforce names no time, and old calls fall out hour by hour.
DAY_WAIT = timedelta(hours=1)

#: Long requests end after seconds.
CONCURRENCY_WAIT = timedelta(seconds=20)

#: Statuses that pass by themselves although they are none of 5xx.
PASSING = frozenset({406, 408, 420, 425})

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,79}")
_COLUMN = re.compile(r"No such column '([\w.]{1,120})' on (?:entity|sobject of type) '?(\w{1,80})")
_OBJECT = re.compile(r"sObject type '(\w{1,80})'|Entity '(\w{1,80})'")

#: One code for the day's calls, for those at the same time, and for the pools of the Bulk API.
LIMIT_CODE = "REQUEST_LIMIT_EXCEEDED"
_BULK_POOL = re.compile(r"Bulk|Query ?Jobs?|FileStorage", re.IGNORECASE)

_NOT_IN_BULK = re.compile(
    r"not supported (by the Bulk API|in Bulk)|does not support|Foreign Key|compound", re.IGNORECASE
)

#: What a Bulk job says in words alone.
_IN_WORDS = (
    (_NOT_IN_BULK, NO_BULK),
    (re.compile(r"No such column|Field name not found", re.IGNORECASE), FIELD_GONE),
    (re.compile(r"timed? ?out|too long|Retried more than", re.IGNORECASE), SLOW),
)


def told(body: bytes) -> Told:
    """What an error body says: a JSON array of errors, one error alone, or OAuth's; empty where it is none of them."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Told()
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, Mapping):
        return Told()
    code = first.get("errorCode") or first.get("statusCode") or first.get("error")
    text = first.get("message") or first.get("error_description") or ""
    return Told(_name(code), str(text), _names(first.get("fields")))


def fault(where: str, status: int, said: Told, *, headers: Mapping[str, str], now: datetime) -> JobError:
    """The error that this answer stands for; `where` is the request as people may see it, `now` is aware."""
    answered = f"{where} answered {status}{f' {said.code}' if said.code else ''}"
    limited = _limited(answered, status, said, headers=headers, now=now)
    if limited is not None:
        return limited
    return _coded(_meaning(status, said), answered, said)


def is_pool(said: Told) -> bool:
    """Whether what is spent is a pool of the Bulk API alone, while everything else goes on."""
    return said.code == LIMIT_CODE and _BULK_POOL.search(said.text) is not None


def _meaning(status: int, said: Told) -> Meaning:
    if is_pool(said):
        return POOL
    if said.code == "FUNCTIONALITY_NOT_ENABLED" and _NOT_IN_BULK.search(said.text):
        return NO_BULK
    return MEANINGS.get(said.code) or _by_status(status)


def told_fault(where: str, code: str, text: str) -> JobError:
    """The error that a Bulk job's own words stand for."""
    found = _CODE.match(code or text)
    name = found[0] if found else ""
    meaning = MEANINGS.get(name) or next((m for words, m in _IN_WORDS if words.search(text)), JOB_STATE)
    return _coded(meaning, f"{where} failed{f' with {name}' if name in MEANINGS else ''}", Told(name, text))


def row_fault(code: str, message: str, fields: Sequence[str] = ()) -> JobError:
    """The error that one row's answer of a Collections or Bulk request stands for; `message` is not repeated."""
    meaning = MEANINGS.get(code, ROW)
    named = f" ({', '.join(fields)})" if fields else ""
    return _coded(meaning, f"The row was refused with {_name(code) or 'no code'}{named}", Told(code, message))


def _limited(
    answered: str, status: int, said: Told, *, headers: Mapping[str, str], now: datetime
) -> RateLimited | None:
    """The limits, which have a time to come back at."""
    if said.code == LIMIT_CODE and not is_pool(said):
        return _request_limit(answered, said, now)
    if status == 429 or (status == 503 and "Retry-After" in headers):
        until = retry_after(headers.get("Retry-After"), now=now) or now + timedelta(seconds=DEFAULT_WAIT_SECONDS)
        error = errors.Throttled(f"{answered}: Salesforce wants no requests until {_clock(until)}.", reset_at=until)
        error.code = said.code
        return error
    return None


def _request_limit(answered: str, said: Told, now: datetime) -> RateLimited:
    """One code for several limits; only the text tells which."""
    error: errors.DailyLimitReached | errors.ConcurrencyReached
    if "TotalRequests" in said.text:
        until = now + DAY_WAIT
        error = errors.DailyLimitReached(
            f"{answered}: the org has spent its API calls of the last 24 hours, with all its tools together; "
            f"Retinue looks again at {_clock(until)}.",
            reset_at=until,
        )
    else:
        until = now + CONCURRENCY_WAIT
        error = errors.ConcurrencyReached(
            f"{answered}: too many long requests of the org go on at the same time; "
            f"Retinue looks again at {_clock(until)}.",
            reset_at=until,
        )
    error.code = said.code
    return error


def _by_status(status: int) -> Meaning:
    if status == 401:
        return SESSION
    if status == 403:
        return NO_API
    if status == 404:
        return OBJECT_GONE
    if status in (414, 431):
        return LONG
    if status >= 500 or status in PASSING:
        return DOWN
    if 300 <= status < 400:
        return Meaning(errors.UnexpectedAnswer, "the org is at another address by now; sign in anew if this stays so.")
    return REQUEST


def _coded(meaning: Meaning, happened: str, said: Told) -> JobError:
    error = meaning.kind(f"{happened}{_place(said)}: {meaning.advice}")
    if isinstance(error, errors.Coded):
        error.code = said.code
    column = _COLUMN.search(said.text)
    if isinstance(error, errors.FieldMissing) and column:
        error.field, error.object = column.groups()
    return error


def _place(said: Told) -> str:
    """The field or object that the text names; the rest of it may hold what stands in rows."""
    column = _COLUMN.search(said.text)
    if column:
        return f" for {column[2]}.{column[1]}"
    thing = _OBJECT.search(said.text)
    return f" for {thing[1] or thing[2]}" if thing else ""


def _name(code: Any) -> str:
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _names(fields: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(_name, fields))) if isinstance(fields, list) else ()


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
