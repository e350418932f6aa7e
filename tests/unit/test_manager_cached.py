"""One reader for all who look at about the same time."""

from __future__ import annotations

import threading

import pytest

from manager.cached import STALE_SECONDS, WAIT_SECONDS, Cached, TakesTooLong
from tests.support.hand_clock import HandClock


class Reader:
    """Counts how often it is asked; waits while `gate` is closed; raises `error` if there is one."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> int:
        self.calls += 1
        self.entered.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return self.calls


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_an_answer_is_shared_while_it_is_fresh(clock: HandClock) -> None:
    reader = Reader()
    cached = Cached(reader, fresh_seconds=1, clock=clock)

    assert [cached.get(), cached.get()] == [1, 1]
    clock.advance(1)
    assert cached.get() == 2


def test_an_error_is_shared_as_well(clock: HandClock) -> None:
    reader = Reader()
    reader.error = RuntimeError("away")
    cached = Cached(reader, fresh_seconds=1, clock=clock)

    for _ in range(2):
        with pytest.raises(RuntimeError, match="away"):
            cached.get()
    assert reader.calls == 1

    reader.error = None
    clock.advance(1)
    assert cached.get() == 2


def test_while_one_reads_others_get_the_last_answer(clock: HandClock) -> None:
    reader = Reader()
    cached = Cached(reader, fresh_seconds=1, clock=clock)
    cached.get()
    clock.advance(2)
    reader.gate.clear()
    reader.entered.clear()
    slow = threading.Thread(target=cached.get)
    slow.start()
    assert reader.entered.wait(10)

    assert cached.get() == 1

    reader.gate.set()
    slow.join(10)
    assert cached.get() == 2
    assert reader.calls == 2


def test_an_answer_that_is_too_old_is_waited_for_and_read_once(clock: HandClock) -> None:
    reader = Reader()
    cached = Cached(reader, fresh_seconds=1, clock=clock)
    cached.get()
    clock.advance(STALE_SECONDS + 1)
    reader.gate.clear()
    reader.entered.clear()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(cached.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert reader.entered.wait(10)

    assert answers == []  # nobody was given the old one

    reader.gate.set()
    for thread in threads:
        thread.join(10)
    assert answers == [2, 2, 2, 2]
    assert reader.calls == 2


def test_a_read_that_hangs_is_not_waited_for(clock: HandClock) -> None:
    reader = Reader()
    cached = Cached(reader, fresh_seconds=1, clock=clock)
    reader.gate.clear()
    hanging = threading.Thread(target=cached.get)
    hanging.start()
    assert reader.entered.wait(10)
    clock.advance(WAIT_SECONDS)

    with pytest.raises(TakesTooLong):
        cached.get()

    reader.gate.set()
    hanging.join(10)
    assert cached.get() == 1


def test_what_has_expired_is_read_again_however_young_it_is(clock: HandClock) -> None:
    reader = Reader()
    cached = Cached(reader, fresh_seconds=1, clock=clock)
    assert cached.get() == 1

    cached.expire()
    assert [cached.get(fresh_seconds=60), cached.get()] == [2, 2]


def test_what_expires_while_it_is_read_is_read_again(clock: HandClock) -> None:
    reader = Reader()

    def read() -> int:
        if reader.calls == 0:
            cached.expire()
        return reader()

    cached = Cached(read, fresh_seconds=1, clock=clock)
    assert [cached.get(), cached.get(), cached.get()] == [1, 2, 2]
