"""What PostgreSQL lets the manager do, whatever its code asks for. That it is enough, all other tests of it prove."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql as compose
from psycopg.conninfo import conninfo_to_dict

from infra.postgres import logins
from infra.postgres.calendar_connections import forget_versions
from infra.postgres.catalogue import OPERATOR_ROLE
from infra.postgres.connect import Database
from infra.postgres.ddl_access import operator_columns, operator_rights, seen_tables
from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.logins import Login, ensure_logins
from infra.postgres.operator_grants import ALL, GRANTS, SEQUENCES
from infra.postgres.statements import statement
from infra.queues.postgres import PostgresQueues
from scheduler.retain import Retain
from tests.support.command_line import bare_environment
from tests.support.factories import ECHO, add_jobs, add_servant
from tests.support.manager_database import logins_of
from tests.support.manager_process import manager_command
from tests.support.operator_session import operator
from tests.support.planted import plant

__all__ = ["bare_environment", "operator"]

Refused = psycopg.errors.InsufficientPrivilege

#: All that PostgreSQL has for a whole table.
WHOLE = ("DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
#: And for columns.
BY_COLUMN = ("SELECT", "INSERT", "UPDATE")


def test_it_may_do_with_each_table_what_is_declared_and_nothing_else(operator: psycopg.Connection) -> None:
    columns = """
        SELECT relname, attname, right_
        FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        CROSS JOIN unnest(%s::text[]) AS right_
        WHERE relnamespace = ANY(ARRAY['public', 'masked']::regnamespace[]) AND relkind IN ('r', 'p', 'v', 'm', 'f')
            AND has_column_privilege(pg_class.oid, attnum, right_)
    """
    tables = """
        SELECT relname, right_
        FROM pg_class
        CROSS JOIN unnest(%s::text[]) AS right_
        WHERE relnamespace = ANY(ARRAY['public', 'masked']::regnamespace[]) AND relkind IN ('r', 'p', 'v', 'm', 'f')
            AND has_table_privilege(pg_class.oid, right_)
    """
    found = {*operator.execute(columns, ([*BY_COLUMN],)), *operator.execute(tables, ([*WHOLE],))}
    assert found == {*declared_columns(), *declared_tables(), ("alembic_version", "version_num", "SELECT")}


def declared_columns() -> Iterator[tuple[str, str, str]]:
    for name, grant in GRANTS.items():
        yield from ((name, column, "SELECT") for column in readable(name))
        yield from ((name, column, "INSERT") for column in operator_columns(name, grant.insert))
        yield from ((name, column, "UPDATE") for column in grant.update.split())


def readable(name: str) -> list[str]:
    return operator_columns(name, GRANTS[name].read, but=GRANTS[name].withheld)


def declared_tables() -> Iterator[tuple[str, str]]:
    yield from ((name, "DELETE") for name, grant in GRANTS.items() if grant.delete)


def test_what_is_declared_keeps_what_must_be_kept() -> None:
    """Said a second time, so that nobody widens it by the way."""
    kept = operator_rights("operator_actions", GRANTS["operator_actions"])
    assert [right.partition(" ")[0] for right in kept] == ["SELECT", "INSERT"]
    assert not {"id", "at"} & {*GRANTS["operator_actions"].insert.split()}
    assert {"audit_chain", "audit_head", "search_words", "message_participants", "calendar_attendees"}.isdisjoint(
        GRANTS
    )
    assert "credentials" not in readable("connections")
    assert {name for name, grant in GRANTS.items() if grant.delete} == {
        *("jobs", "lane_holds", "schedules", "budgets", "incident_mutes"),
        *("sessions", "account_sessions", "invitations"),
    }
    for name in ("calendar_events", "contacts", "mail_messages", "records"):
        assert GRANTS[name].read != ALL, name
        assert operator_rights(name, GRANTS[name])[1:] == [], name


def test_sequences_functions_and_schemas(operator: psycopg.Connection) -> None:
    sequences = operator.execute(
        "SELECT relname, string_agg(right_, ', ' ORDER BY right_) FROM pg_class"
        " CROSS JOIN unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS right_"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'"
        " AND has_sequence_privilege(pg_class.oid, right_)"
        " GROUP BY relname"
    ).fetchall()
    assert dict(sequences) == SEQUENCES
    functions = operator.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = ANY(ARRAY['public', 'masked']::regnamespace[])"
        " AND has_function_privilege(oid, 'EXECUTE')"
    ).fetchall()
    assert functions == []
    schemas = operator.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'"
        " AND (has_schema_privilege(oid, 'CREATE') OR has_schema_privilege(oid, 'USAGE') AND nspname <> 'public')"
    ).fetchall()
    assert schemas == []


def test_it_is_nobody_else_and_owns_nothing(operator: psycopg.Connection) -> None:
    attributes = operator.execute(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles"
        " WHERE rolname IN (current_user, %s)",
        (OPERATOR_ROLE,),
    ).fetchall()
    assert attributes == [(False,) * 5] * 2
    member_of = operator.execute(
        "SELECT rolname FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER') AND rolname <> current_user"
    ).fetchall()
    assert member_of == [(OPERATOR_ROLE,)]
    owned = operator.execute(
        "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass"
        " AND refobjid IN (current_user::regrole, %s::regrole)",
        (OPERATOR_ROLE,),
    ).fetchone()
    assert owned == (0,)


def test_partitions_that_are_made_later_take_what_it_writes_and_are_read_through_their_table(
    sql: psycopg.Connection, database: Database, operator: psycopg.Connection
) -> None:
    add_servant(sql)
    (job, *_) = add_jobs(sql, 2)
    assert Retain(database, history_days=14).run_once().done > 0

    cancel_jobs(operator, [job])

    day = sql.execute("SELECT tableoid::regclass::text FROM job_history WHERE id = %s", (job,)).fetchall()[0][0]
    assert day != "job_history_default"
    assert operator.execute("SELECT id, state FROM job_history").fetchall() == [(job, "cancelled")]
    assert operator.execute("SELECT job_id FROM job_events").fetchall() == [(job,)]
    with pytest.raises(Refused):
        operator.execute(compose.SQL("SELECT id FROM {}").format(compose.Identifier(day)))


def test_what_pages_do_that_their_own_tests_leave_out(
    sql: psycopg.Connection, operator: psycopg.Connection, database_url: str
) -> None:
    """Calendars are read anew, a traced job is made, and a queue that is missing is made by whoever asks for it."""
    plant(sql, 7)
    sql.execute("UPDATE calendars SET sync_token = 'a', ctag = 'b'")
    sql.execute("UPDATE calendar_objects SET etag = 'c'")
    connections = [row[0] for row in sql.execute("SELECT DISTINCT connection_id FROM calendars")]
    for connection_id in connections:
        forget_versions(operator, connection_id)
    assert sql.execute("SELECT DISTINCT sync_token, ctag FROM calendars").fetchall() == [(None, None)]
    assert sql.execute("SELECT DISTINCT etag FROM calendar_objects").fetchall() == [(None,)]

    (made,) = enqueue_many(operator, [NewJob(type=ECHO, payload={"message": "x"}, unique_key="one")])
    operator.execute(statement("note_traceparent"), {"ids": [made.id], "traceparent": "00-1-2-01"})

    queues = PostgresQueues(operator_url(database_url))
    assert queues.depth(ECHO).visible == 0
    queues.close()
    assert sql.execute("SELECT type FROM queues").fetchall() == [(ECHO,)]


def test_it_sees_every_account(sql: psycopg.Connection, operator: psycopg.Connection) -> None:
    for account_id in (7, 8):
        plant(sql, account_id)
    keys = {table.name: "id" if table.name == "accounts" else "account_id" for table in seen_tables()}
    told = {name: key for name, key in keys.items() if name in GRANTS and key in readable(name)}
    assert len(told) > 15
    for name, key in told.items():
        query = compose.SQL("SELECT DISTINCT {} FROM {} WHERE {} IN (7, 8)").format(
            *map(compose.Identifier, (key, name, key))
        )
        assert {row[0] for row in operator.execute(query)} == {7, 8}, name


def test_the_process_has_no_session_of_the_owner(
    bare_environment: None, sql: psycopg.Connection, database_url: str
) -> None:
    add_servant(sql)
    query = (
        "SELECT usename, count(*)::int FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'retinue-%' GROUP BY usename"
    )
    with manager_command(database_url) as (_, address):
        told = readiness(address)
        sessions: dict[str, int] = dict(sql.execute(query).fetchall())
    assert told["checks"]["queues"]["ok"]
    # One of its pool, and one for the queues.
    assert sessions == {operator_name(database_url): 2}


def test_a_process_that_starts_again_writes_nothing_and_needs_no_right_to_make_roles(
    sql: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ensure_logins(database_url)
    monkeypatch.setattr(logins, "_make", pytest.fail)
    assert ensure_logins(database_url) == made


@pytest.mark.parametrize(
    "loss",
    [
        "ALTER ROLE {} PASSWORD 'another'",
        "ALTER ROLE {} NOLOGIN",
        "ALTER ROLE {} SET search_path = masked",
        "ALTER ROLE {} SET statement_timeout = 1",
        "ALTER ROLE {} IN DATABASE {database} SET default_transaction_read_only = on",
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        "REVOKE CONNECT ON DATABASE {database} FROM {}",
        "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM retinue_operator",
    ],
)
def test_what_is_missing_of_it_is_made_again(sql: psycopg.Connection, database_url: str, loss: str) -> None:
    made = ensure_logins(database_url)[Login.OPERATOR]
    with psycopg.connect(made) as before:
        before.execute("SELECT id FROM jobs")
    sql.execute(loss.format(operator_name(database_url), database=sql.info.dbname).encode())

    assert not logins._work(made, sql.info.dbname)

    assert ensure_logins(database_url)[Login.OPERATOR] == made
    assert logins._work(made, sql.info.dbname)
    with psycopg.connect(made, autocommit=True) as again:
        again.execute("SELECT pg_notify('retinue_due', '')")
        everybody = "SELECT has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY')"
        assert again.execute(everybody).fetchone() == (False,)
        assert again.execute("SHOW search_path").fetchone() == ("public",)


def readiness(address: str) -> Any:
    """What the process says of itself, also where it is not ready."""
    request = urllib.request.build_opener(_Unready())
    with request.open(f"{address}/readyz", timeout=10) as answer:
        return json.load(answer)


class _Unready(urllib.request.HTTPErrorProcessor):
    """An answer is an answer whatever its status."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


def operator_url(owner_url: str) -> str:
    return logins_of(owner_url)[Login.OPERATOR]


def operator_name(owner_url: str) -> str:
    return str(conninfo_to_dict(operator_url(owner_url))["user"])
