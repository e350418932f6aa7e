"""What SOQL refuses, and where in the text it says it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import Schema
from infra.local.salesforce.soql.parse import parse
from tests.support.soql_world import OBJECTS, SCHEMA, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


#: The query, and what the message says; the mark is the place.
MALFORMED = [
    ("^", "unexpected token: '<EOF>'"),
    ("SELECT FROM Account^", "unexpected token: '<EOF>'"),
    ("SELECT Id ^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM ^", "unexpected token: '<EOF>'"),
    ("^UPDATE Account", "unexpected token: 'UPDATE'"),
    ("^DELETE FROM Account", "unexpected token: 'DELETE'"),
    ("SELECT Id, ^, Name FROM Account", "unexpected token: ','"),
    ("SELECT ^* FROM Account", "unexpected character: '*'"),
    ("SELECT Id FROM Account WHERE ^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Account WHERE Name ^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Account WHERE Name = ^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Account WHERE Name = ^acme", "unexpected token: 'acme'"),
    ('SELECT Id FROM Account WHERE Name = ^"acme"', "unexpected character: '\"'"),
    ("SELECT Id FROM Account WHERE Name = ^'acme", "string literal is not closed"),
    ("SELECT Id FROM Account WHERE Name = ^'a\\cme'", "Illegal character sequence '\\c' in string literal"),
    ("SELECT Id FROM Account WHERE Name = ^:name", "unexpected character: ':'"),
    ("SELECT Id FROM Account WHERE Name ^== 'a'", None),
    ("SELECT Id FROM Account WHERE Name = 'a' AND Id != null ^OR Id = null", "unexpected token: 'OR'"),
    ("SELECT Id FROM Account WHERE Name = 'a' OR Id != null ^AND Id = null", "unexpected token: 'AND'"),
    ("SELECT Id FROM Account WHERE (Name = 'a'^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Account WHERE Name = 'a'^)", "unexpected token: ')'"),
    ("SELECT Id FROM Account WHERE Name IN (^)", "unexpected token: ')'"),
    ("SELECT Id FROM Account WHERE Name IN ^'a'", "unexpected token: ''a''"),
    ("SELECT Id FROM Account WHERE CreatedDate = ^2026-13-01T00:00:00Z", "Invalid datetime: 2026-13-01T00:00:00Z"),
    ("SELECT Id FROM Account WHERE Founded__c = ^2026-02-30", "Invalid date: 2026-02-30"),
    ("SELECT Id FROM Account WHERE Founded__c = ^SOMEDAY", "unexpected token: 'SOMEDAY'"),
    ("SELECT Id FROM Account LIMIT ^ten", "unexpected token: 'ten'"),
    ("SELECT Id FROM Account LIMIT ^-1", None),
    ("SELECT Id FROM Account LIMIT ^9223372036854775808", "Invalid limit: 9223372036854775808"),
    (
        "SELECT Id FROM Account WHERE ^CreatedDate = LAST_N_DAYS:999999999",
        "Invalid date literal: LAST_N_DAYS:999999999",
    ),
    ("SELECT Id FROM Account WHERE ^CreatedDate = NEXT_N_YEARS:9999", "Invalid date literal: NEXT_N_YEARS:9999"),
    ("SELECT Id FROM Account WHERE CreatedDate = ^0001-01-01T00:00:00+14:00", "Invalid datetime: 0001-01-01"),
    ("SELECT Id FROM Account ORDER BY ^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Account ORDER BY Id NULLS ^", "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Account LIMIT 1 ^WHERE Id = null", "unexpected token: 'WHERE'"),
    ("SELECT Id FROM Account, ^Contact", None),
    ("SELECT ^TYPEOF Who WHEN Lead THEN Id END FROM Task", None),
    ("SELECT ^Foo.COUNT(Id) FROM Account", "unexpected token: 'Foo.COUNT'"),
    ("SELECT ^FORMAT(Name) FROM Account", "unknown function: FORMAT"),
    ("SELECT ^FIELDS(ALL) FROM Account", "must have a LIMIT of at most 200"),
    ("SELECT ^FIELDS(CUSTOM) FROM Account LIMIT 201", "must have a LIMIT of at most 200"),
    ("SELECT ^FIELDS(SOME) FROM Account LIMIT 1", "FIELDS takes ALL, STANDARD or CUSTOM"),
    ("SELECT ^FIELDS(STANDARD) FROM Account GROUP BY Name", "cannot be used with GROUP BY"),
    ("SELECT ^Name, COUNT(Id) FROM Account", "Field must be grouped or aggregated: Name"),
    ("SELECT Industry, ^Name FROM Account GROUP BY Industry", "Field must be grouped or aggregated: Name"),
    ("SELECT COUNT(Id) n, ^SUM(AnnualRevenue) n FROM Account", "duplicate alias: n"),
    ("SELECT ^SUM(Name) FROM Account", "field Name does not support aggregate operator SUM"),
    ("SELECT ^MIN(Active__c) FROM Account", "field Active__c does not support aggregate operator MIN"),
    ("SELECT ^COUNT(Description) FROM Account", "field Description does not support aggregate operator COUNT"),
    ("SELECT ^Name n FROM Account", "only aggregate expressions use field aliasing"),
    ("SELECT COUNT(Id) FROM Account GROUP BY ^Description", "field 'Description' can not be grouped in a query call"),
    ("SELECT COUNT(Id) FROM Account GROUP BY ^CreatedDate", "field 'CreatedDate' can not be grouped in a query call"),
    ("SELECT COUNT() FROM ^Account GROUP BY Name", "COUNT() goes with neither GROUP BY nor ORDER BY"),
    ("SELECT Id FROM Account ORDER BY ^Description", "field 'Description' can not be sorted in a query call"),
    ("SELECT COUNT(Id) FROM Account ORDER BY ^Name", "Ordered field must be grouped or aggregated: Name"),
    ("SELECT Id FROM ^Account HAVING Name = 'a'", "HAVING takes GROUP BY"),
    ("SELECT Id FROM Account WHERE ^COUNT(Id) > 1", "aggregate function not allowed here: COUNT"),
    ("SELECT Id FROM Account WHERE ^DAY_ONLY(Name) = null", "field Name does not support function DAY_ONLY"),
    ("SELECT Id FROM Account WHERE Id IN (SELECT AccountId, Id FROM ^Contact)", "a semi-join selects one field"),
    (
        "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM ^Contact LIMIT 1)",
        "a semi-join may only have a WHERE",
    ),
    ("SELECT Id FROM Account WHERE ^Id IN (SELECT Id FROM Contact)", "should point to the same object type"),
    ("SELECT Id FROM Account WHERE ^Name IN (SELECT Name FROM Contact)", "should point to the same object type"),
    ("SELECT (SELECT (SELECT Id FROM Tasks) FROM ^Contacts) FROM Account", "a subquery has neither subqueries"),
    ("SELECT COUNT(Id), (SELECT Id FROM Contacts) FROM ^Account", "a query that groups cannot have subqueries"),
]

FIELDS = [
    ("SELECT ^Foo FROM Account", "No such column 'Foo' on entity 'Account'"),
    ("SELECT Id, ^Owner.Foo FROM Account", "No such column 'Foo' on entity 'User'"),
    ("SELECT ^Foo__r.Name FROM Account", "Didn't understand relationship 'Foo__r' in field path"),
    ("SELECT ^Name.Owner FROM Account", "Didn't understand relationship 'Name' in field path"),
    ("SELECT ^Who.Company FROM Task", "No such column 'Company' on entity 'Name'"),
    ("SELECT ^Who.Owner.Name FROM Task", "Didn't understand relationship 'Owner' in field path"),
    ("SELECT Id FROM Account WHERE ^Foo = 1", "No such column 'Foo' on entity 'Account'"),
    ("SELECT Id FROM Account ORDER BY ^Foo", "No such column 'Foo' on entity 'Account'"),
    ("SELECT Id, Name, ^Id FROM Account", "duplicate field selected: Id"),
    ("SELECT Id, ^Account.Id FROM Account", "duplicate field selected: Id"),
    ("SELECT ^Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account", "at most 5 levels"),
    ("SELECT Id FROM Account WHERE ^Description = 'a'", "field 'Description' can not be filtered in a query call"),
    (
        "SELECT Id FROM Account WHERE ^Name = 1",
        "for field 'Name' must be of type string and should be enclosed in quotes",
    ),
    ("SELECT Id FROM Account WHERE ^Name = true", "must be of type string"),
    (
        "SELECT Id FROM Account WHERE ^AnnualRevenue = '1'",
        "must be of type currency and should not be enclosed in quotes",
    ),
    ("SELECT Id FROM Account WHERE ^NumberOfEmployees IN ('1')", "must be of type int"),
    ("SELECT Id FROM Account WHERE ^Active__c = 'true'", "must be of type boolean"),
    (
        "SELECT Id FROM Account WHERE ^CreatedDate = '2026-11-21T10:00:00Z'",
        "must be of type dateTime and should not be",
    ),
    ("SELECT Id FROM Account WHERE ^CreatedDate > 2026-11-21", "must be of type dateTime"),
    ("SELECT Id FROM Account WHERE ^Founded__c > 2026-11-21T10:00:00Z", "must be of type date"),
    ("SELECT Id FROM Account WHERE ^Name = TODAY", "must be of type string"),
    ("SELECT Id FROM Account WHERE ^Id = 5", "must be of type string"),
]

OPERATORS = [
    ("SELECT Id FROM Account WHERE ^Id = 'acme'", "invalid ID field: acme"),
    ("SELECT Id FROM Account WHERE ^OwnerId IN ('005', '')", "invalid ID field: 005"),
    ("SELECT Id FROM Account WHERE ^Id LIKE '001%'", "invalid operator on id field"),
    ("SELECT Id FROM Account WHERE ^AnnualRevenue LIKE '1%'", "invalid operator on currency field"),
    ("SELECT Id FROM Account WHERE ^Active__c > false", "invalid operator on boolean field"),
    ("SELECT Id FROM Account WHERE ^Tags__c > 'a'", "invalid operator on multipicklist field"),
    ("SELECT Id FROM Account WHERE ^Industry INCLUDES ('a')", "invalid operator on picklist field"),
    ("SELECT Id FROM Account WHERE ^Name > null", "invalid operator > on null"),
]

OTHERS = [
    ("SELECT Id FROM ^Foo", "INVALID_TYPE", "sObject type 'Foo' is not supported"),
    ("SELECT Id FROM Account WHERE Id IN (SELECT Id FROM ^Foo)", "INVALID_TYPE", "sObject type 'Foo' is not supported"),
    (
        "SELECT (SELECT Id FROM ^Foos) FROM Account",
        "INVALID_TYPE",
        "Didn't understand relationship 'Foos' in FROM part",
    ),
    ("SELECT Id FROM ^Secret", "INVALID_TYPE_FOR_OPERATION", "entity type Secret does not support query"),
    ("SELECT Id FROM Account OFFSET ^2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
]

CASES = [
    *((text, "MALFORMED_QUERY", message) for text, message in MALFORMED),
    *((text, "INVALID_FIELD", message) for text, message in FIELDS),
    *((text, "INVALID_QUERY_FILTER_OPERATOR", message) for text, message in OPERATORS),
    *OTHERS,
]


@pytest.mark.parametrize(("marked", "code", "message"), CASES, ids=[case[0] for case in CASES])
def test_refusal_shows_the_place(world: World, marked: str, code: str, message: str | None) -> None:
    text = marked.replace("^", "")
    with pytest.raises(SalesforceError) as caught:
        world.prepared(text)
    refusal = caught.value
    assert (refusal.status, refusal.code) == (400, code)
    if message is not None:
        assert message in refusal.message
        assert f"ERROR at Row:1:Column:{marked.index('^') + 1}\n" in refusal.message


def test_the_place_is_shown_in_the_line_it_is_in(world: World) -> None:
    with pytest.raises(SalesforceError) as caught:
        world.prepared("SELECT Id,\n       Foo\nFROM Account")
    assert caught.value.message.startswith("\n       Foo\n       ^\nERROR at Row:2:Column:8\nNo such column 'Foo'")


def test_all_rows_is_for_apex(world: World) -> None:
    assert parse("SELECT Id FROM Account ALL ROWS").all_rows
    with pytest.raises(SalesforceError, match="ALL ROWS not allowed in this context"):
        world.prepared("SELECT Id FROM Account ALL ROWS")


def test_a_query_may_be_long_but_not_longer(world: World) -> None:
    ids = ", ".join(["'001000000000001AAA'"] * 4_400)
    assert world.values(f"SELECT Id FROM Account WHERE Id IN ({ids})") == []  # noqa: S608 - ids of our own
    with pytest.raises(SalesforceError, match="cannot be longer than 100,000 characters"):
        world.prepared(f"SELECT Id FROM Account WHERE Id IN ({ids + ids})")  # noqa: S608 - ids of our own


def test_a_condition_may_have_many_parts(world: World) -> None:
    for word, names in ((" OR ", ["Acme"]), (" AND ", [])):
        parts = word.join([f"Name = '{number}'" for number in range(2_000)] + ["Name = 'acme'"])
        assert world.values(f"SELECT Name FROM Account WHERE {parts}") == names  # noqa: S608 - names of our own


def test_a_query_may_go_along_many_relationships(world: World) -> None:
    ways = [".".join([*steps, "Name"]) for steps in product(("CreatedBy", "LastModifiedBy"), repeat=5)]
    assert len(world.records(f"SELECT {', '.join(ways[:16])} FROM Account")) == 4  # noqa: S608 - names of our own
    with pytest.raises(SalesforceError, match="at most 55 relationships"):
        world.prepared(f"SELECT {', '.join(ways)} FROM Account")  # noqa: S608 - names of our own


def test_a_query_may_nest_but_not_for_ever(world: World) -> None:
    def nested(depth: int) -> str:
        return f"SELECT Name FROM Account WHERE {'(' * depth}Name = 'acme'{')' * depth}"  # noqa: S608 - our own

    assert world.values(nested(20)) == ["Acme"]
    with pytest.raises(SalesforceError, match="MALFORMED_QUERY: The query is nested too deeply"):
        world.prepared(nested(2_000))


def test_what_the_user_may_not_read_is_not_there(world: World) -> None:
    account = SCHEMA.object("Account")
    hidden = replace(account, fields=tuple(field for field in account.fields if field.name != "NumberOfEmployees"))
    schema = Schema.of([hidden if one.name == "Account" else one for one in OBJECTS if one.name != "User"])
    with pytest.raises(SalesforceError, match="No such column 'NumberOfEmployees'"):
        world.records("SELECT NumberOfEmployees FROM Account", schema=schema)
    with pytest.raises(SalesforceError, match="Didn't understand relationship 'Owner'"):
        world.records("SELECT Id FROM Account WHERE Owner.Name = 'Ada'", schema=schema)
    without_leads = Schema.of([one for one in OBJECTS if one.name != "Lead"])
    subjects = [
        world.records("SELECT Who.Type FROM Task ORDER BY Subject", schema=one) for one in (SCHEMA, without_leads)
    ]
    assert [[row["Who"] and row["Who"]["Type"] for row in rows] for rows in subjects] == [
        ["Contact", "Lead", None],
        ["Contact", None, None],
    ]
    (record,) = world.records("SELECT Doubled__c FROM Account WHERE Name = 'Acme'", schema=schema)
    assert record["Doubled__c"] == 20
