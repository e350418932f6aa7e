"""What people do about them: tasks and events, which may be about any of several objects."""

from __future__ import annotations

from infra.local.salesforce.metadata import SObject, new_field, new_object
from infra.local.salesforce.standard_parts import READ_ONLY, refers_to

TASK_STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
CLOSED_TASK_STATUSES = frozenset({"Completed"})

_ABOUT = (
    new_field(
        "WhoId",
        "reference",
        reference_to=("Contact", "Lead"),
        relationship="Who",
        label="Name ID",
    ),
    new_field(
        "WhatId",
        "reference",
        reference_to=("Account", "Opportunity", "Campaign", "Case"),
        relationship="What",
        label="Related To ID",
    ),
)

_TASK = new_object(
    "Task",
    (
        *_ABOUT,
        new_field("Subject", "combobox", values=("Call", "Send Letter", "Send Quote", "Other")),
        new_field("ActivityDate", "date", label="Due Date Only"),
        new_field("Status", "picklist", nillable=False, default="Not Started", values=TASK_STATUSES),
        new_field("Priority", "picklist", nillable=False, default="Normal", values=("High", "Normal", "Low")),
        new_field("IsHighPriority", "boolean", **READ_ONLY),
        new_field("Description", "textarea"),
        new_field("Type", "picklist", values=("Call", "Email", "Meeting", "Other")),
        refers_to("AccountId", "Account", "Tasks", cascade=True, **READ_ONLY),
        new_field("IsClosed", "boolean", **READ_ONLY),
        new_field("CallDurationInSeconds", "int"),
        new_field("CallType", "picklist", values=("Internal", "Inbound", "Outbound")),
        new_field("CompletedDateTime", "datetime", **READ_ONLY),
        new_field("IsArchived", "boolean", **READ_ONLY),
    ),
    prefix="00T",
)

_EVENT = new_object(
    "Event",
    (
        *_ABOUT,
        new_field("Subject", "combobox", values=("Call", "Email", "Meeting", "Send Letter/Quote", "Other")),
        new_field("Location", "string"),
        new_field("IsAllDayEvent", "boolean"),
        new_field("ActivityDateTime", "datetime", label="Due Date Time"),
        new_field("ActivityDate", "date", label="Due Date Only"),
        new_field("DurationInMinutes", "int"),
        new_field("StartDateTime", "datetime"),
        new_field("EndDateTime", "datetime"),
        new_field("Description", "textarea"),
        refers_to("AccountId", "Account", "Events", cascade=True, **READ_ONLY),
        new_field("IsPrivate", "boolean"),
        new_field("ShowAs", "picklist", default="Busy", values=("Busy", "OutOfOffice", "Free")),
        new_field("IsArchived", "boolean", **READ_ONLY),
    ),
    prefix="00U",
)

ACTIVITIES: tuple[SObject, ...] = (_TASK, _EVENT)
