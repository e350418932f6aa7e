"""Pictures of an account's own pages, as its people see them and as support does that has assumed it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import psycopg
from playwright.sync_api import Page, ViewportSize

from infra.postgres.breakers import Attempt
from infra.postgres.incidents import open_incident
from infra.postgres.members import invite_member
from infra.principal import MemberRole
from tests.support.account_site import paths
from tests.support.large_account import LargeAccount, build_account

REASON = "Their mail has not come since yesterday."
REFUSED = "the server refused the login of 'office@hartwell.example'"

_NAMES = {"imap": "office mail", "caldav": "team calendars", "salesforce": "hartwell.my.salesforce.com"}


def add_customer(sql: psycopg.Connection) -> LargeAccount:
    """A customer with people, mail, meetings and Salesforce, whose mailbox is refused."""
    made = build_account(sql, "Hartwell Foods", 2000)
    for provider, name in _NAMES.items():
        params = (name, made.account_id, provider)
        sql.execute("UPDATE connections SET name = %s WHERE account_id = %s AND provider = %s", params)
    open_incident(sql, made.mail, kind="credential", reason=REFUSED, attempt=Attempt(made.mail, 1))
    return made


def assume(page: Page, account: LargeAccount) -> None:
    """Whoever has signed in as an operator sees the account from now on."""
    page.goto(f"/accounts/{account.account_id}/assume")
    page.get_by_label("Reason").fill(REASON)
    page.get_by_role("button", name="Assume account").click()
    page.wait_for_url("**/account")


def join(page: Page, sql: psycopg.Connection, account: LargeAccount) -> None:
    """Somebody of the account comes by an invitation."""
    made = invite_member(
        sql, account.account_id, email="ada@hartwell.example", name="Ada", role=MemberRole.ADMIN, by="Grace"
    )
    page.goto(f"/account/join?invitation={made.secret}")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Join").click()
    page.wait_for_url("**/account")


def take_account_looks(
    page: Page, directory: Path, account: LargeAccount, who: str, sizes: tuple[ViewportSize, ...]
) -> None:
    """Every page of the account, whole, in each size."""
    for name, path in paths(account, Random(7)).items():  # noqa: S311 - any of them will do
        for size in sizes:
            page.set_viewport_size(size)
            page.goto(path)
            page.wait_for_function("document.fonts.status === 'loaded'")
            page.screenshot(path=directory / f"{who}-{name.replace(' ', '-')}-{size['width']}.png", full_page=True)
