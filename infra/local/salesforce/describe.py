"""What an object is like, in the words of the API ("sObject Describe", "DescribeSObjectResult")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infra.local.salesforce.describe_fields import describe_field
from infra.local.salesforce.metadata import ChildRelationship, Schema, SObject
from infra.local.salesforce.org import Org, OrgUser

#: What is the same of every object here.
_NEVER = {
    "activateable": False,
    "customSetting": False,
    "deepCloneable": False,
    "deprecatedAndHidden": False,
    "feedEnabled": False,
    "hasSubtypes": False,
    "isInterface": False,
    "isSubtype": False,
    "mergeable": False,
    "mruEnabled": False,
    "associateEntityType": None,
    "associateParentEntity": None,
}

_NEVER_WHOLE: dict[str, Any] = {
    "compactLayoutable": False,
    "searchLayoutable": False,
    "actionOverrides": [],
    "namedLayoutInfos": [],
    "recordTypeInfos": [],
    "supportedScopes": [],
    "networkScopeFieldName": None,
    "listviewable": None,
    "lookupLayoutable": None,
    "sobjectDescribeOption": "FULL",
}


def describe_global(org: Org, user: OrgUser, version: str) -> dict[str, Any]:
    """All objects that the user may see. `version` is that of the URL, `v62.0`."""
    schema = org.schema(user)
    sobjects = [_outline(one, version) for one in schema.objects]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": sobjects}


def describe_basic(org: Org, user: OrgUser, name: str, version: str = "v65.0") -> dict[str, Any]:
    """An object without its fields.

    Raises:
        SalesforceError: INVALID_TYPE, there is none that the user may see.
    """
    return _outline(org.schema(user).object(name), version)


def describe_object(org: Org, user: OrgUser, name: str, version: str) -> dict[str, Any]:
    """An object with those of its fields that the user may read, and with what refers to it.

    Raises:
        SalesforceError: INVALID_TYPE, there is none that the user may see.
    """
    schema = org.schema(user)
    sobject = schema.object(name)
    return {
        **_outline(sobject, version),
        **_NEVER_WHOLE,
        "childRelationships": [_child(one) for one in _children(schema, sobject)],
        "fields": [describe_field(sobject, field) for field in sobject.fields],
    }


def last_modified(org: Org, user: OrgUser, name: str | None) -> datetime:
    """When the description was last another, a whole second; None is for that of all objects.

    Raises:
        SalesforceError: INVALID_TYPE, there is none that the user may see.
    """
    if name is None:
        return org.catalog.modified
    return org.schema(user).object(name).modified


def _outline(sobject: SObject, version: str) -> dict[str, Any]:
    base = f"/services/data/{version}/sobjects/{sobject.name}"
    return {
        **_NEVER,
        "name": sobject.name,
        "label": sobject.label,
        "labelPlural": sobject.plural,
        "keyPrefix": sobject.prefix,
        "custom": sobject.custom,
        "createable": sobject.createable,
        "updateable": sobject.updateable,
        "deletable": sobject.deletable,
        "undeletable": sobject.undeletable,
        "queryable": sobject.queryable,
        "retrieveable": sobject.queryable,
        "replicateable": sobject.replicateable,
        "searchable": sobject.queryable,
        "layoutable": sobject.createable,
        "triggerable": sobject.createable,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _children(schema: Schema, sobject: SObject) -> list[ChildRelationship]:
    return sorted(schema.children(sobject), key=lambda one: (one.child.name, one.field.name))


def _child(relation: ChildRelationship) -> dict[str, Any]:
    return {
        "cascadeDelete": relation.field.cascade,
        "childSObject": relation.child.name,
        "deprecatedAndHidden": False,
        "field": relation.field.name,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": relation.name,
        "restrictedDelete": False,
    }
