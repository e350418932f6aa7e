from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from infra.local.steps import Patience, StackError, Step, StepFailed, _Run, reason, run_steps

LONG = 10.0


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failure: StackError | None = None

    def step_started(self, step: str) -> None:
        self.told.append(f"start {step}")

    def step_done(self, step: str, seconds: float) -> None:
        self.told.append(f"done {step}")

    def step_failed(self, step: str, error: StackError) -> None:
        self.told.append(f"failed {step}")
        self.failure = error

    def notice(self, text: str) -> None:
        self.told.append(text)


def step(
    name: str, run: Callable[[Patience], object] = lambda _: None, *, after: str = "", seconds: float = LONG
) -> Step:
    return Step(name, run, after=frozenset(after.split()), seconds=seconds)


def explain(step: Step, error: Exception) -> StackError:
    return StackError(step.name, reason(error))


def run(*steps: Step) -> Recorder:
    recorder = Recorder()
    run_steps(steps, recorder, explain=explain)
    return recorder


def fail(_: Patience) -> None:
    raise StepFailed("no luck")


def test_a_step_begins_when_those_before_it_are_done() -> None:
    told = run(step("c", after="a b"), step("a"), step("b", after="a")).told
    assert told == ["start a", "done a", "start b", "done b", "start c", "done c"]


def test_independent_steps_run_side_by_side() -> None:
    met = Event()
    seen: list[bool] = []
    run(step("waits", lambda _: seen.append(met.wait(LONG))), step("meets", lambda _: met.set()))
    assert seen == [True]


def test_a_failure_is_explained_and_nothing_more_begins() -> None:
    recorder = Recorder()
    with pytest.raises(StackError, match="a: no luck"):
        run_steps([step("a", fail), step("b", after="a")], recorder, explain=explain)
    assert recorder.told == ["start a", "failed a"]
    assert recorder.failure is not None
    assert recorder.failure.reason == "no luck"


def test_a_failure_ends_the_patience_of_the_others() -> None:
    given_up: list[str] = []
    over = Event()

    def wait(patience: Patience) -> None:
        try:
            patience.until(lambda: "never there")
        except StepFailed as error:
            given_up.append(error.message)
            over.set()

    with pytest.raises(StackError, match="no luck"):
        run(step("waits", wait), step("fails", fail))
    assert over.wait(LONG)
    assert given_up == ["given up, because another step failed"]


def test_an_unexpected_error_is_named_by_its_class() -> None:
    with pytest.raises(StackError, match="a: ZeroDivisionError") as caught:
        run(step("a", lambda _: 1 // 0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_patience_ends_with_what_was_still_missing() -> None:
    with pytest.raises(StepFailed, match=r"not within 0.01 s: the door is shut"):
        Patience(0.01, Event()).until(lambda: "the door is shut")


def test_patience_ends_when_nothing_is_missing() -> None:
    answers = iter(["not yet", "nearly", None])
    Patience(LONG, Event()).until(lambda: next(answers))
    assert list(answers) == []


def test_a_step_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Run, "GRACE", 0.01)
    release = Event()
    with pytest.raises(StackError, match=r"hangs: not within 0.02 s"):
        run(step("hangs", lambda _: release.wait(LONG), seconds=0.02), step("other", lambda _: release.wait(1)))
    release.set()


def test_steps_that_wait_for_one_another_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="wait for one another: a, b"):
        run(step("a", after="b"), step("b", after="a"))
