"""Whose turn it is: lanes get servants' time by their weight."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.turns import (
    LEAST_CHARGE_SECONDS,
    ReadyLane,
    Turn,
    by_type,
    has_advanced,
    share_out,
    virtual_now,
)


def turn(
    lane: str = "a",
    *,
    weight: float = 1.0,
    at: float = 0.0,
    mean: float = 0.1,
    limit: int | None = None,
    ordered: bool = False,
    job_type: str = "t.t",
) -> Turn:
    return Turn(ReadyLane(job_type, lane, limit, ordered, weight, at, mean))


turns_of = st.lists(
    st.builds(turn, weight=st.floats(0.1, 10), at=st.floats(0, 100), mean=st.floats(0, 10)), min_size=1, max_size=30
)


@given(turns_of, st.integers(1, 5000))
def test_all_of_the_room_is_given_and_no_more(turns: list[Turn], room: int) -> None:
    share_out(turns, room)
    assert sum(one.share for one in turns) == room
    assert min(one.share for one in turns) >= 0


@given(
    st.lists(
        st.builds(turn, weight=st.sampled_from([0.001, 1, 1000]), at=st.floats(1e12, 1e12 + 1e6), mean=st.floats(0, 1)),
        min_size=1,
        max_size=10,
    ),
    st.integers(1, 100),
)
def test_no_more_than_the_room_is_given_however_far_time_has_come(turns: list[Turn], room: int) -> None:
    """A type's limit rests on it."""
    share_out(turns, room)
    assert sum(one.share for one in turns) == room


@given(turns_of, st.integers(1, 500))
def test_nobody_is_lifted_far_above_one_that_got_nothing(turns: list[Turn], room: int) -> None:
    share_out(turns, room)
    longest = max(one.step for one in turns)
    left_out = min((one.lane.virtual_time for one in turns if one.share == 0), default=1e9)
    for one in turns:
        last_starts_at = one.lane.virtual_time + (one.share - 1) * one.step
        assert one.share == 0 or last_starts_at <= left_out + longest + 1e-6


def test_equal_lanes_share_evenly() -> None:
    turns = [turn(str(n)) for n in range(4)]
    share_out(turns, 40)
    assert [one.share for one in turns] == [10, 10, 10, 10]


def test_a_lane_of_twice_the_weight_gets_twice_the_jobs() -> None:
    turns = [turn("a"), turn("b"), turn("c", weight=2)]
    share_out(turns, 40)
    assert [one.share for one in turns] == [10, 10, 20]


def test_a_lane_of_long_jobs_gets_fewer_of_them() -> None:
    turns = [turn("long", mean=1.0), turn("short", mean=0.1)]
    share_out(turns, 110)
    assert [one.share for one in turns] == [10, 100]


def test_who_is_behind_goes_first() -> None:
    turns = [turn("ahead", at=5.0), turn("behind", at=4.0)]
    share_out(turns, 10)
    assert [one.share for one in turns] == [0, 10]
    share_out(turns, 30)
    assert [one.share for one in turns] == [10, 20]


def test_what_is_left_over_goes_to_those_who_want_more() -> None:
    """The second round of a pass: the shares grow from what was sent."""
    turns = [turn("a"), turn("b")]
    share_out(turns, 10)
    turns[0].sent, turns[1].sent = 5, 1
    assert [one.wants_more for one in turns] == [True, False]
    share_out(turns[:1], 4)
    assert turns[0].share == 9


def test_jobs_that_take_no_time_still_count() -> None:
    turns = [turn("a", mean=0.0), turn("b", mean=0.0)]
    share_out(turns, 10)
    assert [one.share for one in turns] == [5, 5]
    assert turns[0].lane.charge == LEAST_CHARGE_SECONDS


def test_time_is_shared_by_weight_over_many_passes_whatever_the_jobs_take() -> None:
    """What a job really takes is only known afterwards, and corrects the lane."""
    draw = random.Random(7)  # noqa: S311 - made-up job lengths
    lanes = {"a": (1.0, 0.02), "b": (1.0, 0.06), "c": (2.0, 0.02)}
    virtual, used = dict.fromkeys(lanes, 0.0), dict.fromkeys(lanes, 0.0)
    for _ in range(2000):
        turns = [turn(name, weight=w, at=virtual[name], mean=mean) for name, (w, mean) in lanes.items()]
        share_out(turns, 6)
        for one in turns:
            for _job in range(one.share):
                took = draw.expovariate(1 / one.lane.mean_seconds)
                used[one.lane.lane] += took
                virtual[one.lane.lane] += took / one.lane.weight
    total = sum(used.values())
    assert [used[name] / total for name in "abc"] == pytest.approx([0.25, 0.25, 0.5], rel=0.02)


def test_a_waking_lane_joins_beside_the_hindmost_that_still_waits() -> None:
    served, waiting, capped = turn("served", at=1.0), turn("waiting", at=3.0), turn("capped", at=0.0, limit=1)
    served.share, served.sent = 5, 2
    waiting.share, waiting.sent = 5, 5
    capped.share = capped.sent = capped.places = 1
    assert virtual_now([served, waiting, capped]) == 3.0
    assert virtual_now([served, capped]) == 1.0


def test_a_lane_in_strict_order_wants_one_at_a_time() -> None:
    ordered = turn(ordered=True, limit=1)
    ordered.share = ordered.sent = ordered.places = 1
    assert not ordered.wants_more


def test_types_are_told_apart() -> None:
    turns = [turn("a", job_type="x.x"), turn("a", job_type="y.y"), turn("b", job_type="x.x")]
    assert [(name, len(own)) for name, own in by_type(turns)] == [("x.x", 2), ("y.y", 1)]


def test_a_types_virtual_time_is_written_in_steps() -> None:
    near, far = turn("a", at=1.04), turn("a", at=1.06)
    for one in (near, far):
        one.lane = one.lane._replace(type_virtual_time=1.0)
    assert [has_advanced([one]) for one in (near, far)] == [False, True]


def test_no_lane_gets_more_than_it_has_places() -> None:
    turns = [turn("capped"), turn("free")]
    turns[0].places = 3
    share_out(turns, 20)
    assert [one.share for one in turns] == [3, 10]
