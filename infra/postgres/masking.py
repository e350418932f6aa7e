"""What an assumed session sees of each column: as it is, masked by its declared kind, or not at all.

Numbers, times and truth values are shown, but for digests of what is masked; every other column of a table with account
data is declared here, and a test finds one that is not. The database itself masks: see `infra.postgres.ddl_access`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Column, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Boolean, Date, DateTime, Float, Integer, Numeric

#: What stands in place of a masked text.
MASK = "•••"


class Kind(StrEnum):
    """How a column is masked."""

    #: Somebody's words or name: nothing of it is shown.
    TEXT = "text"
    #: An address, of which its shape alone is shown.
    ADDRESS = "address"
    #: A sentence of ours that may quote a provider: shown, without the addresses and telephone numbers in it.
    PROSE = "prose"
    #: An object of which the fields in `SHOWN_FIELDS` are shown, and the names of the others.
    FIELDS = "fields"
    #: A number made from what is masked: not shown, for who guesses that could make the number and compare.
    DIGEST = "digest"


#: By table. `shown` are identifiers, states and names of ours.
SHOWN: Mapping[str, str] = {
    "accounts": "name assume_policy",
    "connections": "provider state",
    "jobs": "type lane state reason request_id traceparent",
    "job_history": "type lane state reason request_id",
    "job_events": "from_state to_state reason",
    "schedules": "type name cron timezone overlap lane state",
    "incidents": "kind fingerprint",
    "calendars": "color timezone",
    "calendar_objects": "etag",
    "calendar_events": "status transparency timezone rrule",
    "calendar_instances": "instance_key status",
    "calendar_attendees": "role reply",
    "mailboxes": "delimiter role object_id",
    "mail_messages": "body_source",
    "message_participants": "role",
    "message_attachments": "part content_type",
    "operator_actions": "actor_kind action target_kind",
    "api_tokens": "role",
    "records": "kind external_id who_id what_id happens_on closes_on",
    "search_words": "source key",
    "record_counts": "kind",
    "record_changes": "kind external_id change",
    "record_replacements": "kind",
    "record_sightings": "external_id",
    "salesforce_objects": "name label key_prefix state describe_modified chosen",
    "salesforce_fields": "object name type stale_reason",
    "anomaly_sightings": "fingerprint family type name",
    "account_costs": "period type",
    "job_groups": "on_failure outcome",
    "imports": "kind",
    "account_rollups": "type state run_histogram wait_histogram",
    "members": "role",
    "visits": "state",
}

_TEXT, _ADDRESS, _PROSE, _FIELDS, _DIGEST = Kind.TEXT, Kind.ADDRESS, Kind.PROSE, Kind.FIELDS, Kind.DIGEST

MASKED: Mapping[str, Mapping[str, Kind]] = {
    "connections": {"name": _PROSE, "config": _FIELDS, "problem": _PROSE},
    "jobs": {"unique_key": _TEXT, "payload": _FIELDS, "checkpoint": _FIELDS, "error": _FIELDS},
    "job_history": {
        "unique_key": _TEXT,
        "payload": _FIELDS,
        "checkpoint": _FIELDS,
        "error": _FIELDS,
        "result": _FIELDS,
    },
    "job_events": {"detail": _FIELDS, "evidence": _FIELDS},
    "schedules": {"payload": _FIELDS, "problem": _PROSE},
    "echoes": {"message": _TEXT},
    "incidents": {
        "reason": _PROSE,
        "probe_error": _PROSE,
        "resolved_by": _TEXT,
        "assigned_to": _TEXT,
        "muted_by": _TEXT,
    },
    "calendars": {"url": _TEXT, "name": _PROSE, "sync_token": _TEXT, "ctag": _TEXT},
    "calendar_objects": {"href": _TEXT, "uid": _TEXT, "content_hash": _TEXT, "raw": _TEXT, "problem": _PROSE},
    "calendar_events": {
        "uid": _TEXT,
        "recurrence_id": _TEXT,
        "summary": _TEXT,
        "description": _TEXT,
        "location": _TEXT,
        "url": _TEXT,
        "rdates": _FIELDS,
        "exdates": _FIELDS,
    },
    "calendar_attendees": {"address": _ADDRESS, "name": _TEXT},
    "contacts": {"address": _ADDRESS, "name": _TEXT, "sort_name": _TEXT, "address_key": _DIGEST},
    "mailboxes": {"name": _PROSE, "unfetchable": _FIELDS},
    "thread_keys": {"header_id": _TEXT},
    "mail_messages": {
        "identity": _TEXT,
        "message_id": _TEXT,
        "in_reply_to": _TEXT,
        "reference_ids": _TEXT,
        "subject": _TEXT,
        "subject_key": _TEXT,
        "body_text": _TEXT,
        "problem": _PROSE,
        "raw": _TEXT,
    },
    "placements": {"flags": _TEXT},
    "message_participants": {"name": _TEXT},
    "message_attachments": {"filename": _TEXT, "content_hash": _TEXT, "content_id": _TEXT},
    "operator_actions": {"actor_name": _TEXT, "target_id": _TEXT, "detail": _FIELDS, "request_id": _TEXT},
    "api_tokens": {"name": _TEXT, "created_by": _TEXT},
    "records": {
        "payload": _FIELDS,
        "sort_name": _TEXT,
        "email": _ADDRESS,
        "email_key": _DIGEST,
        "content_hash": _DIGEST,
    },
    "search_words": {"word": _TEXT},
    "record_changes": {"before": _FIELDS},
    "salesforce_objects": {"problem": _PROSE, "reconciled": _FIELDS, "position": _FIELDS},
    "salesforce_fields": {"details": _FIELDS},
    "anomaly_sightings": {"reason": _PROSE, "sample": _FIELDS},
    "anomaly_accounts": {"sample": _FIELDS},
    "trouble_notes": {"author": _TEXT, "text": _TEXT},
    "job_groups": {"name": _TEXT, "follow_up": _FIELDS, "cancel_reason": _PROSE},
    "members": {"email": _ADDRESS, "name": _TEXT, "invited_by": _TEXT},
    "visits": {"person_name": _TEXT, "reason": _TEXT, "ticket_url": _TEXT, "decided_by": _TEXT},
}

#: What is shown of an object's fields: keys, states and times, which say how a record stands and nothing of anybody.
SHOWN_FIELDS = (
    # Salesforce (https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference)
    *("Id", "AccountId", "OwnerId", "ContactId", "OpportunityId", "WhoId", "WhatId", "RecordTypeId", "CurrencyIsoCode"),
    *("StageName", "IsClosed", "IsWon", "CloseDate", "Probability", "ForecastCategory", "IsDeleted", "IsPrivate"),
    *("ActivityDate", "StartDateTime", "EndDateTime", "ActivityDateTime", "IsAllDayEvent", "DurationInMinutes"),
    *("CreatedDate", "LastModifiedDate", "SystemModstamp", "LastActivityDate", "CompletedDateTime", "TaskSubtype"),
    # A connection's settings
    *("host", "port", "security", "api_version"),
    # An error
    *("kind", "fingerprint", "rule", "connection_id"),
)

#: Addresses, and telephone numbers with a country's or a city's prefix.
_ADDRESSES = r"[^[:space:]<>\"'',;:()]+@[^[:space:]<>\"'',;()]+"
_NUMBERS = r"(\+|\m0)[0-9][0-9 ()./-]{5,}[0-9]"

_PLAIN_TYPES = (Boolean, Date, DateTime, Float, Integer, Numeric)


def is_plain(column: Column[object]) -> bool:
    """Whether the column needs no declaration: it holds a number, a time or a truth value."""
    return isinstance(column.type, _PLAIN_TYPES)


def masked(column: Column[object], kind: Kind) -> str:
    """The SQL for the column's value as an assumed session sees it."""
    name = f"source.{column.name}"
    return f"CASE WHEN {name} IS NOT NULL THEN {_hidden(column, name, kind)} END"


def _hidden(column: Column[object], name: str, kind: Kind) -> str:
    if isinstance(column.type, LargeBinary):
        return "''::bytea"
    if isinstance(column.type, ARRAY):
        return "'{}'::text[]"
    if isinstance(column.type, JSONB):
        return _fields(name) if kind is Kind.FIELDS else f"'\"{MASK}\"'::jsonb"
    match kind:
        case Kind.ADDRESS:
            return f"'{MASK}@{MASK}'"
        case Kind.DIGEST:
            return "NULL::bigint"
        case Kind.PROSE:
            addressless = f"regexp_replace({name}, '{_ADDRESSES}', '{MASK}@{MASK}', 'g')"
            return f"regexp_replace({addressless}, '{_NUMBERS}', '{MASK}', 'g')"
        case _:
            return f"'{MASK}'"


def _fields(name: str) -> str:
    """Of an object, the fields that may be shown, and the names of the others; of anything else, nothing."""
    shown = ", ".join(f"'{field}'" for field in SHOWN_FIELDS)
    return (
        f"CASE jsonb_typeof({name}) WHEN 'object' THEN (SELECT coalesce(jsonb_object_agg(field.key,"
        f" CASE WHEN field.value = 'null' OR field.key IN ({shown})"
        f" AND jsonb_typeof(field.value) NOT IN ('object', 'array') THEN field.value"
        f" WHEN jsonb_typeof(field.value) = 'number' THEN 'null' ELSE '\"{MASK}\"' END), '{{}}')"
        f" FROM jsonb_each({name}) AS field) ELSE '\"{MASK}\"' END"
    )
