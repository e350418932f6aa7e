"""The pages of types and lanes in a real browser, with JavaScript and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.postgres.lanes import find_lane, pause_lane, resume_lane
from infra.postgres.types import list_types, pause_type
from infra.roles import Role
from tests.support.browser import NARROW, SignedIn, Site, assert_accessible
from tests.support.lane_rows import TYPE, Lanes, add_lanes

# By `make proof-browser`: a few of its actions are in every run. Installing the browser takes its time, once.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def lanes(site: Site) -> Lanes:
    return add_lanes(site.sql)


@pytest.fixture(autouse=True)
def heartbeats(site: Site, lanes: Lanes) -> None:
    site.sql.execute("UPDATE servants SET heartbeat_at = now() + interval '1 minute'")


def test_types_and_backlogs(page: Page, lanes: Lanes) -> None:
    page.goto("/lanes")
    expect(page.locator(f'[id="type-{TYPE}"]')).to_contain_text("active")
    expect(page.get_by_role("row", name=re.compile("Bolt Insurance"))).to_be_visible()
    assert_accessible(page)


def test_a_pause_elsewhere_shows_by_itself(page: Page, site: Site, lanes: Lanes) -> None:
    page.goto(f"/lanes/all?type={TYPE}")
    row = page.get_by_role("row", name=re.compile("nightly"))
    expect(row.locator(".mark")).to_have_text("ready")
    pause_lane(site.sql, TYPE, "nightly", reason="elsewhere")
    expect(row.locator(".mark")).to_have_text("held")
    resume_lane(site.sql, TYPE, "nightly")


@pytest.mark.parametrize("script", [True, False])
def test_a_lane_is_paused_resumed_and_set(signed_in: SignedIn, site: Site, lanes: Lanes, *, script: bool) -> None:
    page = signed_in(Role.OPERATOR, script=script)
    page.goto(f"/lanes/one?type={TYPE}&lane={lanes.busy}")
    page.get_by_role("button", name=f"Pause {lanes.busy}").click()
    expect(page.get_by_text("is paused since")).to_be_visible()
    page.get_by_role("button", name=f"Resume {lanes.busy}").click()
    expect(page.get_by_text("is paused since")).to_have_count(0)
    page.get_by_label("Weight", exact=True).fill("4")
    page.get_by_label("Limit", exact=True).fill("5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="is set")).to_be_visible()
    found = find_lane(site.sql, TYPE, lanes.busy)
    assert (found.weight, found.own_limit, found.holds) == (4, 5, [])


@pytest.mark.parametrize("script", [True, False])
def test_a_type_is_paused_once_that_was_asked(signed_in: SignedIn, site: Site, lanes: Lanes, *, script: bool) -> None:
    page = signed_in(Role.OPERATOR, script=script)
    page.goto(f"/lanes/types/{TYPE}")
    page.get_by_role("link", name="Pause", exact=True).click()
    expect(page.get_by_text("of any account, until somebody resumes it")).to_be_visible()
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("It is paused since")).to_be_visible()
    (kind,) = list_types(site.sql, alive_seconds=30, type=TYPE)
    assert kind.paused_at is not None
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("It is paused since")).to_have_count(0)


def test_the_limits_of_a_type(signed_in: SignedIn, site: Site, lanes: Lanes) -> None:
    page = signed_in(Role.OPERATOR)
    page.goto(f"/lanes/types/{TYPE}")
    page.get_by_label("Of the whole type").fill("9")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("by hand; its code says any")).to_be_visible()
    page.get_by_role("button", name="Back to what its code declares").click()
    expect(page.get_by_text("by hand; its code says")).to_have_count(0)


def test_narrow_dark_and_accessible(signed_in: SignedIn, site: Site, lanes: Lanes) -> None:
    pause_type(site.sql, TYPE, paused=True)
    page = signed_in(Role.OPERATOR, size=NARROW, dark=True)
    one = f"/one?type={TYPE}&lane="
    paths = ("", "/all", "/all?which=held", f"{one}{lanes.held}", f"{one}{lanes.busy}", f"/types/{TYPE}")
    for path in (*paths, f"/types/{TYPE}/pause/confirm"):
        page.goto(f"/lanes{path}")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    pause_type(site.sql, TYPE, paused=False)
