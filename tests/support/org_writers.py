"""People and programs at work in an org, each in a thread: what each does, and in which order, is drawn from its seed.

Every writer changes rows that it made itself, and their families: so no other's turn decides what becomes of its own,
and the sequence of its changes repeats.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Semaphore

from infra.local.salesforce.control_values import Done
from tests.support.org_hands import BulkHand, ControlHand, Hand, RestHand
from tests.support.org_world import OBJECTS, Draw, Ledger, values
from tests.support.sandbox_org import SandboxOrg

#: What an org may say of a row that went with its parent, or that a transaction holds: nothing was changed then.
REFUSALS = {
    "ENTITY_IS_DELETED",
    "ENTITY_IS_NOT_DELETED",
    "INVALID_CROSS_REFERENCE_KEY",
    "NOT_FOUND",
    "UNABLE_TO_LOCK_ROW",
    "UNDELETE_FAILED",
}

#: The most rows of one change.
MOST = {RestHand: 12, BulkHand: 60, ControlHand: 30}

#: How often each of a writer's deeds is done.
COMMON = {"_insert": 30, "_update": 40, "_delete": 14, "_undelete": 8, "_hard_delete": 4, "_purge": 4}

Deed = Callable[[], int]


class Writer:
    """One of them. `changes` are its requests that came to something, `rows` what they changed."""

    def __init__(self, org: SandboxOrg, hand: Hand, ledger: Ledger, draw: Draw) -> None:
        self.changes = 0
        self.rows = 0
        self._org = org
        self._hand = hand
        self._behind = ControlHand(org.control)
        self._ledger = ledger
        self._draw = draw
        self._live: dict[str, list[str]] = {name: [] for name in OBJECTS}
        self._binned: list[tuple[str, str]] = []
        self._most = MOST[type(hand)]

    def play(self, changes: int, allowed: Semaphore) -> None:
        """So many changes, each as soon as one is allowed."""
        for _ in range(changes):
            allowed.acquire()
            self._change()

    def _change(self) -> None:
        """Try until something is changed."""
        rows = 0
        while not rows:
            rows = self._draw_deed()()
        self.rows += rows
        self.changes += 1

    def finish(self) -> None:
        """Leave nothing open."""

    def _draw_deed(self) -> Deed:
        deeds = self._deeds()
        (name,) = self._draw.choices(list(deeds), list(deeds.values()))
        deed: Deed = getattr(self, name)
        return deed

    def _deeds(self) -> dict[str, int]:
        return COMMON

    # deeds

    def _insert(self) -> int:
        sobject = self._draw.choices(OBJECTS, (3, 2, 2, 1, 2))[0]
        return self._made(sobject, self._hand.insert(sobject, self._new_rows(sobject)))

    def _update(self) -> int:
        sobject, ids = self._some()
        if not ids:
            return self._insert()
        rows = [{"Id": one, **self._new_values(sobject)} for one in ids]
        return self._settled(sobject, self._hand.update(sobject, rows))

    def _delete(self) -> int:
        sobject, ids = self._some(few=True)
        if not ids:
            return 0
        done = self._hand.delete(sobject, ids)
        self._binned += [(sobject, one.id) for one in done if one.success and one.id]
        self._drop(sobject, ids)
        return changed(done)

    def _hard_delete(self) -> int:
        sobject, ids = self._some(few=True)
        if not ids:
            return 0
        hard = isinstance(self._hand, BulkHand)
        done = self._hand.delete(sobject, ids, hard=True) if hard else self._behind.records.hard_delete(ids)  # type: ignore[call-arg]  # as BulkHand's does
        self._drop(sobject, ids)
        return changed(done)

    def _undelete(self) -> int:
        taken = self._from_bin()
        if not taken:
            return 0
        return self._made(taken[0], self._behind.records.undelete([taken[1]]))

    def _purge(self) -> int:
        taken = self._from_bin()
        return changed(self._behind.records.purge([taken[1]])) if taken else 0

    # rows

    def _new_rows(self, sobject: str) -> list[dict[str, object]]:
        return [self._new_values(sobject) for _ in range(self._draw.randint(1, self._draw.choice((1, 3, self._most))))]

    def _new_values(self, sobject: str) -> dict[str, object]:
        accounts = self._live["Account"]
        return values(sobject, self._draw, self._draw.choice(accounts) if accounts else None)

    def _some(self, *, few: bool = False) -> tuple[str, list[str]]:
        """Some rows of one object, mostly one or two."""
        sobject = self._draw.choice(OBJECTS)
        most = self._draw.choice((1, 2) if few else (1, 2, self._most))
        live = self._live[sobject]
        return sobject, self._draw.sample(live, min(len(live), self._draw.randint(1, most)))

    def _from_bin(self) -> tuple[str, str] | None:
        return self._binned.pop(self._draw.randrange(len(self._binned))) if self._binned else None

    def _made(self, sobject: str, done: Sequence[Done]) -> int:
        """These are there now."""
        ids = [one.id for one in done if one.success and one.id]
        self._live[sobject] += ids
        self._ledger.note_made(sobject, ids)
        return changed(done)

    def _settled(self, sobject: str, done: Sequence[Done]) -> int:
        """Those that are gone with their parents are let go of."""
        self._drop(sobject, [one.id for one in done if not one.success and one.id])
        return changed(done)

    def _drop(self, sobject: str, ids: Sequence[str]) -> None:
        gone = set(ids)
        self._live[sobject] = [one for one in self._live[sobject] if one not in gone]


def changed(done: Sequence[Done]) -> int:
    """How many rows were changed; an error that no writer brings about by its own doing fails the test."""
    codes = {error["statusCode"] for one in done for error in one.errors}
    assert codes <= REFUSALS, codes - REFUSALS
    return sum(one.success for one in done)


class Writers:
    """All of them."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self.writers = writers

    @property
    def changes(self) -> int:
        return sum(writer.changes for writer in self.writers)

    @property
    def rows(self) -> int:
        return sum(writer.rows for writer in self.writers)

    @contextmanager
    def at_work(self, changes: int) -> Iterator[Callable[[int], bool]]:
        """Have all of them together make so many changes; what is yielded allows some more, until they are done."""
        share, allowed = changes // len(self.writers), Semaphore(0)
        with ThreadPoolExecutor(len(self.writers)) as pool:
            playing: list[Future[None]] = [pool.submit(writer.play, share, allowed) for writer in self.writers]

            def allow(some: int) -> bool:
                allowed.release(some)
                return not all(one.done() for one in playing)

            try:
                yield allow
            finally:
                # Whatever ended the block, nobody is left waiting.
                allowed.release(changes)
        for one in playing:
            one.result()

    def finish(self) -> None:
        """Stop for good: whatever is open is ended."""
        for writer in self.writers:
            writer.finish()


def drawn(seed: int, name: str) -> Draw:
    """The choices of one of a seed's players."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 - a seed that repeats is the purpose
