"""Control of the sandbox org behind the back of its APIs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local.salesforce.control_client import ControlRefused, NewUser
from tests.support.sandbox_org import USER, SandboxOrg, sandbox_org


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture
def http(org: SandboxOrg) -> Iterator[requests.Session]:
    with org.session() as client:
        yield client


def account(org: SandboxOrg, name: str) -> str:
    (made,) = org.control.insert("Account", [{"Name": name}])
    assert made.success
    return made.id or ""


def named(org: SandboxOrg, name: str) -> list[dict[str, Any]]:
    return [row for row in org.control.rows("Account") if row["Name"] == name]


def test_clock_goes_forward_and_stays_there(tmp_path: Path) -> None:
    with sandbox_org(tmp_path / "org") as org:
        before = org.control.now()
        assert org.control.clock_forward(days=3) - before >= timedelta(days=3)
        with pytest.raises(ControlRefused, match="only goes forward"):
            org.control.clock_forward(seconds=-1)
        org.restart(kill=True)
        assert org.control.now() - before >= timedelta(days=3)


def test_held_transaction_is_stamped_before_it_shows(org: SandboxOrg) -> None:
    one = account(org, "Late")
    with org.control.held("late") as late:
        assert late.update("Account", [{"Id": one, "Website": "late.example"}])[0].success
    stamped = org.control.clock_forward(seconds=60) - timedelta(seconds=60)
    assert named(org, "Late")[0]["Website"] is None
    org.control.commit("late")
    (row,) = named(org, "Late")
    assert row["Website"] == "late.example"
    assert row["SystemModstamp"] <= stamped.strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    with org.control.held("dropped") as dropped:
        dropped.update("Account", [{"Id": one, "Website": "dropped.example"}])
    org.control.discard("dropped")
    assert named(org, "Late")[0]["Website"] == "late.example"
    with pytest.raises(ControlRefused):
        org.control.commit("dropped")


def test_locked_row_is_refused_until_it_is_free(org: SandboxOrg, http: requests.Session) -> None:
    one = account(org, "Locked")
    url = f"{org.data_url}/sobjects/Account/{one}"
    org.control.lock("batch", [one])
    refused = http.patch(url, json={"Website": "x.example"}, timeout=30)
    assert refused.json()[0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    org.control.unlock("batch")
    assert http.patch(url, json={"Website": "x.example"}, timeout=30).status_code == 204


def test_rows_go_to_the_bin_and_out_of_it(org: SandboxOrg) -> None:
    one = account(org, "Binned")
    assert org.control.delete([one])[0].success
    assert named(org, "Binned")[0]["IsDeleted"] is True
    assert org.control.undelete([one])[0].success
    assert named(org, "Binned")[0]["IsDeleted"] is False
    org.control.delete([one])
    org.control.clock_forward(days=14)
    org.control.empty_bins()
    assert named(org, "Binned") != []
    org.control.clock_forward(days=2)
    assert org.control.empty_bins() >= 1
    assert named(org, "Binned") == []


def test_fault_happens_as_often_as_it_was_asked_for(org: SandboxOrg, http: requests.Session) -> None:
    url = f"{org.data_url}/limits"
    org.control.error("GET .*/limits", 503, "SERVER_UNAVAILABLE", "The server is busy", times=2)
    answers = [http.get(url, timeout=30) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json() == [{"message": "The server is busy", "errorCode": "SERVER_UNAVAILABLE"}]
    org.control.fault("GET .*/limits", kind="login_page")
    assert "<html" in http.get(url, timeout=30).text.lower()
    org.control.fault("GET .*/limits", times=5)
    org.control.clear_faults()
    assert http.get(url, timeout=30).status_code == 200
    assert org.control.faults_taken()["answer"] == 2


def test_response_that_is_cut_breaks_the_clients_reading(org: SandboxOrg, http: requests.Session) -> None:
    org.control.fault("GET .*/sobjects", kind="cut")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        http.get(f"{org.data_url}/sobjects", timeout=30)


def test_limits_are_set_and_used_from_outside(org: SandboxOrg, http: requests.Session) -> None:
    calls = org.control.usage().calls
    http.get(f"{org.data_url}/limits", timeout=30)
    assert org.control.usage().calls == calls + 1
    before = org.control.usage().limits["DailyApiRequests"]["Max"]
    org.control.set_limit("DailyApiRequests", calls + 11)
    org.control.use("DailyApiRequests", 10)
    refused = http.get(f"{org.data_url}/limits", timeout=30)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert refused.headers["Sforce-Limit-Info"] == f"api-usage={calls + 11}/{calls + 11}"
    org.control.set_limit("DailyApiRequests", before)
    assert http.get(f"{org.data_url}/limits", timeout=30).status_code == 200


def test_metadata_changes_while_the_org_runs(org: SandboxOrg, http: requests.Session) -> None:
    url = f"{org.data_url}/sobjects/Site__c/describe"
    assert http.get(url, timeout=30).status_code == 404
    org.control.add_object("Site__c", [{"name": "Floors__c", "type": "int"}])
    org.control.add_field("Site__c", "Area__c", "double", scale=2)
    (made,) = org.control.insert("Site__c", [{"Name": "North", "Floors__c": 3, "Area__c": 12.5}])
    assert made.success, made.errors
    org.control.add_field("Site__c", "Total__c", "double", scale=2, formula="Floors__c * Area__c")
    assert next(org.control.rows("Site__c"))["Total__c"] == 37.5
    org.control.set_formula("Site__c", "Total__c", "Floors__c + Area__c")
    assert next(org.control.rows("Site__c"))["Total__c"] == 15.5
    org.control.remove_field("Site__c", "Total__c")
    org.control.retype_field("Site__c", "Floors__c", "string", length=20)
    fields = {field["name"]: field["type"] for field in http.get(url, timeout=30).json()["fields"]}
    assert fields["Floors__c"] == "string"
    assert "Total__c" not in fields
    assert next(org.control.rows("Site__c"))["Floors__c"] == "3"
    org.control.remove_object("Site__c")
    assert http.get(url, timeout=30).status_code == 404


def test_permissions_are_those_of_the_users_profile(org: SandboxOrg) -> None:
    reader = NewUser(f"r{secrets.token_hex(4)}@example.com", "pw", "T", profile="Integration")
    org.control.add_user(reader)
    org.control.allow(reader.username, "Account", "Website", read=False, edit=False)
    assert "Website" not in next(org.control.rows("Account", user=reader.username))
    assert "Website" in next(org.control.rows("Account", user=USER.username))
    org.control.allow(reader.username, "Contact", read=False)
    with org.session(reader.username) as client:
        assert client.get(f"{org.data_url}/sobjects/Contact/describe", timeout=30).status_code == 404
        org.control.allow_system(reader.username, "api_enabled", on=False)
        refused = client.get(f"{org.data_url}/limits", timeout=30)
        assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "API_DISABLED_FOR_ORG")


def test_edit_is_stamped_with_the_user_who_makes_it(org: SandboxOrg) -> None:
    (made,) = org.control.as_user(USER.username).insert("Account", [{"Name": "Made by"}])
    assert made.success
    assert named(org, "Made by")[0]["CreatedById"] == org.user_id


def test_made_up_rows_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def some(directory: str, number: int) -> list[tuple[Any, ...]]:
        with sandbox_org(tmp_path / directory) as org:
            assert org.control.seed("Lead", 200, seed=number) == 200
            return [(row["Id"], row["LastName"], row["Email"], row["Description"]) for row in org.control.rows("Lead")]

    first = some("first", 1)
    assert len({row[0] for row in first}) == 200
    assert some("second", 1) == first
    assert some("third", 2) != first


@pytest.mark.parametrize("call", ["users/nobody@example.com", "objects/Account/fields/Nothing__c"])
def test_what_cannot_be_done_is_refused_with_a_reason(org: SandboxOrg, call: str) -> None:
    with pytest.raises(ControlRefused, match="POST"):
        org.control.post(call, active=True, type="string")
