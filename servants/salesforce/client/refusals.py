"""From what Salesforce answers to an error with a sentence for the operator: one table, by its error codes.

Codes: "Status Codes and Error Responses" (REST API Developer Guide), "API Error Codes" (`StatusCode` of the SOAP API),
"Bulk API 2.0 Errors"; which of them pass by themselves is also known from practice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from retinue.errors import JobError, RateLimited
from retinue.limits import DEFAULT_WAIT_SECONDS, retry_after
from servants.salesforce.client import errors
from servants.salesforce.client.errors import Told

#: When to look again after the day's calls are spent; Salesforce names no time, and old calls fall out hour by hour.
DAY_WAIT = timedelta(hours=1)

#: Long requests end after seconds.
CONCURRENCY_WAIT = timedelta(seconds=20)

#: Statuses that pass by themselves although they are none of 5xx.
PASSING = frozenset({406, 408, 420, 425})

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,79}")
_COLUMN = re.compile(r"No such column '([\w.]{1,120})' on (?:entity|sobject of type) '?(\w{1,80})")
_OBJECT = re.compile(r"sObject type '(\w{1,80})'|Entity '(\w{1,80})'")


class Meaning(NamedTuple):
    """What a code stands for; `advice` follows on what happened."""

    kind: type[JobError]
    advice: str


_LOOK_UP = "An admin finds the user's rights in Setup under Users, and under Permission Sets."

_SESSION = Meaning(
    errors.SessionRefused,
    "a new access token was refused, too. Does the app ask for the scope api, and may it be used from this address?",
)
_EXPIRED_PASSWORD = Meaning(
    errors.UserInactive, "the user's password has expired; have it renewed in Salesforce, then sign in anew."
)
_INACTIVE = Meaning(errors.UserInactive, "the user is not active; have an admin activate it, or sign in as another.")
_NO_API = Meaning(
    errors.ApiDenied, f"this user may not use the API; the permission it needs is API Enabled. {_LOOK_UP}"
)
_METERED = Meaning(
    errors.ApiDenied,
    "a transaction security policy of the org stops this user from reading so much; have an admin exempt it.",
)
_PLACE = Meaning(
    errors.ApiDenied, "the user may not sign in from this address or at this time; see its profile's login IP ranges."
)
_DENIED = Meaning(errors.ObjectDenied, f"this user may not do this here. {_LOOK_UP}")
_OBJECT_GONE = Meaning(
    errors.ObjectMissing, "there is no such object, or this user may not see it. An admin knows which of the two."
)
_FIELD_GONE = Meaning(
    errors.FieldMissing, "a field is no longer there, or this user may no longer see it; the object is described anew."
)
_QUERY = Meaning(errors.QueryRefused, "Salesforce does not understand the query, which is a fault of Retinue.")
_SLOW = Meaning(errors.QueryTooSlow, "the query took too long; it is tried again in smaller parts.")
_LONG = Meaning(errors.QueryTooLong, "the request is too long for an address; the Bulk API takes it.")
_LOCKED = Meaning(errors.RowLocked, "somebody else is changing the row; it is tried again.")
_DOWN = Meaning(errors.ServiceFailed, "Salesforce cannot answer for the moment; status.salesforce.com may know why.")
_POOL = Meaning(
    errors.BulkPoolEmpty, "the org has no Bulk API jobs, or no room for results, left today; the REST API is used."
)
_NO_BULK = Meaning(errors.BulkUnsupported, "the Bulk API does not offer this; the REST API is used.")
_JOB_STATE = Meaning(errors.BulkJobFailed, "the Bulk job has no results to give; a new one is made.")
_ROW = Meaning(errors.RowRefused, "Salesforce does not accept this row as it is.")
_REQUEST = Meaning(errors.RequestRefused, "Salesforce does not accept this request.")
_TOO_OLD = Meaning(
    errors.WindowTooOld, "Salesforce keeps no list of changes for so long; the object is compared in full."
)

#: By Salesforce's code. `LIMIT_CODE` is not here: only its text tells which limit it is.
MEANINGS: Mapping[str, Meaning] = {
    "INVALID_SESSION_ID": _SESSION,
    "INVALID_AUTH_HEADER": _SESSION,
    "Bad_OAuth_Token": _SESSION,
    "Missing_OAuth_Token": _SESSION,
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": _EXPIRED_PASSWORD,
    "PASSWORD_LOCKOUT": _INACTIVE,
    "INACTIVE_OWNER_OR_USER": _ROW,
    "OAUTH_EC_APP_NOT_FOUND": Meaning(
        errors.AppRemoved, "the app was removed from the org; have an admin install it again, then sign in anew."
    ),
    "API_CURRENTLY_DISABLED": _NO_API,
    "API_DISABLED_FOR_ORG": Meaning(
        errors.ApiDenied, "the API is not part of this org's edition, or is turned off for it; ask the customer."
    ),
    "FUNCTIONALITY_NOT_ENABLED": _DENIED,
    "TXN_SECURITY_METERING_ERROR": _METERED,
    "TXN_SECURITY_NO_ACCESS": _METERED,
    "LOGIN_DURING_RESTRICTED_DOMAIN": _PLACE,
    "LOGIN_DURING_RESTRICTED_TIME": _PLACE,
    "ORG_LOCKED": Meaning(errors.ApiDenied, "the org is locked; the customer has to ask Salesforce."),
    "INSUFFICIENT_ACCESS": _DENIED,
    "INSUFFICIENT_ACCESS_OR_READONLY": _DENIED,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _ROW,
    "FORBIDDEN": _DENIED,
    "INVALID_TYPE": _OBJECT_GONE,
    "NOT_FOUND": _OBJECT_GONE,
    "INVALID_FIELD": _FIELD_GONE,
    "MALFORMED_QUERY": _QUERY,
    "INVALID_QUERY_FILTER_OPERATOR": _QUERY,
    "INVALID_QUERY_SCOPE": _QUERY,
    "NUMBER_OUTSIDE_VALID_RANGE": _QUERY,
    "INVALID_QUERY_LOCATOR": Meaning(
        errors.LocatorExpired, "the rest of the query's rows is no longer held; it goes on after the last that came."
    ),
    "QUERY_TIMEOUT": _SLOW,
    "REQUEST_RUNNING_TOO_LONG": _SLOW,
    "OPERATION_TOO_LARGE": _SLOW,
    "QUERY_TOO_COMPLICATED": _LONG,
    "URI_TOO_LONG": _LONG,
    "REQUEST_HEADER_FIELDS_TOO_LARGE": _LONG,
    "EXCEEDED_ID_LIMIT": Meaning(
        errors.TooManyIds, "more rows changed in this time than Salesforce lists at once; it is asked in parts."
    ),
    "INVALID_REPLICATION_DATE": _TOO_OLD,
    "UNABLE_TO_LOCK_ROW": _LOCKED,
    "SERVER_UNAVAILABLE": _DOWN,
    "SERVICE_UNAVAILABLE": _DOWN,
    "UNKNOWN_EXCEPTION": _DOWN,
    "UNKNOWN_ERROR": _DOWN,
    "INTERNAL_SERVER_ERROR": _DOWN,
    "DATACLOUD_API_SERVER_EXCEPTION": _DOWN,
    "LIMIT_EXCEEDED": _POOL,
    "EXCEEDEDQUOTA": _POOL,
    "EXCEEDED_QUOTA": _POOL,
    "EXCEEDED_MAX_BULK_JOBS": _POOL,
    "TOO_MANY_OPEN_JOBS": _POOL,
    "INVALIDENTITY": _NO_BULK,
    "INVALID_ENTITY": _NO_BULK,
    "FEATURENOTENABLED": _NO_BULK,
    "INVALIDJOBSTATE": _JOB_STATE,
    "INVALID_JOB_STATE": _JOB_STATE,
    "API_VERSION_UNSUPPORTED": Meaning(
        errors.RequestRefused, "Salesforce no longer offers this version of its API; set another api_version."
    ),
    "UNSUPPORTED_API_VERSION": Meaning(
        errors.RequestRefused, "Salesforce no longer offers this version of its API; set another api_version."
    ),
    "REQUIRED_FIELD_MISSING": _ROW,
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": _ROW,
    "FIELD_INTEGRITY_EXCEPTION": _ROW,
    "INVALID_FIELD_FOR_INSERT_UPDATE": _ROW,
    "INVALID_CROSS_REFERENCE_KEY": _ROW,
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _ROW,
    "DUPLICATE_VALUE": _ROW,
    "DUPLICATES_DETECTED": _ROW,
    "DUPLICATE_EXTERNAL_ID": _ROW,
    "ENTITY_IS_DELETED": _ROW,
    "ENTITY_IS_LOCKED": _ROW,
    "MALFORMED_ID": _ROW,
    "STRING_TOO_LONG": _ROW,
    "DELETE_FAILED": _ROW,
    "MISSING_ARGUMENT": _ROW,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": _ROW,
    "CANNOT_EXECUTE_FLOW_TRIGGER": _ROW,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": _ROW,
    "JSON_PARSER_ERROR": _REQUEST,
    "METHOD_NOT_ALLOWED": _REQUEST,
}

#: One code for the day's calls, for those at the same time, and for the pools of the Bulk API.
LIMIT_CODE = "REQUEST_LIMIT_EXCEEDED"
_BULK_POOL = re.compile(r"Bulk|Query ?Jobs?|FileStorage", re.IGNORECASE)

_NOT_IN_BULK = re.compile(
    r"not supported (by the Bulk API|in Bulk)|does not support|Foreign Key|compound", re.IGNORECASE
)

#: What a Bulk job says in words alone.
_IN_WORDS = (
    (_NOT_IN_BULK, _NO_BULK),
    (re.compile(r"No such column|Field name not found", re.IGNORECASE), _FIELD_GONE),
    (re.compile(r"timed? ?out|too long|Retried more than", re.IGNORECASE), _SLOW),
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
        return _POOL
    if said.code == "FUNCTIONALITY_NOT_ENABLED" and _NOT_IN_BULK.search(said.text):
        return _NO_BULK
    return MEANINGS.get(said.code) or _by_status(status)


def told_fault(where: str, code: str, text: str) -> JobError:
    """The error that a Bulk job's own words stand for."""
    found = _CODE.match(code or text)
    name = found[0] if found else ""
    meaning = MEANINGS.get(name) or next((m for words, m in _IN_WORDS if words.search(text)), _JOB_STATE)
    return _coded(meaning, f"{where} failed{f' with {name}' if name in MEANINGS else ''}", Told(name, text))


def row_fault(code: str, message: str, fields: Sequence[str] = ()) -> JobError:
    """The error that one row's answer of a Collections or Bulk request stands for; `message` is not repeated."""
    meaning = MEANINGS.get(code, _ROW)
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
        return _SESSION
    if status == 403:
        return _NO_API
    if status == 404:
        return _OBJECT_GONE
    if status in (414, 431):
        return _LONG
    if status >= 500 or status in PASSING:
        return _DOWN
    if 300 <= status < 400:
        return Meaning(errors.UnexpectedAnswer, "the org is at another address by now; sign in anew if this stays so.")
    return _REQUEST


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
