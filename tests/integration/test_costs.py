"""What the queues cost: calls by type, shared out among accounts by their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.call_ledger import CallLedger
from infra.postgres.connect import Database
from infra.postgres.costs import (
    AccountCalls,
    Period,
    Prices,
    account_calls,
    calls_by_step,
    costs_of_account,
    shared_until,
    type_calls,
)
from infra.queues.memory import MemoryQueues
from retinue.histogram import BUCKETS
from scheduler.costs import Costs
from tests.support.factories import add_account
from tests.support.plans import explain

HOUR = timedelta(hours=1)


class Charged(MemoryQueues):
    """Queues whose owner charges."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[tuple[str, str], int] = {}

    @property
    def charged(self) -> Mapping[tuple[str, str], int]:
        return self.made


@pytest.fixture
def costs(database: Database) -> Costs:
    return Costs(database, figures_days=400)


@pytest.fixture
def hour(sql: psycopg.Connection) -> datetime:
    """An hour that has ended, of which everything is known."""
    # Long enough ago, whatever the minute is.
    begin: datetime = sql.execute("SELECT date_trunc('hour', now(), 'UTC') - interval '2 hours'").fetchall()[0][0]
    end = begin + HOUR
    sql.execute("INSERT INTO rollup_progress (rolled_until, checked_until) VALUES (%s, %s)", (end, end))
    return begin.astimezone(UTC)


def called(sql: psycopg.Connection, at: datetime, job_type: str, calls: int, action: str = "ReceiveMessage") -> None:
    sql.execute("INSERT INTO queue_calls VALUES (3600, %s, %s, %s, %s)", (at, job_type, action, calls))


def ended(sql: psycopg.Connection, at: datetime, job_type: str, jobs: Mapping[int | None, int]) -> None:
    """So many jobs of each account ended in the hour's second minute; the total is made of them."""
    told: dict[int | None, int] = {account: count for account, count in jobs.items() if account}
    told[None] = sum(jobs.values())
    for account, count in told.items():
        sql.execute(
            "INSERT INTO account_rollups VALUES (60, %s, %s, %s, 'completed', %s, 0, 0, %s, %s)",
            (at + timedelta(minutes=1), job_type, account, count, [0] * BUCKETS, [0] * BUCKETS),
        )


def shares(sql: psycopg.Connection, period: Period, at: datetime) -> dict[str | None, tuple[int, float]]:
    return {one.account_name: (one.jobs, one.calls) for one in account_calls(sql, period, at)}


def test_a_process_tells_what_it_called_since_the_last_time(sql: psycopg.Connection, database: Database) -> None:
    queues = Charged()
    ledger = CallLedger(queues, database)
    assert ledger.write().done == 0
    queues.made = {("a.b", "ReceiveMessage"): 3, ("c.d", "SendMessageBatch"): 2}
    assert ledger.write().done == 2
    queues.made = {("a.b", "ReceiveMessage"): 10, ("c.d", "SendMessageBatch"): 2, ("a.b", "CreateQueue"): 1}
    ledger.stop(1)
    now = datetime.now(UTC)
    (first, second) = type_calls(sql, Period.MONTH, now)
    assert (first.type, first.calls, first.receives, first.sends, first.other) == ("a.b", 11, 10, 0, 1)
    assert (second.type, second.calls, second.sends) == ("c.d", 2, 2)


def test_what_could_not_be_written_is_written_the_next_time(sql: psycopg.Connection, database: Database) -> None:
    queues = Charged()
    ledger = CallLedger(queues, database)
    queues.made = {("a.b", "ReceiveMessage"): 3}
    sql.execute("ALTER TABLE queue_calls RENAME TO away")
    with pytest.raises(psycopg.errors.UndefinedTable):
        ledger.write()
    sql.execute("ALTER TABLE away RENAME TO queue_calls")
    ledger.write()
    ledger.write()
    assert sql.execute("SELECT calls FROM queue_calls").fetchall() == [(3,)]


def test_queues_that_cost_nothing_are_not_kept(sql: psycopg.Connection, database: Database) -> None:
    queues = MemoryQueues()
    queues.ensure("a.b")
    ledger = CallLedger(queues, database)
    ledger.start()
    ledger.stop(1)
    assert sql.execute("SELECT * FROM queue_calls").fetchall() == []


def test_calls_are_shared_by_jobs(sql: psycopg.Connection, costs: Costs, hour: datetime) -> None:
    acme, globex = add_account(sql), add_account(sql, "globex")
    called(sql, hour, "a.b", 900)
    called(sql, hour, "a.b", 100, "SendMessageBatch")
    called(sql, hour, "idle.one", 50)
    ended(sql, hour, "a.b", {acme: 6, globex: 3, None: 1})
    assert costs.run_once().done > 0
    told = {"acme": (6, 600.0), "globex": (3, 300.0), None: (1, pytest.approx(150.0))}
    assert shares(sql, Period.HOUR, hour) == told
    assert shares(sql, Period.DAY, hour) == told
    assert shares(sql, Period.MONTH, hour) == told
    found = [(one.period, one.type, one.calls) for one in costs_of_account(sql, acme, hour)]
    assert found == [("day", "a.b", 600.0), ("month", "a.b", 600.0)]
    assert shared_until(sql) == hour + HOUR


def test_hours_add_up_and_none_is_shared_twice(sql: psycopg.Connection, costs: Costs, hour: datetime) -> None:
    acme = add_account(sql)
    before = hour - HOUR
    for at, calls in ((before, 10), (hour, 20)):
        called(sql, at, "a.b", calls)
        ended(sql, at, "a.b", {acme: 1})
    while costs.run_once().again_after == 0:
        pass
    assert shares(sql, Period.HOUR, hour) == {"acme": (1, 20.0)}
    assert shares(sql, Period.HOUR, before) == {"acme": (1, 10.0)}
    same_month = Period.MONTH.begin(before) == Period.MONTH.begin(hour)
    assert shares(sql, Period.MONTH, hour) == {"acme": (2, 30.0) if same_month else (1, 20.0)}
    assert costs.run_once().done == 0


def test_an_hour_is_not_shared_before_its_figures_are_made(
    sql: psycopg.Connection, costs: Costs, hour: datetime
) -> None:
    called(sql, hour, "a.b", 10)
    sql.execute("UPDATE rollup_progress SET rolled_until = %s", (hour + timedelta(minutes=59),))
    assert costs.run_once().again_after is None
    assert shares(sql, Period.HOUR, hour) == {}


def test_two_schedulers_share_each_hour_once(
    sql: psycopg.Connection, database: Database, costs: Costs, hour: datetime
) -> None:
    called(sql, hour, "a.b", 10)
    sql.execute("INSERT INTO cost_progress (shared_until) VALUES (%s)", (hour,))
    with database.transaction() as connection:
        connection.execute("SELECT FROM cost_progress FOR UPDATE")
        assert costs.run_once().done == 0
    assert costs.run_once().done > 0


def test_old_calls_are_kept_by_the_day(sql: psycopg.Connection, costs: Costs, hour: datetime) -> None:
    old = Period.DAY.begin(hour - timedelta(days=100))
    for n in range(3):
        called(sql, old + n * HOUR, "a.b", 10)
    sql.execute("INSERT INTO queue_calls VALUES (86400, %s, 'a.b', 'x', 1)", (hour - timedelta(days=500),))
    sql.execute("INSERT INTO cost_progress (shared_until) VALUES (%s)", (hour,))
    for period in ("hour", "day", "month"):
        sql.execute("INSERT INTO account_costs VALUES (%s, %s, NULL, '', 1, 1)", (period, old))
    called(sql, hour, "a.b", 5)
    costs.run_once()
    kept = sql.execute("SELECT step_seconds, calls FROM queue_calls ORDER BY starts_at").fetchall()
    assert kept == [(86400, 30), (3600, 5)]
    assert sql.execute("SELECT DISTINCT period FROM account_costs WHERE starts_at = %s", (old,)).fetchall() == [
        ("month",)
    ]
    assert calls_by_step(sql, old, hour + HOUR, step=timedelta(days=1))[0] == (old, "a.b", 30)


def test_pages_of_accounts_follow_one_another(sql: psycopg.Connection, hour: datetime) -> None:
    for n, calls in enumerate((5.0, 7.0, 7.0, 1.0)):
        account = add_account(sql, f"account {n}") if n else None
        sql.execute("INSERT INTO account_costs VALUES ('hour', %s, %s, '', 1, %s)", (hour, account, calls))
    every = account_calls(sql, Period.HOUR, hour)
    walked: list[AccountCalls] = []
    while page := account_calls(
        sql, Period.HOUR, hour, before=(walked[-1].calls, walked[-1].account_id or 0) if walked else None, limit=1
    ):
        walked += page
    assert walked == every
    assert [one.calls for one in every] == [7.0, 7.0, 5.0, 1.0]


def test_money() -> None:
    prices = Prices(dollars_per_million=0.4, free_calls=1_000_000)
    assert prices.dollars(2_500_000) == pytest.approx(1.0)
    assert prices.bill(2_500_000) == pytest.approx(0.6)
    assert prices.bill(10) == 0


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        (Period.HOUR, "2028-02-29T23:00", "2028-03-01T00:00"),
        (Period.DAY, "2028-02-29T00:00", "2028-03-01T00:00"),
        (Period.MONTH, "2028-02-01T00:00", "2028-03-01T00:00"),
    ],
)
def test_periods_are_those_of_utc(period: Period, begin: str, end: str) -> None:
    at = datetime.fromisoformat("2028-03-01T00:30+01:00")
    assert (period.begin(at), period.end(at)) == tuple(datetime.fromisoformat(f"{one}+00:00") for one in (begin, end))


def test_the_largest_of_thousands_are_found_by_their_index(sql: psycopg.Connection, hour: datetime) -> None:
    sql.execute("INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, 5000) AS n")
    sql.execute(
        "INSERT INTO account_costs SELECT period, %s, id, type, 1, id FROM accounts,"
        " unnest(ARRAY['hour', 'day', 'month']) AS period, unnest(ARRAY['', 'a.b']) AS type",
        (hour,),
    )
    sql.execute("ANALYZE")
    params = {"period": "day", "starts_at": hour, "before": None, "before_id": None, "limit": 50}
    reads = explain(sql, "list_account_costs", params)
    assert sum(read.rows for read in reads if read.table == "account_costs") <= 60
    reads = explain(sql, "list_costs_of_account", {"account_id": 7, "at": hour})
    assert sum(read.rows for read in reads if read.table == "account_costs") <= 10
