"""Looks at what open pages show, once for all of them, and tells their streams what changed.

One thread looks, and only while there is a stream; another one listens for the database's word that something changed.
However many pages are open, the two hold one connection each.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from flask import Flask

from infra.logs import get_logger
from infra.postgres.connect import Database
from infra.postgres.sessions import live_sessions
from manager.errors import explain
from manager.live.ear import Ear
from manager.live.pace import Pace
from manager.live.parts import Parts, Render
from manager.live.regions import Fragment, Region
from manager.live.watchers import News, Outage, Watcher
from manager.roles import Role
from retinue.clock import Clock
from retinue.errors import NotFound, RetinueError

#: How often what is shown is looked at, in seconds; the database's word makes it sooner.
TICK_SECONDS = 1.0

#: Two looks are never closer than this, in seconds, however often something changes.
GAP_SECONDS = 0.2

#: The share of one core that looking may take: looks that take long come less often.
SHARE = 0.04

#: So much of it is saved up for when something happens, in seconds of a core.
SAVED_SECONDS = 1.0

#: Streams beyond this many are turned away, and their pages ask again now and then instead.
MAX_STREAMS = 250

#: One person has no more than this many: the others are for others.
MAX_OF_ONE = 20

#: What a region shows whose subject is gone.
_GONE = Fragment.of('<p class="quiet">It is not there any more.</p>')

_BROKEN = "Something went wrong here. The log says what."

log = get_logger(__name__)


class TooManyStreams(RetinueError):
    """There is no thread left for another stream, or this person has enough."""


@dataclass(slots=True)
class _Shown:
    """What regions show, and since when."""

    fragments: dict[Region, Fragment] = field(default_factory=dict)
    outages: dict[Region, Outage] = field(default_factory=dict)
    fresh_at: dict[Region, datetime] = field(default_factory=dict)

    def keep_only(self, regions: Iterable[Region]) -> None:
        for kept in (self.fragments, self.outages, self.fresh_at):
            for region in kept.keys() - set(regions):
                del kept[region]


class LiveHub:
    """Knows the parts that there are, who looks at which, and what they show."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._parts = Parts()
        self._changed = threading.Condition()
        self._watchers: set[Watcher] = set()
        self._shown = _Shown()
        self._unsaid = False
        self._rung = threading.Event()
        self._when_rung: list[Callable[[], None]] = []
        self._closed = threading.Event()
        self._ear = Ear(database, self.ring)
        self._give_threads: Callable[[int], None] = lambda _streams: None
        self._thread: threading.Thread | None = None

    def part(self, name: str, role: Role = Role.VIEWER) -> Callable[[Render], Render]:
        """Declare what renders the content of regions of this name, for people who have at least this role.

        @deps.live.part("servants")
        def servants(given: dict[str, str]) -> str: ...
        """
        return self._parts.declare(name, role)

    def serve(self, app: Flask) -> None:
        """Render with this application's templates."""
        self._parts.serve(app)

    def take_threads(self, give: Callable[[int], None]) -> None:
        """Each stream has a thread of the server for as long as it lasts: tell `give` how many there are."""
        self._give_threads = give

    def when_rung(self, act: Callable[[], None]) -> None:
        """Call `act`, quick and in any thread, as soon as something has changed and before it is looked at."""
        self._when_rung.append(act)

    def ring(self) -> None:
        """Look at once: something has changed."""
        for act in self._when_rung:
            act()
        self._rung.set()

    def join(self, watcher: Watcher) -> None:
        """Look at the watcher's regions until it leaves.

        Raises:
            NotFound, Forbidden: there is no such part, or its role may not see it.
            TooManyStreams
        """
        self._parts.check(watcher.known)
        with self._changed:
            if self._is_full(watcher.who):
                self._forget_gone()
            if self._is_full(watcher.who) or self._closed.is_set():
                raise TooManyStreams
            self._watchers.add(watcher)
            self._give_threads(len(self._watchers))
            new = any(region not in self._shown.fragments for region in watcher.known)
            self._start()
        if new:
            self._rung.set()

    def _is_full(self, who: str) -> bool:
        own = sum(other.who == who for other in self._watchers)
        return len(self._watchers) >= MAX_STREAMS or own >= MAX_OF_ONE

    def _forget_gone(self) -> None:
        """End the streams of pages that were left: by themselves they notice with what they send next."""
        gone = {watcher for watcher in self._watchers if watcher.gone()}
        for watcher in gone:
            watcher.over = True
        self._watchers -= gone
        self._changed.notify_all()

    def leave(self, watcher: Watcher) -> None:
        """It does not look any more."""
        with self._changed:
            self._watchers.discard(watcher)
            if not self._closed.is_set():
                self._give_threads(len(self._watchers))

    def news(self, watcher: Watcher, seconds: float) -> News:
        """Wait until there is something that the watcher's page does not know, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_news(watcher), seconds)
            return News(self._differing(watcher), self._outage(watcher), watcher.over or self._closed.is_set())

    def stop(self) -> None:
        """End all streams; waits for nothing."""
        self._closed.set()
        self._rung.set()
        self._ear.stop()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """The same, and wait for the thread that looks."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="live", daemon=True)
            self._thread.start()
            self._ear.start()

    def _has_news(self, watcher: Watcher) -> bool:
        changed = self._outage(watcher) is not watcher.outage or bool(self._differing(watcher))
        return changed or watcher.over or self._closed.is_set()

    def _differing(self, watcher: Watcher) -> dict[Region, Fragment]:
        shown = self._shown.fragments
        return {
            region: shown[region]
            for region, digest in watcher.known.items()
            if region in shown and shown[region].digest != digest
        }

    def _outage(self, watcher: Watcher) -> Outage | None:
        outages = self._shown.outages
        return next((outages[region] for region in watcher.known if region in outages), None) if outages else None

    # What the thread does

    def _work(self) -> None:
        pace = Pace(SHARE, SAVED_SECONDS)
        while not self._closed.is_set():
            started = time.monotonic()
            with pace.paid():
                self._look()
            self._closed.wait(max(GAP_SECONDS, pace.until_asked()))
            self._rung.wait(max(pace.until_due(), started + TICK_SECONDS - time.monotonic()))
            self._rung.clear()

    def _look(self) -> None:
        """Render all that is looked at; where the database is away, what is left would only wait for it too."""
        regions = self._wanted()
        if not regions:
            return
        try:
            self._check_sessions()
            for region in regions:
                self._look_at(region)
        except Exception as error:  # noqa: BLE001 - whatever it is, pages say that they are out of date
            self._note_outage(regions, explain(error) or _BROKEN, error)
        with self._changed:
            if self._unsaid:
                self._unsaid = False
                self._changed.notify_all()

    def _wanted(self) -> list[Region]:
        with self._changed:
            wanted = Counter(region for watcher in self._watchers for region in watcher.known)
            self._shown.keep_only(wanted)
        # What most look at comes first.
        return [region for region, _ in wanted.most_common()]

    def _check_sessions(self) -> None:
        """End the streams of those who have signed out, or are not any more what they were."""
        with self._changed:
            watchers = [watcher for watcher in self._watchers if watcher.session is not None]
        with self._database.transaction() as connection:
            alive = live_sessions(connection, {watcher.session for watcher in watchers if watcher.session})
        for watcher in watchers:
            if watcher.session is not None and alive.get(watcher.session) is not watcher.role:
                watcher.over = self._unsaid = True

    def _look_at(self, region: Region) -> None:
        """Raises what all regions would raise now."""
        try:
            fragment = self._parts.render(region)
        except NotFound:
            fragment = _GONE
        except Exception as error:
            if explain(error) is not None:
                raise
            self._note_outage([region], _BROKEN, error)
            return
        with self._changed:
            known, outage = self._shown.fragments.get(region), self._shown.outages.pop(region, None)
            self._unsaid |= outage is not None or known is None or known.digest != fragment.digest
            self._shown.fragments[region] = fragment
            self._shown.fresh_at[region] = self._clock.now()

    def _note_outage(self, regions: Iterable[Region], message: str, error: Exception) -> None:
        with self._changed:
            if message == _BROKEN and not all(self._is_told(region, message) for region in regions):
                log.error("live_look_failed", exc_info=error)
            for region in regions:
                if not self._is_told(region, message):
                    known = self._shown.outages.get(region)
                    since = known.since if known else self._shown.fresh_at.get(region, self._clock.now())
                    self._shown.outages[region], self._unsaid = Outage(message, since), True

    def _is_told(self, region: Region, message: str) -> bool:
        known = self._shown.outages.get(region)
        return known is not None and known.message == message
