"""Every action on jobs, servants, schedules and lanes in a real browser, with a script and without."""

from __future__ import annotations

import importlib

import pytest

from infra.roles import Role
from tests.support.browser import SignedIn, Site
from tests.support.demo_rows import add_demo
from tests.support.every_action import CUSTOMERS, ELSEWHERE, PEOPLE, WORK, Deed, attempts, perform
from tests.support.every_page import endpoints

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def words(site: Site) -> dict[str, object]:
    return add_demo(site.sql, site.database)


def test_there_is_no_action_that_no_browser_performs(site: Site) -> None:
    performed = {deed.endpoint for deed in (*WORK, *CUSTOMERS, *PEOPLE)}
    assert endpoints(site.app, "POST") == performed | ELSEWHERE.keys()
    for test in ELSEWHERE.values():
        module, name = test.split(".")
        assert hasattr(importlib.import_module(f"tests.browser.{module}"), name), test


@pytest.mark.parametrize(("deed", "script"), attempts(WORK))
def test_an_action(signed_in: SignedIn, site: Site, words: dict[str, object], deed: Deed, *, script: bool) -> None:
    perform(deed, signed_in(Role.OPERATOR, script=script), site, words)
