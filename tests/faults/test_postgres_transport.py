"""The whole engine with its messages in PostgreSQL, under real signals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import fleet as support
from tests.support.fleet import Fleet

JOBS = 400


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Processes that know of no SQS server."""
    with support.fleet(RETINUE_TRANSPORT="postgres", RETINUE_SQS_ENDPOINT_URL="") as made:
        made.start_scheduler()
        made.start_servant("servant-0")
        made.start_servant("servant-1")
        yield made


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["servant-0", "scheduler", "postgres"])
def test_a_killed_process_loses_and_doubles_nothing(fleet: Fleet, victim: str) -> None:
    """With PostgreSQL every message is lost, too: the tables they lie in are emptied after a crash."""
    fleet.enqueue(*({"effect": True, "message": f"{n}"} for n in range(JOBS)))
    fleet.wait(lambda: fleet.finished() >= JOBS / 10, "the first jobs")

    fleet.kill(victim)
    fleet.restart(victim)

    fleet.wait(lambda: fleet.finished() == JOBS, f"all jobs after {victim} was killed")
    assert fleet.number("SELECT count(*) FROM job_history WHERE state = 'completed'") == JOBS
    assert fleet.rows("SELECT count(*), count(DISTINCT job_id) FROM echoes") == [(JOBS, JOBS)]
