"""Every action on connections, incidents, anomalies and people in a real browser, with a script and without."""

from __future__ import annotations

import pytest

from infra.roles import Role
from tests.support.browser import SignedIn, Site
from tests.support.demo_rows import add_demo_customers
from tests.support.every_action import CUSTOMERS, PEOPLE, Deed, attempts, perform

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def words(site: Site) -> dict[str, object]:
    return add_demo_customers(site.sql, site.database)


@pytest.mark.parametrize(("deed", "script"), attempts(CUSTOMERS))
def test_an_action(signed_in: SignedIn, site: Site, words: dict[str, object], deed: Deed, *, script: bool) -> None:
    perform(deed, signed_in(Role.OPERATOR, script=script), site, words)


@pytest.mark.parametrize(("deed", "script"), attempts(PEOPLE))
def test_an_action_on_people(signed_in: SignedIn, site: Site, deed: Deed, *, script: bool) -> None:
    role = Role.OPERATOR if deed.at == "/you" else Role.ADMIN
    perform(deed, signed_in(role, script=script, own=deed.own), site, {})
