"""PostgreSQL is killed while pages are open: they say what is known and how old it is, and recover by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from playwright.sync_api import expect

from infra.postgres.migrate import migrate
from tests.support.browser import SignedIn, Site
from tests.support.manager_database import OwnerDatabase
from tests.support.manager_server import manager_app, serving
from tests.support.overview_rows import add_fleet, add_servant
from tests.support.own_postgres import OwnPostgres

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    with OwnPostgres(tmp_path_factory.mktemp("killed")) as server:
        migrate(server.url)
        with psycopg.connect(server.url, autocommit=True) as sql:
            add_fleet(sql)
            sql.execute("UPDATE servants SET heartbeat_at = now() + interval '1 hour'")
        yield server


@pytest.fixture(scope="module")
def site(postgres: OwnPostgres) -> Iterator[Site]:
    with ExitStack() as stack:
        database = OwnerDatabase(postgres.url, application_name="tests", max_connections=4, away_seconds=2)
        stack.callback(database.close)
        sql = stack.enter_context(psycopg.connect(postgres.url, autocommit=True))
        app = manager_app(database)
        yield Site(stack.enter_context(serving(app)), app, database, sql)


@pytest.mark.proof
def test_pages_say_how_old_they_are_and_recover(signed_in: SignedIn, postgres: OwnPostgres) -> None:
    overview, servants = signed_in(), signed_in()
    overview.goto("/")
    servants.goto("/servants")

    postgres.kill()

    for page in (overview, servants):
        expect(page.locator("#trouble")).to_contain_text("The database cannot be reached", timeout=30_000)
        expect(page.locator("#trouble")).to_contain_text("What is shown is")
        expect(page.locator("#content")).to_contain_text("sync-2, pid 5120")

    postgres.start()
    with psycopg.connect(postgres.url, autocommit=True) as sql:
        new = add_servant(sql, "added.later", silent_seconds=-3600)

    for page in (overview, servants):
        expect(page.locator("#trouble")).to_be_hidden(timeout=30_000)
        expect(page.locator(f"#servant-{new}")).to_be_visible()
