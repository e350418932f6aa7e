"""The figures of each span, read by few and shown to many."""

from __future__ import annotations

from functools import partial

from infra.postgres.connect import Database
from infra.postgres.figures import figures
from manager.cached import Cached
from manager.charts.spans import SPANS, Choice
from manager.charts.work import Work, show_work
from retinue.clock import Clock

#: The figures of a minute come a minute or two after it.
FRESH_SECONDS = 60


class WorkReader:
    """What all jobs came to, by span."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._spans = {
            choice.name: Cached(partial(self._read, choice), fresh_seconds=FRESH_SECONDS, clock=clock)
            for choice in SPANS.values()
        }

    def get(self, choice: Choice) -> Work:
        """The span that ends now. Raises what `Cached.get` does."""
        return self._spans[choice.name].get()

    def _read(self, choice: Choice) -> Work:
        now = self._clock.now()
        return show_work(figures(self._database, choice.until(now)), choice, now)
