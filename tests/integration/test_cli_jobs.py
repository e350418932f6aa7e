from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.bell import listen
from retinue.outcomes import Fail, Park, Retry
from tests.support.assertions import row_of
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import ECHO, add_account, add_jobs, add_servant, run_jobs, settle_one
from tests.support.job_rows import add_worked_jobs

__all__ = ["bare_environment", "retinue"]

#: What scripts read of a job in a listing; a key is added here, none is renamed.
LINE_KEYS = {
    "id", "type", "account_id", "account_name", "lane", "priority", "state", "reason", "attempt", "failures",
    "created_at", "run_at", "claimed_at", "finished_at", "run_seconds", "progress_done", "progress_total", "error",
}  # fmt: skip


def test_a_job_is_made_for_an_account(retinue: CommandLine, sql: psycopg.Connection) -> None:
    account = add_account(sql, "Kestrel Freight")

    made = retinue.json(
        "jobs",
        "enqueue",
        ECHO,
        '{"message": "hi"}',
        "--account",
        "Kestrel Freight",
        "--priority",
        1,
        "--unique-key",
        "x",
    )

    columns = "account_id, priority, unique_key, payload->>'message', run_at <= now()"
    assert row_of(sql, made["id"], columns) == (account, 1, "x", "hi", True)
    again = retinue.say("jobs", "enqueue", ECHO, "--unique-key", "x")
    assert again == f"Job {made['id']} (system.echo) has the same unique key: no other was made.\n"


def test_a_second_call_may_change_the_job_that_waits(retinue: CommandLine, sql: psycopg.Connection) -> None:
    made = retinue.json("jobs", "enqueue", ECHO, '{"message": "a"}', "--unique-key", "x")["id"]
    rules = ("--unique-key", "x", "--unique-over", "waiting", "--on-conflict", "replace")

    assert retinue.json("jobs", "enqueue", ECHO, '{"message": "b"}', *rules) == {
        "id": made,
        "created": False,
        "effect": "replaced",
    }
    words = retinue.say("jobs", "enqueue", ECHO, '{"message": "c"}', *rules)
    assert words == f"Job {made} (system.echo) has the same unique key and waits: it got this payload.\n"
    assert row_of(sql, made, "payload->>'message'") == ("c",)


def test_a_job_is_made_for_later(retinue: CommandLine, sql: psycopg.Connection) -> None:
    at = retinue.json("jobs", "enqueue", ECHO, "--at", "2099-03-01T13:00:00+01:00")["id"]
    soon = retinue.json("jobs", "enqueue", ECHO, "--in", "1h")["id"]

    assert row_of(sql, at, "run_at") == (datetime(2099, 3, 1, 12, tzinfo=UTC),)
    (in_an_hour,) = row_of(sql, soon, "run_at - now()")
    assert timedelta(minutes=59) < in_an_hour <= timedelta(hours=1)


def test_making_a_job_rings_the_bell(retinue: CommandLine, database_url: str) -> None:
    listening, rung, stopped = threading.Event(), threading.Event(), threading.Event()

    def on_ring() -> None:
        # The first is for what came before listening.
        (rung if listening.is_set() else listening).set()

    thread = threading.Thread(target=listen, args=(database_url, on_ring, stopped), kwargs={"check_seconds": 0.05})
    thread.start()
    try:
        assert listening.wait(10)
        retinue.say("jobs", "enqueue", ECHO)
        assert rung.wait(10)
    finally:
        stopped.set()
        thread.join(10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["system.ecko"], "Unknown job type 'system.ecko'. Did you mean 'system.echo'?"),
        ([ECHO, '{"massage": 1}'], "massage: Extra inputs are not permitted"),
        ([ECHO, "{massage}"], "this is no JSON"),
        ([ECHO, "--in", "soon"], "'soon' is no duration: write 30s, 5m, 1h30m or 2d"),
        ([ECHO, "--at", "2026-03-01T12:00:00"], "needs its zone"),
        ([ECHO, "--at", "2026-03-01T12:00:00Z", "--in", "5m"], "Give --at or --in, not both."),
        ([ECHO, "--priority", "10"], "10 is not in the range 0<=x<=9"),
        ([ECHO, "--unique-key", ""], "unique_key is empty"),
        ([ECHO, "--unique-key", "k", "--on-conflict", "later"], "max_wait goes with on_conflict='later'"),
        ([ECHO, "--on-conflict", "replace"], "--max-wait go with --unique-key"),
        ([], "Missing argument 'TYPE'"),
    ],
)
def test_bad_input_makes_no_job(
    retinue: CommandLine, sql: psycopg.Connection, arguments: list[str], words: str
) -> None:
    assert words in retinue.refusal("jobs", "enqueue", *arguments, exit_code=2)
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_an_account_that_is_not_there(retinue: CommandLine) -> None:
    said = retinue.refusal("jobs", "enqueue", ECHO, "--account", "Nobody", exit_code=1)

    assert said == (
        "Error: There is no account 'Nobody'. `retinue accounts list` shows all, `retinue accounts add` makes one.\n"
    )


def test_a_list_has_stable_keys_and_filters(retinue: CommandLine, sql: psycopg.Connection) -> None:
    account = add_account(sql, "acme")
    (mine,) = add_jobs(sql, account_id=account)
    (failed,) = run_jobs(sql)
    settle_one(sql, failed, Fail("no use"))

    found = retinue.json("jobs", "list")
    assert set(found) == {"jobs", "searched_to"}
    assert [set(job) for job in found["jobs"]] == [LINE_KEYS, LINE_KEYS]
    assert found["jobs"][0]["finished_at"].endswith("Z")
    by = {
        ("--account", "acme"): [mine],
        ("--state", "failed"): [failed.id],
        ("--state", "failed", "--state", "pending"): [failed.id, mine],
        ("--type", "calendar.sync"): [],
        ("--limit", "1"): [failed.id],
    }
    for arguments, ids in by.items():
        assert [job["id"] for job in retinue.json("jobs", "list", *arguments)["jobs"]] == ids


def test_a_list_for_people(retinue: CommandLine, sql: psycopg.Connection) -> None:
    account = add_account(sql, "acme")
    add_jobs(sql, account_id=account)
    (failed,) = run_jobs(sql)
    settle_one(sql, failed, Fail("no [bold]use[/]\x1b[2J\nat all", kind="PermanentError"))

    lines = retinue.say("jobs", "list").splitlines()
    assert lines[0].split()[:5] == ["ID", "Type", "Account", "State", "Tries"]
    assert "PermanentError: no [bold]use[/]�[2J at all" in lines[2]
    assert f"{account} acme" in lines[3]
    assert retinue.say("jobs", "list", "--type", "calendar.sync") == "No such jobs.\n"


def test_a_search_that_gave_up_says_so(
    retinue: CommandLine, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.postgres.job_queries._FIRST_WINDOW", 10)
    monkeypatch.setattr("infra.postgres.job_queries.list_jobs.__kwdefaults__", {"limit": 50, "search_seconds": 0.0})
    add_jobs(sql, 30, account_id=2)

    result = retinue.run("jobs", "list", "--account", add_account(sql, "acme"))

    assert result.exit_code == 0
    assert result.stderr == "Older jobs than 21 were not looked at: that would take long.\n"


def test_show_tells_everything(retinue: CommandLine, sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql, servant_id=add_servant(sql))
    settle_one(sql, held, Retry(after=timedelta(minutes=5), message="it broke", kind="ServerFailed"))

    job = retinue.json("jobs", "show", held.id)
    assert set(job) > LINE_KEYS
    assert [event["to_state"] for event in job["events"]] == ["pending"]
    assert [one["number"] for one in job["coming_tries"]] == [2, 3, 4, 5]
    said = retinue.say("jobs", "show", held.id)
    for words in (
        "pending (retry)",
        "1 begun, 1 failed",
        "ServerFailed: it broke",
        "running → pending",
        "Coming tries",
    ):
        assert words in said


def test_why_says_what_it_waits_for(retinue: CommandLine, sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql, lane="connection_id:7")
    settle_one(sql, held, Park("refused"))

    said = retinue.say("jobs", "why", held.id).splitlines()
    assert said[0] == f"Job {held.id} is pending."
    assert "`retinue connections test 7`" in said[1]
    answer = retinue.json("jobs", "why", held.id)
    assert answer["expected_start"] is None
    assert [reason["kind"] for reason in answer["reasons"]][:2] == ["incident", "no_scheduler"]


def test_why_counts_processes_live_as_long_as_a_lease(
    retinue: CommandLine, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_servant(sql)
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '60 seconds'")
    (job,) = add_jobs(sql)
    assert "No servant of type" in retinue.say("jobs", "why", job)

    monkeypatch.setenv("RETINUE_LEASE_SECONDS", "120")
    assert "No servant of type" not in retinue.say("jobs", "why", job)


@pytest.mark.parametrize("command", ["show", "why"])
def test_a_job_that_is_not_there(retinue: CommandLine, command: str) -> None:
    assert "There is no job 4711" in retinue.refusal("jobs", command, 4711, exit_code=1)
    assert "is not in the range" in retinue.refusal("jobs", command, 0, exit_code=2)
    assert "is not a valid" in retinue.refusal("jobs", command, "seven", exit_code=2)
    assert "is not in the range" in retinue.refusal("jobs", command, 2**63, exit_code=2)


def test_cancel_and_retry(retinue: CommandLine, sql: psycopg.Connection) -> None:
    first, second = add_jobs(sql, 2)
    (running,) = run_jobs(sql)

    said = retinue.say("jobs", "cancel", first, second, running.id).splitlines()
    assert said == [
        f"Job {first} was cancelled.",
        f"Job {second} was cancelled.",
        f"Job {running.id} was asked to stop.",
    ]
    assert retinue.say("jobs", "retry", first) == f"Job {first}: runs again as job {running.id + 1}.\n"


def test_what_could_not_be_done_is_told_and_counts(retinue: CommandLine, sql: psycopg.Connection) -> None:
    (job,) = add_jobs(sql)

    result = retinue.run("jobs", "cancel", job, 4711)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        f"Job {job} was cancelled.\n",
        "There is no job 4711.\n",
    )
    results = retinue.json("jobs", "retry", job, 4711, exit_code=1)["results"]
    assert [result["deed"] for result in results] == ["retried", "nothing"]
    assert results[1]["problem"] == "There is no job 4711."


def test_a_query_finds_jobs_page_by_page(retinue: CommandLine, sql: psycopg.Connection) -> None:
    jobs = add_jobs(sql, 3)
    add_jobs(sql, 1, job_type="other.work")

    page = retinue.json("jobs", "search", f"type:{ECHO}", "state:pending", "--limit", 2)
    assert [job["id"] for job in page["jobs"]] == jobs[:0:-1]
    assert set(page["jobs"][0]) == LINE_KEYS
    rest = retinue.json("jobs", "search", f"type:{ECHO} state:pending", "--after", page["following"])
    assert ([job["id"] for job in rest["jobs"]], rest["following"]) == ([jobs[0]], None)
    assert "--after" in retinue.run("jobs", "search", "--limit", 1).stderr


def test_a_query_that_cannot_be_read_is_pointed_at(retinue: CommandLine) -> None:
    said = retinue.refusal("jobs", "search", "state:failed colour:red", exit_code=2)
    assert "There is no field 'colour'" in said
    assert "               ^^^^^^^^^^" in said


def test_what_a_failed_attempt_left_is_shown(retinue: CommandLine, sql: psycopg.Connection) -> None:
    jobs = add_worked_jobs(sql)

    said = retinue.say("jobs", "log", jobs.failed)
    assert "in sync_calendar" in said
    assert "(4 lines before these were not kept.)" in said
    assert "[warning] slow_answer seconds=9.1" in said
    assert retinue.json("jobs", "log", jobs.failed, "--attempt", 1)["attempt"] == 1
    assert retinue.json("jobs", "log", jobs.failed)["attempt"] == 2
    assert "Nothing was kept" in retinue.refusal("jobs", "log", jobs.completed, exit_code=1)


def test_pending_jobs_are_given_another_time(retinue: CommandLine, sql: psycopg.Connection) -> None:
    (job,) = add_jobs(sql)

    assert retinue.say("jobs", "reschedule", job, "--in", "2h") == f"Job {job} was given another time.\n"
    assert row_of(sql, job, "run_at > now() + interval '1 hour'") == (True,)
    (held,) = run_jobs(sql)
    assert "only a pending job" in retinue.refusal("jobs", "reschedule", held.id, "--in", "2h", exit_code=1)
    assert "There is no job 4711" in retinue.refusal(
        "jobs", "reschedule", 4711, "--at", "2030-01-01T00:00:00Z", exit_code=1
    )
    assert "not both" in retinue.refusal("jobs", "reschedule", job, exit_code=2)
