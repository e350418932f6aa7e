"""Objects and fields of the sandbox org: described, changed while it runs, hidden from who may not see them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from infra.local.salesforce.describe import describe_basic, describe_global, describe_object, last_modified
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import new_field, new_object
from infra.local.salesforce.org import Org
from tests.support.sandbox import added, changed, opened, value


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with opened(tmp_path) as org:
        yield org


def fields(org: Org, name: str) -> dict[str, dict[str, object]]:
    described = describe_object(org, org.admin, name, "v62.0")
    return {field["name"]: field for field in described["fields"]}


def test_all_objects_are_described(org: Org) -> None:
    described = describe_global(org, org.admin, "v62.0")
    names = {one["name"] for one in described["sobjects"]}
    wanted = {"Account", "Contact", "Lead", "Opportunity", "OpportunityHistory", "OpportunityFieldHistory", "Task"}
    assert wanted | {"Event", "User", "ContractLineItem"} <= names
    assert len({one["keyPrefix"] for one in described["sobjects"]}) == len(names)
    account = next(one for one in described["sobjects"] if one["name"] == "Account")
    assert account["urls"]["describe"] == "/services/data/v62.0/sobjects/Account/describe"
    assert account == describe_basic(org, org.admin, "account", "v62.0")


def test_a_field_is_described(org: Org) -> None:
    described = fields(org, "opportunity")
    assert described["AccountId"]["referenceTo"] == ["Account"]
    assert described["AccountId"]["relationshipName"] == "Account"
    assert described["StageName"]["picklistValues"][0]["value"] == "Prospecting"  # type: ignore[index] # a list, as the assertion shows
    assert (described["Amount"]["type"], described["Amount"]["soapType"]) == ("currency", "xsd:double")
    assert described["IsClosed"]["createable"] is False
    assert described["Description"]["filterable"] is False
    assert fields(org, "ContractLineItem")["Status"]["calculated"] is False
    assert fields(org, "Contact")["MailingCity"]["compoundFieldName"] == "MailingAddress"


def test_children_are_described(org: Org) -> None:
    children = describe_object(org, org.admin, "Account", "v62.0")["childRelationships"]
    contacts = next(one for one in children if one["relationshipName"] == "Contacts")
    assert (contacts["childSObject"], contacts["field"], contacts["cascadeDelete"]) == ("Contact", "AccountId", True)


def test_an_unknown_object_is_an_invalid_type(org: Org) -> None:
    with pytest.raises(SalesforceError) as refused:
        describe_object(org, org.admin, "Nothing__c", "v62.0")
    assert (refused.value.status, refused.value.code) == (400, "INVALID_TYPE")


def test_a_custom_object_comes_and_goes(org: Org) -> None:
    parent = new_field(
        "Account__c", "reference", reference_to=("Account",), relationship="Account__r", child_relationship="Visits__r"
    )
    made = org.add_object(new_object("Visit__c", (new_field("Name", "string", length=80), parent)))
    assert made.prefix == "a00"
    visit = added(org, "visit__c", Name="First", Account__c=added(org, "Account", Name="Hollis"))
    assert visit.startswith("a00")
    assert value(org, visit, "OwnerId") == org.admin.id
    with pytest.raises(ValueError, match="already"):
        org.add_object(made)
    org.remove_object("Visit__c")
    assert org.full_schema().find("Visit__c") is None
    assert org.add_object(replace(made, prefix="")).prefix == "a00"


def test_a_new_field_is_empty_or_false_in_every_record(org: Org) -> None:
    account = added(org, "Account", Name="Hollis")
    org.add_field("Account", new_field("Size__c", "double"))
    org.add_field("Account", new_field("Key__c", "boolean"))
    assert (value(org, account, "Size__c"), value(org, account, "Key__c")) == (None, False)
    changed(org, "Account", account, Size__c=3, Key__c=True)
    assert (value(org, account, "Size__c"), value(org, account, "Key__c")) == (3.0, True)


def test_a_field_made_anew_does_not_show_what_the_old_one_held(org: Org) -> None:
    org.add_field("Account", new_field("Note__c", "string"))
    account = added(org, "Account", Name="Hollis", Note__c="old")
    org.remove_field("Account", "note__C")
    with pytest.raises(SalesforceError) as refused:
        org.full_schema().object("Account").field("Note__c")
    assert refused.value.code == "INVALID_FIELD"
    org.add_field("Account", new_field("Note__c", "string"))
    assert value(org, account, "Note__c") is None


def test_a_retyped_field_keeps_what_fits_and_no_stamp_changes(org: Org) -> None:
    org.add_field("Account", new_field("Size__c", "string"))
    kept, lost = added(org, "Account", Name="A", Size__c="12"), added(org, "Account", Name="B", Size__c="many")
    before = value(org, kept, "SystemModstamp")
    org.clock.advance(timedelta(hours=1))
    org.retype_field("Account", new_field("Size__c", "double"))
    assert (value(org, kept, "Size__c"), value(org, lost, "Size__c")) == (12.0, None)
    assert value(org, kept, "SystemModstamp") == before
    org.retype_field("Account", new_field("Size__c", "string"))
    assert value(org, kept, "Size__c") == "12"


def test_every_change_moves_the_last_modified_by_a_second_at_least(org: Org) -> None:
    profile = org.admin.profile_id
    seen = [last_modified(org, org.admin, "Account")]
    others = last_modified(org, org.admin, "Contact")
    org.add_field("Account", new_field("A__c", "string"))
    seen.append(last_modified(org, org.admin, "Account"))
    org.add_field("Account", new_field("B__c", "string"))
    seen.append(last_modified(org, org.admin, "Account"))
    org.security.set_field(profile, "Account", "B__c", read=False)
    seen.append(last_modified(org, org.admin, "Account"))
    org.security.set_field(profile, "Account", "B__c", read=True)
    seen.append(last_modified(org, org.admin, "Account"))
    assert all(later - earlier >= timedelta(seconds=1) for earlier, later in itertools.pairwise(seen))
    assert all(moment.microsecond == 0 for moment in seen)
    assert last_modified(org, org.admin, "Contact") == others
    assert last_modified(org, org.admin, None) == seen[-1]


def test_what_a_user_may_not_read_is_not_there(org: Org) -> None:
    profile = org.admin.profile_id
    org.security.set_field(profile, "Account", "BillingAddress", read=False)
    org.security.set_object(profile, "Lead", read=False)
    seen = fields(org, "Account")
    assert not {"BillingAddress", "BillingCity", "BillingStreet"} & set(seen)
    assert "ShippingCity" in seen
    assert org.schema(org.admin).find("Lead") is None
    assert org.full_schema().find("Lead") is not None
    with pytest.raises(ValueError, match="Everybody"):
        org.security.set_field(profile, "Account", "Id", read=False)


def test_what_a_user_may_only_read_he_cannot_write(org: Org) -> None:
    account = added(org, "Account", Name="Hollis")
    org.security.set_field(org.admin.profile_id, "Account", "Industry", edit=False)
    assert fields(org, "Account")["Industry"]["updateable"] is False
    with org.edit(org.admin) as edit:
        [result] = edit.update("Account", [{"Id": account, "Industry": "Energy"}])
    assert [error.code for error in result.errors] == ["INVALID_FIELD_FOR_INSERT_UPDATE"]


@pytest.mark.parametrize(
    ("denied", "action"), [("create", "insert"), ("edit", "update"), ("delete", "delete")], ids=lambda value: value
)
def test_an_object_may_be_denied_in_part(org: Org, denied: str, action: str) -> None:
    account = added(org, "Account", Name="Hollis")
    org.security.set_object(org.admin.profile_id, "Account", **{denied: False})
    with org.edit(org.admin) as edit:
        [result] = {
            "insert": lambda: edit.insert("Account", [{"Name": "Vane"}]),
            "update": lambda: edit.update("Account", [{"Id": account, "Name": "Vane"}]),
            "delete": lambda: edit.delete([account]),
        }[action]()
    assert [error.code for error in result.errors] == ["INSUFFICIENT_ACCESS_OR_READONLY"]
    assert value(org, account, "Name") == "Hollis"


def test_permissions_of_the_system(org: Org) -> None:
    profile = org.admin.profile_id
    assert org.security.allows(profile, "api_enabled")
    assert not org.security.allows(profile, "bulk_api_hard_delete")
    org.security.set_system(profile, "api_enabled", False)
    assert not org.security.allows(profile, "api_enabled")


def test_objects_and_permissions_outlive_the_program(tmp_path: Path) -> None:
    with opened(tmp_path) as org:
        made = new_field("Size__c", "double", default=1.5, external_id=True, unique=True)
        org.add_field("Account", made)
        org.add_field("Opportunity", new_field("Customer__c", "string", formula="Account.Name"))
        org.security.set_field(org.admin.profile_id, "Account", "Industry", read=False)
        org.security.set_system(org.admin.profile_id, "api_enabled", False)
        full, admin, modified = org.full_schema(), org.admin, last_modified(org, org.admin, None)
    with opened(tmp_path) as again:
        assert again.full_schema() == full
        assert again.admin == admin
        assert again.schema(admin).object("Account").find("Industry") is None
        assert not again.security.allows(admin.profile_id, "api_enabled")
        assert last_modified(again, admin, None) == modified
