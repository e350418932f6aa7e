"""Signing in, people, tokens and the audit in a real browser, with and without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.postgres.api_tokens import add_token
from infra.roles import Role
from tests.support.browser import Complaints, SignedIn, Site, assert_accessible
from tests.support.manager_server import PASSWORD, USER, add_person

# By `make proof-browser`: a few of its actions are in every run. Installing the browser takes its time, once.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def crowd(site: Site) -> None:
    """Two people and a token."""
    add_person(site.database, "Ada Lovelace", Role.OPERATOR)
    add_person(site.database, "Charles with a name that is a good deal longer than most names are", Role.VIEWER)
    with site.database.transaction() as connection:
        add_token(connection, "prometheus", Role.VIEWER, created_by="Ada Lovelace")


@pytest.mark.parametrize("script", [True, False])
def test_somebody_signs_in_after_a_mistake_and_out(signed_in: SignedIn, complaints: Complaints, script: bool) -> None:
    complaints.expect("401")
    page = signed_in(script=script, own=True)
    page.context.clear_cookies()
    page.goto("/audit")
    expect(page).to_have_url("/sign-in?next=/audit")
    if script:
        assert_accessible(page)

    page.get_by_label("Name").fill("ada lovelace")
    page.get_by_label("Password").fill("a guess")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("ada lovelace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    expect(page.get_by_role("link", name="Ada Lovelace").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def admin(signed_in: SignedIn, request: pytest.FixtureRequest) -> Page:
    """An admin's page, with and without JavaScript."""
    return signed_in(script=request.param)


def test_an_admin_adds_somebody_changes_their_role_and_disables_them(
    admin: Page, request: pytest.FixtureRequest
) -> None:
    name = f"Grace {request.node.callspec.id}"
    admin.goto("/people")
    admin.get_by_role("link", name="Add a person").click()
    admin.get_by_label("Name").fill(name)
    admin.get_by_label("Role").select_option("operator")
    admin.get_by_role("button", name="Add", exact=True).click()
    expect(admin.locator("#secret")).to_have_text(re.compile(r"^[\w-]{20}$"))
    admin.get_by_role("link", name="Done").click()

    expect(admin.get_by_role("heading", name=name)).to_be_visible()
    admin.get_by_label("Role").select_option("viewer")
    admin.get_by_role("button", name="Change the role").click()
    expect(admin.get_by_text(f"{name} is a viewer now.")).to_be_visible()

    admin.get_by_role("link", name="Disable").click()
    expect(admin.get_by_text("What they did stays written down")).to_be_visible()
    admin.get_by_role("button", name="Disable").click()
    expect(admin.get_by_text(f"{name} cannot sign in any more")).to_be_visible()
    admin.get_by_role("button", name="Let in again").click()
    expect(admin.get_by_text(f"{name} can sign in again.")).to_be_visible()


def test_a_token_is_made_shown_once_and_revoked(admin: Page, request: pytest.FixtureRequest) -> None:
    name = f"program {request.node.callspec.id}"
    admin.goto("/tokens/new")
    admin.get_by_label("Name").fill(name)
    admin.get_by_role("button", name="Make it").click()
    secret = admin.locator("#secret").inner_text()
    assert secret.startswith("retinue_")
    admin.get_by_role("link", name="Done").click()

    expect(admin.get_by_role("row", name=name)).to_contain_text("active")
    expect(admin.locator("body")).not_to_contain_text(secret)
    admin.get_by_role("link", name=f"Revoke {name}").click()
    admin.get_by_role("button", name="Revoke").click()
    expect(admin.get_by_role("row", name=name)).to_contain_text("revoked")


def test_the_audit_is_narrowed_by_a_click_and_by_its_form(admin: Page) -> None:
    admin.goto("/audit")
    rows = admin.locator("table.list tbody tr")
    admin.get_by_label("What", exact=True).fill("person.")
    admin.get_by_role("button", name="Show").click()
    expect(admin.get_by_text("action: person.")).to_be_visible()
    expect(rows.first).to_contain_text("person.")

    rows.first.get_by_role("link", name=USER).click()
    expect(admin.get_by_text(f"actor: {USER}")).to_be_visible()
    admin.get_by_role("link", name=f"Remove actor: {USER}").click()
    expect(admin).to_have_url("/audit")


def test_a_wrong_password_of_ones_own_is_told(admin: Page) -> None:
    admin.goto("/you")
    admin.get_by_label("Present password").fill("not this one")
    admin.get_by_label("New password").fill("a long new password")
    admin.get_by_role("button", name="Change the password").click()

    expect(admin.get_by_text("The present password is wrong.")).to_be_visible()
    expect(admin.get_by_text("this one")).to_be_visible()


def test_who_may_not_see_something_finds_no_way_there(signed_in: SignedIn) -> None:
    page = signed_in(Role.VIEWER)
    page.goto("/audit")

    navigation = page.get_by_role("navigation", name="Pages")
    expect(navigation.get_by_role("link", name="Audit")).to_be_visible()
    expect(navigation.get_by_role("link", name="People")).to_have_count(0)
