"""Queues in memory that go wrong on demand, in every way in which Amazon SQS may.

A standard queue delivers at least once and in no certain order (Amazon SQS Developer Guide, "Amazon SQS at-least-once
delivery" and "Message ordering"), and a message that was deleted may come again. What happens to a message depends on
the seed and on the message's number alone: a test that failed fails again with the same seed, whatever its threads do.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import count

from infra.queues.memory import MemoryQueues
from infra.queues.transport import Message, QueueOptions, QueueUnreachable
from retinue.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How likely each fault is, from 0 (never) to 1 (always)."""

    #: A message that was sent arrives twice.
    duplicate: float = 0.0
    #: A message that was sent, and said to be, never arrives.
    lose: float = 0.0
    #: A message arrives late, by up to `delay_seconds`.
    delay: float = 0.0
    #: A message is refused when it is sent, and the sender is told.
    refuse: float = 0.0
    #: A receive gets its messages in another order than they were sent.
    reorder: float = 0.0
    #: A message that was received stays visible: another receive gets it too.
    redeliver: float = 0.0
    #: A delete has no effect yet: the message comes back when its visibility ends.
    late_delete: float = 0.0
    #: A call is not answered: `QueueUnreachable`, or for a delete or a release a line in the log.
    unreachable: float = 0.0
    #: The longest delay, in seconds.
    delay_seconds: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), float("inf") if field.name == "delay_seconds" else 1
            if not 0 <= value <= most:
                raise ValueError(f"Faults({field.name}=…) is 0 to {most:g}, got {value}")


#: Nothing goes wrong.
CALM = Faults()


class FaultyQueues(MemoryQueues):
    """The in-memory twin of SQS with faults; without any it is what `MemoryQueues` is.

    `faults` may be set at any time; `happened` counts those that came to pass.
    """

    def __init__(
        self,
        faults: Faults = CALM,
        *,
        seed: int = 0,
        options: QueueOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(options=options, clock=clock)
        self.faults = faults
        self.seed = seed
        self.happened: Counter[str] = Counter()
        self._sent = count(1)
        self._asked = count(1)
        self.refuse = self._refuses

    @contextmanager
    def suffering(self, faults: Faults) -> Iterator[None]:
        """Have these faults inside the block, and then those of before."""
        before, self.faults = self.faults, faults
        try:
            yield
        finally:
            self.faults = before

    def resume(self) -> None:
        """Let receives take messages again after `interrupt`."""
        with self._changed:
            self._interrupted = False

    def waiting(self, job_type: str) -> int:
        """How many messages are on the type's queue, visible or not; no call is counted, and no fault befalls it."""
        with self._changed:
            return len(self._queue(job_type).letters)

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        with self._changed:
            super().delete(job_type, [one for one in messages if not self._happens("late_delete", one.receipt)])

    def _put(self, job_type: str, bodies: Sequence[str]) -> None:
        arriving = [copy for body in bodies for copy in self._copies(body)]
        super()._put(job_type, arriving)
        for letter in self._queue(job_type).letters[-len(arriving) :] if arriving else []:
            if self._happens("delay", letter.number):
                letter.visible_at += self._chance("by", letter.number) * self.faults.delay_seconds

    def _copies(self, body: str) -> list[str]:
        number = next(self._sent)
        if self._happens("lose", number):
            return []
        return [body, body] if self._happens("duplicate", number) else [body]

    def _take(self, job_type: str, most: int) -> list[Message]:
        letters = self._queue(job_type).letters
        # By their number, so that what is shuffled does not depend on what was received before.
        order = {x.number: self._chance("order", x.number, x.receives) for x in letters if self._is_visible(x)}
        if len(order) > 1 and self._happens("reorder", *sorted(order)):
            letters.sort(key=lambda letter: order.get(letter.number, 1.0))
        taken = super()._take(job_type, most)
        again = {message.receipt for message in taken if self._happens("redeliver", message.receipt)}
        for letter in letters:
            if letter.receipt in again:
                letter.visible_at = self._clock.monotonic()
        return taken

    def _called(self, action: str, *, times: int = 1) -> None:
        if times and self._happens("unreachable", next(self._asked)):
            raise QueueUnreachable(f"{action} was not answered: a fault that the test asked for")
        super()._called(action, times=times)

    def _refuses(self, body: str) -> bool:
        return self._happens("refuse", body)

    def _happens(self, fault: str, *about: object) -> bool:
        """Whether this fault befalls what it is about; the same answer each time."""
        likely: float = getattr(self.faults, fault)
        if not likely or self._chance(fault, *about) >= likely:
            return False
        self.happened[fault] += 1
        return True

    def _chance(self, *about: object) -> float:
        """A number from 0 to 1 that depends on the seed and on what it is about."""
        return random.Random("/".join(map(str, (self.seed, *about)))).random()  # noqa: S311 - faults, not secrets


def storm(likely: float = 0.2) -> Faults:
    """Everything at once, each fault as likely as the others."""
    names: Mapping[str, float] = {field.name: likely for field in fields(Faults) if field.name != "delay_seconds"}
    return Faults(**names)
