"""What each process tells Prometheus, asked as Prometheus asks, and that the page on it lists all of it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from prometheus_client import generate_latest

from infra.postgres.connect import Database, DatabaseUnreachable
from infra.queues.memory import MemoryQueues
from infra.settings import load_settings
from retinue import Completed, Job, Outcome, PermanentError
from scheduler.process import SchedulerProcess
from scheduler.work_metrics import NAMED_LANES, WorkMetrics
from tests.support.docs import PAGES
from tests.support.factories import ECHO, add_account, add_jobs, add_servant
from tests.support.manager_server import PASSWORD, USER, AwayDatabase, manager_app
from tests.support.plans import explain
from tests.support.race import wait_until
from tests.support.runtime import TYPE, House, Say, captured_logs, kind_of, open_house
from tests.support.scraping import families, names, scrape, value

AUTH = (USER, PASSWORD)


def fail_if_told(job: Job[Say]) -> Outcome:
    if job.payload.text == "fail":
        raise PermanentError("as told")
    with job.commit() as tx:
        if job.payload.text == "commit":
            tx.complete(Completed())
    return Completed()


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house


@pytest.fixture
def scheduler(database: Database, database_url: str) -> Iterator[SchedulerProcess]:
    settings = load_settings(env_file=None, database_url=database_url)
    process = SchedulerProcess(settings, database=database, queues=MemoryQueues())
    process.start()
    yield process
    process.stop()


def port_of(sql: psycopg.Connection, table: str) -> int:
    row = sql.execute(f"SELECT metrics_port FROM {table}".encode()).fetchone()  # noqa: S608 - one of two tables
    assert row is not None
    return int(row[0])


def test_a_servant_counts_its_jobs_by_what_they_came_to(house: House) -> None:
    house.start(kind_of(fail_if_told, slots=4), metrics_port=0)
    house.run({"text": "say"}, {"text": "fail"}, {"text": "commit"}, {"text": "say"})
    house.wait_for("(SELECT count(*) = 4 FROM job_history)")
    port = port_of(house.sql, "servants")
    found = settled_in(port, jobs=4)
    settled, sample = found["retinue_jobs_settled"], "retinue_jobs_settled_total"
    assert value(settled, sample=sample, type=TYPE, state="completed", reason="complete") == 3
    assert value(settled, sample=sample, type=TYPE, state="failed", reason="permanent") == 1
    for name in ("retinue_job_run_seconds", "retinue_job_wait_seconds"):
        assert value(found[name], sample=f"{name}_count", type=TYPE) == 4
    assert value(found["retinue_slots"], type=TYPE) == 4
    assert value(found["retinue_jobs_held"]) == value(found["retinue_slots_busy"]) == 0
    assert 0 <= value(found["retinue_heartbeat_age_seconds"]) < 60
    assert value(found["retinue_build_info"], process="servant") == 1


def settled_in(port: int, *, jobs: int) -> dict[str, Any]:
    """What is served once that many jobs are counted, which is a moment after they are written."""

    def counted() -> bool:
        samples = scrape(port)["retinue_jobs_settled"].samples
        return sum(each.value for each in samples if each.name.endswith("_total")) == jobs

    wait_until(counted, "the jobs were not counted")
    return scrape(port)


def test_an_outcome_that_came_too_late_is_not_counted(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        gate(job)
        return Completed()

    process = house.start(kind_of(handler), heartbeat_seconds=5)
    house.run()
    gate.await_entry()
    house.sql.execute("UPDATE jobs SET attempt = attempt + 1")
    gate.open()
    assert process._held.wait_until_empty(20)
    process.drain()
    samples = [each for family in process._observer.registry.collect() for each in family.samples]
    assert [each for each in samples if each.name == "retinue_jobs_settled_total"] == []


def test_counting_that_fails_undoes_no_outcome(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_batch: object) -> None:
        raise RuntimeError("odd")

    process = house.start(kind_of(fail_if_told))
    monkeypatch.setattr(process._observer, "_count", fail)
    with captured_logs() as logs:
        house.run({"text": "say"})
        house.wait_for("(SELECT count(*) = 1 FROM job_history WHERE state = 'completed')")
        process.drain()
    assert [line["jobs"] for line in logs.all("settled_not_counted")] == [1]
    assert logs.all("outcome_not_storable") == []


def test_a_scheduler_tells_of_its_passes_and_of_the_work(
    scheduler: SchedulerProcess, sql: psycopg.Connection, database: Database
) -> None:
    assert scheduler.loops["retain"].wait_for_runs(1, 20)
    found = scrape(port_of(sql, "schedulers"))
    assert value(found["retinue_pass_runs"], sample="retinue_pass_runs_total", **{"pass": "retain"}) >= 1
    assert value(found["retinue_pass_seconds"], sample="retinue_pass_seconds_count", **{"pass": "retain"}) >= 1
    assert value(found["retinue_database_up"]) == 1


def test_work_is_counted_by_type_and_lane(sql: psycopg.Connection, database: Database) -> None:
    add_servant(sql)
    add_jobs(sql, 3)
    for lane in range(30):
        sql.execute(
            "INSERT INTO lanes (type, lane, due_at, ready) VALUES (%s, %s, now() - %s * interval '1 minute', true)",
            (ECHO, f"account:{lane}", lane + 1),
        )
    sql.execute("INSERT INTO lane_holds (type, lane, kind, reason) VALUES (%s, 'account:50', 'pause', 'why')", (ECHO,))
    found = {family.name: family for family in WorkMetrics(database).collect()}
    assert value(found["retinue_jobs"], type=ECHO, state="pending") == 3
    conditions = {
        condition: value(found["retinue_lanes"], type=ECHO, condition=condition)
        for condition in ("ready", "held", "full")
    }
    assert conditions == {"ready": 30, "held": 1, "full": 0}
    waits = found["retinue_lane_waits_seconds"]
    assert len(waits.samples) == NAMED_LANES
    assert value(waits, type=ECHO, lane="account:29") == pytest.approx(1800, abs=60)


def test_lanes_are_counted_without_reading_them_all(sql: psycopg.Connection) -> None:
    """Many wait, few are ready, held or full."""
    add_servant(sql)
    sql.execute(
        "INSERT INTO lanes (type, lane, due_at, ready)"
        " SELECT %s, 'account:' || n, now(), n <= 20 FROM generate_series(1, 20000) AS n",
        (ECHO,),
    )
    sql.execute("ANALYZE lanes")
    counted = explain(sql, "count_lanes", {"count_limit": 10_000})
    listed = explain(sql, "list_latest_lanes", {"looked_at": 1000, "limit": 10})
    assert all(sum(read.rows for read in reads if read.table == "lanes") <= 100 for reads in (counted, listed))


def test_budgets_near_their_end_and_troubles_are_told(sql: psycopg.Connection, database: Database) -> None:
    account_id = add_account(sql)
    connections = [
        row[0]
        for row in sql.execute(
            "INSERT INTO connections (account_id, provider, name, config, credentials)"
            " SELECT %s, 'caldav', n::text, '{}', '' FROM generate_series(1, 3) AS n RETURNING id",
            (account_id,),
        )
    ]
    for connection_id, calls in zip(connections, (90, 10, 100), strict=True):
        sql.execute(
            "INSERT INTO budgets (connection_id, window_seconds, call_limit, source) VALUES (%s, 60, 100, 'set')",
            (connection_id,),
        )
        sql.execute("INSERT INTO budget_usage VALUES (%s, 60, now(), %s)", (connection_id, calls))
    sql.execute(
        "INSERT INTO breakers (scope, state, reason, probe_at) VALUES ('provider:caldav', 'open', 'down', now())"
    )
    found = {family.name: family for family in WorkMetrics(database).collect()}
    budgets = {sample.labels["connection"]: sample.value for sample in found["retinue_budget_used_ratio"].samples}
    assert budgets == {str(connections[2]): 1.0, str(connections[0]): 0.9}
    assert value(found["retinue_troubles"], kind="breaker") == 1
    assert value(found["retinue_troubles"], kind="incident") == 0


def test_a_database_that_is_away_is_told_and_hides_nothing_else() -> None:
    (up,) = WorkMetrics(AwayDatabase(DatabaseUnreachable("gone"))).collect()
    assert (up.name, value(up)) == ("retinue_database_up", 0)


def test_the_manager_tells_of_itself_and_of_the_others(
    scheduler: SchedulerProcess, house: House, database: Database, sql: psycopg.Connection
) -> None:
    house.start(kind_of(fail_if_told), metrics_port=0)
    client = manager_app(database).test_client()
    own = families(client.get("/metrics", auth=AUTH).text)
    assert value(own["retinue_build_info"], process="manager") == 1
    groups = client.get("/metrics/targets", auth=AUTH).json
    assert isinstance(groups, list)
    expected = {f"127.0.0.1:{port_of(sql, table)}" for table in ("schedulers", "servants")}
    assert {group["targets"][0] for group in groups} == expected
    assert {group["labels"]["process"] for group in groups} == {"scheduler", "servant"}
    for group in groups:
        assert set(map(type, group["labels"].values())) == {str}
        _, _, port = group["targets"][0].partition(":")
        assert "retinue_build_info" in scrape(int(port))


@pytest.mark.parametrize("path", ["/metrics", "/metrics/targets"])
def test_the_manager_s_metrics_ask_for_its_password(database: Database, path: str) -> None:
    client = manager_app(database).test_client()
    assert client.get(path).status_code == 401
    assert client.get(path, auth=(USER, "wrong")).status_code == 401


def test_what_listens_on_another_machine_s_loopback_is_left_out(database: Database, sql: psycopg.Connection) -> None:
    servant_id = add_servant(sql)
    sql.execute("UPDATE servants SET metrics_port = 9000 WHERE id = %s", (servant_id,))

    def targets(**settings: Any) -> Any:
        return manager_app(database, **settings).test_client().get("/metrics/targets", auth=AUTH).json

    assert targets() == []
    ((group,),) = [targets(metrics_host="10.0.0.5")]
    assert group["targets"] == ["here:9000"]
    sql.execute("UPDATE servants SET host = %s", (socket.gethostname(),))
    ((group,),) = [targets()]
    assert group["targets"] == ["127.0.0.1:9000"]
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '1 hour'")
    assert targets() == []


def test_the_page_lists_every_metric_and_no_other(
    scheduler: SchedulerProcess, house: House, database: Database
) -> None:
    servant = house.prepare(kind_of(fail_if_told))
    answers = [generate_latest(process._observer.registry).decode() for process in (servant, scheduler)]
    answers.append(manager_app(database).test_client().get("/metrics", auth=AUTH).text)
    served = [family for answer in answers for family in families(answer).values()]
    listed = dict(re.findall(r"^\| `(retinue_\w+)` \| (\w+) \|", PAGES["docs/observing.md"], flags=re.MULTILINE))
    assert listed == names(served)


def test_a_servant_without_metrics_has_no_port(house: House) -> None:
    house.start(kind_of(fail_if_told), metrics_port="off")
    assert house.sql.execute("SELECT metrics_port FROM servants").fetchall() == [(None,)]
