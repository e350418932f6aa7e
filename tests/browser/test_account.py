"""What people of an account and admins of the installation do about one, in a browser, with and without a script."""

from __future__ import annotations

import re
from itertools import count

import psycopg
import pytest
from playwright.sync_api import Page, expect

from infra.postgres.members import invite_member
from infra.principal import MemberRole
from infra.roles import Role
from tests.support.browser import SignedIn, Site
from tests.support.factories import add_servant
from tests.support.overview_rows import add_account
from tests.support.planted import plant, shared_id

PASSWORD = "correct horse battery"

_numbers = count(1)

pytestmark = [
    pytest.mark.parametrize("script", [pytest.param(True), pytest.param(False, marks=pytest.mark.proof)]),
    pytest.mark.usefixtures("types"),
]


@pytest.fixture(scope="module")
def types(site: Site) -> None:
    for job_type in ("email.sync", "email.watch", "calendar.sync", "account.erase", "connection.remove"):
        add_servant(site.sql, job_type=job_type)


def new_account(sql: psycopg.Connection) -> tuple[int, str]:
    """An account and the link of its first admin."""
    number = next(_numbers)
    account = add_account(sql, f"Kestrel {number}")
    made = invite_member(
        sql, account, email=f"ada{number}@kestrel.example", name="Ada", role=MemberRole.ADMIN, by="test"
    )
    return account, f"/account/join?invitation={made.secret}"


def join(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("heading", name="Connections", exact=True)).to_be_visible()


def test_somebody_joins_connects_and_signs_out(site: Site, signed_in: SignedIn, *, script: bool) -> None:
    account, link = new_account(site.sql)
    page = signed_in(Role.VIEWER, own=True, script=script)
    join(page, link)
    page.get_by_role("link", name="Connect something").click()
    mail = page.locator('form[action="/account/connect/imap"]')
    mail.get_by_label("Server").fill("imap.kestrel.example")
    mail.get_by_label("User").fill("ada")
    mail.get_by_label("Password").fill("s3cret-word")
    mail.get_by_role("button").click()
    expect(page.get_by_text("The first reading begins at once.")).to_be_visible()

    page.goto("/account/connect")
    calendar = page.locator('form[action="/account/connect/caldav"]')
    calendar.get_by_label("Address").fill("https://dav.kestrel.example/")
    calendar.get_by_label("User").fill("ada")
    calendar.get_by_label("Password").fill("s3cret-word")
    calendar.get_by_role("button").click()
    expect(page.get_by_role("heading", name="dav.kestrel.example")).to_be_visible()

    site.sql.execute(
        "UPDATE connections SET state = 'broken', problem = 'it refused the password' WHERE account_id = %s", (account,)
    )
    page.reload()
    page.get_by_role("textbox", name="Password").fill("another-word")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("tried with a sync that begins now")).to_be_visible()
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("button", name="Disconnect it").click()
    expect(page.get_by_text("What came over it is being deleted.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to your account")).to_be_visible()


def test_an_admin_invites_and_says_who_may_do_what(site: Site, signed_in: SignedIn, *, script: bool) -> None:
    _, link = new_account(site.sql)
    page = signed_in(Role.VIEWER, own=True, script=script)
    join(page, link)
    page.get_by_role("link", name="Members").click()
    page.get_by_label("Name", exact=True).fill("Bob")
    page.get_by_label("E-mail address").fill(f"bob{next(_numbers)}@kestrel.example")
    page.get_by_role("button", name="Invite").click()
    invitation = page.locator("#invitation").inner_text()
    bob = signed_in(Role.VIEWER, own=True, script=script)
    join(bob, invitation)

    page.get_by_role("link", name="Back to the members").click()
    page.get_by_role("button", name="New link: Bob").click()
    expect(page.get_by_role("heading", name="A new link for Bob")).to_be_visible()
    page.get_by_role("link", name="Back to the members").click()
    page.get_by_role("button", name="Make admin: Bob").click()
    expect(page.get_by_text("Bob is an admin now.")).to_be_visible()
    page.get_by_role("button", name="Shut out: Bob").click()
    expect(page.get_by_text("Bob cannot sign in any more")).to_be_visible()
    bob.goto("/account")
    expect(bob.get_by_role("heading", name="Sign in to your account")).to_be_visible()
    page.get_by_role("button", name="Let in again: Bob").click()
    expect(page.get_by_text("Bob can sign in again.")).to_be_visible()


def test_an_admin_decides_about_a_visit_in_which_one_value_is_unmasked(
    site: Site, signed_in: SignedIn, *, script: bool
) -> None:
    account = 700 + next(_numbers)
    plant(site.sql, account)
    made = invite_member(
        site.sql, account, email=f"a{account}@kestrel.example", name="Ada", role=MemberRole.ADMIN, by="test"
    )
    customer = signed_in(Role.VIEWER, own=True, script=script)
    join(customer, f"/account/join?invitation={made.secret}")
    customer.get_by_role("link", name="Visits of support").click()
    customer.get_by_label("When an admin lets it, each time").check()
    customer.get_by_role("button", name="Keep").click()
    expect(customer.get_by_text("when an admin lets it.", exact=False).first).to_be_visible()

    page = signed_in(Role.ADMIN, own=True, script=script)
    page.goto(f"/accounts/{account}/assume")
    page.get_by_label("Reason").fill("Their timeline is empty.")
    page.get_by_role("button", name="Assume account").click()
    expect(page.get_by_text("You have asked; an admin of the account decides.")).to_be_visible()
    customer.reload()
    customer.get_by_role("button", name=re.compile("Let it")).click()
    expect(customer.get_by_text("may look now")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Begin").click()

    page.goto(f"/account/people/{shared_id(account)}")
    page.get_by_role("link", name="unmask address").click()
    page.get_by_label("Reason").fill("Is it the address that they mean?")
    page.get_by_role("button", name="Unmask it").click()
    expect(page.locator("#value")).to_contain_text(f"canary-{account}-contacts-address")
    page.get_by_role("link", name="Back").click()
    expect(page.locator("body")).not_to_contain_text("canary-")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You have left the account.")).to_be_visible()
    customer.reload()
    row = customer.locator("tbody tr", has_text="Their timeline is empty.")
    expect(row).to_contain_text("1 value unmasked")
    expect(row).to_contain_text(re.compile(r"over\s+let in by Ada"))


def test_an_admin_of_the_installation_invites_the_first_and_erases(
    site: Site, signed_in: SignedIn, *, script: bool
) -> None:
    number = next(_numbers)
    account = add_account(site.sql, f"Harbour {number}")
    page = signed_in(Role.ADMIN, script=script)
    page.goto(f"/accounts/{account}")
    page.get_by_role("link", name="Its members").click()
    page.get_by_label("Name", exact=True).fill("Mara")
    page.get_by_label("E-mail address").fill(f"mara{number}@harbour.example")
    page.get_by_role("button", name="Invite").click()
    expect(page.locator("#invitation")).to_contain_text("/account/join?invitation=")

    page.goto(f"/accounts/{account}")
    page.get_by_role("link", name="Erase", exact=True).click()
    page.get_by_label("Reason").fill("a letter")
    page.get_by_label("The account's name").fill(f"Harbour {number}")
    page.get_by_role("button", name="Erase the account").click()
    expect(page.get_by_text("erases the account.")).to_be_visible()
