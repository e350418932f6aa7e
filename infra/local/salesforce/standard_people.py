"""Whom a company deals with: accounts, contacts, leads, campaigns."""

from __future__ import annotations

from infra.local.salesforce.metadata import SObject, new_field, new_object
from infra.local.salesforce.standard_parts import INDUSTRIES, READ_ONLY, SOURCES, address, person_name, refers_to

_RATINGS = ("Hot", "Warm", "Cold")

_ACCOUNT = new_object(
    "Account",
    (
        new_field("Name", "string", nillable=False),
        new_field(
            "Type", "picklist", values=("Prospect", "Customer - Direct", "Customer - Channel", "Partner", "Other")
        ),
        refers_to("ParentId", "Account", "ChildAccounts"),
        *address("Billing"),
        *address("Shipping"),
        new_field("Phone", "phone"),
        new_field("Fax", "phone"),
        new_field("AccountNumber", "string", length=40),
        new_field("Website", "url"),
        new_field("Sic", "string", length=20),
        new_field("Industry", "picklist", values=INDUSTRIES),
        new_field("AnnualRevenue", "currency", scale=0),
        new_field("NumberOfEmployees", "int"),
        new_field("Ownership", "picklist", values=("Public", "Private", "Subsidiary", "Other")),
        new_field("Description", "textarea"),
        new_field("Rating", "picklist", values=_RATINGS),
        new_field("Site", "string", length=80),
        new_field("AccountSource", "picklist", values=SOURCES),
        new_field("LastActivityDate", "date", **READ_ONLY),
    ),
    prefix="001",
)

_CONTACT = new_object(
    "Contact",
    (
        refers_to("AccountId", "Account", "Contacts", cascade=True),
        *person_name(),
        *address("Other"),
        *address("Mailing"),
        new_field("Phone", "phone"),
        new_field("Fax", "phone"),
        new_field("MobilePhone", "phone"),
        new_field("HomePhone", "phone"),
        refers_to("ReportsToId", "Contact", "ContactReports", relationship="ReportsTo"),
        new_field("Email", "email"),
        new_field("Title", "string", length=128),
        new_field("Department", "string", length=80),
        new_field("AssistantName", "string", length=40),
        new_field("LeadSource", "picklist", values=SOURCES),
        new_field("Birthdate", "date"),
        new_field("Description", "textarea"),
        new_field("HasOptedOutOfEmail", "boolean"),
        new_field("DoNotCall", "boolean"),
        new_field("LastActivityDate", "date", **READ_ONLY),
        new_field("EmailBouncedReason", "string"),
        new_field("EmailBouncedDate", "datetime"),
    ),
    prefix="003",
)

_LEAD = new_object(
    "Lead",
    (
        *person_name(),
        new_field("Title", "string", length=128),
        new_field("Company", "string", nillable=False),
        *address(""),
        new_field("Phone", "phone"),
        new_field("MobilePhone", "phone"),
        new_field("Email", "email"),
        new_field("Website", "url"),
        new_field("Description", "textarea"),
        new_field("LeadSource", "picklist", values=SOURCES),
        new_field(
            "Status",
            "picklist",
            nillable=False,
            default="Open - Not Contacted",
            values=("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
        ),
        new_field("Industry", "picklist", values=INDUSTRIES),
        new_field("Rating", "picklist", values=_RATINGS),
        new_field("AnnualRevenue", "currency", scale=0),
        new_field("NumberOfEmployees", "int"),
        new_field("HasOptedOutOfEmail", "boolean"),
        new_field("IsConverted", "boolean", **READ_ONLY),
        new_field("ConvertedDate", "date", **READ_ONLY),
        refers_to("ConvertedAccountId", "Account", **READ_ONLY),
        refers_to("ConvertedContactId", "Contact", **READ_ONLY),
        refers_to("ConvertedOpportunityId", "Opportunity", **READ_ONLY),
        new_field("IsUnreadByOwner", "boolean", default=True),
        new_field("LastActivityDate", "date", **READ_ONLY),
    ),
    prefix="00Q",
)

_CAMPAIGN = new_object(
    "Campaign",
    (
        new_field("Name", "string", length=80, nillable=False),
        refers_to("ParentId", "Campaign", "ChildCampaigns"),
        new_field("Type", "picklist", values=("Conference", "Webinar", "Email", "Other")),
        new_field("Status", "picklist", values=("Planned", "In Progress", "Completed", "Aborted")),
        new_field("StartDate", "date"),
        new_field("EndDate", "date"),
        new_field("BudgetedCost", "currency", scale=0),
        new_field("ActualCost", "currency", scale=0),
        new_field("IsActive", "boolean"),
        new_field("Description", "textarea"),
    ),
    prefix="701",
)

PEOPLE: tuple[SObject, ...] = (_ACCOUNT, _CONTACT, _LEAD, _CAMPAIGN)
