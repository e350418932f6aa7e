"""What the pages do, programs can do: every form's address has its counterpart in the API."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from manager.api.problems import PREFIX
from tests.support.manager_server import AwayDatabase, manager_app

#: What is about a person's own session, about who may do what, or a person's view of an account: for people alone.
FOR_PEOPLE = re.compile(
    r"/(sign-in|sign-out|you|people|tokens|preferences|oidc|account|visits|accounts/{}/(assume|erase|members))\b"
)

#: Where the counterpart is not the same address with the same method.
ELSEWHERE = {
    "POST /jobs/{}/{}": "POST /jobs/{}/reschedule",
    "POST /jobs/chosen": "POST /jobs/cancel",
    "POST /jobs/bulk/{}": "POST /jobs/bulk",
    "POST /lanes/set": "PATCH /lanes",
    "POST /lanes/types/{}/pause": "POST /types/{}/pause",
    "POST /lanes/types/{}/resume": "POST /types/{}/resume",
    "POST /lanes/types/{}/limits": "PUT /types/{}/limits",
    "POST /schedules/{}": "PATCH /schedules/{}",
    "POST /connections/{}/budget": "PUT /connections/{}/budget",
    "POST /connections/{}/budget/clear": "DELETE /connections/{}/budget",
    "POST /incidents/{}/note": "POST /incidents/{}/notes",
    "POST /anomalies/{}/note": "POST /anomalies/{}/notes",
}


@pytest.fixture(scope="module")
def app() -> Flask:
    return manager_app(AwayDatabase(None))


def requests(app: Flask, *, api: bool) -> set[str]:
    """Every request that changes something, as `POST /jobs/{}/retry`."""
    found = set()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(f"{PREFIX}/") is not api:
            continue
        path = re.sub(r"<[^>]*>", "{}", rule.rule.removeprefix(PREFIX))
        found |= {f"{method} {path}" for method in (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}}
    return found


def test_every_action_of_a_page_has_a_counterpart(app: Flask) -> None:
    actions = {action for action in requests(app, api=False) if not FOR_PEOPLE.match(action.partition(" ")[2])}
    assert len(actions) > 20
    missing = {action for action in actions if ELSEWHERE.get(action, action) not in requests(app, api=True)}
    assert missing == set()


def test_no_counterpart_is_named_for_what_no_page_does(app: Flask) -> None:
    assert {*ELSEWHERE} <= requests(app, api=False)


def test_every_page_of_the_menu_can_be_read(app: Flask) -> None:
    pages = {"jobs", "servants", "schedules", "lanes", "accounts", "incidents", "anomalies", "audit", "connections"}
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    assert {f"{PREFIX}/{page}" for page in pages} <= rules
    assert f"{PREFIX}/costs" in rules
