"""What happens to one object of an org is neither another's loss nor lost itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.postgres.salesforce_objects import ObjectState, find_object, list_objects
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.salesforce.reconcile import reconcile
from tests.support.salesforce_customer import OrgCustomer, org_customer

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


@pytest.fixture
def customer(retinue_database: RetinueDatabase, tmp_path: Path) -> Iterator[OrgCustomer]:
    with org_customer(retinue_database, tmp_path) as made:
        yield made


def states(customer: OrgCustomer) -> dict[str, ObjectState]:
    return {one.name: one.state for one in list_objects(customer.database.sql, customer.connection_id)}


def test_a_first_reading_whose_comparison_came_to_nothing_is_compared_by_the_next(customer: OrgCustomer) -> None:
    customer.org.control.seed("Account", 5)
    customer.select("Account")
    assert customer.sync().state == "completed"
    sql = customer.database.sql
    assert customer.run(reconcile).state == "completed"
    assert states(customer) == {"Account": ObjectState.HISTORY}, "its history is being read"
    sql.execute("DELETE FROM jobs")  # as if all of it had failed
    assert customer.run(reconcile).state == "completed"
    assert states(customer) == {"Account": ObjectState.LIVE}
    customer.assert_equal("Account")


def test_a_comparison_goes_on_where_it_was_with_that_object_alone(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.org.control.seed("Account", 30)
    customer.org.control.seed("Contact", 30)
    customer.onboard("Account", "Contact")
    monkeypatch.setattr("servants.salesforce.org_reading.BATCH_ROWS", 10)
    monkeypatch.setattr("servants.salesforce.reconcile.WORK_SECONDS", 0.0)
    sql = customer.database.sql
    sql.execute("UPDATE salesforce_objects SET reconciled_at = now() - interval '2 days' WHERE name = 'Contact'")
    sql.execute("DELETE FROM records WHERE kind = 'Account'")
    ran = customer.run(reconcile)
    assert ran.reason == "snooze"
    # Meanwhile another object is due, whose name and whose Ids come before.
    sql.execute("UPDATE salesforce_objects SET reconciled_at = NULL WHERE name = 'Account'")
    while ran.reason == "snooze":
        ran = ran.again()
    assert ran.state == "completed"
    customer.assert_equal("Account", "Contact")


def test_what_is_read_anew_is_begun_once(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.add_object("Invoice__c", [{"name": "Total__c", "type": "currency", "precision": 10, "scale": 2}])
    control.seed("Account", 5)
    customer.onboard("Account", "Invoice__c")
    control.remove_object("Invoice__c")
    ran = customer.sync(resync=["Account"])
    assert ran.error is not None, "an object is gone: the job is parked, and tried again"
    ran.again()
    groups = "SELECT count(*) FROM job_groups WHERE name = 'salesforce resync'"
    assert customer.database.sql.execute(groups).fetchone() == (1,)


def test_one_object_that_cannot_be_counted_keeps_no_other_back(customer: OrgCustomer) -> None:
    customer.org.control.seed("Account", 5)
    customer.org.control.seed("Contact", 5)
    customer.select("Account", "Contact")
    customer.org.control.error("GET .*COUNT.*FROM.Contact", 403, "INSUFFICIENT_ACCESS", "no", times=9)
    ran = customer.sync()
    assert ran.error is not None
    assert states(customer)["Account"] is ObjectState.HISTORY
    assert states(customer)["Contact"] is ObjectState.RECENT


def test_what_takes_too_long_to_count_is_read_all_the_same(customer: OrgCustomer) -> None:
    customer.org.control.seed("Account", 5)
    customer.select("Account")
    customer.org.control.error("GET .*COUNT", 400, "QUERY_TIMEOUT", "too long", times=1)
    assert customer.sync().state == "completed"
    customer.drain()
    customer.assert_equal("Account")


def test_an_object_has_one_name(customer: OrgCustomer) -> None:
    customer.org.control.seed("Account", 5)
    customer.onboard("Account")
    customer.select("account")
    assert customer.sync().error is not None
    found = find_object(customer.database.sql, customer.connection_id, "account")
    assert found is not None
    assert "calls account by the name Account" in (found.problem or "")
    assert customer.stored("account") == {}


def test_nothing_is_synced_where_all_was_removed(customer: OrgCustomer) -> None:
    customer.org.control.seed("Account", 5)
    customer.onboard("Account")
    customer.database.sql.execute("UPDATE salesforce_objects SET selected = false")
    assert customer.sync().state == "completed"
    assert states(customer) == {}
