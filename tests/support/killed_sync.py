"""A sync that is killed at random: in the middle of a commit, right after one, or by a wire that is cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from retinue import Job
from retinue.errors import TransientError
from tests.support.calendar_job import CalendarAccount, PlainCommit
from tests.support.cutting_proxy import CuttingProxy


class Killed(BaseException):
    """The process is gone: nothing handles this, and nothing is tidied up."""


class KilledSync:
    """An account's syncs, most of which do not live to their end."""

    def __init__(self, account: CalendarAccount, proxy: CuttingProxy, draw: random.Random) -> None:
        self._account = account
        self._proxy = proxy
        self._draw = draw
        self.kills = 0
        self.cuts = 0

    def run(self) -> None:
        """One run, killed somewhere or not at all."""
        fate = self._draw.random()
        dies_at = self._draw.randint(1, 6) if fate < 0.5 else None
        self._proxy.left = self._draw.randint(0, 8_000) if 0.5 <= fate < 0.8 else None
        try:
            with _dying(self._account, dies_at, after_commit=self._draw.random() < 0.5):
                self._account.sync()
        except Killed:
            self.kills += 1
        except TransientError:
            self.cuts += 1
        finally:
            self._proxy.left = None

    def finish(self) -> None:
        """Runs until one is whole; a calendar that is suddenly empty is believed the second time."""
        for _ in range(3):
            try:
                self._account.sync()
            except TransientError:
                continue
            return
        raise AssertionError("three runs in a row did not end well")


@contextmanager
def _dying(account: CalendarAccount, dies_at: int | None, *, after_commit: bool) -> Iterator[None]:
    """Kill the account's commit of that number, before or after it lands."""
    whole, left = account.commit, dies_at

    @contextmanager
    def commit(job: Job[Any]) -> Iterator[PlainCommit]:
        nonlocal left
        with whole(job) as tx:
            yield tx
            if left is not None:
                left -= 1
            if left == 0 and not after_commit:
                raise Killed
        if left == 0:
            raise Killed

    account.commit = commit  # type: ignore[method-assign]  # for this run alone
    try:
        yield
    finally:
        del account.commit  # the class's own again
