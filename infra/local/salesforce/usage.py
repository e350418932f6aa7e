"""What the org's callers have used of what they may ("API Request Limits and Allocations").

Calls count over the last 24 hours, minute by minute. A call that takes 20 seconds or more is a long one, of which only
so many may go on at once. The other pools are those of `/limits` that a sync may use up.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from infra.local.salesforce.clock import Clock
from infra.local.salesforce.errors import SalesforceError

DAILY_CALLS = "DailyApiRequests"

#: The pool's name of the concurrent long calls; it is not in `/limits`.
LONG_CALLS = "ConcurrentLongRequests"

#: A Developer Edition's, but for the files of query results.
_MAXIMA = {
    DAILY_CALLS: 15_000,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
    "DataStorageMB": 5,
    "FileStorageMB": 20,
    LONG_CALLS: 5,
}

_LONG = timedelta(seconds=20)
_DAY = timedelta(hours=24)


class Usage:
    """Counts of one org. Pools are named as `/limits` names them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._maxima = dict(_MAXIMA)
        self._spent: dict[str, deque[tuple[datetime, int]]] = {name: deque() for name in _MAXIMA}
        self._under_way: dict[int, datetime] = {}
        self._counts: Counter[str] = Counter()
        self._taken = 0

    @contextmanager
    def call(self, kind: str) -> Iterator[None]:
        """One call to the API, of a kind that `counts` is to tell apart.

        Raises:
            SalesforceError: REQUEST_LIMIT_EXCEEDED, 403, of the day or of the long calls; not counted then.
        """
        ticket = self._begin(kind)
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[ticket]

    def spend(self, pool: str, amount: int = 1) -> None:
        """Use up some of a pool.

        Raises:
            SalesforceError: REQUEST_LIMIT_EXCEEDED, 403, there is not as much left.
        """
        with self._lock:
            self._spend(pool, amount)

    def use(self, pool: str, amount: int) -> None:
        """Use up some of a pool as somebody else would, e.g. the customer's other tools; even past its end.

        Of the long calls, it says that so many more are under way, or fewer.
        """
        with self._lock:
            self._add(pool, amount)

    def set_max(self, pool: str, maximum: int) -> None:
        """Say how much of a pool there is.

        Raises:
            KeyError: there is no such pool.
        """
        if pool not in self._maxima:
            raise KeyError(pool)
        self._maxima[pool] = maximum

    def used(self, pool: str) -> int:
        """How much of a pool was used in the last 24 hours."""
        with self._lock:
            return self._used(pool)

    def header(self) -> str:
        """What `Sforce-Limit-Info` says."""
        return f"api-usage={self.used(DAILY_CALLS)}/{self._maxima[DAILY_CALLS]}"

    def limits(self) -> dict[str, dict[str, int]]:
        """The pools as `/limits` shows them."""
        shown = (pool for pool in self._maxima if pool != LONG_CALLS)
        return {pool: {"Max": self._maxima[pool], "Remaining": self._remaining(pool)} for pool in shown}

    def counts(self) -> dict[str, int]:
        """Calls that were let in since the org started, by kind."""
        with self._lock:
            return dict(self._counts)

    def kept(self) -> str:
        """All that `restore` needs, as JSON."""
        with self._lock:
            spent = {
                pool: [(minute.isoformat(), amount) for minute, amount in used] for pool, used in self._spent.items()
            }
            return json.dumps({"maxima": self._maxima, "spent": spent})

    def restore(self, kept: str) -> None:
        """Go on from what was `kept`; long calls that were under way are over."""
        state = json.loads(kept)
        with self._lock:
            self._maxima |= state["maxima"]
            for pool, used in state["spent"].items():
                known = ((datetime.fromisoformat(minute), amount) for minute, amount in used)
                self._spent[pool] = deque(() if pool == LONG_CALLS else known)

    def _begin(self, kind: str) -> int:
        now = self._clock.now()
        with self._lock:
            long = sum(now - began >= _LONG for began in self._under_way.values()) + self._used(LONG_CALLS)
            if long >= self._maxima[LONG_CALLS]:
                raise _exceeded("ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
            self._spend(DAILY_CALLS, 1)
            self._counts[kind] += 1
            self._taken += 1
            self._under_way[self._taken] = now
            return self._taken

    def _spend(self, pool: str, amount: int) -> None:
        if self._used(pool) + amount > self._maxima[pool]:
            named = "TotalRequests" if pool == DAILY_CALLS else pool
            raise _exceeded(f"{named} Limit exceeded.")
        self._add(pool, amount)

    def _add(self, pool: str, amount: int) -> None:
        spent, minute = self._spent[pool], self._minute()
        if spent and spent[-1][0] == minute:
            amount += spent.pop()[1]
        spent.append((minute, amount))

    def _used(self, pool: str) -> int:
        spent = self._spent[pool]
        while spent and spent[0][0] <= self._clock.now() - _DAY:
            spent.popleft()
        return sum(amount for _, amount in spent)

    def _remaining(self, pool: str) -> int:
        return max(0, self._maxima[pool] - self.used(pool))

    def _minute(self) -> datetime:
        return self._clock.now().replace(second=0, microsecond=0)


def _exceeded(message: str) -> SalesforceError:
    return SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", message)
