"""Jobs whose servants died with them: tried one at a time, written down before they begin."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from retinue.settlement import TRIAL_DEATHS
from tests.support.assertions import row_of
from tests.support.race import wait_until
from tests.support.runtime import House, kind_of, open_house


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house


def suspects(house: House, count: int) -> list[int]:
    """Jobs that went down with as many servants as may be chance."""
    ids = house.add(*({} for _ in range(count)))
    house.sql.execute("UPDATE jobs SET deaths = %s", (TRIAL_DEATHS,))
    return ids


def test_a_trial_is_written_down_before_the_handler_begins(house: House) -> None:
    gate = house.gate()
    house.start(kind_of(gate))
    (job,) = suspects(house, 1)
    house.dispatch()
    gate.await_entry()
    assert row_of(house.sql, job, "on_trial, deaths") == (True, TRIAL_DEATHS)


def test_jobs_without_such_a_past_are_not_written_down(house: House) -> None:
    gate = house.gate()
    house.start(kind_of(gate))
    (job,) = house.run()
    gate.await_entry()
    assert row_of(house.sql, job, "on_trial") == (False,)


def test_one_is_tried_at_a_time_and_the_others_wait_for_it(house: House) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate))
    first, second = suspects(house, 2)
    house.send(first)
    gate.await_entry()
    house.send(second)
    house.wait_for("(SELECT reason = 'release' AND run_at > now() FROM jobs WHERE id = %s)", second)
    assert row_of(house.sql, second, "deaths, on_trial") == (TRIAL_DEATHS, False)
    gate.open()
    wait_until(lambda: not process._held.snapshot(), "the first trial to end")
    house.sql.execute("UPDATE jobs SET run_at = now()")
    house.send(second)
    house.wait(second, "completed", "complete")
