"""Support looks into a customer's account: the whole way in a browser, and what the customer sees of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.passwords import hash_password
from infra.postgres.breakers import Attempt
from infra.postgres.incidents import open_incident
from infra.postgres.members import invite_member, join_member
from infra.principal import MemberRole
from infra.roles import Role
from tests.support.account_rows import add_customers
from tests.support.browser import NARROW, SignedIn, Site, assert_accessible, assert_has_room
from tests.support.large_account import LargeAccount, build_account

PASSWORD = "correct horse battery"

#: What the mail server said; its address is not for support's eyes.
REFUSED = "the server refused the login of 'office@kestrel.example': AUTHENTICATIONFAILED"

#: Pages of the account, for looking at each.
PAGES = (
    *("", "/connections/{mail}", "/people", "/people/{person}", "/search?q=harb", "/members", "/visits"),
    *("/opportunities", "/opportunities/{org}/{opportunity}", "/contacts", "/contacts/{org}/{contact}"),
)


@pytest.fixture(scope="module")
def kestrel(site: Site) -> LargeAccount:
    """A customer with people, mail, meetings and Salesforce, whose mailbox is refused."""
    add_customers(site.sql)
    made = build_account(site.sql, "Kestrel Logistics", 2000)
    site.sql.execute("UPDATE connections SET name = 'office mail' WHERE id = %s", (made.mail,))
    open_incident(site.sql, made.mail, kind="credential", reason=REFUSED, attempt=Attempt(made.mail, 1))
    invitation = invite_member(
        site.sql, made.account_id, email="ada@kestrel.example", name="Ada", role=MemberRole.ADMIN, by="test"
    )
    join_member(site.sql, invitation.secret, password_hash=hash_password(PASSWORD, name="ada"))
    return made


def records(site: Site, kestrel: LargeAccount) -> dict[str, str]:
    """The IDs of an opportunity and of a contact."""
    found = site.sql.execute(
        "SELECT DISTINCT ON (kind) lower(kind), external_id FROM records"
        " WHERE connection_id = %s AND kind IN ('Opportunity', 'Contact') AND deleted_at IS NULL",
        (kestrel.org,),
    )
    return dict(found.fetchall())


def assume(page: Page, kestrel: LargeAccount) -> None:
    page.goto(f"/accounts/{kestrel.account_id}/assume")
    if page.get_by_role("button", name="Go on there").is_visible():
        page.get_by_role("button", name="Go on there").click()
    else:
        page.get_by_label("Reason").fill("Their mail has not come since yesterday.")
        page.get_by_role("button", name="Assume account").click()
    expect(page.get_by_role("region", name="Assumed account")).to_contain_text("read-only and masked")


def sign_in(page: Page) -> None:
    page.goto("/account/sign-in")
    page.get_by_label("E-mail address").fill("ada@kestrel.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Connections")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_support_finds_the_broken_connection_and_the_customer_sees_the_visit(
    site: Site, signed_in: SignedIn, kestrel: LargeAccount, script: bool
) -> None:
    page = signed_in(Role.OPERATOR, own=True, script=script)
    page.goto("/incidents/all")
    page.get_by_role("link", name=re.compile("office mail")).first.click()
    page.get_by_role("link", name="Assume account").click()
    page.get_by_label("Reason").fill("Incident: their mail has not come since yesterday.")
    page.get_by_label("Ticket").fill("https://tickets.example/4711")
    page.get_by_role("button", name="Assume account").click()

    banner = page.get_by_role("region", name="Assumed account")
    expect(banner).to_contain_text("You see Kestrel Logistics as its own people do")
    expect(banner).to_contain_text(re.compile(r"ends in.(29|30).min"))
    row = page.locator("tr", has_text="office mail")
    expect(row).to_contain_text("the server refused the login of '•••@•••'")
    expect(page.locator("body")).not_to_contain_text("office@kestrel.example")

    page.get_by_role("link", name="People").click()
    page.locator("tbody tr a").first.click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.locator(".timeline li").first).to_contain_text("•••")
    expect(page.locator("main")).not_to_contain_text(re.compile("renewal|Harbour|@firm"))

    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="Kestrel Logistics")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Sign in to your account")).to_be_visible()

    customer = signed_in(Role.VIEWER, own=True, script=script)
    sign_in(customer)
    customer.get_by_role("link", name="Visits of support").click()
    visit = customer.locator("tbody tr").first
    expect(visit).to_contain_text("operator")
    expect(visit).to_contain_text("Incident: their mail has not come since yesterday.")
    expect(visit.get_by_role("link", name="ticket")).to_have_attribute("href", "https://tickets.example/4711")
    expect(visit).to_contain_text("over")


def test_the_customers_own_pages_show_what_is_theirs(signed_in: SignedIn, kestrel: LargeAccount) -> None:
    page = signed_in(Role.VIEWER, own=True)
    sign_in(page)
    page.get_by_role("link", name="People").click()
    page.locator("tbody tr a").first.click()
    expect(page.locator(".timeline")).to_contain_text(re.compile("renewal|invoice|contract|Harbour|pilot|Meeting"))
    page.locator("#search").fill("harb")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Mail")).to_be_visible()
    page.get_by_role("link", name="Opportunities").click()
    page.locator("tbody tr a").first.click()
    expect(page.get_by_text("Stage", exact=True)).to_be_visible()


@pytest.mark.parametrize(("size", "dark"), [((1280, 800), False), (NARROW, True)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_pages_have_room_and_can_be_used_by_everybody(
    site: Site, signed_in: SignedIn, kestrel: LargeAccount, size: tuple[int, int], dark: bool, masked: bool
) -> None:
    page = signed_in(Role.OPERATOR, own=True, size=size, dark=dark)
    if masked:
        assume(page, kestrel)
    else:
        sign_in(page)
    words = {"mail": kestrel.mail, "org": kestrel.org, "person": kestrel.people[0], **records(site, kestrel)}
    for path in (*PAGES, "/connect") if not masked else PAGES:
        page.goto("/account" + path.format(**words))
        assert_accessible(page)
        assert_has_room(page)
