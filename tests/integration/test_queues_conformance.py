"""What every transport of `Queues` does: one suite for the in-memory twin, the testing kit's double and SQS."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from structlog.testing import capture_logs

from infra.queues.body import MAX_IDS_PER_MESSAGE, pack
from infra.queues.transport import Message, QueueDepth, QueueOptions, Queues
from tests.support.moto_server import MotoServer, aws_credentials, moto_server
from tests.support.queue_trials import CalmTrial, MakeTrial, MemoryTrial, PostgresTrial, SqsTrial, Trial
from tests.support.race import wait_until

__all__ = ["aws_credentials", "moto_server"]

TYPE = "calendar.sync"
OTHER = "email.sync"

#: The longest long poll: who returns much sooner was woken.
LONG = 20
SOON_SECONDS = 10

_numbers = itertools.count(1)


@pytest.fixture(params=["memory", "calm", "sqs", "postgres"])
def make_trial(request: pytest.FixtureRequest) -> Iterator[MakeTrial]:
    """Makes trials of one transport, each with queues of its own."""
    # Asked for here, so that the trials close before the database is emptied.
    url = request.getfixturevalue("database_url") if request.param == "postgres" else ""
    with ExitStack() as stack:

        def make(options: QueueOptions) -> Trial:
            if request.param in ("memory", "calm"):
                trial: Trial = (CalmTrial if request.param == "calm" else MemoryTrial)(options)
            elif request.param == "postgres":
                trial = PostgresTrial(url, options)
            else:
                request.getfixturevalue("aws_credentials")
                server: MotoServer = request.getfixturevalue("moto_server")
                trial = SqsTrial(server, f"conformance{next(_numbers)}", options)
            stack.callback(trial.close)
            return trial

        yield make


@pytest.fixture
def trial(make_trial: MakeTrial) -> Trial:
    """A transport whose queues exist."""
    made = make_trial(QueueOptions())
    made.queues.ensure(TYPE)
    return made


@pytest.fixture
def queues(trial: Trial) -> Queues:
    return trial.queues


class TestSending:
    def test_each_batch_becomes_one_message(self, queues: Queues) -> None:
        result = queues.send(TYPE, [[1, 2, 3], [4]])
        assert (result.sent_ids, result.failed_ids) == ((1, 2, 3, 4), ())
        assert sorted(message.ids for message in receive_all(queues, messages=2)) == [(1, 2, 3), (4,)]

    def test_more_messages_than_go_in_one_call_take_several(self, trial: Trial) -> None:
        queues = trial.queues
        queues.send(TYPE, [[n] for n in range(1, 26)])
        assert queues.calls["SendMessageBatch"] == math.ceil(25 / trial.batch)
        assert ids_of(receive_all(queues, messages=25)) == list(range(1, 26))

    def test_ten_full_messages_of_the_longest_ids_go_in_one_call(self, queues: Queues) -> None:
        batches = [[2**63 - 1 - n for n in range(MAX_IDS_PER_MESSAGE)] for _ in range(10)]
        assert len(queues.send(TYPE, batches).sent_ids) == 10 * MAX_IDS_PER_MESSAGE
        assert queues.calls["SendMessageBatch"] == 1

    def test_nothing_to_send_asks_nothing(self, queues: Queues) -> None:
        result = queues.send(TYPE, [])
        assert (result.sent_ids, result.failed_ids) == ((), ())
        assert "SendMessageBatch" not in queues.calls

    @pytest.mark.parametrize("batch", [[], [0], list(range(1, MAX_IDS_PER_MESSAGE + 2))])
    def test_a_batch_that_no_one_could_read_is_not_sent(self, queues: Queues, batch: list[int]) -> None:
        with pytest.raises(ValueError, match=r"job ID"):
            queues.send(TYPE, [[1], batch])
        assert queues.depth(TYPE).visible == 0

    def test_messages_that_the_server_refuses_are_reported(self, trial: Trial) -> None:
        trial.refuse(13)
        result = trial.queues.send(TYPE, [[n, n + 100] for n in range(1, 16)])
        assert result.failed_ids == (13, 113)
        assert len(result.sent_ids) == 28
        assert trial.queues.depth(TYPE).visible == 14

    def test_types_have_queues_of_their_own(self, queues: Queues) -> None:
        queues.send(TYPE, [[1]])
        queues.send(OTHER, [[2]])
        assert ids_of(receive_all(queues, messages=1)) == [1]
        assert queues.receive(TYPE, max_messages=10, wait_seconds=0) == []


class TestReceiving:
    def test_a_message_tells_what_it_carries(self, queues: Queues) -> None:
        queues.send(TYPE, [[7, 8]])
        (message,) = receive_all(queues, messages=1)
        assert (message.job_type, message.ids, message.problem) == (TYPE, (7, 8), None)
        assert (message.body, message.receive_count) == (pack([7, 8]), 1)

    def test_no_more_than_asked_for(self, queues: Queues) -> None:
        queues.send(TYPE, [[n] for n in range(1, 6)])
        assert len(queues.receive(TYPE, max_messages=2, wait_seconds=0)) == 2

    def test_arguments_beyond_what_the_transport_can_do_are_cut(self, queues: Queues) -> None:
        queues.send(TYPE, [[n] for n in range(1, 13)])
        assert len(queues.receive(TYPE, max_messages=100, wait_seconds=100)) == 10

    def test_an_empty_queue_answers_at_once_when_nobody_waits(self, queues: Queues) -> None:
        assert queues.receive(TYPE, max_messages=10, wait_seconds=0) == []

    def test_a_wait_ends(self, queues: Queues) -> None:
        assert queues.receive(TYPE, max_messages=10, wait_seconds=1) == []

    def test_a_send_wakes_a_long_poll(self, queues: Queues) -> None:
        with polling(queues) as received:
            queues.send(TYPE, [[5]])
            assert ids_of(received.result(SOON_SECONDS)) == [5]

    def test_a_received_message_is_hidden(self, queues: Queues) -> None:
        queues.send(TYPE, [[1]])
        receive_all(queues, messages=1)
        assert queues.receive(TYPE, max_messages=10, wait_seconds=0) == []
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=1, dead=0)

    def test_concurrent_receivers_share_no_message(self, queues: Queues) -> None:
        queues.send(TYPE, [[n] for n in range(1, 61)])
        with ThreadPoolExecutor(6) as pool:
            takes = [pool.submit(queues.receive, TYPE, max_messages=10, wait_seconds=LONG) for _ in range(6)]
        taken = [message for take in takes for message in take.result()]
        assert len(taken) == len({message.body for message in taken})
        assert len(taken) + queues.depth(TYPE).visible == 60

    @pytest.mark.parametrize("body", ["hello", '{"v":2,"ids":[1]}', '{"v":1,"ids":[]}', "[" * 5000])
    def test_a_body_that_cannot_be_read_is_received_with_its_problem(self, trial: Trial, body: str) -> None:
        trial.put(TYPE, body)
        (message,) = receive_all(trial.queues, messages=1)
        assert (message.ids, message.body) == ((), body)
        assert message.problem


class TestRedelivery:
    def test_a_message_that_is_not_deleted_comes_back(self, make_trial: MakeTrial) -> None:
        queues = make_trial(QueueOptions(visibility_seconds=1)).queues
        queues.send(TYPE, [[1]])
        assert [m.receive_count for m in receive_all(queues, messages=1)] == [1]
        assert [m.receive_count for m in receive_all(queues, messages=1)] == [2]

    def test_a_deleted_message_does_not(self, make_trial: MakeTrial) -> None:
        queues = make_trial(QueueOptions(visibility_seconds=1)).queues
        queues.send(TYPE, [[1], [2]])
        first, second = receive_all(queues, messages=2)
        queues.delete(TYPE, [first])
        assert [m.ids for m in receive_all(queues, messages=1)] == [second.ids]

    def test_more_than_go_in_one_call_are_deleted_in_several(self, trial: Trial) -> None:
        queues = trial.queues
        queues.send(TYPE, [[n] for n in range(1, 13)])
        queues.delete(TYPE, receive_all(queues, messages=12))
        assert queues.calls["DeleteMessageBatch"] == math.ceil(12 / trial.batch)
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=0)

    def test_deleting_twice_is_harmless(self, queues: Queues) -> None:
        queues.send(TYPE, [[1]])
        messages = receive_all(queues, messages=1)
        queues.delete(TYPE, messages)
        queues.delete(TYPE, messages)
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=0)

    def test_deleting_what_never_was_is_harmless(self, queues: Queues) -> None:
        queues.send(TYPE, [[1]])
        queues.delete(TYPE, [Message(TYPE, (1,), "no-such-receipt", pack([1]), 1)])
        assert queues.depth(TYPE).visible == 1

    def test_deleting_nothing_asks_nothing(self, queues: Queues) -> None:
        queues.delete(TYPE, [])
        queues.release(TYPE, [])
        assert not {"DeleteMessageBatch", "ChangeMessageVisibilityBatch"} & set(queues.calls)

    def test_a_released_message_is_there_at_once(self, queues: Queues) -> None:
        queues.send(TYPE, [[n] for n in range(1, 13)])
        queues.release(TYPE, receive_all(queues, messages=12))
        assert queues.depth(TYPE) == QueueDepth(visible=12, in_flight=0, dead=0)
        assert {m.receive_count for m in receive_all(queues, messages=12)} == {2}

    def test_a_release_wakes_a_long_poll(self, queues: Queues) -> None:
        queues.send(TYPE, [[1]])
        messages = receive_all(queues, messages=1)
        with polling(queues) as received:
            queues.release(TYPE, messages)
            assert ids_of(received.result(SOON_SECONDS)) == [1]

    def test_a_message_received_too_often_goes_to_the_dead_letters(self, make_trial: MakeTrial) -> None:
        trial = make_trial(QueueOptions(max_receives=2))
        trial.queues.send(TYPE, [[1]])
        for _ in range(2):
            trial.queues.release(TYPE, receive_all(trial.queues, messages=1))
        assert trial.queues.receive(TYPE, max_messages=10, wait_seconds=0) == []
        assert trial.queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=1)
        assert trial.dead_letters(TYPE) == [(pack([1]), None)]


class TestRejecting:
    def test_a_rejected_message_lies_in_the_dead_letter_queue_with_the_reason(self, trial: Trial) -> None:
        trial.put(TYPE, "hello")
        (message,) = receive_all(trial.queues, messages=1)
        trial.queues.reject(TYPE, message, "the body is not JSON")
        assert trial.queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=1)
        assert trial.dead_letters(TYPE) == [("hello", "the body is not JSON")]

    @pytest.mark.parametrize(
        ("reason", "kept"),
        [("", "no reason given"), ("two\nlines\x00", "two lines"), ("long" * 100, "long" * 50), ("hätte", "hätte")],
    )
    def test_any_reason_will_do(self, trial: Trial, reason: str, kept: str) -> None:
        trial.put(TYPE, "hello")
        trial.queues.reject(TYPE, receive_all(trial.queues, messages=1)[0], reason)
        assert trial.dead_letters(TYPE) == [("hello", kept)]


class TestMaking:
    def test_ensure_can_be_repeated_and_keeps_the_messages(self, queues: Queues) -> None:
        queues.send(TYPE, [[1]])
        queues.ensure(TYPE)
        queues.ensure(TYPE)
        assert queues.depth(TYPE).visible == 1

    def test_a_queue_that_nobody_made_is_made_by_a_send(self, queues: Queues) -> None:
        with capture_logs() as logs:
            assert queues.send(OTHER, [[1]]).sent_ids == (1,)
        assert [(line["event"], line["type"]) for line in logs] == [("queue_recreated", OTHER)]
        assert ids_of(queues.receive(OTHER, max_messages=1, wait_seconds=LONG)) == [1]

    @pytest.mark.parametrize(
        "use",
        [
            lambda queues: queues.send(TYPE, [[2]]),
            lambda queues: queues.receive(TYPE, max_messages=10, wait_seconds=0),
            lambda queues: queues.depth(TYPE),
        ],
        ids=["send", "receive", "depth"],
    )
    def test_a_queue_that_vanished_is_made_again(self, trial: Trial, use: Callable[[Queues], object]) -> None:
        trial.queues.send(TYPE, [[1]])
        trial.lose_everything()
        with capture_logs() as logs:
            use(trial.queues)
        assert [line["event"] for line in logs] == ["queue_recreated"]
        trial.queues.send(TYPE, [[3]])
        assert 3 in ids_of(receive_all(trial.queues, messages=trial.queues.depth(TYPE).visible))

    def test_what_was_received_from_a_vanished_queue_can_be_deleted_rejected_and_released(self, trial: Trial) -> None:
        queues = trial.queues
        queues.send(TYPE, [[1], [2], [3]])
        first, second, third = receive_all(queues, messages=3)
        trial.lose_everything()
        queues.delete(TYPE, [first])
        queues.release(TYPE, [second])
        queues.reject(TYPE, third, "odd")
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=1)


class TestEnding:
    @pytest.mark.parametrize("end", ["interrupt", "close"])
    def test_a_waiting_receive_ends(self, queues: Queues, end: str) -> None:
        with polling(queues) as received:
            getattr(queues, end)()
            assert received.result(SOON_SECONDS) == []

    def test_several_waiting_receives_end(self, queues: Queues) -> None:
        with polling(queues) as one, polling(queues) as another:
            queues.interrupt()
            assert one.result(SOON_SECONDS) == another.result(SOON_SECONDS) == []

    def test_no_later_receive_waits_or_takes_anything(self, queues: Queues) -> None:
        queues.interrupt()
        queues.send(TYPE, [[1]])
        assert queues.receive(TYPE, max_messages=10, wait_seconds=LONG) == []
        assert queues.depth(TYPE).visible == 1

    def test_everything_else_goes_on(self, queues: Queues) -> None:
        queues.send(TYPE, [[1], [2], [3]])
        first, second, third = receive_all(queues, messages=3)
        queues.interrupt()
        queues.delete(TYPE, [first])
        queues.release(TYPE, [second])
        queues.reject(TYPE, third, "odd")
        queues.send(TYPE, [[4]])
        assert queues.depth(TYPE) == QueueDepth(visible=2, in_flight=0, dead=1)

    def test_an_ended_receive_takes_no_message_with_it(self, queues: Queues) -> None:
        with polling(queues) as received:
            queues.interrupt()
            received.result(SOON_SECONDS)
        queues.send(TYPE, [[1]])
        assert queues.depth(TYPE) == QueueDepth(visible=1, in_flight=0, dead=0)


def test_calls_are_counted_by_action(trial: Trial) -> None:
    queues = trial.queues
    queues.send(TYPE, [[n] for n in range(1, 12)])
    messages = receive_all(queues, messages=11)
    queues.release(TYPE, messages[:1])
    queues.delete(TYPE, messages[1:])
    before = dict(queues.calls)
    assert before["SendMessageBatch"] == math.ceil(11 / trial.batch)
    assert before["ReceiveMessage"] >= 2
    assert (before["ChangeMessageVisibilityBatch"], before["DeleteMessageBatch"]) == (1, 1)
    queues.depth(TYPE)
    assert queues.calls["GetQueueAttributes"] == before.get("GetQueueAttributes", 0) + trial.depth_calls


def receive_all(queues: Queues, *, messages: int) -> list[Message]:
    """So many messages, in as many receives as it takes."""
    received: list[Message] = []
    while len(received) < messages:
        more = queues.receive(TYPE, max_messages=10, wait_seconds=SOON_SECONDS)
        assert more, f"{len(received)} of {messages} messages came"
        received += more
    assert len(received) == messages
    return received


def ids_of(messages: list[Message]) -> list[int]:
    """All IDs, in order, for no order is promised."""
    return sorted(identity for message in messages for identity in message.ids)


@contextmanager
def polling(queues: Queues) -> Iterator[Future[list[Message]]]:
    """A long poll that another thread has begun."""
    begun = queues.calls.get("ReceiveMessage", 0)
    received: Future[list[Message]] = Future()

    def poll() -> None:
        received.set_result(queues.receive(TYPE, max_messages=10, wait_seconds=LONG))

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    wait_until(lambda: queues.calls.get("ReceiveMessage", 0) > begun, "the long poll did not begin")
    yield received
    thread.join(SOON_SECONDS)
    assert not thread.is_alive()
