"""Transactions that are open: what they stamped and locked, and the writes of those that are held back.

Salesforce stamps a record when it is saved and shows it when its transaction commits, which may be minutes later. A
held transaction is that: its writes are made and undone at once, and made again when it is committed; until then nobody
sees them and nobody may write the same rows. As in any database, what was open when the program ended is gone.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from infra.local.salesforce.clock import Clock, whole_second
from infra.local.salesforce.values import Raw

Statement = tuple[str, tuple[Raw, ...]]


@dataclass(frozen=True)
class Held:
    """A transaction held back: what it is called, and the second it is stamped with."""

    name: str
    stamped: datetime


@dataclass(frozen=True)
class _Kept:
    stamped: datetime
    statements: tuple[Statement, ...]


class Transactions:
    """What is open in an org. Locks are by record id, or by a unique value's own key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[datetime] = []
        self._held: dict[str, _Kept] = {}
        self._locks: dict[str, str] = {}

    @contextmanager
    def running(self, clock: Clock) -> Iterator[None]:
        """Note a transaction that is going to stamp with what the clock says from now on, until it is over."""
        moment = whole_second(clock.now())
        with self._lock:
            self._running.append(moment)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(moment)

    def hold(self, held: Held, statements: Iterable[Statement], keys: Iterable[str]) -> None:
        """Keep a transaction's writes for later."""
        with self._lock:
            self._held[held.name] = _Kept(held.stamped, tuple(statements))
            self._locks |= dict.fromkeys(keys, held.name)

    def refuse_taken(self, name: str) -> None:
        """Whether a name may be held by.

        Raises:
            ValueError: a transaction of that name is held.
        """
        if name in self._held:
            raise ValueError(f"A transaction named {name} is held already.")

    def commit(self, name: str, connection: sqlite3.Connection) -> None:
        """Make a held transaction's writes; `release` it once they are kept.

        Raises:
            KeyError: no transaction of that name is held.
        """
        for sql, values in self._held[name].statements:
            connection.execute(sql, values)

    def release(self, name: str) -> None:
        """Forget a held transaction, and all locks of this name."""
        with self._lock:
            self._held.pop(name, None)
            self._locks = {key: owner for key, owner in self._locks.items() if owner != name}

    def lock(self, name: str, keys: Iterable[str]) -> None:
        """Lock rows without writing them."""
        with self._lock:
            self._locks |= dict.fromkeys(keys, name)

    def locked(self, key: str) -> bool:
        return key in self._locks

    def held(self) -> list[Held]:
        with self._lock:
            return [Held(name, kept.stamped) for name, kept in self._held.items()]

    def earliest(self) -> datetime | None:
        """The oldest stamp that something not yet visible may have, or None."""
        with self._lock:
            return min((*self._running, *(kept.stamped for kept in self._held.values())), default=None)
