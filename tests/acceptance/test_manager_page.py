"""The manager's page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql as query

from infra.postgres.connect import Database
from tests.support.chromium import Page, chromium, open_page
from tests.support.manager_server import PASSWORD, USER, manager_app, serving, sign_in
from tests.support.overview_rows import add_fleet, add_servant, current_job
from tests.support.postgres import DatabaseServer

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)

TEXT = "document.getElementById('content').innerText"


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all; what a test leaves in it is cleared by `tab`."""
    with open_page(chromium()) as page:
        yield page


@pytest.fixture
def tab(browser: Page) -> Iterator[Page]:
    """A browser that nobody has signed in with."""
    browser.command("Network.clearBrowserCookies")
    browser.open("about:blank")
    browser.forget_complaints("")
    browser.emulate(width=1280)
    yield browser
    assert browser.complaints() == []


@pytest.fixture
def address(database: Database) -> Iterator[str]:
    with serving(manager_app(database)) as address:
        yield address


@pytest.fixture
def page(tab: Page, address: str) -> Page:
    """A browser at the overview, signed in."""
    sign_in(tab, address)
    return tab


@pytest.fixture
def fleet(sql: psycopg.Connection) -> None:
    add_fleet(sql)


def test_a_person_signs_in_looks_and_signs_out(fleet: None, tab: Page, address: str) -> None:
    tab.open(address)
    assert tab.evaluate("location.pathname") == "/sign-in"
    assert tab.evaluate("document.activeElement.id") == "user"

    sign_in(tab, address)

    assert tab.evaluate("location.pathname") == "/"
    assert "Northwind Traders" in tab.evaluate(TEXT)
    assert tab.evaluate("document.title") == "(2) Overview · Retinue"
    assert tab.evaluate("document.cookie") == ""
    with tab.loading():
        tab.evaluate("[...document.querySelectorAll('button')].find((b) => b.innerText == 'Sign out').click()")
    tab.open(address)
    assert tab.evaluate("location.pathname") == "/sign-in"


def test_it_refreshes_by_itself_and_changes_only_what_differs(fleet: None, page: Page, sql: psycopg.Connection) -> None:
    page.evaluate("window.first = true")
    page.evaluate("document.querySelectorAll('tbody tr').forEach((row) => { row.kept = row.id })")
    page.evaluate("document.querySelector('details').open = true")
    page.evaluate("document.querySelector('summary').focus()")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.servants tbody th'))")
    gone = page.evaluate("document.querySelector('.servants tbody tr').id").removeprefix("servant-")
    kept = page.evaluate("document.querySelectorAll('.servants tbody tr')[1].id")

    sql.execute("UPDATE servants SET heartbeat_at = now() + interval '1 minute' WHERE state = 'active'")
    new = add_servant(sql, "added.later", jobs=[current_job(7)])

    page.wait_until(f"document.getElementById('servant-{new}')")
    assert page.evaluate("window.first && document.querySelectorAll('tbody tr').length") > 0
    assert page.evaluate("document.querySelector('details').open")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert "calendar.sync" in page.evaluate("getSelection().toString()")
    assert page.evaluate(f"document.getElementById('{kept}').kept") == kept
    order = page.evaluate("[...document.querySelectorAll('.servants tbody tr')].map((row) => row.id)")
    assert order[0] == f"servant-{new}"

    sql.execute("DELETE FROM servants WHERE id = %s", (gone,))

    page.wait_until(f"!document.getElementById('servant-{gone}')")
    assert page.evaluate(f"document.getElementById('{kept}').kept") == kept


def test_a_new_problem_is_announced(page: Page, sql: psycopg.Connection) -> None:
    page.evaluate("window.status_ = document.getElementById('condition')")

    servant = add_servant(sql, "calendar.sync", silent_seconds=40)

    page.wait_until("document.getElementById('condition').innerText.includes('A servant of calendar.sync')")
    assert page.evaluate("window.status_ === document.getElementById('condition')")
    assert page.evaluate("window.status_.getAttribute('role')") == "status"
    assert page.evaluate("document.title").startswith("(2) ")
    assert page.evaluate(f"document.querySelector('#servant-{servant} .mark').innerText") == "lost"


def test_pausing_stops_it_and_resuming_looks_at_once(page: Page, sql: psycopg.Connection) -> None:
    page.evaluate("document.getElementById('pause').click()")
    assert page.evaluate("document.getElementById('pause').innerText") == "Resume"
    add_servant(sql, "calendar.sync")

    # That something does not happen shows only after the time in which it would have.
    page.evaluate("new Promise((done) => setTimeout(done, 3000))")
    assert "calendar.sync" not in page.evaluate(TEXT)

    page.evaluate("document.getElementById('pause').click()")
    page.wait_until(f"{TEXT}.includes('calendar.sync')", seconds=1.5)


def test_without_its_database_it_says_so_keeps_what_it_shows_and_recovers(
    fleet: None, page: Page, database_url: str, postgres: DatabaseServer, address: str
) -> None:
    name = urlsplit(database_url).path.removeprefix("/")
    _allow_connections(postgres, name, allow=False)

    page.wait_until("!document.getElementById('trouble').hidden", seconds=30)
    assert "The database cannot be reached" in page.evaluate("document.getElementById('trouble').innerText")
    assert "Northwind Traders" in page.evaluate(TEXT)
    page.open(address)
    assert "The database cannot be reached" in page.evaluate(TEXT)
    assert page.evaluate("document.title") == "Service Unavailable · Retinue"

    with page.loading():
        _allow_connections(postgres, name, allow=True)

    assert "Northwind Traders" in page.evaluate(TEXT)
    assert page.evaluate("document.getElementById('trouble').hidden")
    page.forget_complaints("503")


def _allow_connections(server: DatabaseServer, name: str, *, allow: bool) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin:
        change = query.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        admin.execute(change.format(query.Identifier(name), query.SQL("true" if allow else "false")))
        if not allow:
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_a_page_whose_session_has_ended_goes_to_the_sign_in(page: Page) -> None:
    with page.loading():
        page.command("Network.clearBrowserCookies")

    assert page.evaluate("location.pathname") == "/sign-in"


def test_a_manager_that_is_gone_is_told_of(tab: Page, database: Database, fleet: None) -> None:
    with serving(manager_app(database)) as address:
        sign_in(tab, address)
    tab.wait_until("document.getElementById('trouble').innerText.includes('The manager does not answer.')")

    assert "Northwind Traders" in tab.evaluate(TEXT)
    tab.forget_complaints("ERR_CONNECTION_REFUSED")


@pytest.mark.parametrize("width", [1280, 800, 390, 320])
def test_nothing_sticks_out_on_any_screen(fleet: None, page: Page, width: int) -> None:
    page.emulate(width=width)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_light_is_light(page: Page) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate(width=1280, scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert grounds == ["rgb(244, 245, 247)", "rgb(18, 21, 24)"]


def test_the_keyboard_gets_everywhere_and_shows_where_it_is(fleet: None, page: Page) -> None:
    reached = []
    for _ in range(5):
        page.press("Tab", code=9)
        reached.append(page.evaluate("document.activeElement.innerText.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    assert reached == ["Skip to content", "Retinue", "Pause", "Sign out", "2 more"]


def test_without_javascript_it_works_and_reloads(fleet: None, tab: Page, address: str) -> None:
    tab.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(f"{address}/sign-in")
        for text in (USER, PASSWORD):
            tab.command("Input.insertText", text=text)
            tab.press("Tab", code=9)
        with tab.loading():
            tab.press("Enter", code=13)

        assert "Northwind Traders" in tab.text()
        assert "Pause" not in tab.text()
        with tab.loading():
            pass  # it reloads by itself
    finally:
        tab.command("Emulation.setScriptExecutionDisabled", value=False)


RULES: dict[str, str] = {
    "the language is given": "document.documentElement.lang === 'en'",
    "there is one main part": "document.querySelectorAll('main').length === 1",
    "there is one first heading": "document.querySelectorAll('h1').length === 1",
    "no level of headings is left out": "[...document.querySelectorAll('h1, h2, h3')].every((h, i, all) =>"
    " i === 0 ? h.tagName === 'H1' : Number(h.tagName[1]) <= Number(all[i - 1].tagName[1]) + 1)",
    "ids are unique": "(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
    " return new Set(ids).size === ids.length; })()",
    "pictures have a text, empty ones included": "[...document.images].every((image) => image.hasAttribute('alt'))",
    "buttons and links have a name": "[...document.querySelectorAll('button, a')].every((e) => e.innerText.trim())",
    "bars have a name": "[...document.querySelectorAll('progress')].every((bar) => bar.getAttribute('aria-label'))",
    "fields have labels": "[...document.querySelectorAll('input:not([type=hidden])')].every((f) => f.labels.length)",
    "tables have a caption and head cells say what they head": "[...document.querySelectorAll('table')].every((t) =>"
    " t.caption && [...t.querySelectorAll('th')].every((th) => th.scope))",
    "references lead somewhere": "[...document.querySelectorAll('[aria-labelledby], [aria-describedby]')].every((e) =>"
    " document.getElementById(e.getAttribute('aria-labelledby') ?? e.getAttribute('aria-describedby')))",
    "times are for machines too": "[...document.querySelectorAll('time')].every((t) =>"
    " t.dateTime.endsWith('Z') && t.title)",
    "targets are large enough": "[...document.querySelectorAll('button, summary')].every((e) =>"
    " e.hidden || e.getBoundingClientRect().height >= 22)",
}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere"])
def test_the_rules_of_accessibility(fleet: None, page: Page, address: str, path: str) -> None:
    if path == "/sign-in":
        page.command("Network.clearBrowserCookies")
    page.open(address + path)

    broken = [rule for rule, holds in RULES.items() if not page.evaluate(holds)]

    assert broken == []
    page.forget_complaints("404")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_reader_hears_tables_however_they_are_laid_out(fleet: None, page: Page, width: int) -> None:
    page.emulate(width=width)

    nodes = [node for node in page.command("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    roles = [node["role"]["value"] for node in nodes]

    assert roles.count("table") == 3
    assert roles.count("row") == 2 + 5 + 1 + 6 + 1 + 2
    assert roles.count("rowheader") == 5 + 6 + 2
    assert {"Jobs", "Servants", "Schedulers"} <= {_name(node) for node in nodes if node["role"]["value"] == "table"}


def _name(node: dict[str, Any]) -> str:
    return str(node["name"]["value"])
