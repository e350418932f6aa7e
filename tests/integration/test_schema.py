"""What the database itself refuses, and what one account's reader sees."""

from __future__ import annotations

import re
import secrets
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, UniqueViolation

from infra.postgres.ddl import PARTITIONED
from infra.postgres.schema import ACCOUNT_TABLES, metadata
from retinue.states import TRANSITIONS, JobState, Reason, Transition, arrivals
from tests.support.catalog import constraint
from tests.support.factories import ECHO, add_account, add_jobs, add_schedule, run_jobs, settle_one


def quoted(text: str) -> list[str]:
    return re.findall(r"'(\w+)'::job_(?:state|reason)", text)


@pytest.mark.parametrize("name", ["jobs_state_reason", "job_history_state_reason"])
def test_the_reasons_of_each_state_are_those_of_the_table(sql: psycopg.Connection, name: str) -> None:
    alternatives = (quoted(part) for part in constraint(sql, name).split(" OR "))
    found = {JobState(state): frozenset(map(Reason, reasons)) for state, *reasons in alternatives}
    assert found == arrivals()


def test_the_noted_transitions_are_those_of_the_table(sql: psycopg.Connection) -> None:
    alternatives = [quoted(part) for part in constraint(sql, "job_events_transition").split(" OR ")]
    assert {Transition(JobState(s), JobState(t), Reason(r)) for s, t, r in alternatives} == TRANSITIONS


def test_the_enums_are_those_of_the_code(sql: psycopg.Connection) -> None:
    states = sql.execute("SELECT unnest(enum_range(NULL::job_state))").fetchall()
    reasons = sql.execute("SELECT unnest(enum_range(NULL::job_reason))").fetchall()
    assert [row[0] for row in states] == [state.value for state in JobState]
    assert [row[0] for row in reasons] == [reason.value for reason in Reason]


@pytest.mark.parametrize(
    ("change", "violated"),
    [
        ("state = 'queued', reason = 'claim'", "jobs_state_reason"),
        ("state = 'pending', reason = 'complete'", "jobs_state_reason"),
        ("state = 'completed', reason = 'complete'", "jobs_unfinished"),
        ("state = 'running', reason = 'claim'", "jobs_lease"),
        ("lease_until = now()", "jobs_lease"),
        ("state = 'running', reason = 'claim', lease_until = now()", "jobs_lease"),
        ("priority = 10", "jobs_priority"),
        ("priority = -1", "jobs_priority"),
        ("schedule_id = 1", "jobs_fire"),
        ("fire_at = now()", "jobs_fire"),
    ],
)
def test_a_job_that_cannot_be_is_refused(sql: psycopg.Connection, change: str, violated: str) -> None:
    add_jobs(sql)
    with pytest.raises(CheckViolation, match=violated):
        sql.execute(f"UPDATE jobs SET {change}".encode())  # noqa: S608 - from the list above


@pytest.mark.parametrize(
    ("columns", "violated"),
    [
        ({"cron": "* * * * *", "every_seconds": 60}, "schedules_one_rule"),
        ({"every_seconds": 0.5}, "schedules_every_seconds"),
        ({"every_seconds": float("nan")}, "schedules_every_seconds"),
        ({"every_seconds": float("inf")}, "schedules_every_seconds"),
        ({"jitter_seconds": -1}, "schedules_jitter"),
        ({"jitter_seconds": float("inf")}, "schedules_jitter"),
        ({"catch_up": 0}, "schedules_catch_up"),
        ({"lane": secrets.token_hex(4000)}, "schedules_indexable"),
        ({"type": secrets.token_hex(4000)}, "schedules_indexable"),
        ({"catch_up": 101}, "schedules_catch_up"),
        ({"overlap": "queue"}, "schedules_overlap"),
        ({"state": "off"}, "schedules_state"),
        ({"priority": 11}, "schedules_priority"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(sql: psycopg.Connection, columns: dict[str, Any], violated: str) -> None:
    with pytest.raises(CheckViolation, match=violated):
        add_schedule(sql, **columns)


@pytest.mark.parametrize(
    ("statement", "violated"),
    [
        ("INSERT INTO lanes (type, lane, concurrency_limit) VALUES ('a.b', 'x', 0)", "lanes_concurrency_limit"),
        ("INSERT INTO lanes (type, lane, weight) VALUES ('a.b', 'x', 0)", "lanes_weight"),
        ("INSERT INTO lanes (type, lane, ready) VALUES ('a.b', 'x', true)", "lanes_ready"),
        ("INSERT INTO lane_holds (type, lane, kind, reason) VALUES ('a.b', 'x', 'mood', '')", "lane_holds_kind"),
        (
            "INSERT INTO lane_holds (type, lane, kind, until, reason) VALUES ('a.b', 'x', 'pause', 'infinity', '')",
            "lane_holds_until",
        ),
        (
            "INSERT INTO job_types (type, slots, timeout_seconds, type_limit) VALUES ('a.b', 1, 1, 0)",
            "job_types_type_limit",
        ),
        ("INSERT INTO accounts (name) VALUES ('')", "accounts_name_length"),
        (
            "INSERT INTO connections (account_id, provider, name, config, credentials, state)"
            " VALUES (1, 'p', 'n', '{}', '', 'broken')",
            "connections_broken_has_problem",
        ),
    ],
)
def test_other_rows_that_cannot_be_are_refused(sql: psycopg.Connection, statement: str, violated: str) -> None:
    with pytest.raises(CheckViolation, match=violated):
        sql.execute(statement.encode())


def test_a_noted_change_must_be_legal(sql: psycopg.Connection) -> None:
    with pytest.raises(CheckViolation, match="job_events_transition"):
        sql.execute(
            "INSERT INTO job_events (job_id, attempt, from_state, to_state, reason)"
            " VALUES (1, 1, 'completed', 'pending', 'retry')"
        )


def test_an_account_has_one_schedule_of_a_type_and_name_and_so_has_the_system(sql: psycopg.Connection) -> None:
    account_id = add_account(sql)
    add_schedule(sql, "nightly", account_id=account_id)
    add_schedule(sql, "nightly")
    for owner in (account_id, None):
        with pytest.raises(UniqueViolation):
            add_schedule(sql, "nightly", account_id=owner)


def test_every_table_with_account_data_is_under_row_level_security(sql: psycopg.Connection) -> None:
    carrying = {table.name for table in metadata.sorted_tables if "account_id" in table.columns}
    assert carrying == set(ACCOUNT_TABLES)
    guarded = sql.execute("SELECT relname FROM pg_class WHERE relrowsecurity").fetchall()
    assert {row[0] for row in guarded} == {*ACCOUNT_TABLES, "accounts"}


def test_the_partitioned_tables_take_rows_of_any_day(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held)
    sql.execute("UPDATE job_history SET finished_at = '2001-01-01Z'")
    assert sql.execute("SELECT type, tableoid::regclass::text FROM job_history").fetchall() == [
        (ECHO, "job_history_default")
    ]
    assert set(PARTITIONED) == {"job_history", "job_events", "record_changes"}
