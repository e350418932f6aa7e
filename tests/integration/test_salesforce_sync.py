"""`salesforce.sync` and its companions against the sandbox org."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.salesforce.control_client import NewUser
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.salesforce.formulas import refresh_formulas
from servants.salesforce.reconcile import reconcile
from servants.salesforce.sync import sync_salesforce
from tests.support.salesforce_customer import OrgCustomer, org_customer
from tests.support.sandbox_org import USER

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def customer(retinue_database: RetinueDatabase, tmp_path: Path) -> Iterator[OrgCustomer]:
    with org_customer(retinue_database, tmp_path) as customer:
        yield customer


def _ids(customer: OrgCustomer, name: str = "Account") -> list[str]:
    return sorted(customer.expected(name))


def test_a_first_sync_brings_the_default_objects(customer: OrgCustomer) -> None:
    control = customer.org.control
    for name in ("Account", "Contact", "Lead", "Opportunity", "Task", "Event"):
        control.seed(name, 20)
    customer.onboard()
    customer.assert_equal(
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


def test_changes_come_with_the_next_sync(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.seed("Account", 50)
    customer.onboard("Account")
    ids = _ids(customer)
    control.insert("Account", [{"Name": "New"}])
    control.update("Account", [{"Id": ids[0], "Name": "Renamed"}])
    control.delete([ids[1]])
    control.hard_delete([ids[2]])
    # The log covers whole minutes that are over.
    control.clock_forward(minutes=2)
    ran = customer.sync()
    assert ran.result is not None
    assert (ran.result["added"], ran.result["updated"], ran.result["deleted"]) == (1, 1, 2)
    customer.assert_equal("Account")
    control.undelete([ids[1]])
    customer.sync()
    customer.assert_equal("Account")


def test_quiet_and_small_increments_cost_what_is_promised(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.seed("Account", 3000)
    customer.onboard("Account")
    for _ in range(2):
        control.clock_forward(minutes=1)
        customer.sync()
    before = customer.calls()
    customer.sync()
    assert customer.calls() - before <= 2
    control.update("Account", [{"Id": one, "Name": f"Changed {one}"} for one in _ids(customer)[:100]])
    before = customer.calls()
    customer.sync()
    assert customer.calls() - before <= 3
    customer.assert_equal("Account")


DEFAULTS = (
    "Account",
    "Contact",
    "Event",
    "Lead",
    "Opportunity",
    "OpportunityFieldHistory",
    "OpportunityHistory",
    "Task",
    "User",
)

#: What is changed in a hundred rows of each; histories come of the changes of opportunities.
_CHANGE = {"Account": "Name", "Contact": "LastName", "Event": "Subject", "Lead": "LastName", "Task": "Subject"}


def _counts(customer: OrgCustomer) -> dict[str, int]:
    return dict(customer.org.control.usage().counts)


def _spent(customer: OrgCustomer, before: dict[str, int]) -> dict[str, int]:
    return {
        kind: count - before.get(kind, 0) for kind, count in _counts(customer).items() if count > before.get(kind, 0)
    }


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_an_increment_of_a_default_object_costs(customer: OrgCustomer, name: str) -> None:
    """Two calls where nothing changed, one of them the description; three with a hundred changes."""
    control = customer.org.control
    change = _prepare_hundred(customer, name)
    control.clock_forward(minutes=30)
    customer.onboard(name)
    for _ in range(2):
        control.clock_forward(minutes=20)
        customer.sync()
    before = _counts(customer)
    customer.sync()
    spent = _spent(customer, before)
    assert (sum(spent.values()), spent["describe"]) == (2, 1)
    change()
    before = _counts(customer)
    ran = customer.sync()
    spent = _spent(customer, before)
    assert ran.result is not None
    assert ran.result["rows"] >= 100
    assert (sum(spent.values()) <= 3, spent["describe"]) == (True, 1), spent
    customer.assert_equal(name)


def _prepare_hundred(customer: OrgCustomer, name: str) -> Callable[[], object]:
    """Have rows of the object; what changes a hundred of them."""
    control = customer.org.control
    if name == "User":
        ids = [control.add_user(NewUser(f"u{n}@example.com", "a password", "T", last_name=f"U{n}")) for n in range(100)]
        return lambda: control.update("User", [{"Id": one, "LastName": f"Changed {one}"} for one in ids])
    seeded = "Opportunity" if name.startswith("Opportunity") else name
    control.seed(seeded, 120)
    ids = _ids(customer, seeded)[:100]
    changed = {"StageName": "Negotiation/Review"} if seeded == "Opportunity" else {_CHANGE[name]: "Changed"}
    return lambda: control.update(seeded, [{"Id": one, **changed} for one in ids])


def test_a_whole_second_that_is_larger_than_a_page(customer: OrgCustomer) -> None:
    customer.onboard("Account")
    customer.org.control.seed("Account", 5000)
    customer.sync()
    customer.assert_equal("Account")


def test_a_transaction_that_shows_late(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.seed("Account", 10)
    customer.onboard("Account")
    ids = _ids(customer)
    control.held("change").update("Account", [{"Id": ids[0], "Name": "Late"}])
    control.held("deletion").delete([ids[1]])
    control.held("purge").hard_delete([ids[2]])
    for number in range(3):
        control.clock_forward(minutes=20)
        control.insert("Account", [{"Name": f"In time {number}"}])
        customer.sync()
    for name in ("change", "deletion", "purge"):
        control.commit(name)
    customer.sync()
    customer.assert_equal("Account")


def test_new_vanished_and_retyped_fields(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.add_field("Account", "Vanishing__c", "string", length=50)
    control.insert("Account", [{"Name": f"No. {n}", "Vanishing__c": f"kept {n}"} for n in range(5)])
    customer.onboard("Account")
    control.add_field("Account", "Fresh__c", "string", length=50, default="fresh")
    control.allow(USER.username, "Account", "Vanishing__c", read=False)
    ran = customer.sync()
    assert [fields["field"] for name, fields in ran.anomalies if name == "salesforce_field_vanished"] == [
        "Vanishing__c"
    ]
    customer.drain()
    customer.assert_equal("Account")
    assert sorted(row["Vanishing__c"] for row in customer.stored("Account").values()) == [f"kept {n}" for n in range(5)]
    first = _ids(customer)[0]
    control.update("Account", [{"Id": first, "Name": "Renamed"}])
    customer.sync()
    assert customer.stored("Account")[first]["Vanishing__c"].startswith("kept")


def test_an_object_that_disappears_is_an_incident_and_the_others_go_on(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.add_object("Invoice__c", [{"name": "Total__c", "type": "currency", "precision": 10, "scale": 2}])
    control.insert("Invoice__c", [{"Total__c": 12.5}])
    control.seed("Account", 5)
    customer.onboard("Account", "Invoice__c")
    customer.assert_equal("Account", "Invoice__c")
    control.remove_object("Invoice__c")
    control.insert("Account", [{"Name": "After"}])
    ran = customer.sync()
    assert (ran.state, ran.error) == ("completed", None)
    assert ran.result is not None
    assert ran.result["gone"] == ["Invoice__c"]
    assert len(customer.stored("Invoice__c")) == 1
    customer.assert_equal("Account")


def test_formulas_that_change_without_a_stamp(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.seed("Account", 10)
    control.add_field("Account", "Double__c", "double", precision=18, scale=0, formula="NumberOfEmployees * 2")
    customer.onboard("Account")
    customer.assert_equal("Account")
    control.set_formula("Account", "Double__c", "NumberOfEmployees * 3")
    assert customer.run(refresh_formulas).state == "completed"
    customer.assert_equal("Account")


def test_reconciliation_finds_what_nothing_told_of(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.seed("Account", 30)
    customer.onboard("Account")
    ids = _ids(customer)
    control.hard_delete([ids[0]])
    control.purge_log("Account", control.clock_forward(hours=1))
    sql = customer.database.sql
    sql.execute("DELETE FROM records WHERE external_id = %s", (ids[1],))
    sql.execute("UPDATE records SET version = version + 9000000 WHERE external_id = %s", (ids[2],))
    checked = customer.run(reconcile, objects=["Account"], deep=True, mend=False)
    assert checked.result is not None
    assert checked.result["equal"] is False
    assert ids[1] not in customer.stored("Account")
    ran = customer.run(reconcile, objects=["Account"])
    assert ran.result is not None
    found = ran.result["objects"]["Account"]
    assert (found["missing"], found["stale"], found["surplus"]) == (1, 1, 1)
    customer.assert_equal("Account")
    again = customer.run(reconcile, objects=["Account"], deep=True)
    assert again.result is not None
    assert again.result["equal"] is True


def test_a_resync_brings_what_was_spoilt_and_deletes_what_is_gone(customer: OrgCustomer) -> None:
    control = customer.org.control
    control.seed("Account", 30)
    customer.onboard("Account")
    ids = _ids(customer)
    control.hard_delete([ids[0]])
    control.purge_log("Account", control.clock_forward(hours=1))
    customer.database.sql.execute(
        "UPDATE records SET payload = '{}', content_hash = 1 WHERE external_id = %s", (ids[1],)
    )
    assert customer.sync(resync=["Account"]).state == "completed"
    assert ids[0] in customer.stored("Account")
    customer.drain()
    customer.assert_equal("Account")


def test_a_history_by_bulk_jobs(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servants.salesforce.onboarding.REST_ROWS", 100)
    monkeypatch.setattr("servants.salesforce.onboarding.CHUNK_ROWS", 1000)
    monkeypatch.setattr("servants.salesforce.backfill.MERGE_ROWS", 150)
    customer.org.control.seed("Account", 2500)
    customer.onboard("Account")
    customer.assert_equal("Account")


def test_servants_that_die_at_any_commit(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servants.salesforce.org_reading.BATCH_ROWS", 40)
    control = customer.org.control
    control.seed("Account", 200)
    customer.onboard("Account")
    ids = _ids(customer)
    control.update("Account", [{"Id": one, "Name": f"Changed {one}"} for one in ids[:120]])
    control.delete(ids[120:130])
    control.hard_delete(ids[130:140])
    control.clock_forward(minutes=2)
    for commits in range(12):
        customer.cut_off(sync_salesforce, commits=commits)
    for _ in range(2):
        assert customer.sync().state == "completed"
    customer.assert_equal("Account")


def test_a_refused_bulk_job_is_replaced_by_queries(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servants.salesforce.onboarding.REST_ROWS", 100)
    customer.org.control.seed("Account", 500)
    customer.org.control.error(
        "POST .*/jobs/query", 400, "API_ERROR", "entity type Account is not supported by Bulk", times=9
    )
    customer.onboard("Account")
    customer.assert_equal("Account")
    # It was the job that read them, not the comparison that follows it.
    read = customer.database.sql.execute("SELECT result FROM job_history WHERE type = 'salesforce.backfill'").fetchall()
    assert read == [({"rows": 500, "bulk": False},)]


def test_rows_come_by_queries_in_parts_where_an_object_is_wide(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servants.salesforce.client.http.URI_AND_HEADERS", 3072 + 600)
    control = customer.org.control
    control.seed("Account", 30)
    customer.onboard("Account")
    control.update("Account", [{"Id": one, "Name": f"Changed {one}"} for one in _ids(customer)[:10]])
    customer.sync()
    customer.assert_equal("Account")


def _many_changes(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object with more changes than queries should read."""
    monkeypatch.setattr("servants.salesforce.bulk_reading.BULK_CHANGES", 100)
    monkeypatch.setattr("servants.salesforce.bulk_reading.MERGE_ROWS", 40)
    monkeypatch.setattr("servants.salesforce.org_reading.BATCH_ROWS", 50)
    control = customer.org.control
    control.seed("Account", 300)
    control.clock_forward(minutes=2)
    customer.onboard("Account")
    control.seed("Account", 200, seed=2)
    ids = _ids(customer)
    control.delete(ids[:20])
    control.hard_delete(ids[20:40])
    control.clock_forward(minutes=2)


def _bulk_calls(customer: OrgCustomer) -> int:
    return sum(count for kind, count in customer.org.control.usage().counts.items() if kind.startswith("bulk"))


def test_very_many_changes_are_read_by_a_bulk_job(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    _many_changes(customer, monkeypatch)
    before = _bulk_calls(customer)
    ran = customer.sync()
    assert ran.result is not None
    assert (ran.result["added"], ran.result["deleted"]) == (200, 40)
    assert _bulk_calls(customer) > before
    customer.assert_equal("Account")
    quiet, before = _bulk_calls(customer), customer.calls()
    customer.sync()
    assert (_bulk_calls(customer), customer.calls() - before) == (quiet, 2)


def test_a_bulk_job_that_takes_long_is_come_back_to(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    _many_changes(customer, monkeypatch)
    monkeypatch.setattr("servants.salesforce.bulk_reading.READY_SECONDS", 1.0)
    customer.org.control.pause_bulk()
    ran = customer.sync()
    assert (ran.state, ran.reason) == ("pending", "snooze")
    customer.org.control.resume_bulk()
    monkeypatch.setattr("servants.salesforce.bulk_reading.READY_SECONDS", 60.0)
    made = customer.org.control.usage().limits["DailyBulkV2QueryJobs"]
    assert customer.sync().state == "completed"
    # The job that was made is the one that is read.
    assert customer.org.control.usage().limits["DailyBulkV2QueryJobs"] == made
    customer.assert_equal("Account")


def test_servants_that_die_over_a_bulk_job(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    _many_changes(customer, monkeypatch)
    for commits in range(2, 12):
        customer.cut_off(sync_salesforce, commits=commits)
    for _ in range(2):
        assert customer.sync().state == "completed"
    customer.assert_equal("Account")


def test_queries_read_what_the_bulk_api_does_not(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    _many_changes(customer, monkeypatch)
    control = customer.org.control
    control.fail_bulk_job("InternalServerError : something of its own")
    assert customer.sync().state == "completed"
    customer.assert_equal("Account")
    control.update("Account", [{"Id": one, "Name": f"Changed {one}"} for one in _ids(customer)[:150]])
    control.error("POST .*/jobs/query", 400, "API_ERROR", "entity type Account is not supported by Bulk", times=9)
    assert customer.sync().state == "completed"
    customer.assert_equal("Account")


def test_fields_that_change_while_a_bulk_job_waits(customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch) -> None:
    _many_changes(customer, monkeypatch)
    control = customer.org.control
    monkeypatch.setattr("servants.salesforce.bulk_reading.READY_SECONDS", 0.0)
    control.pause_bulk()
    assert customer.sync().state == "pending"
    control.add_field("Account", "Fresh__c", "string", length=50, default="fresh")
    control.resume_bulk()
    assert customer.sync().state == "completed"
    customer.drain()
    customer.assert_equal("Account")
