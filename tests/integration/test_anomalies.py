"""What jobs report as odd: added up per attempt, written with its commits or its outcome, folded by fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.anomalies import (
    AnomalyState,
    accounts_of,
    assign_anomaly,
    find_anomaly,
    list_anomalies,
    mute_anomaly,
    reopen_anomaly,
    resolve_anomaly,
)
from infra.postgres.anomaly_sightings import Sighting, kind_of, sample_of, write_sightings
from infra.postgres.connect import Database
from infra.postgres.trouble_notes import InvalidNote, note_anomaly, notes_of_anomaly
from retinue import Completed, Job, Outcome, PermanentError
from retinue.async_job import AsyncJob
from retinue.errors import NotFound
from retinue.servant import servant
from scheduler import anomalies as anomalies_pass
from scheduler.anomalies import Anomalies
from scheduler.retain import Retain
from tests.support.assertions import assert_consistent
from tests.support.factories import add_account
from tests.support.plans import explain
from tests.support.runtime import TYPE, House, Say, captured_logs, open_house
from tests.support.runtime import kind_of as type_of


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


@pytest.fixture
def fold(database: Database) -> Anomalies:
    return Anomalies(database)


def sighting(
    account_id: int | None = None, *, reason: str = "", job_id: int = 1, name: str = "odd", seen: int = 1
) -> Sighting:
    fields = {"reason": reason, "number": job_id}
    fingerprint, said = kind_of(TYPE, name, fields)
    family, _ = kind_of(TYPE, name, {})
    return Sighting(fingerprint, family, TYPE, name, said, account_id, None, job_id, sample_of(fields), seen)


def seen(sql: psycopg.Connection) -> list[tuple[str, str, int, int]]:
    return sorted((line.name, line.reason, line.seen, line.accounts) for line in list_anomalies(sql, states=None))


def written(sql: psycopg.Connection) -> list[tuple[str, int]]:
    return sql.execute("SELECT name, seen FROM anomaly_sightings ORDER BY id").fetchall()


def report(job: Job[Say], times: int, name: str = "odd") -> None:
    for n in range(times):
        job.anomaly(name, reason=f"row {n} of 'x{n}' is odd", uid=n)


def report_and_break(job: Job[Say]) -> None:
    report(job, 2)
    raise ZeroDivisionError


def test_a_flood_of_one_attempt_is_one_row_and_few_lines(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        report(job, 1000)
        return Completed()

    account_id = add_account(house.sql)
    with captured_logs() as logs:
        house.start(type_of(handler))
        (job,) = house.run(account_id=account_id)
        house.wait(job, "completed", "complete")
        assert len(logs.all("anomaly")) == 10
    assert written(house.sql) == [("odd", 1000)]
    assert Anomalies(house.scheduler_database).run_once().done == 1
    (line,) = list_anomalies(house.sql)
    assert (line.type, line.reason, line.seen, line.accounts) == (TYPE, "row <n> of <quoted> is odd", 1000, 1)
    (met,) = accounts_of(house.sql, line.id)
    assert (met.account_name, met.job_id, met.sample) == ("acme", job, {"reason": "row 0 of 'x0' is odd", "uid": 0})


def test_what_differs_is_told_apart_up_to_a_limit(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        for n in range(100):
            job.anomaly("odd", reason="it is " + "very " * n + "odd")
        return Completed()

    house.start(type_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    rows = written(house.sql)
    assert len(rows) == 21
    assert sum(times for _, times in rows) == 100


def test_a_commit_writes_them_with_what_it_writes_or_not_at_all(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        with pytest.raises(ZeroDivisionError), job.commit():
            report_and_break(job)
        assert written(house.sql) == []
        with job.commit():
            report(job, 3)
        assert written(house.sql) == [("odd", 5)]
        report(job, 1)
        with job.commit() as tx:
            tx.complete(Completed())
        report(job, 4)
        return Completed()

    process = house.start(type_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    process.drain()
    assert written(house.sql) == [("odd", 5), ("odd", 1), ("odd", 4)]


def test_a_commit_that_fails_while_it_is_written_gives_them_back(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        report(job, 2)
        with pytest.raises(psycopg.errors.ForeignKeyViolation), job.commit() as tx:
            # Told at the commit only, after everything was written.
            tx.execute("INSERT INTO late VALUES (1)")
        assert written(house.sql) == []
        return Completed()

    house.sql.execute("CREATE TABLE late (id bigint REFERENCES accounts DEFERRABLE INITIALLY DEFERRED)")
    house.start(type_of(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert written(house.sql) == [("odd", 2)]


def test_a_job_that_fails_has_reported_too(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        report(job, 2)
        raise PermanentError("no")

    house.start(type_of(handler))
    (job,) = house.run()
    house.wait(job, "failed", "permanent")
    assert written(house.sql) == [("odd", 2)]


def test_an_attempt_that_lost_its_job_reports_nothing(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        report(job, 2)
        gate(job)
        return Completed()

    with captured_logs() as logs:
        house.start(type_of(handler))
        (job,) = house.run()
        gate.await_entry()
        house.sql.execute("UPDATE jobs SET attempt = attempt + 1 WHERE id = %s", (job,))
        gate.open()
        logs.wait("outcome_superseded")
    assert written(house.sql) == []
    house.sql.execute("DELETE FROM jobs")


def test_a_coroutine_reports_through_its_commits_and_its_outcome(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        job.anomaly("odd")
        async with job.commit():
            pass
        job.anomaly("even")
        return Completed()

    house.start(servant(TYPE, slots=2)(handler))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert written(house.sql) == [("odd", 1), ("even", 1)]


def test_fields_that_no_database_holds_are_kept_as_far_as_they_go(sql: psycopg.Connection, fold: Anomalies) -> None:
    fields = {"reason": "nul \0 and \ud800 half", "password": "hunter2", "deep": {"x\0": ["\0", 1, None]}}
    fingerprint, reason = kind_of(TYPE, "odd", fields)
    row = sighting()._replace(fingerprint=fingerprint, reason=reason, sample=sample_of(fields))
    write_sightings(sql, [row, row._replace(account_id=add_account(sql), sample=sample_of({"long": "x" * 10_000}))])
    fold.run_once()
    (line,) = list_anomalies(sql)
    assert line.reason == "nul � and � half"
    none, long = accounts_of(sql, line.id)
    assert none.sample == {"reason": line.reason, "password": "***", "deep": {"x�": ["�", 1, None]}}
    assert set(long.sample) == {"too_long"}


def test_sightings_add_up_by_fingerprint_and_account(sql: psycopg.Connection, fold: Anomalies) -> None:
    acme, globex = add_account(sql), add_account(sql, "globex")
    write_sightings(sql, [sighting(acme, reason="row 1"), sighting(acme, reason="row 2", job_id=7), sighting(globex)])
    assert fold.run_once().done == 2
    write_sightings(sql, [sighting(globex, reason="row 9"), sighting(None, reason="row 10")])
    assert fold.run_once().done == 2
    assert fold.run_once().done == 0
    assert seen(sql) == [("odd", "", 1, 1), ("odd", "row <n>", 4, 3)]
    line = find_anomaly(sql, sighting(reason="row 3").fingerprint)
    assert [(met.account_id, met.seen, met.job_id) for met in accounts_of(sql, line.id)] == [
        (None, 1, 1),
        (acme, 2, 7),
        (globex, 1, 1),
    ]
    assert [line.seen for line in list_anomalies(sql, account_id=acme)] == [4]
    assert [line.seen for line in list_anomalies(sql, account_id=globex)] == [4, 1]


def test_a_batch_is_not_larger_than_it_may_be(
    sql: psycopg.Connection, fold: Anomalies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomalies_pass, "MAX_SIGHTINGS", 2)
    for n in range(3):
        write_sightings(sql, [sighting(job_id=n + 1)])
    assert fold.run_once().again_after == 0
    assert fold.run_once().again_after is None
    assert seen(sql) == [("odd", "", 3, 1)]


def test_of_one_name_only_so_many_are_told_apart(
    sql: psycopg.Connection, fold: Anomalies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomalies_pass, "MAX_FINGERPRINTS", 3)
    write_sightings(sql, [sighting(reason="so " * n + "odd") for n in range(6)])
    write_sightings(sql, [sighting(name="even")])
    fold.run_once()
    write_sightings(sql, [sighting(reason="so " * n + "odd") for n in range(8)])
    fold.run_once()
    found = seen(sql)
    assert [(name, times) for name, reason, times, _ in found if not reason] == [("even", 1), ("odd", 8)]
    assert sum(times for _, _, times, _ in found) == 15
    assert len(found) == 5


def test_what_was_resolved_opens_again_when_it_is_seen_again(sql: psycopg.Connection, fold: Anomalies) -> None:
    write_sightings(sql, [sighting()])
    fold.run_once()
    (line,) = list_anomalies(sql)
    # Seen before it was resolved, and folded after.
    write_sightings(sql, [sighting()])
    resolve_anomaly(sql, line.id, by="ann")
    fold.run_once()
    resolved = find_anomaly(sql, str(line.id))
    assert (resolved.state, resolved.resolved_by, resolved.seen) == ("resolved", "ann", 2)
    assert list_anomalies(sql) == []
    write_sightings(sql, [sighting()])
    fold.run_once()
    (again,) = list_anomalies(sql)
    assert (again.seen, again.resolved_by, again.reopened_at) == (3, None, again.last_seen_at)


def test_what_is_muted_stays_quiet_until_the_mute_ends(sql: psycopg.Connection, fold: Anomalies) -> None:
    write_sightings(sql, [sighting()])
    fold.run_once()
    (line,) = list_anomalies(sql)
    mute_anomaly(sql, line.id, by="ann")
    write_sightings(sql, [sighting()])
    fold.run_once()
    assert list_anomalies(sql) == []
    (muted,) = list_anomalies(sql, states=[AnomalyState.MUTED])
    assert (muted.seen, muted.muted_by, muted.muted_until) == (2, "ann", None)
    mute_anomaly(sql, line.id, by="bob", until=datetime.now(UTC) - timedelta(seconds=1))
    assert [one.id for one in list_anomalies(sql)] == [line.id]
    resolve_anomaly(sql, line.id, by="ann")
    assert find_anomaly(sql, str(line.id)).muted_by is None
    reopen_anomaly(sql, line.id)
    assert find_anomaly(sql, str(line.id)).state == "open"


def test_people_assign_and_note(sql: psycopg.Connection, fold: Anomalies) -> None:
    write_sightings(sql, [sighting()])
    fold.run_once()
    (line,) = list_anomalies(sql)
    assign_anomaly(sql, line.id, "ann")
    for text in ("first", "second"):
        note_anomaly(sql, line.id, author="ann", text=text)
    assert find_anomaly(sql, str(line.id)).assigned_to == "ann"
    assert [(note.author, note.text) for note in notes_of_anomaly(sql, line.id)] == [
        ("ann", "second"),
        ("ann", "first"),
    ]
    for text in ("", "  ", "x" * 4001):
        with pytest.raises(InvalidNote):
            note_anomaly(sql, line.id, author="ann", text=text)


@pytest.mark.parametrize("wanted", ["99", "deadbeef", "x", "9" * 30])
def test_one_that_is_not_there(sql: psycopg.Connection, wanted: str) -> None:
    with pytest.raises(NotFound):
        find_anomaly(sql, wanted)
    for act in (resolve_anomaly, mute_anomaly):
        with pytest.raises(NotFound):
            act(sql, 99, by="ann")
    with pytest.raises(NotFound):
        note_anomaly(sql, 99, author="ann", text="x")


def test_the_last_seen_comes_first_and_pages_follow(sql: psycopg.Connection, fold: Anomalies) -> None:
    for n in range(5):
        write_sightings(sql, [sighting(reason="so " * n)])
        fold.run_once()
    every = list_anomalies(sql, limit=10)
    first = list_anomalies(sql, limit=2)
    rest = list_anomalies(sql, before=(first[-1].last_seen_at, first[-1].id))
    assert [*first, *rest] == every
    assert len(every) == 5
    assert [line.last_seen_at for line in every] == sorted((line.last_seen_at for line in every), reverse=True)


def test_an_account_that_goes_takes_its_share_along(sql: psycopg.Connection, fold: Anomalies) -> None:
    acme, globex = add_account(sql), add_account(sql, "globex")
    write_sightings(sql, [sighting(acme), sighting(globex)])
    fold.run_once()
    write_sightings(sql, [sighting(acme), sighting(globex)])
    sql.execute("DELETE FROM accounts WHERE id = %s", (acme,))
    fold.run_once()
    assert seen(sql) == [("odd", "", 3, 1)]


def test_the_forgotten_are_dropped_and_the_muted_kept(
    sql: psycopg.Connection, database: Database, fold: Anomalies
) -> None:
    write_sightings(sql, [sighting(reason=reason) for reason in ("old", "muted", "muted then")])
    fold.run_once()
    sql.execute("UPDATE anomalies SET first_seen_at = '2001-01-01Z', last_seen_at = '2001-01-01Z'")
    write_sightings(sql, [sighting(reason="new")])
    fold.run_once()
    by_reason = {line.reason: line.id for line in list_anomalies(sql)}
    mute_anomaly(sql, by_reason["muted"], by="ann")
    mute_anomaly(sql, by_reason["muted then"], by="ann", until=datetime.now(UTC) - timedelta(days=1))
    Retain(database, history_days=30).run_once()
    assert {line.reason for line in list_anomalies(sql, states=None)} == {"new", "muted"}


def test_two_schedulers_fold_each_sighting_once(sql: psycopg.Connection, database: Database, fold: Anomalies) -> None:
    write_sightings(sql, [sighting()])
    with database.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (anomalies_pass._FOLD_LOCK,))
        assert fold.run_once().done == 0
    assert fold.run_once().done == 1


@pytest.mark.parametrize("accounts", [2000])
def test_a_page_reads_no_more_than_it_shows(sql: psycopg.Connection, fold: Anomalies, accounts: int) -> None:
    sql.execute("INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, %s) AS n", (accounts,))
    rows: Sequence[tuple[int]] = sql.execute("SELECT id FROM accounts").fetchall()
    write_sightings(sql, [sighting(row[0], reason=reason) for row in rows for reason in ("a", "b")])
    fold.run_once()
    sql.execute("ANALYZE")
    (line, _) = list_anomalies(sql)
    assert line.accounts == accounts
    params = dict.fromkeys(("id", "fingerprint", "states", "account_id", "type", "before", "before_id")) | {"limit": 50}
    assert sum(read.rows for read in explain(sql, "list_anomalies", params)) <= 2
    params |= {"account_id": rows[7][0]}
    assert sum(read.rows for read in explain(sql, "list_anomalies", params)) <= 10
    reads = explain(sql, "list_anomaly_accounts", {"anomaly_id": line.id, "after": 1000, "limit": 50})
    assert sum(read.rows for read in reads if read.table == "anomaly_accounts") <= 60
