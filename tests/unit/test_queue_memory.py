"""What the in-memory twin has beyond the conformance suite: a clock to set, and faults on request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from infra.queues.memory import MemoryQueues
from infra.queues.transport import QueueDepth, QueueOptions, QueueUnreachable

TYPE = "calendar.sync"


class SetClock:
    """A clock that moves when told, or by a second with each look."""

    def __init__(self, *, ticking: bool = False) -> None:
        self.seconds = 0.0
        self._ticking = ticking

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += self._ticking
        return self.seconds


def test_visibility_follows_the_clock() -> None:
    clock = SetClock()
    queues = MemoryQueues(options=QueueOptions(visibility_seconds=30), clock=clock)
    queues.send(TYPE, [[1]])
    queues.receive(TYPE, max_messages=1, wait_seconds=0)
    clock.seconds = 29.9
    assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=1, dead=0)
    clock.seconds = 30
    assert [message.receive_count for message in queues.receive(TYPE, max_messages=1, wait_seconds=0)] == [2]


def test_a_wait_follows_the_clock() -> None:
    clock = SetClock(ticking=True)
    assert MemoryQueues(clock=clock).receive(TYPE, max_messages=1, wait_seconds=100) == []
    assert 20 <= clock.seconds <= 30


def test_a_receipt_is_good_for_one_receive() -> None:
    clock = SetClock()
    queues = MemoryQueues(clock=clock)
    queues.send(TYPE, [[1]])
    old = queues.receive(TYPE, max_messages=1, wait_seconds=0)
    clock.seconds = 30
    new = queues.receive(TYPE, max_messages=1, wait_seconds=0)
    queues.delete(TYPE, old)
    assert queues.depth(TYPE).in_flight == 1
    queues.delete(TYPE, new)
    assert queues.depth(TYPE).in_flight == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda queues: queues.ensure(TYPE),
        lambda queues: queues.send(TYPE, [[1]]),
        lambda queues: queues.receive(TYPE, max_messages=1, wait_seconds=0),
        lambda queues: queues.depth(TYPE),
    ],
    ids=["ensure", "send", "receive", "depth"],
)
def test_during_an_outage_nothing_answers(use: Callable[[MemoryQueues], object]) -> None:
    queues = MemoryQueues()
    queues.outage = "the network is down"
    with pytest.raises(QueueUnreachable, match="the network is down"):
        use(queues)
    queues.outage = None
    use(queues)


def test_during_an_outage_deletes_and_releases_are_dropped() -> None:
    queues = MemoryQueues()
    queues.send(TYPE, [[1]])
    messages = queues.receive(TYPE, max_messages=1, wait_seconds=0)
    queues.outage = "the network is down"
    queues.delete(TYPE, messages)
    queues.release(TYPE, messages)
    queues.outage = None
    assert queues.depth(TYPE).in_flight == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: QueueOptions(visibility_seconds=0),
        lambda: QueueOptions(visibility_seconds=43_201),
        lambda: QueueOptions(max_receives=0),
    ],
)
def test_options_are_checked(make: Callable[[], QueueOptions]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()
