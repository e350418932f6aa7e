"""From the JSON that Salesforce answers with to values.

What is not as documented raises KeyError, TypeError, ValueError or AttributeError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servants.salesforce.client.values import (
    Deleted,
    DeletedRow,
    Described,
    Field,
    Identity,
    ObjectLine,
    Page,
    Pool,
    Updated,
    moment,
)

Content = Mapping[str, Any]


def page(content: Content) -> Page:
    """One page of a query."""
    rows = [plain(row) for row in content["records"]]
    following = None if content["done"] else str(content["nextRecordsUrl"])
    return Page(rows, int(content["totalSize"]), following)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what tells its type and address; rows within it likewise."""
    row.pop("attributes", None)
    for name, value in row.items():
        if isinstance(value, dict):
            row[name] = plain(value)
    return row


def object_line(content: Content) -> ObjectLine:
    return ObjectLine(
        name=content["name"],
        label=content["label"],
        key_prefix=content["keyPrefix"],
        custom=content["custom"],
        queryable=content["queryable"],
        replicateable=content["replicateable"],
        deprecated=content.get("deprecatedAndHidden", False),
    )


def described(content: Content, modified: str | None) -> Described:
    return Described(
        name=content["name"],
        label=content["label"],
        key_prefix=content["keyPrefix"],
        custom=content["custom"],
        queryable=content["queryable"],
        replicateable=content["replicateable"],
        fields=tuple(field(each) for each in content["fields"]),
        last_modified=modified,
    )


def field(content: Content) -> Field:
    return Field(
        name=content["name"],
        type=content["type"],
        label=content["label"],
        length=content.get("length", 0),
        precision=content.get("precision", 0),
        scale=content.get("scale", 0),
        nillable=content.get("nillable", True),
        calculated=content.get("calculated", False),
        custom=content.get("custom", False),
        filterable=content.get("filterable", False),
        sortable=content.get("sortable", False),
        aggregatable=content.get("aggregatable", False),
        reference_to=tuple(content.get("referenceTo") or ()),
        relationship=content.get("relationshipName"),
        compound_of=_compound_of(content),
    )


def updated(content: Content) -> Updated:
    return Updated([str(one) for one in content["ids"]], moment(content["latestDateCovered"]))


def deleted(content: Content) -> Deleted:
    rows = [DeletedRow(str(row["id"]), moment(row["deletedDate"])) for row in content["deletedRecords"]]
    return Deleted(rows, moment(content["earliestDateAvailable"]), moment(content["latestDateCovered"]))


def pool(content: Content) -> Pool:
    return Pool(int(content["Max"]), int(content["Remaining"]))


def identity(content: Content) -> Identity:
    return Identity(
        user_id=content["user_id"],
        organization_id=content["organization_id"],
        username=content["preferred_username"],
        name=content.get("name") or content["preferred_username"],
    )


def _compound_of(content: Content) -> str | None:
    """Its own name stands there for the name that is made of FirstName and LastName."""
    name: str | None = content.get("compoundFieldName")
    return None if name == content["name"] else name
