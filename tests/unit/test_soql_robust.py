"""Whatever is asked in SOQL, the answer is rows or a refusal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.salesforce.errors import SalesforceError
from tests.support.soql_world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


#: What a hasty mind may write down after one another.
_WORDS = """
SELECT FROM WHERE AND OR NOT ( ) , Id Name Account Contact Contacts Owner.Name Who.Name Task COUNT() COUNT(Id) a.Name a
MAX(Name) = != < LIKE IN INCLUDES ('a') 'a' '' 5 1e400 null true TODAY LAST_N_YEARS:3000 2026-11-21 Tags__c
2026-11-21T00:00:00Z AnnualRevenue CreatedDate Active__c GROUP+BY HAVING ORDER+BY ASC NULLS LAST LIMIT 3 OFFSET
FIELDS(ALL) DAY_ONLY(CreatedDate)
"""


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        ["", "SELECT Id FROM Account WHERE", "SELECT Id, (SELECT Id FROM Contacts WHERE", "SELECT COUNT(Id)"]
    ),
    st.lists(st.sampled_from(_WORDS.split()), max_size=8),
)
def test_any_text_is_either_answered_or_refused(world: World, start: str, words: list[str]) -> None:
    _answered(world, " ".join([start, *words]).replace("+", " "))


_OPERANDS = """
Id Name Industry AnnualRevenue NumberOfEmployees Description ParentId Active__c Founded__c Tags__c Code__c Doubled__c
CreatedDate Owner.Name Parent.Doubled__c DAY_ONLY(CreatedDate) CALENDAR_YEAR(Founded__c)
"""
_TESTS = [f"{operator} {{}}" for operator in ("=", "!=", "<", "<=", ">", ">=", "LIKE")]
_TESTS += ["IN ({0}, {0})", "NOT IN ({})", "INCLUDES ({})", "EXCLUDES ({})"]
_VALUES = """
'' 'a' '%' '001000000000001AAA' 0 -1.5 1e400 99999999999999999999 null true TODAY LAST_N_DAYS:3 NEXT_N_YEARS:9000
2026-11-21 2026-11-21T00:00:00.123Z
"""


@pytest.mark.parametrize("operand", _OPERANDS.split())
def test_any_comparison_is_either_answered_or_refused(world: World, operand: str) -> None:
    outcomes = [
        _answered(world, f"SELECT Id FROM Account WHERE {operand} {test.format(value)}")  # noqa: S608 - our own
        for test in _TESTS
        for value in _VALUES.split()
    ]
    assert False in outcomes
    assert (True in outcomes) == (operand != "Description")


def _answered(world: World, text: str) -> bool:
    """Whether a query is answered; otherwise it was refused for a reason."""
    try:
        statement = world.prepared(text)
    except SalesforceError as refusal:
        assert refusal.status == 400  # noqa: PT017 - being answered is as good
        return False
    rows = world.connection.execute(statement.sql, statement.params).fetchall()
    assert all(len(row) >= len(statement.columns) for row in rows)
    return True
