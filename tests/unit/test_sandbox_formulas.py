"""Formula fields and roll-ups: worked out when they are read, leaving no stamp."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.salesforce.formulas import BadFormula
from infra.local.salesforce.metadata import Summary, new_field
from infra.local.salesforce.org import Org
from tests.support.sandbox import added, changed, opened, value


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with opened(tmp_path) as org:
        yield org


def sale(org: Org, **values: Any) -> str:
    account = added(org, "Account", Name="Hollis", NumberOfEmployees=12)
    usual = {"Name": "Roof", "StageName": "Prospecting", "CloseDate": "2026-03-31", "Amount": 250, "AccountId": account}
    return added(org, "Opportunity", **usual | values)


def told(org: Org, formula: str, kind: str = "string", **changes: Any) -> Any:
    """What a formula of this kind yields for an opportunity."""
    org.add_field("Opportunity", new_field("Told__c", kind, formula=formula, **changes))
    return value(org, sale(org), "Told__c")


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ('"a" & "b"', "ab"),
        ("\"it\" & 's'", "its"),
        ("UPPER(Name) & ' for ' & Account.Name", "ROOF for Hollis"),
        ("Account.Owner.Name", "Ada Marlow"),
        ("owner.username", "admin@sandbox.example"),
        ('IF(Amount > 200 && !IsClosed, "big", "small")', "big"),
        ('IF(OR(Amount < 200, IsClosed), "a", "b")', "b"),
        ('IF(AND(Amount >= 250, NOT(IsClosed)), "a", "b")', "a"),
        ('CASE(StageName, "Closed Won", "w", "Prospecting", "p", "?")', "p"),
        ('IF(ISBLANK(NextStep), "none", NextStep)', "none"),
        ('BLANKVALUE(NextStep, "none")', "none"),
        ("TEXT(Amount) & '/' & TEXT(Amount / 4)", "250/62.5"),
        ('IF(ISPICKVAL(StageName, "prospecting"), "any case", "exact")', "exact"),
        ("LEFT(Name, 2) & RIGHT(Name, 1)", "Rof"),
        ('IF(CONTAINS(Name, "oo"), "y", "n") & IF(BEGINS(Name, "oo"), "y", "n")', "yn"),
        ("TEXT(LEN(NextStep)) & TRIM('  x ') & LOWER('ABC')", "0xabc"),
        ('IF(Name <> "Roof" || Amount = 1, "a", "b")', "b"),
        ("'don\\'t'", "don't"),
    ],
)
def test_text(org: Org, formula: str, text: str) -> None:
    assert told(org, formula) == text


@pytest.mark.parametrize(
    ("formula", "number"),
    [
        ("1 + 2 * 3 - 4", 3.0),
        ("(1 + 2) * 3", 9.0),
        ("-Amount + 1", -249.0),
        ("Amount / 3", 83.33),
        ("Amount / 0", None),
        ("ROUND(2.46, 1)", 2.5),
        ("MAX(1, 7, 3) - MIN(4, 2)", 5.0),
        ("ABS(-2) + VALUE('1.5')", 3.5),
        ("Account.NumberOfEmployees * 2", 24.0),
        ("(TODAY() - DATEVALUE(CreatedDate)) + (CloseDate - CloseDate)", 0.0),
        ("YEAR(CloseDate) * 10000 + MONTH(CloseDate) * 100 + DAY(CloseDate)", 20260331.0),
        ("TotalOpportunityQuantity + 1", None),
    ],
)
def test_numbers(org: Org, formula: str, number: float | None) -> None:
    assert told(org, formula, "double", scale=2) == number


def test_dates(org: Org) -> None:
    assert told(org, "CloseDate + 1", "date") == "2026-04-01"
    org.set_formula("Opportunity", "Told__c", "IF(TODAY() > CloseDate - 10, NULL, CloseDate - 31)")
    assert value(org, sale(org, CloseDate="2199-03-03"), "Told__c") == "2199-01-31"


def test_a_parents_change_shows_without_a_stamp(org: Org) -> None:
    org.add_field("Opportunity", new_field("Customer__c", "string", formula="Account.Name"))
    opportunity = sale(org)
    before = value(org, opportunity, "SystemModstamp")
    org.clock.advance(timedelta(hours=1))
    changed(org, "Account", value(org, opportunity, "AccountId"), Name="Vane")
    assert value(org, opportunity, "Customer__c") == "Vane"
    assert value(org, opportunity, "SystemModstamp") == before


def test_a_contract_lines_status_follows_the_day(org: Org) -> None:
    contract = added(org, "ServiceContract", Name="Care")
    today = org.clock.now().date()
    line = added(
        org,
        "ContractLineItem",
        ServiceContractId=contract,
        Quantity=2,
        UnitPrice=10.5,
        StartDate=str(today + timedelta(days=1)),
        EndDate=str(today + timedelta(days=2)),
    )
    stamps = [value(org, line, "SystemModstamp")]
    seen = [value(org, line, "Status")]
    for _ in range(3):
        org.clock.advance(timedelta(days=1))
        seen.append(value(org, line, "Status"))
        stamps.append(value(org, line, "SystemModstamp"))
    assert seen == ["Inactive", "Active", "Active", "Expired"]
    assert len(set(stamps)) == 1
    assert value(org, line, "TotalPrice") == 21.0


def test_a_roll_up_counts_what_is_not_deleted(org: Org) -> None:
    summed = Summary("Opportunity", "AccountId", "SUM", "Amount")
    org.add_field("Account", new_field("Sold__c", "currency", summary=summed))
    opportunity = sale(org)
    account = value(org, opportunity, "AccountId")
    added(org, "Opportunity", Name="Two", StageName="Prospecting", CloseDate="2026-01-01", Amount=5, AccountId=account)
    assert value(org, account, "Sold__c") == 255.0
    with org.edit(org.admin) as edit:
        edit.delete([opportunity])
    assert value(org, account, "Sold__c") == 5.0


def test_a_formula_may_use_another(org: Org) -> None:
    org.add_field("Opportunity", new_field("Half__c", "double", scale=1, formula="Amount / 2"))
    org.add_field("Opportunity", new_field("Quarter__c", "double", scale=2, formula="Half__c / 2"))
    assert value(org, sale(org), "Quarter__c") == 62.5


@pytest.mark.parametrize(
    "formula", ["Amount +", "Nothing__c", "Account.Nothing", "Nobody.Name", "NOSUCH(1)", "LEFT(Name)", "Told__c", "'"]
)
def test_a_formula_that_cannot_be_read_is_refused(org: Org, formula: str) -> None:
    with pytest.raises(BadFormula):
        org.add_field("Opportunity", new_field("Told__c", "string", formula=formula))
    assert org.full_schema().object("Opportunity").find("Told__c") is None


def test_what_a_formula_names_cannot_be_removed(org: Org) -> None:
    org.add_field("Account", new_field("Size__c", "double"))
    org.add_field("Opportunity", new_field("Size__c", "double", formula="Account.Size__c"))
    with pytest.raises(BadFormula):
        org.remove_field("Account", "Size__c")
    assert org.full_schema().object("Account").find("Size__c") is not None
