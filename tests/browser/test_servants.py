"""The servants' pages in a real browser: they change by themselves, and what is asked of one shows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from infra.postgres.process_exits import ExitKind, NewExit, note_exit
from infra.roles import Role
from tests.support.browser import NARROW, SignedIn, Site, assert_accessible
from tests.support.servant_rows import Crew, add_crew

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def crew(site: Site) -> Crew:
    return add_crew(site.sql)


@pytest.fixture(autouse=True)
def as_it_was(site: Site, crew: Crew) -> None:
    """The crew beats on, but for the one that is late; and nothing is asked of anybody but the resting one."""
    site.sql.execute(
        "UPDATE servants SET request = NULL, requested_at = NULL, state = 'active',"
        " heartbeat_at = now() + interval '1 minute' WHERE id = ANY(%s)",
        ([crew.working, crew.restarted, crew.silent, crew.by_hand],),
    )
    site.sql.execute("UPDATE servants SET heartbeat_at = now() + interval '1 minute' WHERE id = %s", (crew.resting,))
    site.sql.execute("UPDATE servants SET heartbeat_at = now() - interval '15 s' WHERE id = %s", (crew.late,))


def row(page: Page, servant: int) -> Locator:
    return page.locator(f"#servant-{servant}")


def test_everybody_shows_with_shape_colour_and_word(page: Page, crew: Crew) -> None:
    page.goto("/servants")
    for servant, state in (
        (crew.working, "up"),
        (crew.silent, "silent"),
        (crew.late, "late"),
        (crew.resting, "resting"),
    ):
        mark = row(page, servant).locator(".mark")
        expect(mark).to_have_text(state)
        expect(mark.locator("svg")).to_be_visible()
    expect(row(page, crew.restarted)).to_contain_text("killed by SIGKILL")
    assert_accessible(page)


def test_a_death_is_on_the_open_page_at_once(page: Page, site: Site, crew: Crew) -> None:
    page.goto("/servants")
    expect(row(page, crew.restarted).locator(".mark")).to_have_text("up")
    end = NewExit(host="sync-1", program="servant-calendar-sync", process="servant-calendar-sync-1",
                  kind=ExitKind.EXITED, pid=102, exit_status=70)  # fmt: skip
    note_exit(site.sql, end)
    expect(row(page, crew.restarted).locator(".mark")).to_have_text("lost", timeout=3000)
    expect(row(page, crew.restarted)).to_contain_text("left with status 70")
    site.sql.execute("DELETE FROM process_exits WHERE exit_status = 70")


@pytest.mark.parametrize("script", [True, pytest.param(False, marks=pytest.mark.proof)])
def test_a_drain_and_a_restart_are_asked_for(signed_in: SignedIn, site: Site, crew: Crew, *, script: bool) -> None:
    page = signed_in(Role.OPERATOR, script=script)
    page.goto(f"/servants/{crew.working}")
    page.get_by_role("button", name=f"Drain servant {crew.working}").click()
    expect(page.get_by_role("status").filter(has_text="is asked to drain")).to_be_visible()
    expect(page.get_by_role("button", name=f"Drain servant {crew.working}")).to_be_disabled()
    page.get_by_role("link", name=f"Restart servant {crew.working}").click()
    expect(page.get_by_role("heading", name=re.compile("Restart servant-calendar-sync-0"))).to_be_visible()
    page.get_by_role("button", name="Restart it").click()
    expect(page).to_have_url(re.compile(rf"/servants/{crew.working}$"))
    expect(page.get_by_role("status").filter(has_text="is asked to restart")).to_be_visible()
    assert site.sql.execute("SELECT request FROM servants WHERE id = %s", (crew.working,)).fetchone() == ("restart",)


@pytest.mark.proof
def test_narrow_dark_and_accessible(signed_in: SignedIn, crew: Crew) -> None:
    page = signed_in(Role.VIEWER, size=NARROW, dark=True)
    for path in ("/servants", f"/servants/{crew.silent}", f"/servants/{crew.restarted}"):
        page.goto(path)
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name=re.compile("Drain"))).to_have_count(0)


@pytest.mark.proof
def test_nothing_is_wider_than_the_page(signed_in: SignedIn, crew: Crew) -> None:
    page = signed_in(Role.OPERATOR, size=(1024, 768))
    for path in ("/servants", f"/servants/{crew.working}", f"/servants/{crew.working}/restart/confirm"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert_accessible(page)
