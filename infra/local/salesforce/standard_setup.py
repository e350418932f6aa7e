"""The org itself: who works in it and what its lists of choices are."""

from __future__ import annotations

from infra.local.salesforce.metadata import SObject, new_field, new_object, system_fields
from infra.local.salesforce.standard_parts import READ_ONLY, address, person_name, refers_to

_UNWRITABLE = {"createable": False, "updateable": False, "deletable": False, "undeletable": False}
_UNDELETABLE = {"deletable": False, "undeletable": False}

_ORGANIZATION = new_object(
    "Organization",
    (
        new_field("Name", "string", length=80, nillable=False),
        *address(""),
        new_field("OrganizationType", "picklist", length=40, **READ_ONLY),
        new_field("InstanceName", "picklist", length=5, **READ_ONLY),
        new_field("IsSandbox", "boolean", **READ_ONLY),
        new_field("LanguageLocaleKey", "picklist", length=40),
        new_field("TimeZoneSidKey", "picklist", length=40),
    ),
    prefix="00D",
    system=system_fields(deleted=False),
    **_UNWRITABLE,
)

_PROFILE = new_object(
    "Profile",
    (new_field("Name", "string", nillable=False), new_field("Description", "string")),
    prefix="00e",
    system=system_fields(deleted=False),
    **_UNDELETABLE,
)

_ROLE = new_object(
    "UserRole",
    (
        new_field("Name", "string", length=80, nillable=False),
        refers_to("ParentRoleId", "UserRole", relationship="ParentRole"),
    ),
    prefix="00E",
    label="Role",
    system=system_fields(deleted=False),
)

_USER = new_object(
    "User",
    (
        new_field("Username", "string", length=80, nillable=False, unique=True),
        *person_name(),
        new_field("CompanyName", "string", length=80),
        new_field("Department", "string", length=80),
        new_field("Title", "string", length=80),
        *address(""),
        new_field("Email", "email", length=128, nillable=False),
        new_field("Phone", "phone"),
        new_field("MobilePhone", "phone"),
        new_field("Alias", "string", length=8, nillable=False),
        new_field("IsActive", "boolean", default=True),
        refers_to("UserRoleId", "UserRole", "Users"),
        refers_to("ProfileId", "Profile", "Users", nillable=False),
        refers_to("ManagerId", "User", "ManagedUsers"),
        new_field("UserType", "picklist", length=40, default="Standard", **READ_ONLY),
        new_field("TimeZoneSidKey", "picklist", length=40, default="Europe/London"),
        new_field("LocaleSidKey", "picklist", length=40, default="en_GB"),
        new_field("LanguageLocaleKey", "picklist", length=40, default="en_US"),
        new_field("EmailEncodingKey", "picklist", length=40, default="UTF-8"),
        new_field("EmployeeNumber", "string", length=20),
        new_field("FederationIdentifier", "string", length=512, unique=True, case_sensitive=True),
        new_field("LastLoginDate", "datetime", **READ_ONLY),
    ),
    prefix="005",
    system=system_fields(deleted=False),
    **_UNDELETABLE,
)

_STAGE = new_object(
    "OpportunityStage",
    (
        new_field("MasterLabel", "string", nillable=False, **READ_ONLY),
        new_field("ApiName", "string", nillable=False, **READ_ONLY),
        new_field("IsActive", "boolean", **READ_ONLY),
        new_field("SortOrder", "int", **READ_ONLY),
        new_field("IsClosed", "boolean", **READ_ONLY),
        new_field("IsWon", "boolean", **READ_ONLY),
        new_field("ForecastCategoryName", "picklist", length=40, **READ_ONLY),
        new_field("DefaultProbability", "percent", precision=3, scale=0, **READ_ONLY),
    ),
    prefix="01J",
    system=system_fields(deleted=False),
    **_UNWRITABLE,
)

#: One of the objects that the Bulk API cannot query ("Bulk API 2.0 Limits").
_TASK_STATUS = new_object(
    "TaskStatus",
    (
        new_field("MasterLabel", "string", nillable=False, **READ_ONLY),
        new_field("ApiName", "string", nillable=False, **READ_ONLY),
        new_field("SortOrder", "int", **READ_ONLY),
        new_field("IsDefault", "boolean", **READ_ONLY),
        new_field("IsClosed", "boolean", **READ_ONLY),
    ),
    prefix="01S",
    plural="Task Statuses",
    system=system_fields(deleted=False),
    bulk=False,
    replicateable=False,
    **_UNWRITABLE,
)

SETUP: tuple[SObject, ...] = (_ORGANIZATION, _PROFILE, _ROLE, _USER, _STAGE, _TASK_STATUS)
