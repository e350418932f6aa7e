"""What SOQL conditions select."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.soql_world import ACME, ADA, EUROPE, ONEIL, World

A, E, Z, N = "Acme", "acme Europe", "Zeta 100%", "O'Neil_x"
ALL = {A, E, Z, N}

SELECTED = "SELECT Name FROM Account WHERE "


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


CASES: list[tuple[str, set[str]]] = [
    # text knows no case
    ("Name = 'acme'", {A}),
    ("Name = 'ACME EUROPE'", {E}),
    ("Name != 'acme'", {E, Z, N}),
    ("Name <> 'acme'", {E, Z, N}),
    ("Name < 'b'", {A, E}),
    ("Name >= 'o'", {N, Z}),
    ("Name = 'O\\'Neil_x'", {N}),
    ("Name = 'O\"Neil_x'", set()),
    ("Name = '\\u0041cme'", {A}),
    ("Industry = 'ENERGY'", {A, N}),
    # but that of an external id that is said to
    ("Code__c = 'abc'", {A}),
    ("Code__c = 'ABC'", {E}),
    ("Code__c IN ('abc', 'x')", {A}),
    ("Code__c > 'B'", {A}),
    # nulls
    ("Industry = null", {E}),
    ("Industry = NULL", {E}),
    ("Industry != null", {A, Z, N}),
    ("Industry = ''", {E}),
    ("Industry != ''", {A, Z, N}),
    ("Industry != 'Energy'", {E, Z}),
    ("NOT Industry = 'Energy'", {E, Z}),
    ("Industry NOT IN ('Energy')", {E, Z}),
    ("Industry IN ('Energy', null)", {A, N, E}),
    ("Industry NOT IN ('Energy', null)", {Z}),
    ("Industry IN ('', 'banking')", {E, Z}),
    ("NOT (Industry = 'Energy' OR Industry = null)", {Z}),
    ("ParentId = null", {A, Z}),
    # LIKE
    ("Name LIKE 'acme%'", {A, E}),
    ("Name LIKE '%E'", {A, E}),
    ("Name like '_cme'", {A}),
    ("Name LIKE '%\\%'", {Z}),
    ("Name LIKE '%\\_x'", {N}),
    ("Name LIKE '%_x'", {N}),
    ("Name LIKE 'O\\'%'", {N}),
    ("Name LIKE ''", set()),
    ("(NOT Name LIKE 'acme%')", {Z, N}),
    ("(NOT Industry LIKE 'e%') AND Name LIKE '%e%'", {E, Z}),
    # numbers
    ("AnnualRevenue = 1000", {A}),
    ("AnnualRevenue > 1000.0", {E}),
    ("AnnualRevenue = 2500.5", {E}),
    ("AnnualRevenue < 0", {Z}),
    ("AnnualRevenue = -5", {Z}),
    ("AnnualRevenue >= 1e3", {A, E}),
    ("AnnualRevenue != 1000", {E, Z, N}),
    ("NumberOfEmployees = 0", {N}),
    ("NumberOfEmployees IN (10, 20)", {A, E}),
    ("NumberOfEmployees <= +10", {A, N}),
    ("Doubled__c = 40", {E}),
    ("Doubled__c = null", {Z}),
    # booleans
    ("Active__c = true", {A, Z}),
    ("Active__c = FALSE", {E, N}),
    ("Active__c != TRUE", {E, N}),
    # ids, of 15 or 18 characters
    (f"Id = '{ACME}'", {A}),
    (f"Id = '{ACME[:15]}'", {A}),
    (f"Id IN ('{ACME[:15]}', '{EUROPE}')", {A, E}),
    (f"Id > '{EUROPE}'", {Z, N}),
    (f"Id NOT IN ('{ACME}')", {E, Z, N}),
    (f"OwnerId = '{ADA}'", {A, N}),
    (f"OwnerId != '{ADA}'", {E, Z}),
    (f"ParentId < '{ONEIL}'", {E, N}),
    # days and moments
    ("Founded__c = 2026-11-21", {A}),
    ("Founded__c < 2026-11-21", {E, Z}),
    ("Founded__c IN (2026-11-21, 2025-12-31)", {A, Z}),
    ("CreatedDate > 2026-11-20T10:00:00Z", {E}),
    ("CreatedDate >= 2026-11-20T10:00:00Z", {A, E}),
    ("CreatedDate >= 2026-11-20T10:00:00.000Z", {A, E}),
    ("CreatedDate >= 2026-11-20T10:00:00.500Z", {E}),
    ("CreatedDate = 2026-11-20T12:30:00+02:30", {A}),
    ("CreatedDate = 2026-11-20T02:00:00-08:00", {A}),
    ("CreatedDate = 2026-11-20T11:00:00+0100", {A}),
    # date literals
    ("Founded__c = TODAY", {A}),
    ("Founded__c = today", {A}),
    ("Founded__c != TODAY", {E, Z, N}),
    ("Founded__c = YESTERDAY", {E}),
    ("Founded__c < TOMORROW", {A, E, Z}),
    ("Founded__c <= YESTERDAY", {E, Z}),
    ("Founded__c > YESTERDAY", {A}),
    ("Founded__c >= TODAY", {A}),
    ("Founded__c IN (TODAY, YESTERDAY)", {A, E}),
    ("Founded__c = LAST_YEAR", {Z}),
    ("Founded__c = THIS_YEAR", {A, E}),
    ("CreatedDate = TODAY", {E}),
    ("CreatedDate < TODAY", {A, Z, N}),
    ("CreatedDate = THIS_MONTH", {A, E}),
    ("CreatedDate = LAST_MONTH", {Z}),
    ("CreatedDate = THIS_WEEK", {A, E}),
    ("CreatedDate = THIS_QUARTER", {A, E, Z}),
    ("CreatedDate = LAST_N_DAYS:1", {A, E}),
    ("CreatedDate = LAST_N_DAYS:21", {A, E, Z}),
    ("CreatedDate = N_DAYS_AGO:1", {A}),
    ("CreatedDate = LAST_N_MONTHS:1", {Z}),
    ("CreatedDate = THIS_FISCAL_YEAR", ALL),
    ("CreatedDate = LAST_90_DAYS", {A, E, Z}),
    ("CreatedDate > LAST_MONTH", {A, E}),
    # parts of dates
    ("CALENDAR_MONTH(CreatedDate) = 11", {A, E}),
    ("CALENDAR_YEAR(Founded__c) = 2025", {Z}),
    ("DAY_ONLY(CreatedDate) = 2026-11-20", {A}),
    ("HOUR_IN_DAY(CreatedDate) = 10", ALL),
    ("DAY_IN_WEEK(CreatedDate) = 7", {E, Z}),
    ("CALENDAR_QUARTER(CreatedDate) = 1", {N}),
    # several choices
    ("Tags__c INCLUDES ('red')", {A, N}),
    ("Tags__c INCLUDES ('RED;blue')", {A}),
    ("Tags__c INCLUDES ('red;blue', 'green')", {A, N}),
    ("Tags__c EXCLUDES ('red')", {E, Z}),
    ("Tags__c = 'blue'", {E}),
    ("Tags__c includes ('re')", set()),
    # several conditions
    ("Industry = 'Energy' AND Active__c = true", {A}),
    ("Industry = 'Energy' AND Active__c = false AND Name LIKE 'O%'", {N}),
    ("Industry = 'Banking' OR Name = 'acme'", {A, Z}),
    ("(Industry = 'Energy' AND Active__c = true) OR Industry = null", {A, E}),
    ("Industry != null AND (Active__c = false OR AnnualRevenue < 0)", {Z, N}),
    ("((Name = 'Acme'))", {A}),
    ("AnnualRevenue > 1000 OR (AnnualRevenue = 1000 AND Name = 'acme')", {A, E}),
    ("AnnualRevenue > 1000 OR (AnnualRevenue = 1000 AND Name = 'x')", {E}),
    ("AnnualRevenue < 1000 OR (AnnualRevenue = 1000 AND Name = 'acme')", {A, Z}),
    ("AnnualRevenue > 1000 OR (AnnualRevenue = -5 AND Active__c = true)", {E, Z}),
    ("AnnualRevenue > 1000 OR (Active__c = true AND AnnualRevenue = 1000) OR Industry = 'Banking'", {A, E, Z}),
    ("CreatedDate > TODAY OR (CreatedDate = TODAY AND Name LIKE '%europe')", {E}),
    ("NOT (Active__c = true)", {E, N}),
    ("NOT(Active__c = true)", {E, N}),
    (
        "SystemModstamp >= 2026-11-01T10:00:00Z AND (SystemModstamp > 2026-11-01T10:00:00Z OR Id > '" + EUROPE + "')",
        {Z, N},
    ),
    # parents
    ("Owner.Name = 'bob'", {E, Z}),
    ("Parent.Name = 'Acme'", {E}),
    ("Parent.Parent.Name = 'Acme'", {N}),
    ("Parent.Owner.Email = null", {A, Z, N}),
    ("Parent.Industry != 'Energy'", {A, Z, N}),
    ("Parent.Active__c = true", {E}),
    ("Parent.Doubled__c = 20", {E}),
    ("Account.Name = 'Acme'", {A}),
    # semi-joins
    ("Id IN (SELECT AccountId FROM Contact)", {A, Z}),
    ("Id NOT IN (SELECT AccountId FROM Contact)", {E, N}),
    ("Id IN (SELECT AccountId FROM Contact WHERE Email != null)", {A}),
    ("Id IN (SELECT AccountId FROM Contact WHERE Name = 'Gil')", set()),
    ("Id IN (SELECT ParentId FROM Account WHERE Owner.Name = 'Ada') AND Name != null", {E}),
    ("OwnerId IN (SELECT Id FROM User WHERE Name = 'Ada')", {A, N}),
    ("Name != 'x' AND Id IN (SELECT AccountId FROM Contact WHERE Name = 'Ed') AND Active__c = true", {Z}),
    ("ParentId IN (SELECT Id FROM Account WHERE Industry = 'Energy')", {E}),
]


@pytest.mark.parametrize(("condition", "names"), CASES, ids=[text for text, _ in CASES])
def test_condition_selects(world: World, condition: str, names: set[str]) -> None:
    assert set(world.values(SELECTED + condition)) == names


def test_deleted_rows_are_left_out_unless_all_are_asked_for(world: World) -> None:
    text = "SELECT Name FROM Account WHERE CreatedDate = TODAY"
    assert world.values(text) == [E]
    assert world.values(text, all_rows=True) == [E, "Gone"]
    joined = "SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Name = 'Gil')"
    assert world.values(joined, all_rows=True) == [A]


def test_a_condition_and_its_negation_part_all_rows(world: World) -> None:
    for text, names in CASES:
        if " AND " not in text and " OR " not in text and not text.startswith(("NOT", "(")):
            assert set(world.values(SELECTED + "NOT " + text)) == ALL - names, text


def test_alias_stands_for_the_object(world: World) -> None:
    assert world.values("SELECT a.Name FROM Account a WHERE a.Owner.Name = 'Bob' ORDER BY a.Name") == [E, Z]


def test_several_parents_may_be_asked_together(world: World) -> None:
    subjects = "SELECT Subject FROM Task WHERE {} ORDER BY Subject"
    assert world.values(subjects.format("Who.Name IN ('Cy', 'Lou')")) == ["Call", "Mail"]
    assert world.values(subjects.format("Who.Type = 'Lead'")) == ["Mail"]
    assert world.values(subjects.format("Who.Email LIKE '%@acme.com'")) == ["Call"]
    assert world.values(subjects.format("Who.Name = null")) == ["Rest"]
