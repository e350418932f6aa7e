from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.job_actions import retry_jobs
from tests.support.assertions import row_of, state_of
from tests.support.bulk import fail_jobs
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import ECHO, add_account, add_jobs, run_jobs

__all__ = ["bare_environment", "retinue"]


def test_without_yes_it_is_a_preview(retinue: CommandLine, sql: psycopg.Connection) -> None:
    account = add_account(sql, "Kestrel Freight")
    failed = fail_jobs(sql, 3, account_id=account)
    retry_jobs(sql, failed[:1])

    text = retinue.say("jobs", "bulk", "retry", "--account", "Kestrel Freight", "--rate", 1)

    assert text.startswith("This would retry 2 jobs.\n")
    assert "1: Kestrel Freight\n" in text
    assert "1 (run again already)\n" in text
    assert "2.0 s or longer\n" in text
    assert re.search(rf"^ *{failed[1]} +{ECHO} ", text, re.MULTILINE)
    assert text.endswith("Nothing was changed. The same with --yes does it.\n")
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_a_preview_for_scripts(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_jobs(sql, 2)
    run_jobs(sql)

    said = retinue.json("jobs", "bulk", "reschedule", "--in", "1h", "--type", ECHO)

    assert said["job_id"] is None
    preview = said["preview"]
    assert (preview["operation"], preview["jobs"], preview["left_alone"]) == ("reschedule", 2, {"running": 1})
    assert (preview["stopped_by"], preview["accounts"], preview["account_names"]) == (None, 0, [])
    assert set(preview["sample"][0]) == {"id", "type", "account_id", "lane", "state", "reason", "at"}


def test_with_yes_one_job_is_made(retinue: CommandLine, sql: psycopg.Connection) -> None:
    (waiting,) = add_jobs(sql, account_id=add_account(sql))

    text = retinue.say("jobs", "bulk", "cancel", "--type", ECHO, "--rate", 50, "--yes")

    (job,) = [row[0] for row in sql.execute("SELECT id FROM jobs WHERE type = 'system.bulk'")]
    assert text.startswith(f"Job {job} will cancel 1 job.\n")
    assert text.endswith(f"`retinue jobs show {job}` follows it, `retinue jobs cancel {job}` ends it.\n")
    payload = row_of(sql, job, "payload")[0]
    assert (payload["operation"], payload["rate"], payload["expected"]) == ("cancel", 50, 1)
    assert payload["filter"]["type"] == ECHO
    assert state_of(sql, waiting) == ("pending", "enqueue")


def test_what_is_made_says_its_id_to_scripts(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_jobs(sql)

    at = "2099-03-01T13:00:00+01:00"
    job = retinue.json("jobs", "bulk", "reschedule", "--at", at, "--all", "--yes")["job_id"]

    assert row_of(sql, job, "payload->>'run_at'") == ("2099-03-01T13:00:00+01:00",)
    assert "Payload" in retinue.say("jobs", "show", job)


def test_in_is_counted_from_now(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_jobs(sql)
    job = retinue.json("jobs", "bulk", "reschedule", "--in", "1h", "--lane", "account:1", "--yes")["job_id"]

    (run_at,) = row_of(sql, job, "payload->>'run_at'")
    ahead = datetime.fromisoformat(run_at) - datetime.now(UTC)
    assert timedelta(minutes=59) < ahead <= timedelta(hours=1)


def test_nothing_to_do_makes_no_job(retinue: CommandLine, sql: psycopg.Connection) -> None:
    text = retinue.say("jobs", "bulk", "retry", "--type", ECHO, "--yes")

    assert text == "This would retry 0 jobs.\nNo job was made: there is nothing to do.\n"
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cancel"], "give a filter besides the state, or ask for all jobs explicitly."),
        (["retry", "--state", "cancelled"], "give a filter besides the state"),
        (["retry", "--type", ECHO, "--all"], "ask for all jobs or give a filter, not both."),
        (["retry", "--type", ECHO, "--state", "pending"], "'pending' is not one of 'failed', 'cancelled'"),
        (["retry", "--type", ECHO, "--reason", "snooze"], "no job that is failed is so for the reason snooze"),
        (["retry", "--type", ECHO, "--reason", "boredom"], "filter.reason: Input should be"),
        (["cancel", "--fingerprint", "xyz"], "filter.fingerprint: String should match pattern"),
        (["cancel", "--all", "--rate", "0"], "rate: Input should be greater than 0."),
        (["cancel", "--since", "2026-03-01T12:00:00"], "needs its zone"),
        (["reschedule", "--all"], "Give --at or --in, and not both."),
        (["reschedule", "--all", "--in", "1h", "--at", "2099-03-01T12:00:00Z"], "Give --at or --in, and not both."),
    ],
)
def test_bad_input(retinue: CommandLine, sql: psycopg.Connection, arguments: list[str], words: str) -> None:
    add_jobs(sql)
    assert words in retinue.refusal("jobs", "bulk", *arguments, "--yes", exit_code=2)
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_an_account_that_is_not_there(retinue: CommandLine) -> None:
    assert "There is no account 'nobody'." in retinue.refusal(
        "jobs", "bulk", "cancel", "--account", "nobody", exit_code=1
    )
