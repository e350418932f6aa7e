"""What the org itself puts into a record when it is saved, and the history it writes beside it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.local.salesforce.clock import parse_stamp, stamp
from infra.local.salesforce.metadata import Schema, SObject
from infra.local.salesforce.standard_activities import CLOSED_TASK_STATUSES
from infra.local.salesforce.standard_sales import FORECASTS, STAGES, Stage
from infra.local.salesforce.writer import Row, Writer

_STAGES = {stage.name.lower(): stage for stage in STAGES}

#: What a new line of an opportunity's history tells of.
_HISTORY = ("StageName", "Amount", "CloseDate", "Probability")


@dataclass(frozen=True)
class Saving:
    """A record about to be saved: the fields that its writer names, and when it is."""

    row: Row
    given: set[str]
    now: datetime


def complete(sobject: SObject, saving: Saving) -> None:
    """Work out what follows from other fields, in the record itself."""
    row = saving.row
    if sobject.find("LastName") and sobject.find("Name"):
        row["Name"] = " ".join(str(row[part]) for part in ("FirstName", "LastName") if row.get(part))
    rule = _RULES.get(sobject.name)
    if rule:
        rule(saving)


def _opportunity(saving: Saving) -> None:
    row = saving.row
    stage = _STAGES.get(str(row.get("StageName")).lower(), Stage(str(row.get("StageName")), 0, "Pipeline"))
    if "StageName" in saving.given:
        usual: Row = {"Probability": float(stage.probability), "ForecastCategoryName": stage.forecast}
        row |= {name: value for name, value in usual.items() if name not in saving.given}
    row |= {"IsClosed": int(stage.closed), "IsWon": int(stage.won)}
    row["ForecastCategory"] = FORECASTS.get(str(row.get("ForecastCategoryName")), "Pipeline")
    amount, probability = row.get("Amount"), row.get("Probability")
    row["ExpectedRevenue"] = None if amount is None else round(float(amount) * float(probability or 0) / 100, 2)


def _task(saving: Saving) -> None:
    row = saving.row
    closed = row.get("Status") in CLOSED_TASK_STATUSES
    since = row.get("CompletedDateTime") or stamp(saving.now)
    row |= {"IsClosed": int(closed), "IsHighPriority": int(row.get("Priority") == "High")}
    row["CompletedDateTime"] = since if closed else None


def _event(saving: Saving) -> None:
    """Its start may be said in two ways, its end as well."""
    row = saving.row
    start = row.get("ActivityDateTime" if "ActivityDateTime" in saving.given else "StartDateTime")
    if start is None:
        return
    row |= {"StartDateTime": start, "ActivityDateTime": start, "ActivityDate": str(start)[:10]}
    begins = parse_stamp(str(start))
    if "EndDateTime" in saving.given and row.get("EndDateTime"):
        row["DurationInMinutes"] = int((parse_stamp(str(row["EndDateTime"])) - begins).total_seconds() // 60)
    elif row.get("DurationInMinutes") is not None:
        row["EndDateTime"] = stamp(begins + timedelta(minutes=int(row["DurationInMinutes"] or 0)))


def _case(saving: Saving) -> None:
    row = saving.row
    closed = row.get("Status") == "Closed"
    since = row.get("ClosedDate") or stamp(saving.now)
    row |= {"IsClosed": int(closed), "ClosedDate": since if closed else None}


def _attachment(saving: Saving) -> None:
    row = saving.row
    row["BodyLength"] = len(b64decode(str(row.get("Body") or "")))


_RULES: dict[str, Callable[[Saving], None]] = {
    "Opportunity": _opportunity,
    "Task": _task,
    "Event": _event,
    "Case": _case,
    "Attachment": _attachment,
}


def account_of_activity(schema: Schema, writer: Writer, row: Row) -> str | None:
    """The account that a task or event is about: itself, or that of the record or person it is about."""
    for about in (row.get("WhatId"), row.get("WhoId")):
        owner = schema.of_id(str(about)) if about else None
        if owner is None:
            continue
        if owner.name == "Account":
            return str(about)
        found = (writer.row(owner, str(about)) or {}).get("AccountId")
        if found:
            return str(found)
    return None


def write_history(schema: Schema, writer: Writer, before: Row | None, after: Row) -> None:
    """Tell an opportunity's history of a change to it; `before` is None where it is new."""
    made: Row = {"OpportunityId": after["Id"], "CreatedById": after["LastModifiedById"]}
    made |= {"CreatedDate": after["LastModifiedDate"], "IsDeleted": 0}
    if before is None or any(before[name] != after[name] for name in _HISTORY):
        _write_line(schema.object("OpportunityHistory"), writer, made, before, after)
    changes = schema.object("OpportunityFieldHistory")
    if before is None:
        writer.insert(changes, made | {"Id": writer.new_id(changes), "Field": "created", "DataType": "Text"})
        return
    opportunity = schema.object("Opportunity")
    for field in (opportunity.field(name) for name in opportunity.tracked if before[name] != after[name]):
        values: Row = {"OldValue": before[field.name], "NewValue": after[field.name]}
        what: Row = {"Id": writer.new_id(changes), "Field": field.name, "DataType": _data_type(field.type)}
        writer.insert(changes, made | what | values)


def _write_line(sobject: SObject, writer: Writer, made: Row, before: Row | None, after: Row) -> None:
    told = {name: after[name] for name in (*_HISTORY, "ExpectedRevenue", "ForecastCategory")}
    previous: Row = {"PrevAmount": before["Amount"], "PrevCloseDate": before["CloseDate"]} if before else {}
    new: Row = {"Id": writer.new_id(sobject), "SystemModstamp": made["CreatedDate"]}
    writer.insert(sobject, made | new | told | previous)


def _data_type(kind: str) -> str:
    """A field's type as field history names it."""
    return {"reference": "EntityId", "date": "DateOnly", "picklist": "DynamicEnum"}.get(kind, kind.title())
