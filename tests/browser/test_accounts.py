"""Accounts, connections, incidents, anomalies and costs in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.roles import Role
from tests.support.account_rows import Customers, add_customers
from tests.support.browser import SignedIn, Site

# By `make proof-browser`: a few of its actions are in every run. Installing the browser takes its time, once.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def customers(site: Site) -> Customers:
    return add_customers(site.sql)


@pytest.fixture(autouse=True)
def made(customers: Customers) -> None:
    """The rows are there for every test."""


def test_from_an_account_to_its_connection_and_back(page: Page) -> None:
    page.goto("/accounts")
    page.get_by_role("link", name="Acme").click()
    page.get_by_role("link", name="production").click()
    expect(page.get_by_role("heading", name="production")).to_be_visible()
    expect(page.get_by_text(re.compile("At this rate the day's 5,000 calls"))).to_be_visible()
    page.get_by_role("link", name="Acme").first.click()
    expect(page.get_by_role("heading", name="Acme")).to_be_visible()


def test_an_account_is_found_by_part_of_its_name(page: Page) -> None:
    page.goto("/accounts")
    page.get_by_placeholder("Part of a name").fill("wayn")
    page.keyboard.press("Enter")
    expect(page.locator("table.list tbody tr")).to_have_count(1)


def test_what_changes_shows_by_itself(page: Page, site: Site, customers: Customers) -> None:
    page.goto(f"/connections/{customers.mail}")
    row = page.locator("tr", has_text="INBOX")
    expect(row).to_contain_text("18\u202f204")
    site.sql.execute("UPDATE mailboxes SET messages = 18205 WHERE name = 'INBOX'")
    expect(row).to_contain_text("18\u202f205")


@pytest.mark.parametrize("script", [True, False])
def test_a_connection_is_paused_with_and_without_script(
    signed_in: SignedIn, customers: Customers, script: bool
) -> None:
    page = signed_in(Role.OPERATOR, script=script)
    page.goto(f"/connections/{customers.calendar}")
    page.locator("main").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("1 lane paused.")).to_be_visible()
    page.locator("main").get_by_role("button", name="Resume").click()
    expect(page.get_by_text("1 lane resumed.")).to_be_visible()


def test_a_connection_is_tested_and_an_object_read_anew(signed_in: SignedIn, customers: Customers) -> None:
    page = signed_in(Role.OPERATOR)
    page.goto(f"/connections/{customers.org}")
    page.get_by_role("button", name="Test now").click()
    expect(page.get_by_text("tries it now")).to_be_visible()
    page.get_by_role("link", name="Read anew").click()
    page.get_by_label("Opportunity").check()
    page.get_by_role("button", name="Read anew").click()
    expect(page.get_by_text("begins to read it anew")).to_be_visible()


def test_a_budget_is_set(signed_in: SignedIn, customers: Customers) -> None:
    page = signed_in(Role.OPERATOR)
    page.goto(f"/connections/{customers.mail}")
    page.get_by_label("In any hour").fill("700")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("#window-3600")).to_contain_text("700")


def test_an_incident_is_assigned_noted_muted_and_resolved(signed_in: SignedIn, site: Site) -> None:
    page = signed_in(Role.OPERATOR)
    page.goto("/incidents")
    page.locator("table.list a").first.click()
    page.locator("table.list a").first.click()
    page.get_by_label("Who sees to it").fill("ann")
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_text("ann sees to it.")).to_be_visible()
    page.get_by_label("Note something").fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Note it").click()
    expect(page.locator(".note")).to_contain_text("<img src=x")
    page.get_by_label("Mute it for").select_option("a week")
    page.get_by_role("button", name="Mute").click()
    expect(page.locator("#incident-state")).to_contain_text("muted")
    page.get_by_role("link", name="Resolve").click()
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#incident-state")).to_contain_text("resolved")


def test_an_anomaly_is_resolved_and_opened_again(signed_in: SignedIn) -> None:
    page = signed_in(Role.OPERATOR)
    page.goto("/anomalies")
    page.get_by_role("link", name="message_malformed").click()
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#anomaly-state")).to_contain_text("resolved")
    page.get_by_role("button", name="Open again").click()
    expect(page.locator("#anomaly-state")).to_contain_text("open")


def test_who_may_only_look_is_offered_nothing_else(signed_in: SignedIn, customers: Customers) -> None:
    page = signed_in(Role.VIEWER)
    for path in (f"/connections/{customers.mail}", "/incidents/2", "/anomalies/1"):
        page.goto(path)
        expect(page.locator("main form")).to_have_count(0)


def test_costs_of_each_period(page: Page) -> None:
    page.goto("/cost")
    for period in ("Hour", "Month"):
        page.get_by_role("link", name=period).click()
        expect(page.get_by_role("link", name="Acme")).to_be_visible()
