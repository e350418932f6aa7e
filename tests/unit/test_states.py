"""The table of transitions, what follows from it, and the page that tells of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retinue.states import IN_FLIGHT, TERMINAL, TRANSITIONS, JobState, Reason, Transition, allowed, arrivals

PAGE = (Path(__file__).parents[2] / "docs" / "job_lifecycle.md").read_text(encoding="utf-8")


def test_the_page_tells_every_transition_and_no_other() -> None:
    told = re.findall(r"^\| `(\w+) → (\w+) \((\w+)\)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(told) == sorted(tuple(map(str, transition)) for transition in TRANSITIONS)


def test_the_diagram_draws_every_transition_and_no_other() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+): ([\w, ]+)$", PAGE, flags=re.MULTILINE)
    drawn = {(source, target, reason) for source, target, reasons in arrows for reason in reasons.split(", ")}
    assert drawn == {tuple(map(str, transition)) for transition in TRANSITIONS}


def test_the_diagram_begins_and_ends_where_jobs_do() -> None:
    assert re.findall(r"^    \[\*\] --> (\w+): enqueue$", PAGE, flags=re.MULTILINE) == ["pending"]
    assert set(re.findall(r"^    (\w+) --> \[\*\]$", PAGE, flags=re.MULTILINE)) == {state.value for state in TERMINAL}


def test_every_state_and_every_reason_is_explained_once() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(explained) == sorted([*(state.value for state in JobState), *(reason.value for reason in Reason)])


def test_finished_states_are_those_with_no_way_out() -> None:
    assert frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}) == TERMINAL


def test_every_state_but_the_first_can_be_reached() -> None:
    reached = {JobState.PENDING}
    while new := {t.target for t in TRANSITIONS if t.source in reached} - reached:
        reached |= new
    assert reached == set(JobState)


def test_from_every_unfinished_state_there_is_a_way_to_the_end() -> None:
    ends = set(TERMINAL)
    while new := {t.source for t in TRANSITIONS if t.target in ends} - ends:
        ends |= new
    assert ends == set(JobState)


def test_only_running_jobs_complete_or_fail() -> None:
    sources = {t.source for t in TRANSITIONS if t.target in {JobState.COMPLETED, JobState.FAILED}}
    assert sources == {JobState.RUNNING}


def test_in_flight_is_between_dispatch_and_the_outcome() -> None:
    assert {t.target for t in TRANSITIONS if t.reason in {Reason.DISPATCH, Reason.CLAIM}} == IN_FLIGHT


def test_every_reason_leads_somewhere() -> None:
    assert {reason for reasons in arrivals().values() for reason in reasons} == set(Reason)


def test_a_reason_leads_from_one_state_to_one_other_but_for_cancel() -> None:
    for reason in set(Reason) - {Reason.ENQUEUE, Reason.CANCEL}:
        assert len({t for t in TRANSITIONS if t.reason is reason}) == 1


@pytest.mark.parametrize(
    ("transition", "legal"),
    [
        (Transition(JobState.QUEUED, JobState.RUNNING, Reason.CLAIM), True),
        (Transition(JobState.PENDING, JobState.RUNNING, Reason.CLAIM), False),
        (Transition(JobState.QUEUED, JobState.RUNNING, Reason.DISPATCH), False),
        (Transition(JobState.COMPLETED, JobState.PENDING, Reason.RETRY), False),
        (Transition(JobState.QUEUED, JobState.COMPLETED, Reason.COMPLETE), False),
    ],
)
def test_only_what_is_in_the_table_is_allowed(transition: Transition, legal: bool) -> None:
    assert allowed(*transition) is legal
