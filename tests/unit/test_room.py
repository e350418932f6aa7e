"""How much dispatch sends ahead, and how it packs messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.queues.body import MAX_IDS_PER_MESSAGE
from scheduler.room import AHEAD_SECONDS, MAX_PER_PASS, MESSAGE_SECONDS, Room

rooms = st.builds(
    Room,
    type=st.just("system.echo"),
    slots=st.integers(1, 10_000),
    rate=st.floats(0, 100_000),
    servants=st.integers(1, 100),
    in_flight=st.integers(0, 100_000),
)


@given(rooms)
def test_the_queue_stays_shallow(room: Room) -> None:
    ahead = max(room.servants, room.rate * AHEAD_SECONDS + 1)
    assert 0 <= room.jobs <= MAX_PER_PASS
    assert room.jobs + room.in_flight <= max(room.in_flight, room.slots + ahead)


@given(rooms)
def test_an_idle_fleet_is_given_work_for_every_slot(room: Room) -> None:
    idle = Room(room.type, room.slots, room.rate, room.servants, 0)
    assert idle.jobs >= min(MAX_PER_PASS, room.slots + room.servants)


@given(rooms)
def test_a_message_carries_no_more_than_a_moments_work(room: Room) -> None:
    assert 1 <= room.ids_per_message <= MAX_IDS_PER_MESSAGE
    assert room.ids_per_message <= max(1, room.rate / room.servants * MESSAGE_SECONDS)


@pytest.mark.parametrize(("in_flight", "jobs"), [(0, 10), (9, 1), (10, 0), (50, 0)])
def test_what_is_in_flight_takes_room(in_flight: int, jobs: int) -> None:
    assert Room("system.echo", slots=8, rate=2, servants=2, in_flight=in_flight).jobs == jobs
