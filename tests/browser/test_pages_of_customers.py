"""Every page about accounts, what is wrong with them, cost and people in a real browser."""

from __future__ import annotations

import pytest

from tests.support.browser import SignedIn, Site
from tests.support.demo_rows import add_demo_customers
from tests.support.every_page import CUSTOMERS, look_at, openings

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def words(site: Site) -> dict[str, object]:
    return add_demo_customers(site.sql, site.database)


@pytest.mark.parametrize("address", openings(CUSTOMERS))
def test_a_page(signed_in: SignedIn, words: dict[str, object], address: str) -> None:
    look_at(address.format(**words), signed_in(), signed_in(script=False))
