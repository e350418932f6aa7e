"""What a new org has in it: itself, its profiles, its first user, its lists of choices."""

from __future__ import annotations

import secrets
from datetime import datetime

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.ids import make_id
from infra.local.salesforce.metadata import Schema
from infra.local.salesforce.standard_activities import CLOSED_TASK_STATUSES, TASK_STATUSES
from infra.local.salesforce.standard_sales import STAGES
from infra.local.salesforce.store import Store
from infra.local.salesforce.values import Raw, stored
from infra.local.salesforce.writer import Counters, Row, Writer

PROFILES = ("System Administrator", "Standard User", "Integration")

ADMIN_USERNAME = "admin@sandbox.example"


def furnish(store: Store, schema: Schema, counters: Counters, now: datetime) -> None:
    """Put the first records into an org that has none."""
    with store.write() as connection:
        if connection.execute('SELECT 1 FROM "Organization"').fetchone():
            return
        _Furnisher(schema, Writer(connection, counters), now).furnish()


class _Furnisher:
    def __init__(self, schema: Schema, writer: Writer, now: datetime) -> None:
        self._schema = schema
        self._writer = writer
        self._now = stamp(now)
        self._admin_id = writer.new_id(schema.object("User"))

    def furnish(self) -> None:
        profiles = [self._add("Profile", {"Name": name}) for name in PROFILES]
        self._add_admin(profiles[0])
        self._add_organization()
        for order, stage in enumerate(STAGES, 1):
            worth: Row = {"DefaultProbability": float(stage.probability), "ForecastCategoryName": stage.forecast}
            state: Row = {"IsActive": 1, "IsClosed": int(stage.closed), "IsWon": int(stage.won), "SortOrder": order}
            self._add("OpportunityStage", _choice(stage.name) | worth | state)
        for order, status in enumerate(TASK_STATUSES, 1):
            state = {"SortOrder": order, "IsDefault": int(order == 1), "IsClosed": int(status in CLOSED_TASK_STATUSES)}
            self._add("TaskStatus", _choice(status) | state)

    def _add_organization(self) -> None:
        # No two orgs have the same.
        own_id = make_id(self._schema.object("Organization").prefix, secrets.randbelow(62**9))
        named: Row = {"Id": own_id, "Name": "Sandbox", "OrganizationType": "Developer Edition", "IsSandbox": 1}
        self._add("Organization", named)

    def _add_admin(self, profile_id: str) -> None:
        name: Row = {"FirstName": "Ada", "LastName": "Marlow", "Name": "Ada Marlow", "Alias": "amarl"}
        sign_in: Row = {"Username": ADMIN_USERNAME, "Email": ADMIN_USERNAME, "ProfileId": profile_id}
        self._add("User", {"Id": self._admin_id} | name | sign_in)

    def _add(self, name: str, values: Row) -> str:
        sobject = self._schema.object(name)
        row: dict[str, Raw] = {one.name: stored(one, one.default) for one in sobject.fields if one.stored}
        row |= dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), self._now)
        row |= dict.fromkeys(("CreatedById", "LastModifiedById"), self._admin_id)
        row |= values
        row["Id"] = values.get("Id") or self._writer.new_id(sobject)
        self._writer.insert(sobject, row)
        return str(row["Id"])


def _choice(name: str) -> Row:
    return {"MasterLabel": name, "ApiName": name}
