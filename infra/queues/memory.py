"""The in-memory twin of SQS, for tests: same behaviour, no server, and faults on request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from infra.logs import get_logger
from infra.queues.body import pack, readable_reason
from infra.queues.transport import (
    MAX_BATCH,
    MAX_WAIT_SECONDS,
    Message,
    QueueDepth,
    QueueOptions,
    QueueUnreachable,
    SendResult,
)
from retinue.clock import Clock, SystemClock

#: A test's clock may jump without telling: a receive that waits looks at it this often, in seconds.
LOOK_SECONDS = 0.02

log = get_logger(__name__)


@dataclass(slots=True)
class _Letter:
    number: int
    body: str
    visible_at: float
    receives: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.number}/{self.receives}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in the dead-letter queue; no reason when it was only received too often."""

    body: str
    reason: str | None


@dataclass(slots=True)
class _Queue:
    letters: list[_Letter] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


class MemoryQueues:
    """`Queues` in this process's memory.

    `outage`, while set, is why nothing answers. `refuse` says of each body that is sent whether it is refused.
    """

    def __init__(self, *, options: QueueOptions | None = None, clock: Clock | None = None) -> None:
        self.outage: str | None = None
        self.refuse: Callable[[str], bool] = lambda _body: False
        self._options = options or QueueOptions()
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._queues: dict[str, _Queue] = {}
        self._numbers = count(1)
        self._calls: Counter[str] = Counter()
        self._interrupted = False

    @property
    def calls(self) -> Mapping[str, int]:
        with self._changed:
            return dict(self._calls)

    def ensure(self, job_type: str) -> None:
        with self._changed:
            self._called("CreateQueue", times=2)
            self._queues.setdefault(job_type, _Queue())

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        bodies = [pack(ids) for ids in batches]
        with self._changed:
            self._called("SendMessageBatch", times=_calls_for(bodies))
            sent = [n for n, body in enumerate(bodies) if not self.refuse(body)]
            self._put(job_type, [bodies[n] for n in sent])
        return SendResult.of(batches, sent)

    def put(self, job_type: str, body: str) -> None:
        """Send a body as it is, readable or not."""
        with self._changed:
            self._put(job_type, [body])

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        deadline = self._clock.monotonic() + min(wait_seconds, MAX_WAIT_SECONDS)
        with self._changed:
            if not self._interrupted:
                self._called("ReceiveMessage")
            while not self._interrupted:
                taken = self._take(job_type, min(max_messages, MAX_BATCH))
                if taken or self._clock.monotonic() >= deadline:
                    return taken
                self._changed.wait(LOOK_SECONDS)
        return []

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        receipts = {message.receipt for message in messages}
        with self._changed:
            if self._tidies("DeleteMessageBatch", messages):
                queue = self._queue(job_type)
                queue.letters = [letter for letter in queue.letters if letter.receipt not in receipts]

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        receipts = {message.receipt for message in messages}
        with self._changed:
            if self._tidies("ChangeMessageVisibilityBatch", messages):
                for letter in self._queue(job_type).letters:
                    if letter.receipt in receipts:
                        letter.visible_at = self._clock.monotonic()
                self._changed.notify_all()

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        with self._changed:
            self._called("SendMessage")
            self._queue(job_type).dead.append(DeadLetter(message.body, readable_reason(reason)))
        self.delete(job_type, [message])

    def depth(self, job_type: str) -> QueueDepth:
        with self._changed:
            self._called("GetQueueAttributes", times=2)
            queue = self._queue(job_type)
            visible = sum(self._is_visible(letter) for letter in queue.letters)
            return QueueDepth(visible=visible, in_flight=len(queue.letters) - visible, dead=len(queue.dead))

    def dead_letters(self, job_type: str) -> list[DeadLetter]:
        """What lies in the type's dead-letter queue."""
        with self._changed:
            return list(self._queue(job_type).dead)

    def forget(self) -> None:
        """Lose every queue, as a server does that restarts with an empty memory."""
        with self._changed:
            self._queues.clear()

    def interrupt(self) -> None:
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        self.interrupt()

    def _put(self, job_type: str, bodies: Sequence[str]) -> None:
        now = self._clock.monotonic()
        self._queue(job_type).letters += [_Letter(next(self._numbers), body, now) for body in bodies]
        self._changed.notify_all()

    def _take(self, job_type: str, most: int) -> list[Message]:
        queue = self._queue(job_type)
        self._bury(queue)
        taken = [letter for letter in queue.letters if self._is_visible(letter)][:most]
        for letter in taken:
            letter.receives += 1
            letter.visible_at = self._clock.monotonic() + self._options.visibility_seconds
        return [Message.read(job_type, letter.body, letter.receipt, letter.receives) for letter in taken]

    def _bury(self, queue: _Queue) -> None:
        """SQS looks at the count when the message is due for one more receive."""
        spent = [x for x in queue.letters if self._is_visible(x) and x.receives >= self._options.max_receives]
        for letter in spent:
            queue.letters.remove(letter)
            queue.dead.append(DeadLetter(letter.body, None))

    def _is_visible(self, letter: _Letter) -> bool:
        return letter.visible_at <= self._clock.monotonic()

    def _queue(self, job_type: str) -> _Queue:
        if job_type not in self._queues:
            log.warning("queue_recreated", type=job_type)
            self._queues[job_type] = _Queue()
        return self._queues[job_type]

    def _called(self, action: str, *, times: int = 1) -> None:
        if self.outage is not None:
            raise QueueUnreachable(self.outage)
        if times:
            self._calls[action] += times

    def _tidies(self, action: str, messages: Sequence[Message]) -> bool:
        """Whether these can be deleted or released; as with SQS, it is only logged when they cannot."""
        try:
            self._called(action, times=_calls_for(messages))
        except QueueUnreachable as error:
            log.warning("messages_left_alone", action=action, messages=len(messages), problem=error.message)
            return False
        return True


def _calls_for(items: Sequence[object]) -> int:
    return -(-len(items) // MAX_BATCH)
