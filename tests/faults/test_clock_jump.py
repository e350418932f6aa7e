"""A machine's clock is set back while its scheduler runs: time goes on for the passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.faketime import clock_environment
from tests.support.trials import LANE, TrialFleet, trial, trials


@pytest.fixture
def fleet() -> Iterator[TrialFleet]:
    with trials() as made:
        yield made


@pytest.mark.timeout(120)
def test_a_scheduler_whose_clock_is_set_back_an_hour_still_rescues(fleet: TrialFleet) -> None:
    # Given a job that runs, and a scheduler whose clock is set back
    clock = fleet.machine.directory / "scheduler.clock"
    clock.write_text("+0\n")
    fleet.own_settings["scheduler"] = clock_environment(clock, path=fleet.machine.extra["PYTHONPATH"])
    fleet.start_scheduler()
    fleet.start_servant("first")
    fleet.enqueue_trials([trial(LANE, seconds=10)])
    fleet.wait(lambda: fleet.number("SELECT count(*) FROM trial_begun") == 1, "the job to begin")
    clock.write_text("-3600\n")

    # When its servant dies and another one is there
    fleet.kill("first")
    fleet.start_servant("second")

    # Then it is rescued, and tried again
    fleet.wait(lambda: fleet.number("SELECT max(attempt) FROM trial_begun") == 2, "the rescue", seconds=30)
