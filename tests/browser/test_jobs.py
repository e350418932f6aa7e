"""The pages about jobs in a real browser: the query, acting on one and on many, and what changes by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from infra.postgres.job_details import show_job
from retinue.states import JobState
from tests.support.browser import Complaints, Site, assert_accessible
from tests.support.factories import add_jobs
from tests.support.job_rows import WorkedJobs, add_worked_jobs

# By `make proof-browser`: a few of its actions are in every run. Installing the browser takes its time, once.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def jobs(site: Site) -> WorkedJobs:
    return add_worked_jobs(site.sql)


@pytest.fixture(autouse=True)
def made(jobs: WorkedJobs) -> None:
    """There are jobs."""


def test_a_query_is_written_with_suggestions(page: Page, jobs: WorkedJobs) -> None:
    page.goto("/jobs")
    page.keyboard.press("/")
    query = page.get_by_role("combobox", name="Query")
    expect(query).to_be_focused()
    query.press_sequentially("sta")
    options = page.get_by_role("option")
    expect(options).to_have_count(1)
    query.press("ArrowDown")
    query.press("Enter")
    expect(query).to_have_value("state:")
    expect(options.first).to_contain_text("state:pending")
    query.press_sequentially("fai")
    expect(options).to_have_count(1)
    query.press("ArrowDown")
    query.press("Tab")
    expect(query).to_have_value("state:failed ")
    assert_accessible(page)
    query.press("Escape")
    query.focus()
    query.press("Enter")
    expect(page).to_have_url(re.compile(r"q=state%3Afailed"))
    expect(page.locator(f"#job-{jobs.failed}")).to_be_visible()
    expect(page.locator(f"#job-{jobs.running}")).to_have_count(0)


def test_a_suggestion_is_taken_with_the_pointer(page: Page) -> None:
    page.goto("/jobs")
    query = page.get_by_role("combobox", name="Query")
    query.fill("account:kes")
    page.get_by_role("option", name="Kestrel Freight").click()
    expect(query).to_have_value('account:"Kestrel Freight" ')
    expect(query).to_be_focused()


def test_a_wrong_query_points_at_its_place(page: Page, complaints: Complaints) -> None:
    complaints.expect("400")
    page.goto("/jobs?q=type:system.echo+state:faild")
    expect(page.get_by_role("alert")).to_contain_text("Did you mean failed?")
    expect(page.locator("mark")).to_have_text("state:faild")


def test_a_new_job_shows_by_itself_and_what_was_chosen_stays(site: Site, page: Page, jobs: WorkedJobs) -> None:
    page.goto("/jobs?q=state:pending")
    page.get_by_role("checkbox", name=f"Choose job {jobs.pending}", exact=True).check()
    (new,) = add_jobs(site.sql)
    expect(page.locator(f"#job-{new}")).to_be_visible()
    expect(page.get_by_role("checkbox", name=f"Choose job {jobs.pending}", exact=True)).to_be_checked()
    expect(page.get_by_role("status").filter(has_text="1 chosen")).to_be_visible()


def test_the_keyboard_goes_from_row_to_row_whatever_comes_meanwhile(site: Site, page: Page) -> None:
    first, second = add_jobs(site.sql, 2, job_type="keys.work")
    page.goto("/jobs?q=type:keys.work")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(f"#job-{first} a").first).to_be_focused()
    (third,) = add_jobs(site.sql, job_type="keys.work")
    expect(page.locator(f"#job-{third}")).to_be_visible()
    page.keyboard.press("k")
    expect(page.locator(f"#job-{second} a").first).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name=f"Choose job {second}", exact=True)).to_be_checked()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/jobs/{second}$"))


def test_a_page_follows_its_job(site: Site, page: Page) -> None:
    (job,) = add_jobs(site.sql)
    page.goto(f"/jobs/{job}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(f"Job {job}: cancelled.")).to_be_visible()
    expect(page.locator(".state-card")).to_contain_text("Cancelled at")
    page.get_by_role("button", name="Retry").click()
    expect(page).to_have_url(re.compile(rf"/jobs/(?!{job}$)\d+$"))
    expect(page.get_by_role("link", name=f"job {job}", exact=True)).to_be_visible()


def test_a_log_is_opened_where_it_stands_and_stays_open(site: Site, page: Page, jobs: WorkedJobs) -> None:
    page.goto(f"/jobs/{jobs.failed}")
    attempt = (
        page.locator("#attempts-title").locator("xpath=ancestor::section").locator("tr", has_text="503 the server")
    )
    attempt.get_by_role("link", name="Traceback and log").click()
    expect(attempt.get_by_text("slow_answer")).to_be_visible()
    site.sql.execute("UPDATE job_history SET priority = 3 WHERE id = %s", (jobs.failed,))
    facts = page.get_by_label("Facts")
    expect(facts.locator("dt", has_text="Priority").locator("xpath=following-sibling::dd[1]")).to_have_text("3")
    expect(attempt.get_by_text("slow_answer")).to_be_visible()


def test_chosen_jobs_are_cancelled_together(site: Site, page: Page) -> None:
    first, second, third = add_jobs(site.sql, 3, job_type="chosen.work")
    page.goto("/jobs?q=type:chosen.work")
    cancel = page.locator("#acts").get_by_role("button", name="Cancel")
    expect(cancel).to_be_disabled()
    page.get_by_role("checkbox", name=f"Choose job {first}", exact=True).check()
    page.get_by_role("checkbox", name=f"Choose job {second}", exact=True).check()
    cancel.click()
    expect(page.get_by_text("2 jobs: cancelled.")).to_be_visible()
    assert show_job(site.sql, third).state is JobState.PENDING
    page.get_by_role("checkbox", name="Choose all jobs of this page").check()
    expect(page.get_by_role("status").filter(has_text="3 chosen")).to_be_visible()


def test_a_row_that_is_drawn_anew_stays_chosen(site: Site, page: Page) -> None:
    (job_id,) = add_jobs(site.sql, 1, job_type="drawn.anew")
    page.goto("/jobs?q=type:drawn.anew")
    page.get_by_role("checkbox", name=f"Choose job {job_id}", exact=True).check()
    page.evaluate(
        """() => {
            const row = document.querySelector("tr[id^=job-]");
            const copy = row.cloneNode(true);
            copy.querySelector("input").checked = false;
            row.replaceWith(copy);
        }"""
    )
    expect(page.get_by_role("checkbox", name=f"Choose job {job_id}", exact=True)).to_be_checked()
    expect(page.get_by_role("status").filter(has_text="1 chosen")).to_be_visible()


def test_all_that_fit_are_cancelled_by_a_job(site: Site, page: Page) -> None:
    add_jobs(site.sql, 4, job_type="many.work")
    page.goto("/jobs?q=type:many.work")
    page.get_by_text("All that fit").click()
    page.get_by_role("link", name="Cancel all unfinished").click()
    expect(page.get_by_text("4 jobs", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel them").click()
    expect(page).to_have_url(re.compile(r"/jobs/\d+$"))
    expect(page.get_by_role("heading", name="Cancels jobs")).to_be_visible()


def test_a_job_is_put_off(site: Site, page: Page) -> None:
    (job,) = add_jobs(site.sql)
    page.goto(f"/jobs/{job}")
    page.locator("summary", has_text="Reschedule").click()
    page.get_by_label("Due in").fill("2h")
    page.get_by_role("button", name="Reschedule").click()
    expect(page.locator(".state-card")).to_contain_text("Scheduled for")


def test_it_all_goes_without_a_script(site: Site, no_script_page: Page, jobs: WorkedJobs) -> None:
    page = no_script_page
    page.goto("/jobs")
    page.get_by_label("Query").fill("state:failed")
    page.get_by_role("button", name="Search").click()
    page.locator(f"#job-{jobs.failed}").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Job {jobs.failed}")).to_be_visible()
    page.get_by_role("link", name="Traceback and log").last.click()
    expect(page.get_by_text("slow_answer")).to_be_visible()
    (first, second) = add_jobs(site.sql, 2, job_type="plain.work")
    page.goto("/jobs?q=type:plain.work")
    page.get_by_role("checkbox", name=f"Choose job {first}", exact=True).check()
    page.locator("#acts").get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("1 job: cancelled.")).to_be_visible()
    page.goto(f"/jobs/{second}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(f"Job {second}: cancelled.")).to_be_visible()


def test_a_group_is_cancelled_after_a_question(page: Page, jobs: WorkedJobs) -> None:
    page.goto(f"/groups/{jobs.group}")
    page.get_by_role("link", name="Cancel what is left").click()
    expect(page.get_by_text("2 of its 3 jobs are not done")).to_be_visible()
    page.get_by_role("button", name="Cancel what is left").click()
    expect(page.get_by_text("is being cancelled").first).to_be_visible()
