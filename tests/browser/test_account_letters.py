"""Letters to people of an account, in a browser: an invitation, and a forgotten password."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from infra.passwords import hash_password
from infra.postgres.members import invite_member, join_member
from infra.principal import MemberRole
from infra.roles import Role
from retinue.testing.lent_database import LentDatabase
from tests.support.browser import SignedIn, Site, assert_accessible, running_site
from tests.support.letterbox import Letterbox, letterbox
from tests.support.overview_rows import add_account
from tests.support.race import wait_until


@pytest.fixture(scope="module")
def box() -> Iterator[Letterbox]:
    with letterbox() as running:
        yield running


@pytest.fixture(scope="module")
def site(lent_database: LentDatabase, box: Letterbox) -> Iterator[Site]:
    of_mail = {"smtp_url": f"smtp://127.0.0.1:{box.port}", "mail_from": "retinue@example.com"}
    with running_site(lent_database, **of_mail, manager_url="https://retinue.example.com") as running:
        yield running


@pytest.mark.parametrize("script", [True, False])
def test_somebody_who_forgot_the_password_comes_in_again(
    site: Site, signed_in: SignedIn, box: Letterbox, *, script: bool
) -> None:
    account, email = add_account(site.sql, f"Kestrel {script}"), f"ada@{script}.example"
    made = invite_member(site.sql, account, email=email, name="Ada", role=MemberRole.ADMIN, by="Grace")
    join_member(site.sql, made.secret, password_hash=hash_password("correct horse battery", name=email))
    page = signed_in(Role.VIEWER, own=True, script=script)
    page.goto("/account/sign-in")
    page.get_by_role("link", name="Forgot the password?").click()
    page.get_by_label("E-mail address").fill(email)
    if script:
        assert_accessible(page)
    before = len(box.letters)
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_text("a letter is on its way")).to_be_visible()

    wait_until(lambda: len(box.letters) > before, "no letter came")
    link = re.search(r"https://retinue\.example\.com(/\S+)", box.letters[-1].get_content())
    assert link is not None
    page.goto(link[1])
    page.get_by_label("Password").fill("another battery horse")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("heading", name="Connections", exact=True)).to_be_visible()
