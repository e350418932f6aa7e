"""A few objects and rows in a database of their own, to ask SOQL about."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any

from infra.local.salesforce.ids import make_id
from infra.local.salesforce.metadata import Schema, SObject, new_field, new_object, system_fields
from infra.local.salesforce.soql.compiled import Compiled
from infra.local.salesforce.soql.records import Records
from infra.local.salesforce.soql.run import prepared
from infra.local.salesforce.soql.scope import Catalog
from infra.local.salesforce.tables import create, quoted

#: A Saturday.
TODAY = date(2026, 11, 21)
BASE = "/services/data/v62.0"


def _refers(name: str, *parents: str, relationship: str, children: str | None = None) -> Any:
    return new_field(name, "reference", reference_to=parents, relationship=relationship, child_relationship=children)


OBJECTS = (
    new_object(
        "User",
        (new_field("Name", "string"), new_field("Email", "email")),
        prefix="005",
        system=system_fields(deleted=False),
    ),
    new_object(
        "Account",
        (
            new_field("Name", "string", nillable=False),
            new_field("Industry", "picklist"),
            new_field("AnnualRevenue", "currency"),
            new_field("NumberOfEmployees", "int"),
            new_field("Description", "textarea"),
            _refers("ParentId", "Account", relationship="Parent", children="ChildAccounts"),
            new_field("Active__c", "boolean"),
            new_field("Founded__c", "date"),
            new_field("Tags__c", "multipicklist"),
            new_field("Code__c", "string", external_id=True, case_sensitive=True),
            new_field("Doubled__c", "double", formula="NumberOfEmployees * 2"),
        ),
        prefix="001",
    ),
    new_object(
        "Contact",
        (
            new_field("Name", "string"),
            new_field("Email", "email"),
            _refers("AccountId", "Account", relationship="Account", children="Contacts"),
        ),
        prefix="003",
    ),
    new_object(
        "Lead", (new_field("Name", "string"), new_field("Email", "email"), new_field("Company", "string")), prefix="00Q"
    ),
    new_object(
        "Task",
        (new_field("Subject", "string"), _refers("WhoId", "Contact", "Lead", relationship="Who", children="Tasks")),
        prefix="00T",
    ),
    new_object("Order", (new_field("Name", "string"),), prefix="801"),
    replace(new_object("Secret", (), prefix="999"), queryable=False),
)

SCHEMA = Schema.of(OBJECTS)

ADA, BOB = (make_id("005", number) for number in (1, 2))
ACME, EUROPE, ZETA, ONEIL, GONE = (make_id("001", number) for number in range(1, 6))

_AT = "T10:00:00.000+0000"

_ROWS: dict[str, list[dict[str, Any]]] = {
    "User": [
        {"Id": ADA, "Name": "Ada", "Email": "ada@example.com"},
        {"Id": BOB, "Name": "Bob"},
    ],
    "Account": [
        {
            "Id": ACME,
            "Name": "Acme",
            "Industry": "Energy",
            "AnnualRevenue": 1000.0,
            "NumberOfEmployees": 10,
            "Active__c": 1,
            "Founded__c": "2026-11-21",
            "Tags__c": "red;blue",
            "Code__c": "abc",
            "OwnerId": ADA,
            "CreatedDate": f"2026-11-20{_AT}",
        },
        {
            "Id": EUROPE,
            "Name": "acme Europe",
            "AnnualRevenue": 2500.5,
            "NumberOfEmployees": 20,
            "ParentId": ACME,
            "Founded__c": "2026-11-20",
            "Tags__c": "blue",
            "Code__c": "ABC",
            "OwnerId": BOB,
            "CreatedDate": f"2026-11-21{_AT}",
        },
        {
            "Id": ZETA,
            "Name": "Zeta 100%",
            "Industry": "Banking",
            "AnnualRevenue": -5.0,
            "Active__c": 1,
            "Founded__c": "2025-12-31",
            "OwnerId": BOB,
            "CreatedDate": f"2026-10-31{_AT}",
        },
        {
            "Id": ONEIL,
            "Name": "O'Neil_x",
            "Industry": "energy",
            "NumberOfEmployees": 0,
            "Tags__c": "green;red",
            "ParentId": EUROPE,
            "OwnerId": ADA,
            "CreatedDate": f"2026-01-01{_AT}",
        },
        {
            "Id": GONE,
            "Name": "Gone",
            "IsDeleted": 1,
            "ParentId": ACME,
            "OwnerId": ADA,
            "CreatedDate": f"2026-11-21{_AT}",
        },
    ],
    "Contact": [
        {"Id": make_id("003", 1), "Name": "Cy", "Email": "cy@acme.com", "AccountId": ACME},
        {"Id": make_id("003", 2), "Name": "Di", "AccountId": ACME},
        {"Id": make_id("003", 3), "Name": "Ed", "AccountId": ZETA},
        {"Id": make_id("003", 4), "Name": "Flo"},
        {"Id": make_id("003", 5), "Name": "Gil", "AccountId": ACME, "IsDeleted": 1},
    ],
    "Lead": [{"Id": make_id("00Q", 1), "Name": "Lou", "Email": "lou@new.com", "Company": "New"}],
    "Task": [
        {"Id": make_id("00T", 1), "Subject": "Call", "WhoId": make_id("003", 1)},
        {"Id": make_id("00T", 2), "Subject": "Mail", "WhoId": make_id("00Q", 1)},
        {"Id": make_id("00T", 3), "Subject": "Rest"},
    ],
    "Order": [{"Id": make_id("801", 1), "Name": "First"}],
}


class World:
    """The rows, and queries on them."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        for sobject in OBJECTS:
            create(self.connection, sobject)
            for row in _ROWS.get(sobject.name, []):
                self._insert(sobject, row)

    def prepared(self, text: str, *, all_rows: bool = False, schema: Schema = SCHEMA) -> Compiled:
        """The statement of a query."""
        return prepared(text, Catalog(schema, SCHEMA, TODAY, all_rows, count()))

    def records(self, text: str, *, all_rows: bool = False, schema: Schema = SCHEMA) -> list[dict[str, Any]]:
        """The records of a query, or its groups."""
        statement = self.prepared(text, all_rows=all_rows, schema=schema)
        rows = self.connection.execute(statement.sql, statement.params).fetchall()
        return Records(statement, BASE).made(self.connection, rows)

    def values(self, text: str, *, all_rows: bool = False) -> list[Any]:
        """The first value of each row."""
        statement = self.prepared(text, all_rows=all_rows)
        return [row[0] for row in self.connection.execute(statement.sql, statement.params)]

    def close(self) -> None:
        self.connection.close()

    def _insert(self, sobject: SObject, row: Mapping[str, Any]) -> None:
        stamps = {
            "CreatedDate": f"2026-11-01{_AT}",
            "LastModifiedDate": f"2026-11-01{_AT}",
            "SystemModstamp": f"2026-11-01{_AT}",
        }
        whole = {"CreatedById": ADA, "LastModifiedById": ADA} | stamps | dict(row)
        columns = ", ".join(quoted(name) for name in whole)
        marks = ", ".join("?" * len(whole))
        self.connection.execute(f"INSERT INTO {quoted(sobject.table)} ({columns}) VALUES ({marks})", [*whole.values()])  # noqa: S608 - names of our own
