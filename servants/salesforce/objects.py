"""Which objects and fields of an org are synced: what a person chose, or a default that suits most."""

from __future__ import annotations

from collections.abc import Collection

from infra.postgres.salesforce_objects import select_objects
from retinue.connection import Connection
from retinue.job import Commit

#: What is synced where nobody has chosen: what sales teams work with, as far as the org has it.
DEFAULT_OBJECTS = (
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "OpportunityHistory",
    "OpportunityFieldHistory",
    "Task",
    "Event",
    "User",
)


def defaults(there: Collection[str]) -> list[str]:
    """Those of the default objects that the org has."""
    return [name for name in DEFAULT_OBJECTS if name in there]


def select_defaults(tx: Commit, connection: Connection, there: Collection[str]) -> None:
    """Choose the default objects that the org has."""
    select_objects(tx, connection, defaults(there))


def changed(selected: Collection[str], *, add: Collection[str], remove: Collection[str]) -> list[str]:
    """What is synced after some objects were added and some removed."""
    return sorted((set(selected) | set(add)) - set(remove))
