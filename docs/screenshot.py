"""Makes docs/overview.png, the manager's page as the README shows it.

    python -m docs.screenshot              docs/overview.png
    python -m docs.screenshot DIRECTORY    every look of every page, to be looked at

It needs Chromium and makes a database of its own, with a made-up fleet in it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from infra.local.postgres_cluster import embedded_binaries
from infra.postgres.connect import Database
from infra.postgres.migrate import migrate
from manager.app import create_app
from retinue.testing.postgres import embedded_server
from tests.support.chromium import Page, find_chromium, open_page
from tests.support.manager_server import StubQueues, manager_settings, serving, sign_in
from tests.support.overview_rows import add_fleet, add_scheduler, add_type

PICTURE = Path(__file__).with_name("overview.png")
WIDE, NARROW = 1280, 390

#: The README has room down to here.
SERVANTS = "document.getElementById('servants')"


def main(arguments: list[str]) -> None:
    """Make the picture, or all of them in the directory given."""
    path = find_chromium()
    if path is None:
        sys.exit("Chromium is not installed. Run as root: python -m tests.support.chromium")
    with _database() as (database, sql), open_page(path) as page:
        if arguments:
            Path(arguments[0]).mkdir(parents=True, exist_ok=True)
            _take_all(database, sql, page, Path(arguments[0]))
        else:
            add_fleet(sql)
            page.emulate(width=WIDE)
            with _overview(database, page):
                page.screenshot(PICTURE, height=page.evaluate(f"{SERVANTS}.getBoundingClientRect().bottom + 24"))


def _take_all(database: Database, sql: psycopg.Connection, page: Page, directory: Path) -> None:
    with _overview(database, page) as address:
        _take_looks(page, directory, "empty")
        page.open(f"{address}/nowhere")
        _take_looks(page, directory, "not-found")
        with page.loading():
            page.evaluate(f"location = '{address}'")
        with page.loading():
            page.evaluate("document.querySelector('.tools').submit()")
        _take_looks(page, directory, "sign-in")
    add_type(sql, "calendar.sync")
    add_scheduler(sql)
    with _overview(database, page):
        _take_looks(page, directory, "unused")
    sql.execute("TRUNCATE job_types, schedulers")
    add_fleet(sql)
    with _overview(database, page):
        _take_looks(page, directory, "overview")


def _take_looks(page: Page, directory: Path, name: str) -> None:
    for scheme in ("light", "dark"):
        for width in (WIDE, NARROW):
            page.emulate(width=width, scheme=scheme)
            page.screenshot(directory / f"{name}-{scheme}-{width}.png")


@contextmanager
def _overview(database: Database, page: Page) -> Iterator[str]:
    """The page at the overview of a manager that started just now, and that manager's address."""
    app = create_app(manager_settings(), database=database, queues=StubQueues())
    with serving(app) as address:
        sign_in(page, address)
        yield address


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
        database = Database(url, application_name="retinue-manager")
        with psycopg.connect(url, autocommit=True) as sql:
            yield database, sql
        database.close()


if __name__ == "__main__":
    main(sys.argv[1:])
