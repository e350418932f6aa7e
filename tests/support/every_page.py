"""Every page of the manager with an address that shows something on it, for tests that open them all in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest
from _pytest.mark import ParameterSet
from flask import Flask
from playwright.sync_api import Page, expect

from tests.support.browser import NARROW, WIDE, assert_accessible, assert_has_room
from tests.support.routes import routes

_LOOKS: tuple[tuple[tuple[int, int], Literal["light", "dark"]], ...] = ((WIDE, "light"), (NARROW, "dark"))

#: By endpoint: addresses, whose `{words}` `tests.support.demo_rows` gives.
WORK: dict[str, tuple[str, ...]] = {
    "overview.page": ("/", "/?span=hour"),
    "jobs.index": ("/jobs", "/jobs?q=state:failed", "/jobs?q=state:failed+type:{type}"),
    "jobs.page": ("/jobs/{job}", "/jobs/{pending}", "/jobs/{retrying}", "/jobs/{running}", "/jobs/{bulk}"),
    "jobs.evidence": ("/jobs/{job}/attempts/1",),
    "jobs.preview_bulk": ("/jobs/bulk/retry", "/jobs/bulk/reschedule?q=type:{type}"),
    "groups.index": ("/groups",),
    "groups.page": ("/groups/{group}",),
    "groups.confirm_cancel": ("/groups/{group}/cancel",),
    "servants.index": ("/servants",),
    "servants.page": ("/servants/{servant}", "/servants/{silent}"),
    "servants.confirm_restart": ("/servants/{servant}/restart/confirm",),
    "schedules.index": ("/schedules",),
    "schedules.page": ("/schedules/{schedule}",),
    "schedules.new": ("/schedules/new",),
    "schedules.edit": ("/schedules/{schedule}/edit",),
    "lanes.index": ("/lanes",),
    "lanes.listed": ("/lanes/all",),
    "lanes.page": ("/lanes/one?type={type}&lane={held_lane}",),
    "lanes.type_page": ("/lanes/types/{type}",),
    "lanes.confirm_pause": ("/lanes/types/{type}/pause/confirm",),
}

CUSTOMERS: dict[str, tuple[str, ...]] = {
    "accounts.index": ("/accounts", "/accounts?named=nobody"),
    "accounts.page": ("/accounts/{account}",),
    "account_members.index": ("/accounts/{account}/members",),
    "erasure.form": ("/accounts/{account}/erase",),
    "visits.form": ("/accounts/{account}/assume",),
    "connections.page": ("/connections/{org}", "/connections/{mail}"),
    "connections.confirm_resync": ("/connections/{org}/resync",),
    "incidents.index": ("/incidents",),
    "incidents.every": ("/incidents/all", "/incidents/all?alike={alike}"),
    "incidents.page": ("/incidents/{incident}",),
    "incidents.confirm_resolve": ("/incidents/{incident}/resolve",),
    "anomalies.index": ("/anomalies", "/anomalies?state=muted"),
    "anomalies.page": ("/anomalies/{anomaly}",),
    "cost.index": ("/cost?period=day",),
    "audit.index": ("/audit", "/audit?actor=nobody"),
    "people.index": ("/people",),
    "people.show": ("/people/{person}",),
    "people.new": ("/people/new",),
    "people.confirm_disable": ("/people/{person}/disable/confirm",),
    "tokens.index": ("/tokens",),
    "tokens.new": ("/tokens/new",),
    "tokens.confirm_revoke": ("/tokens/{token}/revoke/confirm",),
    "you.page": ("/you",),
    "api_page.page": ("/api",),
}

#: What is no page of its own: the form of those who have not signed in, and what programs and pages ask for.
NO_PAGES = {
    "auth.sign_in_form": "tests/browser/test_people.py opens it as somebody who has not signed in",
    **dict.fromkeys(
        (
            *("account.connections", "account.connection", "account.people", "account.person", "account.search_page"),
            *("account.opportunities", "account.opportunity", "account.contacts", "account.contact"),
            *("account.members", "account.visits", "account.connect_form", "account.sign_in_form"),
        ),
        "tests/browser/test_assume.py opens it as somebody of an account and as support",
    ),
    "account.forgotten_form": "tests/browser/test_account_letters.py opens it as somebody who forgot the password",
    "account.join_form": "tests/browser/test_account.py opens it as somebody who was invited",
    "account.confirm_disconnect": "tests/browser/test_account.py opens it as an admin of an account",
    **dict.fromkeys(
        ("account.begin_salesforce", "account.begin_salesforce_anew", "account.finish_salesforce"),
        "tests/browser/test_account_salesforce.py goes to Salesforce and comes back",
    ),
    "visits.ask_unmask": "tests/browser/test_account.py opens it in an account",
    "accounts.chart": "figures of a chart",
    "cost.calls": "figures of a chart",
    "charts.figures": "figures of a chart",
    "jobs.suggestions": "what the query's field suggests",
    "live.stream": "events",
    "overview.troubles": "a fragment",
    "assets.file": "a file",
    "static": "a file",
    "health.process": "for machines",
    "health.readiness": "for machines",
    "metrics.own": "for machines",
    "metrics.others": "for machines",
}

PAGES = WORK | CUSTOMERS


#: The pages that are opened in every run of the tests; the others are by `make proof-browser`.
ALWAYS = frozenset({"overview.page", "jobs.page", "servants.index", "connections.page", "incidents.page"})


def addresses(pages: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Those of all these pages."""
    return [address for some in pages.values() for address in some]


def openings(pages: Mapping[str, tuple[str, ...]]) -> list[ParameterSet]:
    """The same, as parameters."""
    return [
        pytest.param(address, marks=[] if endpoint in ALWAYS and address == some[0] else [pytest.mark.proof])
        for endpoint, some in pages.items()
        for address in some
    ]


def look_at(address: str, page: Page, plain: Page) -> None:
    """See that this page is accessible and has room, wide and light, narrow and dark, and reads without a script."""
    for opened in (page, plain):
        opened.goto(address)
        expect(opened.locator("h1")).to_have_count(1)
    assert plain.locator("h1").inner_text() == page.locator("h1").inner_text()
    for size, scheme in _LOOKS:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        assert_has_room(page)
        assert_accessible(page)


def endpoints(app: Flask, method: str) -> set[str]:
    """Those that answer to this method, but for the API's."""
    return {
        route.endpoint for route in routes(app) if route.method == method and not route.rule.rule.startswith("/api/")
    }
