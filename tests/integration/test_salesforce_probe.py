"""What a person is told of an org that is tried out, step by step, up to the first that fails."""

from __future__ import annotations

import socket
from typing import Any

from retinue.connection import Connection
from servants.probing import ProbeReport
from servants.salesforce.probe import USUAL, probe
from tests.support.salesforce_caller import Drawer
from tests.support.salesforce_server import CLIENT_ID, USERNAME, Answer, SalesforceServer, org, refusal

__all__ = ["org"]

STEPS = ["settings", "name", "network", "encryption", "sign-in", "permissions", "quota"]


def objects(*names: str, queryable: bool = True) -> Answer:
    told = {"label": "", "keyPrefix": None, "custom": False, "queryable": queryable, "replicateable": True}
    return Answer(200, {"sobjects": [told | {"name": name} for name in names]})


def tried(org: SalesforceServer, *, provider: str = "salesforce", **config: Any) -> ProbeReport:
    credentials = org.credentials()
    settings = {"login_url": org.url, "client_id": CLIENT_ID, "username": USERNAME} | config
    return probe(Connection(1, 1, provider, "org", settings, credentials, keeper=Drawer(credentials)))


def failure(report: ProbeReport) -> tuple[str, str]:
    """The step that failed, and what it says; all before it went well."""
    *before, last = report.steps
    assert all(step.ok for step in before)
    assert not last.ok
    assert [step.name for step in report.steps] == STEPS[: len(report.steps)]
    return last.name, last.message


def test_all_is_well(org: SalesforceServer) -> None:
    org.script("GET .*/sobjects", objects(*USUAL))
    org.script(
        "GET .*/userinfo", Answer(200, {"user_id": "5", "organization_id": "0", "preferred_username": "ada@x.example"})
    )
    org.script("GET .*/limits", Answer(200, {"DailyApiRequests": {"Max": 1000, "Remaining": 400}}))
    report = tried(org)
    assert report.ok
    assert [step.name for step in report.steps] == STEPS
    said = {step.name: step.message for step in report.steps}
    assert "lets ada@x.example in" in said["sign-in"]
    assert said["permissions"] == "7 objects can be queried."
    assert said["quota"] == "600 of 1,000 API calls of the last 24 hours are used, by all tools together."


def test_what_the_user_may_not_see_is_said(org: SalesforceServer) -> None:
    org.script("GET .*/sobjects", objects("Account", "Invoice__c"))
    org.script("GET .*/userinfo", refusal(403, "Bad_OAuth_Token"))
    org.script("GET .*/limits", refusal(403, "INSUFFICIENT_ACCESS"))
    report = tried(org)
    assert report.ok
    said = {step.name: step.message for step in report.steps}
    assert f"lets {USERNAME} in" in said["sign-in"]
    assert said["permissions"].endswith("NOT READABLE for this user: Contact, Lead, Opportunity, Task, Event, User.")
    assert "does not show this user its limits" in said["quota"]


def test_a_user_who_may_read_nothing(org: SalesforceServer) -> None:
    org.script("GET .*/sobjects", objects(*USUAL, queryable=False))
    org.script("GET .*/userinfo", refusal(404, "NOT_FOUND"))
    assert failure(tried(org)) == (
        "permissions",
        "This user may read none of the usual objects; give it a permission set with Read, or View All Data.",
    )


def test_a_user_without_the_api(org: SalesforceServer) -> None:
    org.script("GET .*/sobjects", refusal(403, "API_CURRENTLY_DISABLED"))
    step, message = failure(tried(org))
    assert step == "sign-in"
    assert "the permission it needs is API Enabled" in message


def test_an_org_that_is_out_of_order(org: SalesforceServer) -> None:
    org.script("GET .*/sobjects", refusal(503, "SERVER_UNAVAILABLE"))
    step, message = failure(tried(org))
    assert step == "sign-in"
    assert "cannot answer for the moment" in message


def test_settings_of_another_provider(org: SalesforceServer) -> None:
    assert failure(tried(org, provider="imap"))[0] == "settings"


def test_settings_that_are_none(org: SalesforceServer) -> None:
    step, message = failure(tried(org, client_id=""))
    assert (step, "has no client_id" in message) == ("settings", True)


def test_a_port_that_nobody_listens_on(org: SalesforceServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    step, message = failure(tried(org, login_url=f"http://127.0.0.1:{port}"))
    assert step == "network"
    assert f"does not accept connections on port {port}" in message


def test_a_port_without_encryption(org: SalesforceServer) -> None:
    step, message = failure(tried(org, login_url=org.url.replace("http://", "https://")))
    assert step == "encryption"
    assert "does not speak TLS" in message
