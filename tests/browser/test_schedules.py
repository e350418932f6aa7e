"""The schedules' pages in a real browser, with JavaScript and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.postgres.schedule_lines import find_schedule
from infra.roles import Role
from tests.support.browser import NARROW, Complaints, SignedIn, Site, assert_accessible
from tests.support.rule_rows import Rules, add_rules

# By `make proof-browser`: a few of its actions are in every run. Installing the browser takes its time, once.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def rules(site: Site) -> Rules:
    return add_rules(site.sql)


def test_the_list_and_the_coming_hour(page: Page, rules: Rules) -> None:
    page.goto("/schedules")
    expect(page.get_by_role("img", name=re.compile("calendar.sync: 1[23] jobs in the coming hour"))).to_be_visible()
    expect(page.locator(f"#schedule-{rules.mornings}")).to_contain_text("At 06:00, Monday through Friday")
    assert_accessible(page)


@pytest.mark.parametrize("script", [True, False])
def test_one_is_paused_resumed_and_run(signed_in: SignedIn, site: Site, rules: Rules, *, script: bool) -> None:
    page = signed_in(Role.OPERATOR, script=script)
    page.goto("/schedules")
    row = page.locator(f"#schedule-{rules.often}")
    row.get_by_role("button", name="Pause connection 1").click()
    expect(row.locator(".mark").first).to_have_text("paused")
    row.get_by_role("button", name="Resume connection 1").click()
    expect(row.locator(".mark").first).to_have_text("active")
    row.get_by_role("button", name="Run now: connection 1").click()
    expect(page.get_by_role("status").filter(has_text=re.compile("was made"))).to_be_visible()
    assert site.sql.execute("DELETE FROM jobs RETURNING schedule_id").fetchall() == [(rules.often,)]


@pytest.mark.parametrize("script", [True, False])
def test_one_is_edited(signed_in: SignedIn, site: Site, rules: Rules, complaints: Complaints, *, script: bool) -> None:
    complaints.expect("422")
    page = signed_in(Role.OPERATOR, script=script)
    page.goto(f"/schedules/{rules.mornings}")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Cron rule", exact=True).fill("every day")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Give five fields")
    expect(page.get_by_label("Cron rule", exact=True)).to_have_value("every day")
    assert_accessible(page) if script else None
    page.get_by_label("Cron rule", exact=True).fill("30 7 * * mon")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("At 07:30, only on Monday (Europe/Berlin)").first).to_be_visible()
    assert find_schedule(site.sql, rules.mornings).cron == "30 7 * * mon"


def test_a_job_that_was_made_shows_by_itself(page: Page, site: Site, rules: Rules) -> None:
    page.goto(f"/schedules/{rules.late}")
    expect(page.get_by_text("No run is kept")).to_be_visible()
    site.sql.execute(
        "INSERT INTO jobs (id, type, lane, schedule_id, fire_at) VALUES (4242, 'system.echo', 'system', %s, now())",
        (rules.late,),
    )
    expect(page.locator("#run-4242")).to_contain_text("pending")
    site.sql.execute("DELETE FROM jobs")


def test_narrow_dark_and_accessible(signed_in: SignedIn, rules: Rules) -> None:
    page = signed_in(Role.OPERATOR, size=NARROW, dark=True)
    for path in ("", "/new", f"/{rules.often}", f"/{rules.broken}", f"/{rules.often}/edit"):
        page.goto(f"/schedules{path}")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
