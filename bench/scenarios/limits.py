"""Limits, weights and budgets on against off, twenty accounts at once.

They are wide enough to bind nothing for long: what is measured is the cost of keeping them.
"""

from __future__ import annotations

from bench import job_types
from bench.contestants import NOOP, drain
from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO
from bench.machine import Machine, machine
from bench.retinue_side import PAYLOADS, Form, Retinue
from infra.postgres.budgets import clear_budgets, declare_budgets
from infra.postgres.connections import NewConnection, add_connection
from infra.postgres.enqueue import NewJob
from infra.secrets import Keyring
from infra.settings import load_settings
from retinue.budget import Budget

LIMITS_ON, LIMITS_OFF = "drained with limits and weights", "drained without limits"
BUDGETS_ON, BUDGETS_OFF = "drained, a call each, with budgets", "drained, a call each, without budgets"
LIMITS, BUDGETS = "limits and weights on against off", "budgets on against off"

ACCOUNTS = 20
LANE_LIMIT = 500
TYPE_LIMIT = 5000
BUDGET = Budget(per_day=100_000_000, per_minute=5_000_000, concurrent=100)

#: Jobs of each drain for each second that the options ask for.
JOBS = 8000

_TYPE = "UPDATE job_types SET type_limit = %s WHERE type = %s"
_LANES = """
UPDATE lanes SET concurrency_limit = %s, weight = CASE WHEN %s THEN 1 + (hashtext(lane) & 3) ELSE 1 END WHERE type = %s
"""
_ACCOUNTS = "INSERT INTO accounts (name) SELECT 'bench-' || n FROM generate_series(1, %s) AS n RETURNING id"

CALLS = Form(name=RETINUE, setting="", job_type=job_types.call.name)


class Spread(Retinue):
    """Jobs of twenty accounts in turn."""

    def new_job(self, task: str, number: int) -> NewJob:
        return NewJob(type=ECHO, payload=PAYLOADS[task], account_id=1 + number % ACCOUNTS)


class Calling(Retinue):
    """Jobs that make a call each, over the connections of twenty accounts in turn."""

    def __init__(self, host: Machine) -> None:
        super().__init__(host, CALLS)
        self.connections = _connect(host)

    def new_job(self, task: str, number: int) -> NewJob:
        account, connection = self.connections[number % ACCOUNTS]
        return NewJob(type=job_types.call.name, payload={"connection_id": connection}, account_id=account)


def measure(options: Options) -> Section:
    """On and off in turns, on the same processes."""
    jobs = round(JOBS * options.seconds)
    with machine() as host:
        limits = _compare(Spread(host), jobs, options.runs, (LIMITS_OFF, LIMITS_ON))
        budgets = _compare(Calling(host), jobs // 4, options.runs, (BUDGETS_OFF, BUDGETS_ON))
    return Section([*_figures(limits, LIMITS), *_figures(budgets, BUDGETS)])


def _compare(retinue: Retinue, jobs: int, runs: int, names: tuple[str, str]) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in names}
    with retinue.up():
        for _ in range(runs):
            for name, on in zip(names, (False, True), strict=True):
                if isinstance(retinue, Calling):
                    set_budgets(retinue, on=on)
                else:
                    set_limits(retinue.machine, on=on)
                drain(retinue, NOOP, jobs // 4)  # what changes with the change itself is not measured
                rates[name].append(drain(retinue, NOOP, jobs))
    return rates


def _figures(rates: dict[str, list[float]], share: str) -> list[Figure]:
    off, on = (Figure(who=RETINUE, what=what, unit="jobs/s", values=tuple(rates[what])) for what in rates)
    return [off, on, Figure(who=RETINUE, what=share, unit="%", values=(100 * on.median / off.median,), goal=85)]


def set_limits(host: Machine, *, on: bool) -> None:
    """A limit for the type and for each lane it has, and weights between 1 and 4; or none of them."""
    connection = host.connection()
    connection.execute(_TYPE, (TYPE_LIMIT if on else None, ECHO))
    connection.execute(_LANES, (LANE_LIMIT if on else None, on, ECHO))


def set_budgets(calling: Calling, *, on: bool) -> None:
    """Three windows for each connection, or none."""
    connection = calling.machine.connection()
    with connection.transaction():
        for _, identity in calling.connections:
            clear_budgets(connection, identity)
            if on:
                declare_budgets(connection, identity, BUDGET, source="set")


def _connect(host: Machine) -> list[tuple[int, int]]:
    """Accounts and their connections."""
    settings = load_settings(env_file=None, secret_key_file=host.directory / "keys")
    keyring = Keyring.from_settings(settings)
    connection = host.connection()
    accounts = [row[0] for row in connection.execute(_ACCOUNTS, (ACCOUNTS,))]
    new = [
        NewConnection(account_id=account, provider="bench", name="bench", config={}, credentials={"password": "bench"})
        for account in accounts
    ]
    return [(one.account_id, add_connection(connection, keyring, one)) for one in new]
