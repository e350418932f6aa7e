from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import guards
from infra.local.guards import interruptible, locked
from infra.local.layout import Layout, prepare
from infra.local.steps import StackError
from retinue.errors import ConfigurationError


class Listener:
    """A reporter that hears notices, and tells when the first came."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.heard = threading.Event()

    def step_started(self, step: str) -> None: ...

    def step_done(self, step: str, seconds: float) -> None: ...

    def step_failed(self, step: str, error: StackError) -> None: ...

    def notice(self, text: str) -> None:
        self.notices.append(text)
        self.heard.set()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data")
    prepare(layout)
    return layout


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_second_command_waits_for_the_first(layout: Layout) -> None:
    listener = Listener()
    order: list[str] = []

    def second() -> None:
        with locked(layout, listener):
            order.append("second")

    with locked(layout, listener):
        thread = threading.Thread(target=second)
        thread.start()
        assert listener.heard.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "Waiting for another command" in listener.notices[0]


def test_waiting_ends(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_LOCK_SECONDS", 0)
    with (
        locked(layout, Listener()),
        pytest.raises(ConfigurationError, match=r"Another `retinue up`"),
        locked(layout, Listener()),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_and_is_let_go_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
