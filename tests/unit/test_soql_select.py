"""What SOQL shows: records with parents and children, groups, order, limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.salesforce.ids import make_id
from tests.support.soql_world import ACME, ADA, BASE, EUROPE, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def _attributes(kind: str, record_id: str, of: str | None = None) -> dict[str, str]:
    return {"type": kind, "url": f"{BASE}/sobjects/{of or kind}/{record_id}"}


def test_record_has_its_fields_in_the_order_of_the_query(world: World) -> None:
    (record,) = world.records("select active__c, name, ID, AnnualRevenue from account where name = 'acme'")
    assert list(record.items()) == [
        ("attributes", _attributes("Account", ACME)),
        ("Active__c", True),
        ("Name", "Acme"),
        ("Id", ACME),
        ("AnnualRevenue", 1000.0),
    ]


def test_parents_are_nested_and_missing_ones_are_null(world: World) -> None:
    acme, europe = world.records(
        "SELECT Parent.Owner.Name, Parent.Name, Owner.Email FROM Account WHERE Name LIKE 'acme%'"
    )
    assert acme["Parent"] is None
    assert acme["Owner"] == {"attributes": _attributes("User", ADA), "Email": "ada@example.com"}
    assert europe["Parent"] == {
        "attributes": _attributes("Account", ACME),
        "Owner": {"attributes": _attributes("User", ADA), "Name": "Ada"},
        "Name": "Acme",
    }
    assert europe["Owner"]["Email"] is None


def test_parent_of_several_objects_is_a_name(world: World) -> None:
    call, mail, rest = world.records("SELECT Who.Name, Who.Type, Who.Id FROM Task ORDER BY Subject")
    contact, lead = make_id("003", 1), make_id("00Q", 1)
    assert call["Who"] == {
        "attributes": _attributes("Name", contact, "Contact"),
        "Name": "Cy",
        "Type": "Contact",
        "Id": contact,
    }
    assert mail["Who"]["Type"] == "Lead"
    assert mail["Who"]["Id"] == lead
    assert rest["Who"] is None


def test_children_come_in_place_and_null_where_there_are_none(world: World) -> None:
    records = world.records(
        "SELECT Id, (SELECT Name, Account.Name FROM Contacts ORDER BY Name DESC), Name FROM Account ORDER BY Id"
    )
    assert list(records[0]) == ["attributes", "Id", "Contacts", "Name"]
    assert records[0]["Contacts"]["totalSize"] == 2
    assert records[0]["Contacts"]["done"] is True
    assert [child["Name"] for child in records[0]["Contacts"]["records"]] == ["Di", "Cy"]
    assert records[0]["Contacts"]["records"][0]["Account"]["Name"] == "Acme"
    assert records[1]["Contacts"] is None
    assert [child["Name"] for child in records[2]["Contacts"]["records"]] == ["Ed"]


def test_children_are_limited_for_each_parent(world: World) -> None:
    children = "(SELECT Name FROM Contacts ORDER BY Name LIMIT 1)"
    text = f"SELECT Name, {children} FROM Account WHERE Id IN (SELECT AccountId FROM Contact)"  # noqa: S608 - our own
    shown = {
        record["Name"]: [child["Name"] for child in record["Contacts"]["records"]] for record in world.records(text)
    }
    assert shown == {"Acme": ["Cy"], "Zeta 100%": ["Ed"]}


def test_children_in_the_bin_show_when_all_are_asked_for(world: World) -> None:
    text = "SELECT (SELECT Name FROM Contacts WHERE Name != 'Di') FROM Account WHERE Name = 'Acme'"
    for all_rows, names in ((False, ["Cy"]), (True, ["Cy", "Gil"])):
        (record,) = world.records(text, all_rows=all_rows)
        assert [child["Name"] for child in record["Contacts"]["records"]] == names


def test_two_subqueries_of_one_object(world: World) -> None:
    text = "SELECT (SELECT Id FROM Contacts), (SELECT Name FROM ChildAccounts) FROM Account WHERE Name = 'Acme'"
    (record,) = world.records(text)
    assert [len(record[name]["records"]) for name in ("Contacts", "ChildAccounts")] == [2, 1]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("Name", ["Acme", "acme Europe", "O'Neil_x", "Zeta 100%"]),
        ("Name DESC", ["Zeta 100%", "O'Neil_x", "acme Europe", "Acme"]),
        ("AnnualRevenue", ["O'Neil_x", "Zeta 100%", "Acme", "acme Europe"]),
        ("AnnualRevenue ASC NULLS LAST", ["Zeta 100%", "Acme", "acme Europe", "O'Neil_x"]),
        ("AnnualRevenue DESC", ["O'Neil_x", "acme Europe", "Acme", "Zeta 100%"]),
        ("AnnualRevenue DESC NULLS LAST", ["acme Europe", "Acme", "Zeta 100%", "O'Neil_x"]),
        ("Parent.Active__c DESC, Id", ["Acme", "Zeta 100%", "acme Europe", "O'Neil_x"]),
        ("Parent.Active__c DESC NULLS LAST, Id", ["acme Europe", "O'Neil_x", "Acme", "Zeta 100%"]),
        ("Owner.Name DESC, Id", ["acme Europe", "Zeta 100%", "Acme", "O'Neil_x"]),
        ("CreatedDate, Id LIMIT 2", ["O'Neil_x", "Zeta 100%"]),
        ("Id LIMIT 2 OFFSET 1", ["acme Europe", "Zeta 100%"]),
        ("Id OFFSET 3", ["O'Neil_x"]),
        ("Id LIMIT 0", []),
        ("Doubled__c NULLS LAST", ["O'Neil_x", "Acme", "acme Europe", "Zeta 100%"]),
    ],
)
def test_order(world: World, order: str, names: list[str]) -> None:
    text = "SELECT Name FROM Account ORDER BY "
    assert world.values(text + order) == names


GROUPS: list[tuple[str, list[dict[str, Any]]]] = [
    ("SELECT COUNT(Id) FROM Account", [{"expr0": 4}]),
    ("SELECT COUNT(Id) n, SUM(AnnualRevenue) FROM Account", [{"n": 4, "expr0": 3495.5}]),
    (
        "SELECT MIN(Name), MAX(Name), COUNT(Industry) FROM Account",
        [{"expr0": "Acme", "expr1": "Zeta 100%", "expr2": 3}],
    ),
    ("SELECT COUNT_DISTINCT(Industry) d FROM Account", [{"d": 2}]),
    ("SELECT AVG(NumberOfEmployees) a FROM Account", [{"a": 10.0}]),
    ("SELECT SUM(AnnualRevenue) s FROM Account WHERE Name = 'none'", [{"s": None}]),
    (
        "SELECT Owner.Name, COUNT(Id) FROM Account GROUP BY Owner.Name ORDER BY Owner.Name",
        [{"Name": "Ada", "expr0": 2}, {"Name": "Bob", "expr0": 2}],
    ),
    (
        "SELECT Industry i, COUNT(Id) n FROM Account GROUP BY Industry ORDER BY COUNT(Id) DESC, Industry NULLS LAST",
        [{"i": "Energy", "n": 2}, {"i": "Banking", "n": 1}, {"i": None, "n": 1}],
    ),
    ("SELECT Industry FROM Account GROUP BY Industry HAVING COUNT(Id) > 1", [{"Industry": "Energy"}]),
    (
        "SELECT CALENDAR_MONTH(CreatedDate) m, COUNT(Id) n FROM Account "
        "GROUP BY CALENDAR_MONTH(CreatedDate) HAVING COUNT(Id) = 1 ORDER BY CALENDAR_MONTH(CreatedDate) DESC",
        [{"m": 10, "n": 1}, {"m": 1, "n": 1}],
    ),
    (
        "SELECT MAX(CreatedDate) last FROM Account HAVING MAX(CreatedDate) > 2026-01-01T00:00:00Z",
        [{"last": "2026-11-21T10:00:00.000+0000"}],
    ),
    ("SELECT Active__c, COUNT(Id) FROM Account GROUP BY Active__c LIMIT 1", [{"Active__c": False, "expr0": 2}]),
]


@pytest.mark.parametrize(("text", "groups"), GROUPS, ids=[text for text, _ in GROUPS])
def test_groups(world: World, text: str, groups: list[dict[str, Any]]) -> None:
    head = {"attributes": {"type": "AggregateResult"}}
    assert world.records(text) == [head | group for group in groups]


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("SELECT COUNT() FROM Account", 4),
        ("SELECT count() FROM Account WHERE Industry = 'Energy'", 2),
        ("SELECT COUNT() FROM Account LIMIT 3", 3),
        ("SELECT COUNT() FROM Contact WHERE Account.Name LIKE 'a%'", 2),
        ("SELECT COUNT() FROM Order", 1),
    ],
)
def test_count(world: World, text: str, total: int) -> None:
    assert world.prepared(text).kind == "count"
    assert world.values(text) == [total]


def test_fields_stand_for_all_of_a_kind(world: World) -> None:
    (standard,) = world.records("SELECT FIELDS(STANDARD) FROM Account WHERE Name = 'Acme'")
    (custom,) = world.records("SELECT Id, FIELDS(CUSTOM) FROM Account WHERE Name = 'Acme' LIMIT 200")
    (whole,) = world.records("SELECT FIELDS(ALL) FROM Account WHERE Name = 'Acme' LIMIT 1")
    assert "Name" in standard
    assert not any(name.endswith("__c") for name in standard)
    assert {"Id", "attributes", "Active__c", "Founded__c", "Tags__c", "Code__c", "Doubled__c"} == set(custom)
    assert set(whole) == set(standard) | set(custom)


def test_formula_is_worked_out(world: World) -> None:
    assert world.values(f"SELECT Doubled__c FROM Account WHERE Id = '{EUROPE}'") == [40]  # noqa: S608 - an id of our own


def test_columns_are_what_a_csv_needs(world: World) -> None:
    statement = world.prepared("SELECT Owner.Name, Id FROM Account OFFSET 1")
    assert [output.label for output in statement.columns] == ["Owner.Name", "Id"]
    assert statement.has_offset
    row = world.connection.execute(statement.sql, statement.params).fetchone()
    assert row[:2] == ("Bob", EUROPE)


@pytest.mark.parametrize(
    "where",
    [
        "SystemModstamp >= 2026-11-01T10:00:00Z",
        f"SystemModstamp > 2026-11-01T10:00:00Z OR (SystemModstamp = 2026-11-01T10:00:00Z AND Id > '{ACME}')",
    ],
)
def test_following_stamp_and_id_takes_no_longer_in_a_large_object(world: World, where: str) -> None:
    order = "ORDER BY SystemModstamp, Id LIMIT 100"
    statement = world.prepared(f"SELECT Id FROM Account WHERE {where} {order}")  # noqa: S608 - conditions of our own
    plan = world.connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.params).fetchall()
    (step,) = [step[3] for step in plan]
    assert step == "SEARCH t0 USING INDEX by_Account_SystemModstamp_Id (SystemModstamp>?)"
