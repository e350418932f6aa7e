"""The overview in a real browser: what it shows, that it changes by itself, and that it says when it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from infra.roles import Role
from tests.support.browser import NARROW, WIDE, Complaints, SignedIn, Site, assert_accessible
from tests.support.manager_server import PASSWORD, USER
from tests.support.overview_rows import add_fleet, add_past, add_servant, current_job

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


#: What an element is called.
NAME = "(element) => element.ariaLabel ?? element.innerText.trim().split('\\n')[0]"


@pytest.fixture(scope="module", autouse=True)
def fleet(site: Site) -> None:
    add_fleet(site.sql)
    add_past(site.sql, days=1)


@pytest.fixture(autouse=True)
def heartbeats(site: Site) -> None:
    """The fleet is as it was when it was made, however long ago that is."""
    site.sql.execute(
        "UPDATE servants SET heartbeat_at = now() - make_interval(secs => CASE"
        " WHEN state = 'lost' THEN 130 WHEN pid = 5121 THEN 18 ELSE -60 END)"
    )
    site.sql.execute("UPDATE schedulers SET heartbeat_at = now() + interval '1 minute'")


@pytest.fixture
def servants(site: Site) -> Iterator[list[int]]:
    """IDs of servants that are gone after the test."""
    made: list[int] = []
    yield made
    site.sql.execute("DELETE FROM servants WHERE id = ANY(%s)", (made,))


def row(page: Page, servant: int) -> Locator:
    return page.locator(f"#servant-{servant}")


def servant_of(sql: psycopg.Connection, pid: int) -> int:
    found = sql.execute("SELECT id FROM servants WHERE pid = %s", (pid,)).fetchone()
    assert found is not None
    return int(found[0])


def test_a_person_signs_in_looks_and_signs_out(signed_in: SignedIn) -> None:
    page = signed_in(own=True)
    page.context.clear_cookies()
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in"))
    expect(page.get_by_label("Name")).to_be_focused()

    page.get_by_label("Name").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_title("(2) Overview · Retinue")
    expect(page.locator("#content")).to_contain_text("Northwind Traders")
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_what_is_wrong_comes_first_in_words_and_in_title_and_icon(page: Page) -> None:
    page.goto("/")

    problems = page.locator("#condition li")
    expect(problems).to_have_count(2)
    expect(problems.nth(0)).to_contain_text("A servant of salesforce.sync sent no heartbeat for too long")
    expect(problems.nth(1)).to_contain_text("A servant of salesforce.sync is late with its heartbeat.")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("/icon-trouble.svg$"))


def test_it_changes_by_itself_and_only_what_differs(page: Page, site: Site, servants: list[int]) -> None:
    page.goto("/")
    kept = servant_of(site.sql, 4711)
    row(page, kept).evaluate("row => { row.kept = true }")
    row(page, kept).locator("summary").click()
    page.evaluate("id => getSelection().selectAllChildren(document.querySelector(`#servant-${id} th`))", kept)

    servants.append(add_servant(site.sql, "added.later", jobs=[current_job(7)], silent_seconds=-60))

    expect(row(page, servants[0])).to_contain_text("job 7")
    assert row(page, kept).evaluate("row => row.kept")
    assert row(page, kept).locator("details").evaluate("details => details.open")
    expect(row(page, kept).locator("summary")).to_be_focused()
    assert "calendar.sync" in page.evaluate("getSelection().toString()")

    site.sql.execute("DELETE FROM servants WHERE id = %s", (servants[0],))

    expect(row(page, servants[0])).to_have_count(0)
    assert row(page, kept).evaluate("row => row.kept")


def test_a_new_problem_is_announced(page: Page, site: Site, servants: list[int]) -> None:
    page.goto("/")
    page.evaluate("window.told = document.getElementById('condition')")

    servants.append(add_servant(site.sql, "calendar.sync", silent_seconds=40))

    expect(page.locator("#condition")).to_contain_text("A servant of calendar.sync sent no heartbeat")
    assert page.evaluate("window.told === document.getElementById('condition')")
    assert page.evaluate("window.told.getAttribute('role')") == "status"
    expect(page).to_have_title("(3) Overview · Retinue")
    expect(row(page, servants[0]).locator(".mark")).to_have_text("lost")


@pytest.mark.proof
def test_pausing_stops_it_and_resuming_looks_at_once(page: Page, site: Site, servants: list[int]) -> None:
    page.goto("/")
    expect(page.locator("#condition")).to_contain_text("late")
    page.get_by_role("button", name="Pause").click()
    servants.append(add_servant(site.sql, "added.later", silent_seconds=-60))

    # That something does not happen shows only after the time in which it would have.
    page.wait_for_timeout(2500)
    expect(row(page, servants[0])).to_have_count(0)

    page.get_by_role("button", name="Resume").click()
    expect(row(page, servants[0])).to_be_visible(timeout=2000)


@pytest.mark.proof
def test_charts_are_drawn_and_say_the_same_as_a_table(page: Page) -> None:
    page.goto("/?span=hour")

    expect(page.locator("figure.chart canvas")).to_have_count(3)
    expect(page.get_by_role("link", name="Hour")).to_have_attribute("aria-current", "page")
    page.locator("#chart-throughput summary").click()
    assert page.locator("#chart-throughput tbody tr").count() > 50
    assert re.fullmatch(r"\d+", page.locator("#chart-throughput tbody tr td").first.inner_text())
    page.get_by_role("link", name="Day").click()
    expect(page.locator("figure.chart canvas")).to_have_count(3)


@pytest.mark.proof
@pytest.mark.parametrize("size", [WIDE, (800, 800), NARROW, (320, 640)])
def test_nothing_sticks_out_on_any_screen(signed_in: SignedIn, size: tuple[int, int]) -> None:
    page = signed_in(size=size)
    page.goto("/")
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")

    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.proof
def test_dark_is_dark_light_is_light_and_a_reader_may_choose(signed_in: SignedIn) -> None:
    ground = "getComputedStyle(document.documentElement).getPropertyValue('color-scheme')"
    colour = "getComputedStyle(document.querySelector('.card')).backgroundColor"
    light, dark = signed_in(own=True), signed_in(dark=True)
    light.goto("/")
    dark.goto("/")
    assert (light.evaluate(colour), dark.evaluate(colour)) == ("rgb(255, 255, 255)", "rgb(21, 24, 28)")

    light.get_by_role("button", name="Colours: as the system").click()

    expect(light.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert light.evaluate(ground) == "dark"
    assert light.evaluate(colour) == "rgb(21, 24, 28)"


@pytest.mark.proof
def test_the_keyboard_gets_everywhere_and_shows_where_it_is(page: Page) -> None:
    page.goto("/")
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"({NAME})(document.activeElement)"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    assert reached == ["Skip to content", "Retinue", "Search jobs", "Overview"]


@pytest.mark.proof
def test_a_question_mark_lists_the_keys_and_g_goes_there(page: Page) -> None:
    page.goto("/people")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Keys")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("o")

    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_without_javascript_it_shows_the_same_and_reloads(no_script_page: Page) -> None:
    page = no_script_page
    page.goto("/")

    expect(page.locator("#content")).to_contain_text("Northwind Traders")
    expect(page.locator("figure.chart svg")).to_have_count(3)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(page.locator('meta[http-equiv="refresh"]')).to_have_attribute("content", "10")


@pytest.mark.proof
@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW), (True, WIDE), (False, NARROW)])
def test_it_is_accessible(signed_in: SignedIn, dark: bool, size: tuple[int, int]) -> None:
    page = signed_in(Role.ADMIN, dark=dark, size=size)
    page.goto("/")
    expect(page.locator("figure.chart canvas")).to_have_count(3)

    assert_accessible(page)


@pytest.mark.proof
def test_errors_and_the_sign_in_are_accessible(signed_in: SignedIn, complaints: Complaints) -> None:
    complaints.expect("404")
    page = signed_in(own=True)
    page.goto("/nowhere")
    assert_accessible(page)
    page.context.clear_cookies()
    page.goto("/sign-in")
    assert_accessible(page)


@pytest.mark.proof
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_reader_hears_tables_however_they_are_laid_out(signed_in: SignedIn, size: tuple[int, int]) -> None:
    page = signed_in(size=size)
    page.goto("/")

    assert page.get_by_role("table").count() == 3
    assert page.get_by_role("table", name="Work by type").get_by_role("row").count() == 2 + 5
    assert page.get_by_role("table", name="Servants").get_by_role("rowheader").count() == 6
    assert page.get_by_role("table", name="Schedulers").get_by_role("rowheader").count() == 4
