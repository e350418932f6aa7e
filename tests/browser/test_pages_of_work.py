"""Every page about jobs, servants, schedules and lanes in a real browser."""

from __future__ import annotations

import pytest

from tests.support.browser import SignedIn, Site
from tests.support.demo_rows import add_demo
from tests.support.every_page import NO_PAGES, PAGES, WORK, endpoints, look_at, openings

# Installing the browser takes its time, once.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def words(site: Site) -> dict[str, object]:
    return add_demo(site.sql, site.database)


def test_there_is_no_page_that_no_browser_opens(site: Site) -> None:
    assert endpoints(site.app, "GET") == PAGES.keys() | NO_PAGES.keys()


@pytest.mark.parametrize("address", openings(WORK))
def test_a_page(signed_in: SignedIn, words: dict[str, object], address: str) -> None:
    look_at(address.format(**words), signed_in(), signed_in(script=False))
