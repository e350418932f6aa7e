"""An org's share of the day: servants stop by themselves before it is spent, wait, and go on when its window has moved.

What counts is the org's own counter of calls, which knows those of the customer's other tools as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.postgres.budgets import BudgetLine, show_budgets
from infra.postgres.salesforce_connections import share_quota
from infra.postgres.salesforce_objects import ObjectState, list_objects
from infra.postgres.why import why
from infra.postgres.why_blocked import ReasonKind, WhyReason
from retinue.limits import DAY
from retinue.testing import Drained, RetinueDatabase, drain
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.salesforce.backfill import backfill
from servants.salesforce.formulas import refresh_formulas
from servants.salesforce.reconcile import reconcile
from servants.salesforce.sync import sync_salesforce
from tests.support.salesforce_customer import OrgCustomer, connected
from tests.support.sandbox_org import sandbox_org

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]

pytestmark = pytest.mark.timeout(240)

#: Calls that the org allows in a day, of which half is left to other tools.
DAY_CALLS = 120
SHARE = DAY_CALLS // 2

OBJECTS = ("Account", "Contact")
TYPES = ["salesforce.sync", "salesforce.backfill", "salesforce.reconcile", "salesforce.formulas"]


#: How long the budget is said to be spent. A hold itself is shorter: somebody may raise the budget meanwhile.
_SAID = """
    SELECT max(substring(reason FROM 'until (.*) UTC')::timestamp AT TIME ZONE 'UTC') - now()
    FROM lane_holds WHERE kind = 'budget'
"""


@pytest.fixture
def customer(
    retinue_database: RetinueDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OrgCustomer]:
    # Small pages, so that few rows are many calls.
    for name in ("org_reading", "onboarding"):
        monkeypatch.setattr(f"servants.salesforce.{name}.BATCH_ROWS", 10)
    monkeypatch.setattr("servants.salesforce.onboarding.REST_ROWS", 100_000)
    monkeypatch.setattr("servants.salesforce.onboarding.CHUNK_ROWS", 150)
    with sandbox_org(tmp_path) as org:
        # Days pass in these tests.
        org.control.set_session_seconds(timedelta(days=30).total_seconds())
        customer = connected(retinue_database, org)
        share_quota(customer.database.sql, customer.connection_id, 0.5)
        customer.org.control.set_limit("DailyApiRequests", DAY_CALLS)
        for name in OBJECTS:
            customer.org.control.seed(name, 400)
        customer.select(*OBJECTS)
        yield customer


def _drain(customer: OrgCustomer) -> Drained:
    """Everything until nothing waits but for the day, by two servants of the type that reads history."""
    servants = (sync_salesforce, backfill, backfill, reconcile, refresh_formulas)
    for _ in range(10):
        drained = drain(customer.database, *servants, slots=2, seconds=60)
        wait = _wait(customer)
        if not drained.pending or wait > timedelta(minutes=5):
            return drained
        # What one servant had been lent and did not use is lent to another in a moment.
        _pass(customer, max(wait, timedelta(seconds=15)))
    raise AssertionError("it does not come to rest")


def _wait(customer: OrgCustomer) -> timedelta:
    """How long what waits is said to wait: for the budget, or for its own time."""
    said = customer.database.sql.execute(_SAID).fetchone()
    assert said is not None
    return max(said[0] or timedelta(0), customer.database.next_moment(TYPES) or timedelta(0))


def _pass(customer: OrgCustomer, step: timedelta) -> None:
    """Let so much time go by, here and in the org."""
    customer.org.control.clock_forward(seconds=step.total_seconds())
    customer.database.travel(step)


def _begin(customer: OrgCustomer) -> Drained:
    """A first sync, and all that it brings about as far as the day goes."""
    customer.database.enqueue(sync_salesforce, {"connection_id": customer.connection_id}, account_id=1)
    return _drain(customer)


def _later(customer: OrgCustomer) -> Drained:
    """Go to the moment that what waits is said to wait for."""
    _pass(customer, _wait(customer) + timedelta(seconds=1))
    return _drain(customer)


def _to_the_end(customer: OrgCustomer, drained: Drained) -> int:
    """Go on until nothing waits; at how many moments. The share holds at each."""
    moments = 0
    while drained.pending:
        assert customer.calls() <= SHARE
        moments += 1
        assert moments < 60, "it does not come to an end"
        drained = _later(customer)
    assert customer.calls() <= SHARE
    assert drained.failed == []
    return moments


def _day(customer: OrgCustomer) -> BudgetLine:
    lines = show_budgets(customer.database.sql, customer.connection_id)
    return next(line for line in lines if line.window_seconds == DAY)


def _why(customer: OrgCustomer, job_id: int) -> list[WhyReason]:
    """What `retinue jobs why` said at the last look."""
    looked = customer.database.sql.execute("SELECT max(held_at) FROM lane_holds").fetchone()
    assert looked is not None
    return why(customer.database.sql, job_id, now=looked[0]).reasons


def _is_live(customer: OrgCustomer) -> bool:
    found = list_objects(customer.database.sql, customer.connection_id)
    return {one.state for one in found} == {ObjectState.LIVE}


def test_servants_stop_at_half_of_the_day_and_go_on_when_its_window_moves(customer: OrgCustomer) -> None:
    drained = _begin(customer)
    assert drained.pending
    assert SHARE - 5 <= customer.calls() <= SHARE
    day = _day(customer)
    assert (day.learned_limit, day.reserve) == (DAY_CALLS, 0.5)
    assert timedelta(hours=22) < _wait(customer) < timedelta(hours=26)
    for job_id in drained.pending:
        (reason,) = [one for one in _why(customer, job_id) if one.kind is ReasonKind.BUDGET]
        assert reason.until is not None
        assert re.search(r"used up its budget .*: Connection 1 waits until .* its budget is spent", reason.sentence)
    assert _to_the_end(customer, drained) > 0
    assert _is_live(customer)
    customer.assert_equal(*OBJECTS)


def test_calls_of_other_tools_count(customer: OrgCustomer) -> None:
    customer.org.control.use("DailyApiRequests", SHARE // 2)
    drained = _begin(customer)
    assert drained.pending
    assert SHARE - 5 <= customer.calls() <= SHARE
    assert SHARE // 2 <= _day(customer).foreign_calls <= SHARE // 2 + 2
    assert _to_the_end(customer, drained) > 0
    assert _is_live(customer)
    customer.assert_equal(*OBJECTS)


def test_nothing_is_asked_while_other_tools_are_past_the_share(customer: OrgCustomer) -> None:
    customer.run(reconcile)
    customer.org.control.use("DailyApiRequests", DAY_CALLS * 3 // 4)
    customer.sync()  # learns of it by its first answer
    before = customer.calls()
    drained = _drain(customer)
    assert drained.pending
    for _ in range(3):
        _pass(customer, timedelta(hours=5))
        drained = _drain(customer)
    assert customer.calls() == before
    _pass(customer, timedelta(hours=10))
    assert _drain(customer).completed
    assert customer.calls() > 0


def test_a_history_that_takes_days_says_so_and_is_spread(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servants.salesforce.quota.REST_ROWS", 10)
    # An answer has told how many calls a day has.
    customer.run(reconcile)
    ran = customer.sync()
    assert ran.state == "completed"
    (told,) = [fields for name, fields in ran.anomalies if name == "salesforce_backfill_spread"]
    # Six ranges of 134 rows, 10 with each call; four fifths of a day's share may be spent on history.
    assert (told["calls"], told["per_day"], told["days"]) == (6 * 14, SHARE * 8 // 10, 2)
    due = "SELECT count(DISTINCT run_at::date) FROM jobs WHERE type = 'salesforce.backfill'"
    assert customer.database.sql.execute(due).fetchone() == (2,)
    _to_the_end(customer, _drain(customer))
    assert _is_live(customer)
    customer.assert_equal(*OBJECTS)
