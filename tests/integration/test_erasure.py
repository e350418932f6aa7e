"""An account is erased: nothing of it stands anywhere, nothing of others goes, and it goes on after any death."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres import audit_chain, owned_tables
from infra.postgres.accounts import add_account
from infra.postgres.audit import ActionFilter, Actor, ActorKind, list_actions
from infra.postgres.ddl import metadata
from infra.postgres.erasure import KEPT, erased_tables
from infra.postgres.erasure_orders import NameDiffers, order_erasure
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.ordered_types import ERASE_TYPE
from infra.postgres.schema import ACCOUNT_TABLES
from infra.postgres.traces import Trace, find_traces
from retinue import Job
from retinue.errors import NotAllowed, NotFound
from retinue.outcomes import Cancelled, Outcome
from retinue.servant import load_servant
from servants.accounts import erase as servant_of_erasure
from tests.support.assertions import history_of, state_of
from tests.support.erasure import fill, rows_of, traces_of
from tests.support.factories import ECHO, add_jobs
from tests.support.planted import canary
from tests.support.race import DEADLINE_SECONDS
from tests.support.runtime import House, Say, kind_of, open_house

ADA = Actor(ActorKind.COMMAND_LINE, None, "ada")
ERASED, OTHER = 7, 8
SHORT = timedelta(milliseconds=20)


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in ("STOP", "AGAIN", "SETTLING"):
        monkeypatch.setattr(servant_of_erasure, name, SHORT)
    with open_house(database_url, sql) as house:
        yield house


def erase(house: House, account_id: int = ERASED) -> int:
    """Ordered, and done by a servant to its end; the job's ID."""
    with house.sql.transaction():
        job = order_erasure(house.sql, ADA, account_id, reason="a letter of 2026-11-01")
    house.start(load_servant(ERASE_TYPE))
    house.wait(job, "completed", "complete")
    return job


def test_nothing_of_it_stands_anywhere(house: House) -> None:
    fill(house.sql, ERASED)
    planted = {(trace.table, trace.column) for trace in find_traces(house.sql, traces_of(ERASED))}
    # The scan sees what is there: texts, JSON and bytes, in tables of data and of the engine, and in partitions.
    assert {
        ("records", "payload"),
        ("job_history_default", "payload"),
        ("lanes", "lane"),
        ("lane_holds", "reason"),
        ("job_keys", "key"),
        ("account_keys", "wrapped"),
        ("connections", "credentials"),
        ("breakers", "reason"),
        ("anomalies", "reason"),
    } <= planted

    job = erase(house)

    assert find_traces(house.sql, traces_of(ERASED)) == []
    (result,) = history_of(house.sql, job, "result")
    assert result["tables_without_a_row"] == len(erased_tables(house.sql))
    # Its key goes before all, and what it has of an anomaly goes with an anomaly that is its alone.
    apart = KEPT | {"account_keys", "anomaly_accounts"}
    assert {name for name, rows in result["rows"].items() if rows} >= set(ACCOUNT_TABLES) - apart


def test_others_keep_every_byte(house: House) -> None:
    fill(house.sql, ERASED)
    fill(house.sql, OTHER)
    # What is on its way into the other's lanes has come there.
    house.dispatch()
    before = rows_of(house.sql, OTHER)

    erase(house)

    assert rows_of(house.sql, OTHER) == before
    assert sum(map(len, before.values())) > len(ACCOUNT_TABLES)


def test_no_table_is_forgotten(sql: psycopg.Connection) -> None:
    erased = erased_tables(sql)
    assert {table.whole for table in erased} >= set(ACCOUNT_TABLES) - KEPT
    assert set(ACCOUNT_TABLES) >= KEPT
    # Whatever refers to one of them goes with it, and before it.
    places = {table.name: place for place, table in enumerate(erased)}
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            if key.referred_table.name in places and table.name != key.referred_table.name:
                assert places[table.name] < places[key.referred_table.name] or key.referred_table.name == "anomalies"


def test_the_audit_stays_whole_and_says_what_went(house: House) -> None:
    fill(house.sql, ERASED)
    job = erase(house)

    with psycopg.connect(house.url) as connection:
        assert audit_chain.verify(connection).broken is None
    erased, ordered = list_actions(house.sql, ActionFilter(account_id=ERASED)).actions
    assert (ordered.action, ordered.actor_name) == ("account.erase", "ada")
    assert ordered.detail == {"reason": "a letter of 2026-11-01", "job": job}
    assert (erased.action, erased.actor_name, erased.detail["job"]) == ("account.erased", "ada", job)
    assert erased.detail["rows"]["records"] == 7, "one of each kind"


def test_its_key_goes_before_anything_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(house.sql, ERASED)
    keys: list[int] = []

    def delete(*given: Any, **named: Any) -> int:
        keys.extend(house.sql.execute("SELECT count(*) FROM account_keys").fetchone() or ())
        return really(*given, **named)

    really = owned_tables.delete
    monkeypatch.setattr(servant_of_erasure, "delete", delete)
    erase(house)
    assert set(keys) == {0}


def test_batches_are_bounded_and_it_goes_on_where_it_died(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servant_of_erasure, "BATCH", 3)
    monkeypatch.setattr(servant_of_erasure, "LOOK", 10)
    account_id = add_account(house.sql, "Ada").id
    made = "SELECT number, 1, %s, 'x' FROM generate_series(1, 50) AS number"
    house.sql.execute(f"INSERT INTO echoes (job_id, attempt, account_id, message) {made}".encode(), (account_id,))
    really, batches = owned_tables.delete, list[int]()

    def delete(*given: Any, **named: Any) -> int:
        batches.append(really(*given, **named))
        if len(batches) == 6:
            raise ConnectionError("the servant dies before its commit")
        return batches[-1]

    monkeypatch.setattr(servant_of_erasure, "delete", delete)
    job = erase(house, account_id)

    assert max(batches) == 3
    (result, attempt) = history_of(house.sql, job, "result, attempt")
    # What was rolled back is not counted twice.
    assert result["rows"]["echoes"] == 50
    assert attempt > 1


def test_what_runs_is_asked_to_stop_and_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servant_of_erasure, "STOP", timedelta(seconds=DEADLINE_SECONDS))
    account_id = add_account(house.sql, "Ada").id
    stopped: list[str] = []

    def handler(job: Job[Say]) -> Outcome:
        assert job.cancelled.wait(DEADLINE_SECONDS)
        stopped.append(job.cancelled.reason)
        return Cancelled()

    house.start(kind_of(handler))
    (running,) = house.run({"text": "runs"}, account_id=account_id, lane=f"account:{account_id}")
    house.wait_for("(SELECT state = 'running' FROM jobs WHERE id = %s)", running)
    waiting = add_jobs(house.sql, 1201, job_type=ECHO, account_id=account_id)

    erase(house, account_id)

    assert len(stopped) == 1
    gone = house.sql.execute("SELECT id FROM jobs UNION ALL SELECT id FROM job_history WHERE account_id IS NOT NULL")
    assert gone.fetchall() == []
    assert len(waiting) == 1201


def test_a_job_that_does_not_stop_writes_nothing_more(house: House) -> None:
    fill(house.sql, ERASED)  # its one running job has no servant that could stop it
    erase(house)
    assert house.sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_what_is_made_meanwhile_goes_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    account_id = add_account(house.sql, "Ada").id
    calls = list[int]()

    def meanwhile(connection: psycopg.Connection) -> object:
        if len(calls) < 2:
            calls.extend(add_jobs(house.sql, 1, job_type=ECHO, account_id=account_id))
        return erased_tables(connection)

    monkeypatch.setattr(servant_of_erasure, "erased_tables", meanwhile)
    erase(house, account_id)
    assert calls
    left = house.sql.execute("SELECT count(*) FROM jobs WHERE account_id = %s", (account_id,)).fetchone()
    assert left == (0,)


def test_one_that_is_stopped_can_be_ordered_again(house: House) -> None:
    fill(house.sql, ERASED)
    with house.sql.transaction():
        job = order_erasure(house.sql, ADA, ERASED, reason="x")
    with pytest.raises(NotAllowed, match=f"already, by job {job}"), house.sql.transaction():
        order_erasure(house.sql, ADA, ERASED, reason="x")
    cancel_jobs(house.sql, [job])
    assert state_of(house.sql, job) == ("cancelled", "cancel")

    erase(house)
    assert find_traces(house.sql, traces_of(ERASED)) == []


def test_what_is_refused_erases_nothing(sql: psycopg.Connection) -> None:
    account_id = add_account(sql, "Ada").id
    with pytest.raises(NotFound), sql.transaction():
        order_erasure(sql, ADA, account_id + 1, reason="x")
    with pytest.raises(NameDiffers), sql.transaction():
        order_erasure(sql, ADA, account_id, reason="x", typed_name="ada")
    assert sql.execute("SELECT erasing_at FROM accounts").fetchone() == (None,)
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_an_account_that_is_gone_is_no_failure(house: House) -> None:
    account_id = add_account(house.sql, "Ada").id
    with house.sql.transaction():
        job = order_erasure(house.sql, ADA, account_id, reason="x")
    house.sql.execute("DELETE FROM accounts")
    house.start(load_servant(ERASE_TYPE))
    house.wait(job, "completed", "complete")


def test_a_job_made_by_hand_does_it_too(house: House) -> None:
    fill(house.sql, ERASED)
    (job,) = house.add({"account_id": ERASED}, job_type=ERASE_TYPE, lane="system")
    house.start(load_servant(ERASE_TYPE))
    house.wait(job, "completed", "complete")
    assert find_traces(house.sql, traces_of(ERASED)) == []
    (erased,) = list_actions(house.sql, ActionFilter(account_id=ERASED)).actions
    assert (erased.action, erased.actor_name) == ("account.erased", "account.erase")


class TestTraces:
    def test_are_found_in_whatever_holds_text(self, sql: psycopg.Connection) -> None:
        fill(sql, ERASED)
        found = find_traces(sql, [canary(ERASED, "records", "payload").upper()])
        assert found == [Trace("records", "payload", 7), Trace("records", "sort_name", 2)]

    def test_are_found_as_json_writes_them(self, sql: psycopg.Connection) -> None:
        sql.execute("""INSERT INTO jobs (type, lane, payload) VALUES ('x', 'x', '{"a": "say \\"Jö\\""}')""")
        assert find_traces(sql, ['say "jö"']) == [Trace("jobs", "payload", 1)]
        assert find_traces(sql, ["nowhere"]) == []

    def test_an_empty_text_is_refused(self, sql: psycopg.Connection) -> None:
        with pytest.raises(ValueError, match="stands everywhere"):
            find_traces(sql, [""])
