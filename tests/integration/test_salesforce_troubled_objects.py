"""What happens to one object of an org is neither another's loss nor lost itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from infra.postgres.incidents import PART, list_incidents, open_incidents, request_probe
from infra.postgres.salesforce_objects import ObjectState, find_object, list_objects
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.salesforce.client.bulk import BulkJob, BulkPage, BulkQuery
from servants.salesforce.object_rows import OrgObject
from servants.salesforce.reconcile import reconcile
from servants.salesforce.sync import ConnectionSync
from tests.support.salesforce_customer import OrgCustomer, org_customer
from tests.support.sandbox_org import USER

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
    customer.org.control.seed("Account", 5)
    customer.onboard("Account", "Contact")
    customer.org.control.error("GET .*FROM.Contact", 400, "QUERY_TIMEOUT", "too long", times=1)
    ran = customer.sync(resync=["Account"])
    assert ran.error is not None, "another object has its trouble: the job is tried again"
    assert ran.again().state == "completed"
    groups = "SELECT count(*) FROM job_groups WHERE name = 'salesforce resync'"
    assert customer.database.sql.execute(groups).fetchone() == (1,)


def test_an_object_that_is_gone_parks_nothing_and_its_incident_tells_of_it(customer: OrgCustomer) -> None:
    control, sql = customer.org.control, customer.database.sql
    control.seed("Account", 5)
    control.seed("Contact", 5)
    customer.onboard("Account", "Contact", "Lead")
    control.allow(USER.username, "Contact", read=False)
    assert customer.sync().state == "completed"
    (incident,) = list_incidents(sql, connection_id=customer.connection_id)
    assert (incident.kind, incident.lanes) == (PART, 0)
    assert "does not show Contact" in incident.reason
    assert open_incidents(sql, customer.connection_id) == []
    assert request_probe(sql, customer.connection_id) == []
    assert sql.execute("SELECT state FROM connections WHERE id = %s", (customer.connection_id,)).fetchone() == (
        "active",
    )
    control.insert("Account", [{"Name": "After"}])
    assert customer.sync().state == "completed"
    assert customer.run(reconcile).state == "completed"
    customer.assert_equal("Account")
    assert [one.id for one in list_incidents(sql, connection_id=customer.connection_id)] == [incident.id]
    # Another one goes, then both come back.
    control.allow(USER.username, "Lead", read=False)
    assert customer.sync().state == "completed"
    (incident,) = list_incidents(sql, connection_id=customer.connection_id)
    assert "does not show Contact, Lead" in incident.reason
    for name in ("Contact", "Lead"):
        control.allow(USER.username, name, read=True)
    assert customer.sync().state == "completed"
    assert list_incidents(sql, connection_id=customer.connection_id) == []
    assert states(customer)["Contact"] is ObjectState.LIVE


def test_one_that_is_not_wanted_any_more_is_no_incident(customer: OrgCustomer) -> None:
    customer.onboard("Account", "Contact")
    customer.org.control.allow(USER.username, "Contact", read=False)
    assert customer.sync().state == "completed"
    customer.database.sql.execute("UPDATE salesforce_objects SET selected = false WHERE name = 'Contact'")
    assert customer.sync().state == "completed"
    (incident,) = list_incidents(customer.database.sql, connection_id=customer.connection_id, resolved=True)
    assert incident.resolved_at is not None


def test_objects_that_take_whole_runs_leave_the_others_their_turns(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, names = customer.org.control, ("Account", "Contact", "Lead")
    for name in names:
        control.seed(name, 25)
    control.clock_forward(minutes=2)
    customer.onboard(*names)
    monkeypatch.setattr("servants.salesforce.org_reading.BATCH_ROWS", 10)
    # A run is over with its first full page, as if that took all its time.
    monkeypatch.setattr("servants.salesforce.sync.WORK_SECONDS", 0.0)
    for name in ("Account", "Contact"):
        control.update(name, [{"Id": one, "Phone": "2"} for one in sorted(customer.expected(name))])
    control.update("Lead", [{"Id": min(customer.expected("Lead")), "Phone": "2"}])
    ran = customer.sync()
    assert ran.reason == "snooze"
    positions = [_place(customer, name) for name in names]
    ran = ran.again()
    assert positions[1] != _place(customer, "Contact"), "the second long one had its turn"
    for _ in range(2):
        ran = ran.again()
    customer.assert_equal("Lead")
    while ran.reason == "snooze":
        ran = ran.again()
    customer.assert_equal(*names)


def test_one_that_keeps_the_org_from_answering_is_put_behind_the_others(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = record_turns(monkeypatch)
    monkeypatch.setattr("servants.salesforce.client.http.PAUSES", ())
    customer.org.control.seed("Account", 5)
    customer.onboard("Account", "Contact")
    customer.database.sql.execute(
        "UPDATE salesforce_objects SET synced_at = now() - interval '1 day' * (name = 'Account')::int"
    )
    customer.org.control.insert("Contact", [{"LastName": "After"}])
    customer.org.control.fault("GET .*FROM.Account", status=503, times=1)
    turns.clear()
    ran = customer.sync()
    assert (ran.state, turns) == ("pending", ["Account", "Contact"])
    customer.assert_equal("Contact")
    turns.clear()
    assert ran.again().state == "completed"
    assert turns == ["Contact", "Account"]
    customer.assert_equal("Account", "Contact")


def record_turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that syncs bring in step from now on, in their order."""
    turns: list[str] = []
    bring = ConnectionSync._bring

    def recorded(engine: ConnectionSync, found: OrgObject) -> OrgObject | None:
        turns.append(found.name)
        return bring(engine, found)

    monkeypatch.setattr(ConnectionSync, "_bring", recorded)
    return turns


def _place(customer: OrgCustomer, name: str) -> object:
    found = find_object(customer.database.sql, customer.connection_id, name)
    assert found is not None
    return found.position


def test_a_comparison_takes_bounded_steps_however_much_is_new(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.org.control.seed("Account", 30)
    customer.onboard("Account")
    customer.org.control.seed("Account", 300)
    for name, value in {"BULK_WORTH": 10, "BULK_SLICE": 20, "BULK_MOST": 40, "SLICE_ROWS": 20}.items():
        monkeypatch.setattr(f"servants.salesforce.listing.{name}", value)
    monkeypatch.setattr("servants.salesforce.client.bulk.LOOKS", (0.02, 0.1))
    monkeypatch.setattr("servants.salesforce.org_reading.BATCH_ROWS", 10)
    monkeypatch.setattr("servants.salesforce.org_reading.IDS_AT_ONCE", 5)
    monkeypatch.setattr("servants.salesforce.reconcile.WORK_SECONDS", 0.0)
    read: list[int] = []
    pages = BulkQuery.pages

    def counted(bulk: BulkQuery, job: BulkJob) -> Iterator[BulkPage]:
        read.append(job.records)
        return pages(bulk, job)

    monkeypatch.setattr(BulkQuery, "pages", counted)
    ran = customer.run(reconcile, objects=["Account"])
    steps = [len(customer.stored("Account"))]
    while ran.reason == "snooze":
        ran = ran.again()
        steps.append(len(customer.stored("Account")))
    assert ran.state == "completed"
    assert max(after - before for before, after in pairwise([30, *steps])) <= 20
    assert 0 < max(read) <= 40
    customer.assert_equal("Account")
    assert ran.result is not None
    assert (ran.result["objects"]["Account"]["missing"], ran.result["objects"]["Account"]["rows"]) == (300, 330)


def test_a_comparison_takes_bounded_steps_however_much_is_gone(
    customer: OrgCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.org.control.seed("Account", 60)
    customer.onboard("Account")
    customer.org.control.hard_delete(sorted(customer.expected("Account"))[3:])
    customer.org.control.purge_log("Account", customer.org.control.clock_forward(hours=1))
    monkeypatch.setattr("servants.salesforce.listing.BULK_SLICE", 10)
    monkeypatch.setattr("servants.salesforce.reconcile.WORK_SECONDS", 0.0)
    ran = customer.run(reconcile, objects=["Account"])
    steps = [len(customer.stored("Account"))]
    while ran.reason == "snooze":
        ran = ran.again()
        steps.append(len(customer.stored("Account")))
    assert max(before - after for before, after in pairwise([60, *steps])) <= 11
    customer.assert_equal("Account")


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
    ran = customer.sync()
    assert ran.result is not None
    assert ran.result["gone"] == ["account"]
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
