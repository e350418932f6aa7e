"""A real browser before a real manager, for tests in tests/browser: Playwright drives Debian's Chromium.

A file has one browser, one database and one manager (`site`); every test has fresh pages. A test fails where a page
complained, as of a breach of its security policy or a script's error, unless `Complaints.expect` was told of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

from infra.postgres.connect import Database
from infra.roles import Role
from infra.secrets import generate_key
from retinue.testing.lent_database import LentDatabase
from tests.support.chromium import FLAGS, chromium
from tests.support.manager_database import OwnerDatabase
from tests.support.manager_server import manager_app, serving
from tests.support.manager_server import signed_in as signed_in_client

#: A condition is waited for no longer than this, in milliseconds.
PATIENCE_MS = 10_000

WIDE, NARROW = (1280, 800), (390, 844)

AXE = Path(__file__).with_name("vendor") / "axe.min.js"

#: What axe-core must not find (https://github.com/dequelabs/axe-core/blob/develop/doc/API.md).
_GRAVE = ("serious", "critical")

SignedIn = Callable[..., Page]


@dataclass(frozen=True)
class Site:
    """A manager that is served, and the database behind it."""

    address: str
    app: Flask
    database: Database
    sql: psycopg.Connection


@dataclass
class Complaints:
    """What pages complained of, but for what was expected."""

    _told: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)

    def expect(self, *words: str) -> None:
        """Complaints that hold one of these are no failure."""
        self._expected.extend(words)

    def listen(self, page: Page) -> None:
        """Hear what this page complains of."""
        page.on("console", self._hear)
        page.on("pageerror", self._hear_error)

    def unexpected(self) -> list[str]:
        """What nobody reckoned with."""
        return [told for told in self._told if not any(words in told for words in self._expected)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._told.append(f"{message.text} {message.location.get('url', '')}")

    def _hear_error(self, error: Error) -> None:
        self._told.append(str(error))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(lent_database: LentDatabase) -> Iterator[Site]:
    """One for all tests of a file, on a database of its own that a file's own fixture fills."""
    with running_site(lent_database) as running:
        yield running


@contextmanager
def running_site(lent_database: LentDatabase, **settings: Any) -> Iterator[Site]:
    """One with these settings."""
    with ExitStack() as stack:
        url = stack.enter_context(lent_database.server.fresh_database(lent_database.template))
        database = OwnerDatabase(url, application_name="tests", max_connections=4, away_seconds=2)
        stack.callback(database.close)
        sql = stack.enter_context(psycopg.connect(url, autocommit=True))
        app = manager_app(database, secret_key=generate_key().render(), **settings)
        yield Site(stack.enter_context(serving(app)), app, database, sql)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test where there are any."""
    heard = Complaints()
    yield heard
    assert heard.unexpected() == [], heard.unexpected()


@dataclass
class _Contexts:
    """Browser contexts by what they are for, so that each loads stylesheets and scripts once."""

    browser: Browser
    site: Site
    _made: list[BrowserContext] = field(default_factory=list)
    _shared: dict[tuple[Role, bool, bool], BrowserContext] = field(default_factory=dict)

    def get(self, role: Role, *, script: bool, dark: bool) -> BrowserContext:
        """The one that tests share."""
        key = (role, script, dark)
        if key not in self._shared:
            self._shared[key] = self.make(role, script=script, dark=dark)
        return self._shared[key]

    def make(self, role: Role, *, script: bool, dark: bool) -> BrowserContext:
        """One whose cookies nobody else has."""
        context = self.browser.new_context(
            base_url=self.site.address,
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        self._made.append(context)
        context.set_default_timeout(PATIENCE_MS)
        name, value = session_cookie(self.site.app, role)
        context.add_cookies([{"name": name, "value": value, "url": self.site.address}])
        return context

    def close(self) -> None:
        for context in self._made:
            context.close()


@pytest.fixture(scope="module")
def contexts(browser: Browser, site: Site) -> Iterator[_Contexts]:
    """Those of a file."""
    made = _Contexts(browser, site)
    yield made
    made.close()


@pytest.fixture
def signed_in(contexts: _Contexts, complaints: Complaints) -> Iterator[SignedIn]:
    """Opens a page on which somebody of that role has signed in: `signed_in(Role.VIEWER, size=NARROW)`.

    It stands on no address yet: `page.goto("/jobs")`. `script=False` has no JavaScript; `dark=True` is dark; `own=True`
    has cookies of its own, for tests that change them.
    """
    pages: list[Page] = []

    def open_page(
        role: Role = Role.ADMIN,
        *,
        size: tuple[int, int] = WIDE,
        script: bool = True,
        dark: bool = False,
        own: bool = False,
    ) -> Page:
        context = (contexts.make if own else contexts.get)(role, script=script, dark=dark)
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        complaints.listen(page)
        return page

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture
def page(signed_in: SignedIn) -> Page:
    """A wide, light page of an administrator."""
    return signed_in()


@pytest.fixture
def no_script_page(signed_in: SignedIn) -> Page:
    """The same without JavaScript."""
    return signed_in(script=False)


def assert_accessible(page: Page) -> None:
    """axe-core finds nothing serious on the page as it is now."""
    page.evaluate(AXE.read_text("utf-8") + "; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)")
    grave = [_told(violation) for violation in found if violation["impact"] in _GRAVE]
    assert grave == [], json.dumps(grave, indent=2)


def assert_has_room(page: Page) -> None:
    """Nothing is wider than the screen, but for what scrolls by itself."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def session_cookie(app: Flask, role: Role) -> tuple[str, str]:
    """The name and value of the cookie of someone of that role who has signed in."""
    name = app.config["SESSION_COOKIE_NAME"]
    cookie = signed_in_client(app, None if role is Role.ADMIN else role).get_cookie(name)
    assert cookie is not None
    return name, cookie.value


def _told(violation: dict[str, Any]) -> dict[str, Any]:
    where = [node["html"][:160] for node in violation["nodes"][:3]]
    return {"rule": violation["id"], "help": violation["help"], "where": where}
