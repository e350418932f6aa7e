"""Makes the pictures of the README and of the pages here: docs/overview.png, docs/job.png, docs/assumed.png.

    python -m docs.screenshot                      the pictures
    python -m docs.screenshot DIRECTORY [PATH …]   every look of these pages, or of all, to be looked at: / /jobs …
    python -m docs.screenshot DIRECTORY account    the same of an account's own pages, for its people and for support

It needs Chromium and makes a database of its own, with a made-up fleet in it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from docs.account_screenshots import add_customer, assume, join, take_account_looks
from infra.local.postgres_cluster import embedded_binaries
from infra.postgres.connect import Database
from infra.postgres.migrate import migrate
from infra.roles import Role
from retinue.testing.postgres import embedded_server
from tests.support.browser import session_cookie
from tests.support.chromium import FLAGS, find_chromium
from tests.support.demo_rows import add_demo
from tests.support.every_page import PAGES, addresses
from tests.support.job_rows import add_worked_jobs
from tests.support.manager_database import OwnerDatabase
from tests.support.manager_server import manager_app, serving
from tests.support.overview_rows import add_fleet, add_past

#: Both ways to keep what finished tell the same, as they do where work makes them.
_AGREE = """
WITH gone AS (DELETE FROM job_rollups)

INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)
SELECT starts_at, type, state, 1, sum(jobs), sum(run_seconds), sum(wait_seconds)
FROM account_rollups
GROUP BY starts_at, type, state
"""

HERE = Path(__file__).parent
WIDE, NARROW = ViewportSize(width=1280, height=1010), ViewportSize(width=390, height=844)


def main(arguments: list[str]) -> None:
    """Make the picture, or all of them in the directory given."""
    path = find_chromium()
    if path is None:
        sys.exit("Chromium is not installed. Run as root: python -m tests.support.chromium")
    with _database() as (database, sql), _manager(database) as (app, address), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        if arguments[1:] == ["account"]:
            _take_account_looks(browser, app, address, sql, Path(arguments[0]))
        elif arguments:
            directory, *paths = arguments
            words = add_demo(sql, database)
            looks = [look.format(**words) for look in paths or addresses(PAGES)]
            _take_looks(browser, app, address, Path(directory), looks)
        else:
            _take_pictures(_context(browser, app, address).new_page(), sql)


def _take_pictures(page: Page, sql: psycopg.Connection) -> None:
    add_fleet(sql)
    add_past(sql)
    sql.execute(_AGREE)
    _open(page, "/")
    page.screenshot(path=HERE / "overview.png")
    _open(page, f"/jobs/{add_worked_jobs(sql).retrying}")
    page.screenshot(path=HERE / "job.png")
    customer = add_customer(sql)
    assume(page, customer)
    _open(page, f"/account/people/{customer.people[0]}")
    page.screenshot(path=HERE / "assumed.png")


def _take_account_looks(browser: Browser, app: Flask, address: str, sql: psycopg.Connection, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    customer = add_customer(sql)
    for dark in (False, True):
        shade = "dark" if dark else "light"
        support, own = (_context(browser, app, address, dark=dark).new_page() for _ in range(2))
        assume(support, customer)
        take_account_looks(support, directory, customer, f"assumed-{shade}", (WIDE, NARROW))
        support.get_by_role("button", name="Leave").click()
        join(own, sql, customer)
        take_account_looks(own, directory, customer, f"own-{shade}", (WIDE, NARROW))
        sql.execute("DELETE FROM members WHERE account_id = %s", (customer.account_id,))


def _take_looks(browser: Browser, app: Flask, address: str, directory: Path, paths: Sequence[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        page = _context(browser, app, address, dark=dark).new_page()
        for path in paths:
            for size in (WIDE, NARROW):
                page.set_viewport_size(size)
                _open(page, path)
                name = re.sub(r"\W+", "-", path).strip("-") or "overview"
                look = f"{name}-{'dark' if dark else 'light'}-{size['width']}.png"
                page.screenshot(path=directory / look, full_page=True)


def _context(browser: Browser, app: Flask, address: str, *, dark: bool = False) -> BrowserContext:
    """Somebody who has signed in."""
    context = browser.new_context(
        base_url=address,
        viewport=WIDE,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    name, value = session_cookie(app, Role.ADMIN)
    context.add_cookies([{"name": name, "value": value, "url": address}])
    return context


def _open(page: Page, path: str) -> None:
    """With its letters there, and its charts drawn."""
    page.goto(path)
    page.wait_for_function("document.fonts.status === 'loaded'")
    page.wait_for_function("[...document.querySelectorAll('figure.chart')].every((f) => f.querySelector('canvas'))")


@contextmanager
def _manager(database: Database) -> Iterator[tuple[Flask, str]]:
    """A manager on this database, and its address."""
    app = manager_app(database)
    with serving(app) as address:
        yield app, address


@contextmanager
def _database() -> Iterator[tuple[Database, psycopg.Connection]]:
    with (
        tempfile.TemporaryDirectory(prefix="retinue-screenshot-") as directory,
        embedded_server(Path(directory, "server"), binaries=embedded_binaries()) as server,
    ):
        url = server.database_url("overview")
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE overview")
        migrate(url)
        database = OwnerDatabase(url, application_name="retinue-manager")
        with psycopg.connect(url, autocommit=True) as sql:
            yield database, sql
        database.close()


if __name__ == "__main__":
    main(sys.argv[1:])
