"""Accounts with weights 1, 1 and 2 and endless work get servants' time in 1:1:2, however long their jobs are."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from infra.postgres.enqueue import NewJob
from tests.support.trials import WEIGHT, TrialFleet, trials

#: By account: its weight, and how long each of its jobs takes, in seconds.
ACCOUNTS = {1: (1.0, 0.02), 2: (1.0, 0.06), 3: (2.0, 0.02)}

#: Jobs of each account that wait at any time: endless work.
BACKLOG = 2000

#: Before this the lanes' usual run times are not known yet, in seconds.
WARM_UP = 8

USED = """
    SELECT account_id, sum(run_seconds)
    FROM job_history
    WHERE type = 'trial.weight' AND finished_at > %s AND finished_at <= %s
    GROUP BY account_id
"""


@pytest.fixture
def fleet() -> Iterator[TrialFleet]:
    with trials() as made:
        yield made


@pytest.mark.timeout(120)
def test_time_goes_by_weight_roughly(fleet: TrialFleet) -> None:
    shares = measure(fleet, seconds=8)
    assert shares == pytest.approx(expected(), rel=0.25), shares


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_time_goes_by_weight_within_five_percent(fleet: TrialFleet) -> None:
    seconds = int(os.environ.get("SECONDS_MEASURED", "60"))
    shares = measure(fleet, seconds=seconds)
    print(f"over {seconds} s: " + ", ".join(f"account {key}: {value:.4f}" for key, value in shares.items()))  # noqa: T201 - what a proof is run for
    assert shares == pytest.approx(expected(), rel=0.05), shares


def expected() -> dict[int, float]:
    total = sum(weight for weight, _ in ACCOUNTS.values())
    return {account: weight / total for account, (weight, _) in ACCOUNTS.items()}


def measure(fleet: TrialFleet, *, seconds: float) -> dict[int, float]:
    """Each account's part of the servants' time over a stretch of so many seconds."""
    fleet.start_scheduler()
    for name in ("servant-0", "servant-1"):
        fleet.start_servant(name, WEIGHT)
    fill(fleet)
    weigh(fleet)
    (began,) = fleet.rows("SELECT now()")[0]
    wait(fleet, began, WARM_UP)
    wait(fleet, began, WARM_UP + seconds)
    since, until = fleet.rows(
        "SELECT %s + make_interval(secs => %s), %s + make_interval(secs => %s)",
        began,
        WARM_UP,
        began,
        WARM_UP + seconds,
    )[0]
    used = {int(str(account)): float(str(run)) for account, run in fleet.rows(USED, since, until)}
    return {account: run / sum(used.values()) for account, run in sorted(used.items())}


def wait(fleet: TrialFleet, began: object, seconds: float) -> None:
    """Keep every account's backlog full until `seconds` after `began`."""

    def over() -> bool:
        fill(fleet)
        return bool(fleet.rows("SELECT now() >= %s + make_interval(secs => %s)", began, seconds)[0][0])

    fleet.wait(over, f"second {seconds}", seconds=seconds + 30)


def fill(fleet: TrialFleet) -> None:
    rows = fleet.rows("SELECT account_id, count(*) FROM jobs GROUP BY account_id")
    waiting = {account: int(str(count)) for account, count in rows}
    jobs = [
        NewJob(type=WEIGHT, payload={"seconds": seconds}, account_id=account)
        for account, (_, seconds) in ACCOUNTS.items()
        if waiting.get(account, 0) < BACKLOG / 2
        for _ in range(BACKLOG)
    ]
    if jobs:
        fleet.enqueue_trials(jobs)


def weigh(fleet: TrialFleet) -> None:
    for account, (weight, _) in ACCOUNTS.items():
        fleet.rows(
            "INSERT INTO lanes (type, lane, weight) VALUES (%s, %s, %s)"
            " ON CONFLICT (type, lane) DO UPDATE SET weight = excluded.weight RETURNING 1",
            WEIGHT,
            f"account:{account}",
            weight,
        )
