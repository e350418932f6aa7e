"""getUpdated and getDeleted: the ids of what changed, or went, within a time.

Facts: "sObject Get Updated", "sObject Get Deleted" (REST API Developer Guide), getUpdated() and getDeleted() (SOAP API
Developer Guide): seconds of the given times are ignored, and the start lies more than a minute before the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import SObject
from infra.local.salesforce.org import Org
from infra.local.salesforce.request import caller, resource

#: How far back each may ask.
UPDATED_DAYS, DELETED_DAYS = 30, 15

#: More ids than this are refused.
MAX_IDS = 600_000


@dataclass(frozen=True)
class _Window:
    """A time asked for, in whole minutes, and up to when its answer is complete."""

    start: datetime
    end: datetime
    covered: datetime


def blueprint() -> Blueprint:
    """The resources."""
    pages = resource("changes", "/sobjects")

    @pages.get("/<name>/updated")
    def updated(name: str) -> Response:
        org, sobject = caller().org, _replicateable(name)
        window = _window(org, UPDATED_DAYS)
        ids = org.log.updated_ids(sobject, window.start, window.end, limit=MAX_IDS + 1)
        _require_few(len(ids))
        return jsonify({"ids": ids, "latestDateCovered": stamp(window.covered)})

    @pages.get("/<name>/deleted")
    def deleted(name: str) -> Response:
        org, sobject = caller().org, _replicateable(name)
        window = _window(org, DELETED_DAYS)
        rows = org.log.deleted_rows(sobject, window.start, window.end, limit=MAX_IDS + 1)
        _require_few(len(rows))
        return jsonify(
            {
                "deletedRecords": [{"id": row.id, "deletedDate": stamp(row.deleted_at)} for row in rows],
                "earliestDateAvailable": stamp(org.log.earliest(sobject, org.clock.now())),
                "latestDateCovered": stamp(window.covered),
            }
        )

    return pages


def _replicateable(name: str) -> SObject:
    sobject = caller().object(name)
    if not sobject.replicateable:
        message = f"entity type {sobject.name} does not support replication"
        raise SalesforceError(400, "INVALID_TYPE_FOR_OPERATION", message)
    return sobject


def _window(org: Org, days: int) -> _Window:
    """The time that the request asks for.

    Raises:
        SalesforceError: INVALID_REPLICATION_DATE.
    """
    # What is settled is asked before anything is read: what commits meanwhile is not said to be covered.
    settled = org.settled_until()
    start, end = _minute("start"), _minute("end")
    if end - start < timedelta(minutes=1):
        raise _bad_date("endDate must be at least one minute greater than startDate")
    if start < org.clock.now() - timedelta(days=days):
        raise _bad_date(f"startDate can not be more than {days} days ago")
    return _Window(start, end, min(end, settled.replace(second=0, microsecond=0)))


def _minute(name: str) -> datetime:
    text = request.args.get(name, "")
    # An unescaped + of a zone arrives as a space.
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise _bad_date(f"{name} is no date and time: {text}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(second=0, microsecond=0)


def _require_few(count: int) -> None:
    if count > MAX_IDS:
        message = f"too many ids were found, at most {MAX_IDS} can be told; ask for a shorter time"
        raise SalesforceError(400, "EXCEEDED_ID_LIMIT", message)


def _bad_date(message: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_REPLICATION_DATE", message)
