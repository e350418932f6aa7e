"""Connecting an org in a browser: from an account's own page to Salesforce's, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from infra.postgres.members import invite_member
from infra.principal import MemberRole
from infra.roles import Role
from retinue.testing.lent_database import LentDatabase
from tests.support.browser import SignedIn, Site, assert_accessible, running_site
from tests.support.factories import add_servant
from tests.support.overview_rows import add_account
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture(scope="module")
def site(lent_database: LentDatabase, org: SandboxOrg) -> Iterator[Site]:
    of_app = {"salesforce_client_id": APP.client_id, "salesforce_client_secret": APP.client_secret}
    with running_site(lent_database, **of_app, salesforce_login_url=org.url) as running:
        back = f"{running.address}/account/connect/salesforce/back"
        org.control.set_app(replace(APP, callback_url=back))
        for job_type in ("salesforce.sync", "salesforce.reconcile", "salesforce.formulas"):
            add_servant(running.sql, job_type=job_type)
        yield running


def sign_in_there(page: Page) -> None:
    page.locator("input[name=username]").fill(USER.username)
    page.locator("input[name=password]").fill(USER.password)
    page.locator("button[value=yes]").click()


@pytest.mark.parametrize("script", [True, False])
def test_an_org_is_connected_and_later_signed_in_to_anew(site: Site, signed_in: SignedIn, *, script: bool) -> None:
    account = add_account(site.sql, f"Kestrel {script}")
    email = f"ada@{account}.example"
    invited = invite_member(site.sql, account, email=email, name="Ada", role=MemberRole.ADMIN, by="test")
    page = signed_in(Role.VIEWER, own=True, script=script)
    page.goto(f"/account/join?invitation={invited.secret}")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Join").click()
    page.get_by_role("link", name="Connect something").click()
    page.get_by_role("link", name="Sign in to Salesforce").click()
    sign_in_there(page)
    expect(page.get_by_text("The first reading begins at once.")).to_be_visible()
    if script:
        assert_accessible(page)

    site.sql.execute(
        "UPDATE connections SET state = 'broken', problem = 'The app was removed' WHERE account_id = %s", (account,)
    )
    page.reload()
    page.get_by_role("link", name="Sign in to Salesforce").click()
    sign_in_there(page)
    expect(page.get_by_text("You have signed in anew")).to_be_visible()
