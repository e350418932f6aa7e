"""The SQS double's faults: each one happens when asked for, as often as asked for, the same with the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from infra.queues.transport import Message, QueueDepth, QueueOptions, QueueUnreachable
from retinue.testing.clock import FakeClock
from retinue.testing.queues import CALM, Faults, FaultyQueues, storm

TYPE = "calendar.sync"


def queues_with(clock: FakeClock | None = None, *, seed: int = 0, **faults: float) -> FaultyQueues:
    return FaultyQueues(Faults(**faults), seed=seed, clock=clock or FakeClock())


def send(queues: FaultyQueues, count: int) -> None:
    assert queues.send(TYPE, [[n] for n in range(1, count + 1)]).failed_ids == ()


def take(queues: FaultyQueues, most: int = 1000) -> list[Message]:
    """Receive without deleting until nothing comes or `most` are there."""
    taken: list[Message] = []
    while len(taken) < most and (more := queues.receive(TYPE, max_messages=10, wait_seconds=0)):
        taken += more
    return taken


def ids(messages: list[Message]) -> list[int]:
    return [identity for message in messages for identity in message.ids]


def test_calm_queues_deliver_each_message_once_in_order() -> None:
    queues = queues_with()
    send(queues, 50)
    assert ids(take(queues)) == list(range(1, 51))
    assert queues.happened == Counter()


def test_a_duplicate_arrives_twice_and_each_has_its_own_receipt() -> None:
    queues = queues_with(duplicate=1)
    send(queues, 3)
    messages = take(queues)
    assert sorted(ids(messages)) == [1, 1, 2, 2, 3, 3]
    queues.delete(TYPE, messages[:1])
    assert queues.depth(TYPE).in_flight == 5


def test_a_lost_message_was_said_to_be_sent() -> None:
    queues = queues_with(lose=1)
    send(queues, 3)
    assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=0)
    assert queues.happened == {"lose": 3}


def test_a_delayed_message_arrives_later() -> None:
    clock = FakeClock()
    queues = queues_with(clock, delay=1, delay_seconds=5)
    send(queues, 20)
    early = len(take(queues))
    clock.advance(5)
    assert early < 20
    assert early + len(take(queues)) == 20


def test_a_refused_message_is_reported() -> None:
    result = queues_with(refuse=1).send(TYPE, [[1], [2]])
    assert (result.sent_ids, result.failed_ids) == ((), (1, 2))


def test_reordered_messages_all_arrive_in_another_order() -> None:
    queues = queues_with(reorder=1)
    send(queues, 50)
    came = ids(take(queues))
    assert came != sorted(came) == list(range(1, 51))


def test_a_redelivered_message_is_received_again_while_it_is_hidden() -> None:
    queues = queues_with(redeliver=1)
    send(queues, 1)
    assert [message.receive_count for message in take(queues, most=2)] == [1, 2]


def test_a_late_delete_lets_the_message_come_back_when_its_visibility_ends() -> None:
    clock = FakeClock()
    queues = queues_with(clock, late_delete=1)
    send(queues, 2)
    queues.delete(TYPE, take(queues))
    assert take(queues) == []
    clock.advance(30)
    queues.faults = CALM
    again = take(queues)
    assert sorted(ids(again)) == [1, 2]
    queues.delete(TYPE, again)
    assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=0)


def test_unreachable_queues_do_not_answer() -> None:
    queues = queues_with()
    send(queues, 1)
    messages = take(queues)
    with queues.suffering(Faults(unreachable=1)):
        with pytest.raises(QueueUnreachable, match="ReceiveMessage was not answered"):
            queues.receive(TYPE, max_messages=1, wait_seconds=0)
        with pytest.raises(QueueUnreachable):
            queues.send(TYPE, [[1]])
        with capture_logs() as logs:
            queues.delete(TYPE, messages)
    assert [line["event"] for line in logs] == ["messages_left_alone"]
    assert queues.depth(TYPE).in_flight == 1


@pytest.mark.parametrize("fault", ["duplicate", "lose", "redeliver", "late_delete"])
def test_a_fault_is_as_likely_as_asked_for(fault: str) -> None:
    queues = FaultyQueues(replace(CALM, **{fault: 0.3}), seed=7, options=QueueOptions(max_receives=1000))
    send(queues, 1000)
    queues.delete(TYPE, take(queues, most=1000))
    assert 230 < queues.happened[fault] < 450


def story(seed: int) -> list[tuple[int, ...]]:
    """What arrives in a storm, in order; calls that are not answered are made again."""
    queues = FaultyQueues(replace(storm(), unreachable=0.0, refuse=0.0), seed=seed, clock=FakeClock())
    send(queues, 100)
    return [message.ids for message in take(queues, most=150)]


def test_the_same_seed_brings_the_same_faults_and_another_one_others() -> None:
    assert story(1) == story(1)
    assert story(1) != story(2)


@pytest.mark.parametrize("wrong", [{"lose": 1.5}, {"delay": -0.1}, {"delay_seconds": -1}])
def test_faults_are_likelihoods(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is 0 to"):
        Faults(**wrong)
