"""Fields that several standard objects have in the same shape."""

from __future__ import annotations

from typing import Any

from infra.local.salesforce.metadata import Field, new_field

#: For fields that the system alone writes.
READ_ONLY: dict[str, Any] = {"createable": False, "updateable": False}

INDUSTRIES = (
    "Agriculture",
    "Banking",
    "Construction",
    "Education",
    "Energy",
    "Healthcare",
    "Manufacturing",
    "Retail",
    "Technology",
    "Other",
)
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")


def address(prefix: str) -> tuple[Field, ...]:
    """An address: its parts, and the whole of them, which is read-only ("Address Compound Fields")."""
    whole = f"{prefix}Address"
    return (
        new_field(f"{prefix}Street", "textarea", length=255, compound=whole),
        new_field(f"{prefix}City", "string", length=40, compound=whole),
        new_field(f"{prefix}State", "string", length=80, compound=whole),
        new_field(f"{prefix}PostalCode", "string", length=20, compound=whole),
        new_field(f"{prefix}Country", "string", length=80, compound=whole),
        new_field(f"{prefix}Latitude", "double", scale=15, compound=whole),
        new_field(f"{prefix}Longitude", "double", scale=15, compound=whole),
        new_field(f"{prefix}GeocodeAccuracy", "picklist", length=40, compound=whole),
        new_field(whole, "address"),
    )


def person_name() -> tuple[Field, ...]:
    """A person's name: its parts, and the whole, which the system writes."""
    return (
        new_field("LastName", "string", length=80, nillable=False, compound="Name"),
        new_field("FirstName", "string", length=40, compound="Name"),
        new_field("Salutation", "picklist", length=40, compound="Name", values=("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.")),
        new_field("Name", "string", length=121, nillable=False, **READ_ONLY),
    )


def refers_to(name: str, parent: str, children: str | None = None, **changes: Any) -> Field:
    """A reference to one object; the parent path's word is the field's name without its `Id`."""
    return new_field(
        name,
        "reference",
        reference_to=(parent,),
        **{"relationship": name.removesuffix("Id"), "child_relationship": children} | changes,
    )
