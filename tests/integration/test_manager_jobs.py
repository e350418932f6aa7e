"""The pages about jobs: what they say, and what their buttons do."""

from __future__ import annotations

import html
import re
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.audit import actions_on
from infra.postgres.connect import Database
from infra.postgres.job_details import show_job
from infra.roles import Role
from retinue.states import JobState
from tests.support.factories import ECHO, add_jobs
from tests.support.job_rows import WorkedJobs, add_worked_jobs
from tests.support.manager_server import form_token, manager_app, signed_in, submit


@pytest.fixture
def jobs(sql: psycopg.Connection) -> WorkedJobs:
    return add_worked_jobs(sql)


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    return signed_in(app, Role.OPERATOR)


def text_of(client: FlaskClient, path: str, status: int = 200) -> str:
    """What a page says, without its tags."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return words(answer.text)


def words(page: str) -> str:
    bare = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare)))


def listed(client: FlaskClient, query: str) -> list[int]:
    page = client.get("/jobs", query_string={"q": query}).text
    return [int(found) for found in re.findall(r'id="job-(\d+)"', page)]


def test_the_list_shows_what_fits_the_query(operator: FlaskClient, jobs: WorkedJobs) -> None:
    assert listed(operator, "state:failed") == [jobs.failed]
    assert listed(operator, 'account:"Kestrel Freight" state:running') == [jobs.running]
    assert listed(operator, "error:~timeout") == [jobs.retrying]
    assert jobs.bulk in listed(operator, "")


def test_a_query_that_cannot_be_read_is_shown_with_the_place(operator: FlaskClient, jobs: WorkedJobs) -> None:
    answer = operator.get("/jobs", query_string={"q": "type:system.echo state:faild"})
    assert answer.status_code == 400
    assert "<mark>state:faild</mark>" in answer.text
    assert "Did you mean failed?" in answer.text


def test_pages_go_on_where_the_last_one_ended(operator: FlaskClient, sql: psycopg.Connection) -> None:
    add_jobs(sql, 120)
    seen: list[int] = []
    path = "/jobs?q=state:pending"
    while path:
        page = operator.get(path).text
        seen += [int(found) for found in re.findall(r'id="job-(\d+)"', page)]
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(older[1]) if older else ""
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)


def test_an_empty_list_teaches(operator: FlaskClient, sql: psycopg.Connection) -> None:
    assert "retinue jobs enqueue system.echo" in text_of(operator, "/jobs")
    add_jobs(sql, 1)
    assert "No job fits" in text_of(operator, "/jobs?q=state:failed")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pending", ["It is due", "Run now"]),
        ("scheduled", ["Scheduled for", "Reschedule"]),
        ("retrying", ["Waits until", "504 timeout", "Coming tries", "page_read", "4 lines before these"]),
        ("snoozed", ["Put back until", "the provider asked to wait"]),
        ("queued", ["On the queue", "retinue-local-system-echo"]),
        ("running", ["has run attempt 1", "310 of 1", "Kestrel Freight"]),
        ("completed", ["Completed at", '"changed": 3', '"api_key": "***"']),
        (
            "failed",
            [
                "Failed, because trying again cannot help",
                "PermanentError",
                "Errors like this",
                "line 71, in sync_calendar",
            ],
        ),
        ("cancelled", ["Cancelled at", "Retry"]),
        ("bulk", ["Runs jobs again", "412 of 1", "error text", "run again already"]),
        ("parent", ["onboard", "1 of 3 done"]),
    ],
)
def test_the_page_of_a_job(operator: FlaskClient, jobs: WorkedJobs, name: str, says: list[str]) -> None:
    page = text_of(operator, f"/jobs/{getattr(jobs, name)}").replace("\u202f", "").replace("\xa0", " ")
    assert [words for words in says if words not in page] == []


def test_what_jobs_say_is_shown_and_never_run(operator: FlaskClient, jobs: WorkedJobs) -> None:
    for path in ("/jobs", f"/jobs/{jobs.failed}", f"/jobs/{jobs.failed}/attempts/2"):
        page = operator.get(path).text
        assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; refused" in operator.get(f"/jobs/{jobs.failed}").text


def test_the_attempts_of_a_job_and_what_each_left(operator: FlaskClient, jobs: WorkedJobs) -> None:
    page = operator.get(f"/jobs/{jobs.failed}").text
    assert re.findall(r'id="attempt-(\d+)-', page) == ["2", "1"]
    assert "slow_answer" in text_of(operator, f"/jobs/{jobs.failed}/attempts/1")
    part = operator.get(f"/jobs/{jobs.failed}/attempts/1", headers={"HX-Request": "true"}).text
    assert "slow_answer" in part
    assert "<html" not in part


def test_there_is_no_such_job_or_attempt(operator: FlaskClient, jobs: WorkedJobs) -> None:
    assert "There is no job 999" in text_of(operator, "/jobs/999999", 404)
    assert "Nothing was kept" in text_of(operator, f"/jobs/{jobs.completed}/attempts/1", 404)
    assert operator.get("/jobs/99999999999999999999999").status_code == 404


def test_a_failed_job_is_run_again(operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection) -> None:
    answer = submit(operator, f"/jobs/{jobs.failed}/retry")
    assert answer.status_code == 303
    new = int(answer.headers["Location"].rpartition("/")[2])
    assert show_job(sql, new).retry_of == jobs.failed
    (action,) = actions_on(sql, "job", jobs.failed)
    assert (action.action, action.detail) == ("job.retry", {"new_job": new})
    assert f"job {new}" in text_of(operator, f"/jobs/{jobs.failed}")


def test_a_job_is_cancelled_run_now_and_put_off(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection
) -> None:
    assert submit(operator, f"/jobs/{jobs.scheduled}/run").status_code == 303
    job = show_job(sql, jobs.scheduled)
    assert job.run_at <= job.seen_at
    assert submit(operator, f"/jobs/{jobs.scheduled}/reschedule", **{"in": "2h"}).status_code == 303
    assert show_job(sql, jobs.scheduled).run_at > show_job(sql, jobs.pending).seen_at
    submit(operator, f"/jobs/{jobs.pending}/cancel")
    assert show_job(sql, jobs.pending).state is JobState.CANCELLED
    submit(operator, f"/jobs/{jobs.running}/cancel")
    assert show_job(sql, jobs.running).cancel_requested_at is not None
    assert [one.action for one in actions_on(sql, "job", jobs.scheduled)] == ["job.reschedule", "job.run"]


def test_what_cannot_be_done_is_said_and_not_written_down(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection
) -> None:
    answer = submit(operator, f"/jobs/{jobs.completed}/retry")
    assert answer.status_code == 303
    assert "enqueue a new one" in text_of(operator, f"/jobs/{jobs.completed}")
    submit(operator, f"/jobs/{jobs.pending}/reschedule", **{"in": "soon"})
    assert "is no duration" in text_of(operator, f"/jobs/{jobs.pending}")
    assert actions_on(sql, "job", jobs.completed) == []
    assert actions_on(sql, "job", jobs.pending) == []


def chosen(client: FlaskClient, deed: str, *ids: int, **form: str) -> str:
    """What the list says after the chosen jobs' button was pressed."""
    data: dict[str, Any] = {"csrf_token": form_token(client), "deed": deed, "id": [str(one) for one in ids], **form}
    assert client.post("/jobs/chosen", data=data).status_code in (303, 400)
    return text_of(client, "/jobs")


def test_chosen_jobs_are_acted_on_together(operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection) -> None:
    said = chosen(operator, "retry", jobs.failed, jobs.cancelled, jobs.completed)
    assert "2 jobs: run again as a new job." in said
    assert f"Job {jobs.completed} is completed" in said
    said = chosen(operator, "reschedule", jobs.pending, jobs.running, **{"in": "1h"})
    assert "1 job: given another time." in said
    assert f"Job {jobs.running} is running" in said
    assert "Choose at least one job" in chosen(operator, "cancel")
    assert [one.action for one in actions_on(sql, "job", jobs.cancelled)] == ["job.retry"]
    assert chosen(operator, "explode", jobs.failed)


def test_viewers_see_no_buttons_and_can_press_none(app: Flask, jobs: WorkedJobs, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)
    for path in ("/jobs", f"/jobs/{jobs.failed}", f"/jobs/{jobs.pending}", f"/groups/{jobs.group}"):
        page = viewer.get(path).text.partition("<main")[2].partition("</main")[0]
        assert re.findall(r'method="post" action="(?!/jobs/chosen)([^"]+)"', page) == []
        assert 'name="deed"' not in page
    assert submit(viewer, f"/jobs/{jobs.failed}/retry").status_code == 403
    assert viewer.get("/jobs/bulk/cancel").status_code == 403


def test_a_bulk_operation_is_shown_first_and_then_done_by_a_job(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection
) -> None:
    page = operator.get("/jobs/bulk/cancel?q=type:system.echo state:pending").text
    assert "jobs that fit type:system.echo state:pending" in words(page)
    assert "Kestrel Freight" in page
    answer = submit(operator, "/jobs/bulk/cancel", order=order_in(page), rate="50")
    assert answer.status_code == 303
    made = show_job(sql, int(answer.headers["Location"].rpartition("/")[2]))
    assert made.type == "system.bulk"
    assert (made.payload["operation"], made.payload["rate"]) == ("cancel", 50.0)
    assert made.payload["filter"]["type"] == ECHO
    assert made.payload["filter"]["states"] == ["pending"]
    ((action, detail),) = sql.execute(
        "SELECT action, detail FROM operator_actions WHERE action LIKE 'jobs.bulk%'"
    ).fetchall()
    assert (action, detail["bulk_job"]) == ("jobs.bulk_cancel", made.id)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("retry?q=state:pending", "this query asks for none of them"),
        ("retry?q=attempts:>3", "cannot go by attempts"),
        ("cancel?q=-type:system.echo", "cannot leave out by type"),
        ("cancel?q=state:pendin", "Did you mean pending?"),
        ("cancel?q=account:nobody", "There is no account"),
        ("retry?q=error:~nothing", "There is nothing to do"),
        ("cancel?rate=fast", "is no rate"),
        ("cancel?q=type:system.*", "one type at a time"),
    ],
)
def test_a_bulk_operation_says_why_it_cannot(operator: FlaskClient, jobs: WorkedJobs, path: str, says: str) -> None:
    assert says in text_of(operator, f"/jobs/bulk/{path}")


def test_rescheduling_many_takes_the_time_from_the_form(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection
) -> None:
    page = operator.get(f"/jobs/bulk/reschedule?q=account:{jobs.account}").text
    assert "Due in" in page
    answer = submit(operator, "/jobs/bulk/reschedule", order=order_in(page), at="2030-01-01T00:00")
    made = show_job(sql, int(answer.headers["Location"].rpartition("/")[2]))
    assert made.payload["run_at"].startswith("2030-01-01T00:00:00")
    assert submit(operator, "/jobs/bulk/reschedule", order=order_in(page)).status_code == 303
    assert "Give a time" in text_of(operator, "/jobs")


def test_what_comes_after_a_preview_is_not_touched(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection
) -> None:
    (shown,) = add_jobs(sql, 1, lane="wide")
    page = operator.get("/jobs/bulk/cancel?q=lane:wide").text
    add_jobs(sql, 3, lane="wide")
    answer = submit(operator, "/jobs/bulk/cancel", order=order_in(page))
    made = show_job(sql, int(answer.headers["Location"].rpartition("/")[2]))
    assert (made.payload["up_to_id"], made.payload["expected"]) == (shown, 1)


@pytest.mark.parametrize("order", [None, "", "made-up", "retry"])
def test_nothing_is_done_to_many_that_was_not_shown(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection, order: str | None
) -> None:
    """Neither with a form of another operation."""
    if order == "retry":
        order = order_in(operator.get("/jobs/bulk/retry?q=state:failed").text)
    form = {"q": ""} if order is None else {"order": order}
    assert submit(operator, "/jobs/bulk/cancel", **form).status_code == 303
    assert sql.execute("SELECT count(*) FROM operator_actions WHERE action LIKE 'jobs%'").fetchone() == (0,)
    assert re.search("Look at what would be done first|to retry, not to cancel", text_of(operator, "/jobs"))


def order_in(page: str) -> str:
    """What the page's form is about to do."""
    found = re.search(r'name="order" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_groups_and_what_is_in_them(operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection) -> None:
    assert "onboard" in text_of(operator, "/groups")
    assert "onboard" in text_of(operator, "/groups?unfinished")
    page = text_of(operator, f"/groups/{jobs.group}")
    assert "1 of 3" in page
    assert f"job {jobs.parent}" in page
    assert "2 of its 3 jobs are not done" in text_of(operator, f"/groups/{jobs.group}/cancel")
    submit(operator, f"/groups/{jobs.group}/cancel")
    assert "a person cancelled it" in text_of(operator, f"/groups/{jobs.group}")
    assert [one.action for one in actions_on(sql, "group", jobs.group)] == ["group.cancel"]
    assert operator.get("/groups/999").status_code == 404


def suggested(client: FlaskClient, text: str) -> list[str]:
    answer = client.get("/jobs/suggest", query_string={"q": text})
    assert answer.status_code == 200
    return [item["insert"] for item in answer.json["items"]]  # type: ignore[index] # it is an object


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sta", ["state:"]),
        ("-ac", ["-account:"]),
        ("state:fa", ["state:failed "]),
        ("state:failed,ca", ["state:failed,cancelled "]),
        ("type:system.b", ["type:system.bulk "]),
        ("account:kest", ['account:"Kestrel Freight" ']),
        ('account:"Kest', ['account:"Kestrel Freight" ']),
        ("account:%", []),
        ("reason:poi", ["reason:poison "]),
        ("error:Perm", ["error:PermanentError "]),
        ("ran:>1m", ["ran:>1m "]),
        ("after:2", ["after:24h "]),
        ("colour:r", []),
        ("error:~tim", []),
    ],
)
def test_suggestions(operator: FlaskClient, jobs: WorkedJobs, text: str, expected: list[str]) -> None:
    assert suggested(operator, text) == expected


def test_suggestions_begin_with_all_fields(operator: FlaskClient, jobs: WorkedJobs) -> None:
    assert suggested(operator, "")[:3] == ["state:", "type:", "account:"]
    assert suggested(operator, "state:failed ")[:1] == ["state:"]
    answer = operator.get("/jobs/suggest", query_string={"q": "sta type:x", "at": "3"}).json
    assert (answer["start"], answer["end"]) == (0, 3)  # type: ignore[index] # it is an object


def test_what_changes_is_live_and_what_is_older_stands_still(
    operator: FlaskClient, jobs: WorkedJobs, sql: psycopg.Connection
) -> None:
    add_jobs(sql, 60)
    for path in ("/jobs", "/jobs?q=state:running", f"/jobs/{jobs.running}", f"/groups/{jobs.group}"):
        assert "data-live=" in operator.get(path).text.partition("<main")[2]
    older = re.search(r'rel="next" href="([^"]+)"', operator.get("/jobs").text)
    assert older is not None
    page = operator.get(html.unescape(older[1])).text.partition("<main")[2]
    assert "data-live=" not in page
    assert "Go to the newest" in page
