"""What is promised and looked after: cases, service contracts with their lines, attachments."""

from __future__ import annotations

from infra.local.salesforce.metadata import SObject, new_field, new_object, owner_field, system_fields
from infra.local.salesforce.standard_parts import READ_ONLY, refers_to

CASE_STATUSES = ("New", "Working", "Escalated", "Closed")

_CASE = new_object(
    "Case",
    (
        new_field("CaseNumber", "string", length=30, nillable=False, auto_number="{00000000}", **READ_ONLY),
        refers_to("ContactId", "Contact", "Cases"),
        refers_to("AccountId", "Account", "Cases"),
        refers_to("ParentId", "Case", "Cases"),
        new_field("SuppliedEmail", "email"),
        new_field("Type", "picklist", values=("Mechanical", "Electrical", "Electronic", "Structural", "Other")),
        new_field("Status", "picklist", nillable=False, default="New", values=CASE_STATUSES),
        new_field("Reason", "picklist", values=("Installation", "Equipment Complexity", "Performance", "Other")),
        new_field("Origin", "picklist", values=("Phone", "Email", "Web")),
        new_field("Subject", "string"),
        new_field("Priority", "picklist", default="Medium", values=("High", "Medium", "Low")),
        new_field("Description", "textarea"),
        new_field("IsClosed", "boolean", **READ_ONLY),
        new_field("ClosedDate", "datetime", **READ_ONLY),
    ),
    prefix="500",
)

_SERVICE_CONTRACT = new_object(
    "ServiceContract",
    (
        new_field("Name", "string", nillable=False, label="Contract Name"),
        refers_to("AccountId", "Account", "ServiceContracts"),
        refers_to("ContactId", "Contact", "ServiceContracts"),
        new_field("ContractNumber", "string", length=30, nillable=False, auto_number="{00000000}", **READ_ONLY),
        new_field("Term", "int"),
        new_field("StartDate", "date"),
        new_field("EndDate", "date"),
        new_field("Description", "textarea"),
    ),
    prefix="810",
)

#: The status follows from today's date: it changes at midnight, and no stamp with it.
_LINE_STATUS = "IF(TODAY() < StartDate, 'Inactive', IF(TODAY() > EndDate, 'Expired', 'Active'))"

_CONTRACT_LINE = new_object(
    "ContractLineItem",
    (
        new_field("LineItemNumber", "string", nillable=False, auto_number="{00000000}", **READ_ONLY),
        refers_to("ServiceContractId", "ServiceContract", "ContractLineItems", cascade=True, nillable=False),
        refers_to("Product2Id", "Product2", "ContractLineItems"),
        new_field("StartDate", "date"),
        new_field("EndDate", "date"),
        new_field("Quantity", "double", scale=2, nillable=False),
        new_field("UnitPrice", "currency", nillable=False),
        new_field("TotalPrice", "currency", formula="Quantity * UnitPrice", shown_as_calculated=False),
        new_field("Status", "picklist", formula=_LINE_STATUS, shown_as_calculated=False),
        new_field("Description", "textarea"),
    ),
    prefix="811",
)

_ATTACHMENT = new_object(
    "Attachment",
    (
        new_field(
            "ParentId",
            "reference",
            nillable=False,
            updateable=False,
            reference_to=("Account", "Case", "Contact", "Lead", "Opportunity", "Task", "Event"),
            relationship="Parent",
            child_relationship="Attachments",
            cascade=True,
        ),
        new_field("Name", "string", nillable=False),
        new_field("ContentType", "string", length=120),
        new_field("BodyLength", "int", **READ_ONLY),
        new_field("Body", "base64", nillable=False),
        new_field("Description", "string", length=500),
    ),
    prefix="00P",
    system=(*system_fields(), owner_field()),
)

SERVICE: tuple[SObject, ...] = (_CASE, _SERVICE_CONTRACT, _CONTRACT_LINE, _ATTACHMENT)
