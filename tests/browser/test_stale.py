"""What open pages say while the database or the manager is away, and that they recover by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg import sql as query

from manager.away import AWAY
from retinue.testing.lent_database import LentDatabase
from tests.support.browser import Complaints, SignedIn, Site
from tests.support.manager_process import manager_process
from tests.support.manager_server import PASSWORD, USER
from tests.support.overview_rows import add_fleet, add_servant, current_job
from tests.support.postgres import free_port
from tests.support.race import wait_until

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", autouse=True)
def fleet(site: Site) -> None:
    add_fleet(site.sql)
    site.sql.execute("UPDATE servants SET heartbeat_at = now() + interval '1 hour'")


@pytest.fixture(autouse=True)
def database_there(site: Site) -> None:
    """The manager has its database back, whatever the test before took away."""
    wait_until(lambda: can_be_asked(site), "the manager did not get its database back")


def can_be_asked(site: Site) -> bool:
    try:
        with site.database.transaction() as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except AWAY:
        return False


@contextmanager
def database_away(lent: LentDatabase, site: Site) -> Iterator[None]:
    """The database takes no connection, and has ended those that there were."""
    name = site.sql.info.dbname
    with psycopg.connect(lent.server.url, autocommit=True) as admin:
        allow = query.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(query.Identifier(name), query.SQL("false")))
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                (name, site.sql.info.backend_pid),
            )
            yield
        finally:
            admin.execute(allow.format(query.Identifier(name), query.SQL("true")))


def test_without_its_database_a_page_says_how_old_it_is_and_recovers(
    page: Page, site: Site, lent_database: LentDatabase
) -> None:
    page.goto("/")
    expect(page.locator("#content")).to_contain_text("Northwind Traders")

    with database_away(lent_database, site):
        trouble = page.locator("#trouble")
        expect(trouble).to_contain_text("The database cannot be reached", timeout=30_000)
        expect(trouble).to_contain_text("What is shown is")
        expect(page.locator("#content")).to_contain_text("Northwind Traders")
        new = add_servant(site.sql, "added.later", jobs=[current_job(7)], silent_seconds=-3600)

    expect(page.locator("#trouble")).to_be_hidden(timeout=30_000)
    expect(page.locator(f"#servant-{new}")).to_be_visible()


def test_a_page_opened_meanwhile_shows_what_was_last_known(
    page: Page, site: Site, lent_database: LentDatabase, complaints: Complaints
) -> None:
    complaints.expect("503")
    page.goto("/")

    with database_away(lent_database, site):
        expect(page.locator("#trouble")).to_contain_text("The database cannot be reached", timeout=30_000)
        page.goto("/", timeout=30_000)
        expect(page.locator("#content")).to_contain_text("What is shown is what was last known")
        expect(page.locator("#content")).to_contain_text("Northwind Traders")
        page.goto("/audit", timeout=30_000)
        expect(page.locator("#content")).to_contain_text("The database cannot be reached at the moment.")

    expect(page.get_by_role("heading", name="Audit")).to_be_visible(timeout=30_000)


def test_a_page_whose_session_has_ended_goes_to_the_sign_in(signed_in: SignedIn, site: Site) -> None:
    page = signed_in(own=True)
    page.goto("/")
    expect(page.locator("#content")).to_contain_text("Northwind Traders")

    site.sql.execute("DELETE FROM sessions WHERE id = (SELECT max(id) FROM sessions)")

    page.wait_for_url("**/sign-in**", timeout=15_000)


@pytest.mark.proof
def test_a_manager_that_is_gone_is_told_of_and_come_back_to(
    signed_in: SignedIn, site: Site, complaints: Complaints
) -> None:
    complaints.expect("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
    page, port = signed_in(own=True), free_port()
    with manager_process(site.database.url, port=port) as (_, address):
        page.goto(f"{address}/sign-in")
        page.get_by_label("Name").fill(USER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#content")).to_contain_text("Northwind Traders")

    expect(page.locator("#trouble")).to_contain_text("The manager does not answer.", timeout=20_000)
    expect(page.locator("#content")).to_contain_text("Northwind Traders")

    # Without a key of its own it knows no session of before.
    with manager_process(site.database.url, port=port):
        page.wait_for_url("**/sign-in**", timeout=20_000)


@pytest.mark.proof
def test_more_pages_than_streams_ask_now_and_then(
    page: Page, site: Site, complaints: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints.expect("503")
    monkeypatch.setattr("manager.live.hub.MAX_STREAMS", 0)
    page.goto("/")
    new = add_servant(site.sql, "added.later", jobs=[current_job(7)], silent_seconds=-3600)

    expect(page.locator(f"#servant-{new}")).to_be_visible(timeout=15_000)
