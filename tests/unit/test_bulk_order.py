from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from retinue.bulk import RATE, bulk_order
from retinue.errors import InvalidPayload
from retinue.states import JobState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operation", "states"),
    [
        ("cancel", {"pending", "queued", "running"}),
        ("reschedule", {"pending", "queued", "running"}),
        ("retry", {"failed"}),
    ],
)
def test_the_usual_states(operation: str, states: set[str]) -> None:
    run_at = NOON if operation == "reschedule" else None
    order = bulk_order(operation=operation, filter={"type": "system.echo"}, run_at=run_at)
    assert order.states == states
    assert order.rate == RATE


def test_states_that_are_asked_for() -> None:
    order = bulk_order(operation="retry", filter={"lane": "account:1", "states": ["cancelled"]})
    assert order.states == {JobState.CANCELLED}


@pytest.mark.parametrize(("rate", "jobs"), [(0.2, 1), (1, 1), (7.5, 8), (500, 500), (10_000, 500)])
def test_a_page_is_no_more_than_a_second_of_work(rate: float, jobs: int) -> None:
    assert bulk_order(operation="cancel", filter={"everything": True}, rate=rate).page_jobs == jobs


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "give a filter besides the state, or ask for all jobs explicitly"),
        ({"filter": {"states": ["pending"]}}, "give a filter besides the state"),
        ({"filter": {"type": "a.b", "everything": True}}, "ask for all jobs or give a filter, not both"),
        ({"filter": {"since": NOON, "until": NOON}}, "since must be before until"),
        ({"filter": {"since": datetime(2026, 1, 1)}}, "filter.since: Input should have timezone info"),  # noqa: DTZ001 - the naive one is what is refused
        ({"filter": {"type": "a.b", "states": ["failed"]}}, "cancel takes jobs that are pending, queued, running, not"),
        ({"filter": {"type": "a.b", "reason": "poison"}}, "is so for the reason poison: claim, dispatch, enqueue"),
        ({"filter": {"type": "a.b", "states": ["queued"], "reason": "retry"}}, "queued is so for the reason retry"),
        ({"filter": {"type": "a.b\0"}}, "filter.type: must be printable characters"),
        ({"filter": {"lane": ""}}, "filter.lane: String should have at least 1 character"),
        ({"filter": {"fingerprint": "xyz"}}, "filter.fingerprint: String should match pattern"),
        ({"filter": {"kind": "x"}}, "filter.kind: Extra inputs are not permitted"),
        ({"filter": {"type": "a.b"}, "rate": 0}, "rate: Input should be greater than 0"),
        ({"filter": {"type": "a.b"}, "rate": 10_001}, "rate: Input should be less than or equal to 10000"),
        ({"filter": {"type": "a.b"}, "run_at": NOON}, "reschedule needs a new time, and nothing else takes one"),
        ({"filter": {"type": "a.b"}, "operation": "reschedule"}, "reschedule needs a new time"),
        (
            {"filter": {"type": "a.b"}, "operation": "reschedule", "run_at": datetime(9500, 1, 1, tzinfo=UTC)},
            "the new time is in the years 1970 to 8999",
        ),
        ({"filter": {"type": "a.b"}, "operation": "delete"}, "operation: Input should be"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_so(values: dict[str, Any], words: str) -> None:
    given = {"operation": "cancel", "filter": {}} | values
    with pytest.raises(InvalidPayload) as caught:
        bulk_order(**given)
    assert words in caught.value.message
