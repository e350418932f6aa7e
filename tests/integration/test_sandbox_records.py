"""Records of the sandbox org: written and refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.salesforce.clock import stamp, whole_second
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import new_field, new_object
from infra.local.salesforce.org import Org
from infra.local.salesforce.records import Edit
from tests.support.sandbox import added, changed, codes, count, keyed, opened, value


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with opened(tmp_path) as org:
        yield org


@pytest.fixture
def edit(org: Org) -> Iterator[Edit]:
    with org.edit(org.admin) as edit:
        yield edit


def test_a_new_record_has_what_the_system_gives(org: Org) -> None:
    before = whole_second(org.clock.now())
    account = added(org, "account", NAME="Hollis", BillingCity="Ghent")
    assert len(account) == 18
    assert value(org, account, "CreatedDate") == value(org, account, "SystemModstamp") >= stamp(before)
    assert value(org, account, "OwnerId") == value(org, account, "CreatedById") == org.admin.id
    assert value(org, account, "IsDeleted") is False
    assert value(org, account, "BillingAddress")["city"] == "Ghent"
    assert value(org, account, "ShippingAddress") is None


def test_an_update_stamps_and_leaves_the_rest(org: Org) -> None:
    account = added(org, "Account", Name="Hollis", Industry="Energy")
    created = value(org, account, "SystemModstamp")
    org.clock.advance(timedelta(seconds=90))
    changed(org, "Account", account[:15], Name="Vane")
    assert value(org, account, "Industry") == "Energy"
    assert value(org, account, "CreatedDate") == created < value(org, account, "SystemModstamp")
    assert value(org, account, "LastModifiedDate") == value(org, account, "SystemModstamp")


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({}, "REQUIRED_FIELD_MISSING", ("Name",)),
        ({"Name": ""}, "REQUIRED_FIELD_MISSING", ("Name",)),
        ({"Name": "a", "Nothing": 1}, "INVALID_FIELD", ()),
        ({"Name": "a", "Id": "001000000000001"}, "INVALID_FIELD", ("Id",)),
        ({"Name": "x" * 256}, "STRING_TOO_LONG", ("Name",)),
        ({"Name": "a", "NumberOfEmployees": "many"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", ("NumberOfEmployees",)),
        ({"Name": "a", "CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ("CreatedDate",)),
        ({"Name": "a", "ParentId": "0015e000000zzzz"}, "INVALID_CROSS_REFERENCE_KEY", ("ParentId",)),
        ({"Name": "a", "ParentId": "0055e0000000001"}, "FIELD_INTEGRITY_EXCEPTION", ("ParentId",)),
        ({"Name": "a", "ParentId": "?"}, "MALFORMED_ID", ("ParentId",)),
    ],
)
def test_a_bad_row_is_refused(edit: Edit, values: dict[str, Any], code: str, fields: tuple[str, ...]) -> None:
    good, bad, also_good = edit.insert("Account", [{"Name": "a"}, values, {"Name": "b"}])
    assert (good.success, also_good.success, bad.success, bad.created) == (True, True, False, False)
    assert [(error.code, error.fields) for error in bad.errors] == [(code, fields)]
    assert bad.json()["errors"][0]["statusCode"] == code


def test_all_or_none_writes_none(org: Org) -> None:
    with org.edit(org.admin) as edit:
        results = edit.insert("Account", [{"Name": "a"}, {}, {"Name": "b"}], all_or_none=True)
    assert codes(results) == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ]
    assert count(org, "Account") == 0


class BrokenOff(Exception):
    """The writer changed his mind."""


def broken_off(org: Org, name: str) -> None:
    """Make an account in a transaction that does not end well."""
    with org.edit(org.admin) as edit:
        assert codes(edit.insert("Account", [{"Name": name}])) == ["ok"]
        raise BrokenOff


def test_an_exception_undoes_the_whole_transaction(org: Org) -> None:
    with pytest.raises(BrokenOff):
        broken_off(org, "a")
    assert count(org, "Account") == 0
    added(org, "Account", Name="b")
    assert count(org, "Account") == 1


def test_a_transaction_within_another_can_be_undone_by_itself(org: Org) -> None:
    with org.edit(org.admin) as outer:
        outer.insert("Account", [{"Name": "kept"}])
        with pytest.raises(BrokenOff):
            broken_off(org, "lost")
    assert (count(org, "Account"), count(org, "Account", "Name = 'kept'")) == (1, 1)


def test_an_unknown_object_is_refused_as_a_whole(edit: Edit) -> None:
    with pytest.raises(SalesforceError) as refused:
        edit.insert("Nothing", [{}])
    assert refused.value.code == "INVALID_TYPE"


def test_what_nobody_can_write(edit: Edit, org: Org) -> None:
    assert codes(edit.insert("Organization", [{"Name": "x"}])) == ["INVALID_TYPE_FOR_OPERATION"]
    assert codes(edit.delete([org.admin.id])) == ["INVALID_TYPE_FOR_OPERATION"]


def test_updates_of_what_is_not_there(org: Org) -> None:
    gone = added(org, "Account", Name="Gone")
    with org.edit(org.admin) as edit:
        assert codes(edit.delete([gone])) == ["ok"]
        given = ["0015e000000zzzz", gone, "0055e0000000001", "?", None]
        results = edit.update("Account", [{"Id": one, "Name": "x"} for one in given])
    assert codes(results) == [
        "INVALID_CROSS_REFERENCE_KEY",
        "ENTITY_IS_DELETED",
        "MALFORMED_ID",
        "MALFORMED_ID",
        "MALFORMED_ID",
    ]


def test_a_unique_value_is_had_once(org: Org) -> None:
    keyed(org)
    first = added(org, "Account", Name="a", Number__c="K1")
    with org.edit(org.admin) as edit:
        results = edit.insert("Account", [{"Name": "b", "Number__c": "k1"}, {"Name": "c", "Number__c": "K2"}])
        assert codes(results) == ["DUPLICATE_VALUE", "ok"]
        assert first in results[0].errors[0].message
        assert codes(edit.update("Account", [{"Id": first, "Number__c": "K1"}])) == ["ok"]


def test_upsert_by_external_id(org: Org) -> None:
    keyed(org)
    first = added(org, "Account", Name="a", Number__c="K1")
    rows = [
        {"Number__c": "k1", "Name": "changed"},
        {"Number__c": "K2", "Name": "new"},
        {"Name": "no key"},
        {"Number__c": "K3", "Name": "twice"},
        {"Number__c": "k3", "Name": "twice"},
    ]
    with org.edit(org.admin) as edit:
        results = edit.upsert("Account", rows, key="number__c")
        with pytest.raises(SalesforceError) as refused:
            edit.upsert("Account", rows, key="Name")
    assert codes(results) == ["ok", "ok", "MISSING_ARGUMENT", "DUPLICATE_VALUE", "DUPLICATE_VALUE"]
    assert (results[0].id, results[0].created, results[1].created) == (first, False, True)
    assert value(org, first, "Name") == "changed"
    assert refused.value.code == "INVALID_FIELD"


def test_upsert_of_a_value_that_several_have(org: Org) -> None:
    org.add_field("Account", new_field("Old__c", "string", external_id=True))
    added(org, "Account", Name="a", Old__c="7")
    added(org, "Account", Name="b", Old__c="7")
    with org.edit(org.admin) as edit:
        assert codes(edit.upsert("Account", [{"Name": "c", "Old__c": "7"}], key="Old__c")) == ["DUPLICATE_EXTERNAL_ID"]


def test_a_parent_may_be_named_by_its_external_id(org: Org) -> None:
    keyed(org)
    account = added(org, "Account", Name="a", Number__c="K1")
    contact = added(org, "Contact", LastName="Byrne", Account={"Number__c": "K1"})
    assert value(org, contact, "AccountId") == account
    with org.edit(org.admin) as edit:
        results = edit.insert("Contact", [{"LastName": "Doyle", "Account": {"Number__c": "K9"}}])
    assert codes(results) == ["INVALID_FIELD"]


def test_a_persons_name_is_made_of_its_parts(org: Org) -> None:
    contact = added(org, "Contact", FirstName="Ada", LastName="Byrne")
    assert value(org, contact, "Name") == "Ada Byrne"
    changed(org, "Contact", contact, FirstName=None)
    assert value(org, contact, "Name") == "Byrne"


def test_an_opportunity_and_its_histories(org: Org) -> None:
    values = {"Name": "Roof", "StageName": "Qualification", "CloseDate": "2026-12-31", "Amount": 200}
    opportunity = added(org, "Opportunity", **values)
    assert (value(org, opportunity, "Probability"), value(org, opportunity, "ExpectedRevenue")) == (10.0, 20.0)
    changed(org, "Opportunity", opportunity, StageName="Closed Won", Amount=300)
    changed(org, "Opportunity", opportunity, NextStep="Nothing that is told of")
    assert (value(org, opportunity, "IsClosed"), value(org, opportunity, "IsWon")) == (True, True)
    assert value(org, opportunity, "ForecastCategory") == "Closed"
    assert value(org, opportunity, "ExpectedRevenue") == 300.0
    assert count(org, "OpportunityHistory") == 2
    assert count(org, "OpportunityHistory", "StageName = 'Closed Won' AND PrevAmount = 200") == 1
    told = "Field = 'Amount' AND CAST(OldValue AS REAL) = 200 AND CAST(NewValue AS REAL) = 300"
    assert count(org, "OpportunityFieldHistory", told) == 1
    assert count(org, "OpportunityFieldHistory") == 4


def test_activities_know_their_account_and_their_end(org: Org) -> None:
    account = added(org, "Account", Name="Hollis")
    contact = added(org, "Contact", LastName="Byrne", AccountId=account)
    task = added(org, "Task", Subject="Call", WhoId=contact, Status="Completed", Priority="High")
    assert value(org, task, "AccountId") == account
    assert (value(org, task, "IsClosed"), value(org, task, "IsHighPriority")) == (True, True)
    event = added(org, "Event", WhatId=account, StartDateTime="2026-05-01T10:00:00Z", DurationInMinutes=45)
    assert value(org, event, "EndDateTime") == "2026-05-01T10:45:00.000+0000"
    assert value(org, event, "ActivityDate") == "2026-05-01"
    changed(org, "Event", event, EndDateTime="2026-05-01T11:00:00Z")
    assert value(org, event, "DurationInMinutes") == 60


def test_automatic_numbers_count(org: Org) -> None:
    cases = [added(org, "Case", Subject=str(number)) for number in range(2)]
    with org.edit(org.admin) as edit:
        assert edit.load("Case", ({"Subject": str(number)} for number in range(3))) == 3
    assert [value(org, case, "CaseNumber") for case in cases] == ["00000001", "00000002"]
    assert count(org, "Case", "CaseNumber BETWEEN '00000003' AND '00000005' AND Status = 'New'") == 3


def test_a_reader_sees_one_moment(org: Org) -> None:
    added(org, "Account", Name="a")
    with org.store.read() as reader:
        added(org, "Account", Name="b")
        assert reader.execute('SELECT COUNT(*) FROM "Account"').fetchone() == (1,)
    snapshot = org.store.snapshot()
    added(org, "Account", Name="c")
    assert snapshot.execute('SELECT COUNT(*) FROM "Account"').fetchone() == (2,)
    snapshot.close()


def test_writers_in_many_threads_lose_nothing(org: Org) -> None:
    account = added(org, "Account", Name="a", NumberOfEmployees=0)

    def work() -> None:
        for _ in range(10):
            with org.edit(org.admin) as edit:
                [row] = edit.writer.ids(org.full_schema().object("Account"), "Name", "a")
                employees = value(org, row, "NumberOfEmployees")
                assert edit.update("Account", [{"Id": row, "NumberOfEmployees": employees + 1}])[0].success
                assert edit.insert("Contact", [{"LastName": "x", "AccountId": row}])[0].success

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert (value(org, account, "NumberOfEmployees"), count(org, "Contact")) == (50, 50)


def test_what_was_used_of_the_limits_outlives_the_program(tmp_path: Path) -> None:
    with opened(tmp_path) as org:
        org.usage.set_max("DailyApiRequests", 100)
        org.usage.use("DailyApiRequests", 60)
        org.usage.use("ConcurrentLongRequests", 5)
    with opened(tmp_path) as org:
        assert org.usage.header() == "api-usage=60/100"
        with org.usage.call("query"):
            assert org.usage.header() == "api-usage=61/100"


def test_everything_outlives_the_program_but_what_was_held(tmp_path: Path) -> None:
    with opened(tmp_path) as org:
        org.add_object(new_object("Visit__c", (new_field("Name", "string", length=80),)))
        visit = added(org, "Visit__c", Name="First")
        with org.edit(org.admin, hold="late") as edit:
            edit.update("Visit__c", [{"Id": visit, "Name": "Second"}])
    with opened(tmp_path) as org:
        assert (value(org, visit, "Name"), org.held()) == ("First", [])
        changed(org, "Visit__c", visit, Name="Third")
        assert added(org, "Visit__c", Name="Next") > visit
