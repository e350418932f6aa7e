"""Following an object's changes: what is asked, in which order, and what of it is stored together.

    describe ─▶ [ batch ─▶ commit: rows and key ]… ─▶ not full: commit, settled ─▶ something was new: log of deletions
                    │ the first one is full
                    └─▶ log of deletions first, and the pass begins anew: a load of any size is settled by the pass that
                        reads it, and not read again by the next. One of very many rows is read by a Bulk job; where
                        that comes to nothing, by queries after all.

So an object that did not change costs a description and one query, and one with some changes the log besides. Why
nothing is lost is told in docs/salesforce.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from infra.postgres.record_values import NewRecord
from infra.postgres.records import Merged
from servants.salesforce.deletes import Log, read_log
from servants.salesforce.position import BulkPlace, Position
from servants.salesforce.soql import Key


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in the order of (stamp, Id). `last` is the place of the last one; behind one that `is_full` may be more."""

    rows: Sequence[NewRecord]
    last: Key | None
    is_full: bool


@dataclass(frozen=True, slots=True)
class BulkPart:
    """Some rows that a Bulk job found, and the place behind them."""

    rows: Sequence[NewRecord]
    behind: BulkPlace
    is_last: bool = False


class BulkRefused(Exception):
    """The Bulk API does not offer this, or its job came to nothing: queries will do."""


class BulkWaits(Exception):
    """The Bulk job is not ready yet: come back after some time."""

    def __init__(self, again: timedelta) -> None:
        super().__init__(f"come back after {again}")
        self.again = again


class BulkSource(Protocol):
    """The Bulk API, as far as one object is concerned. Its methods raise BulkRefused, `parts` also BulkWaits."""

    def is_worth(self, since: datetime) -> bool:
        """Whether so many rows changed since then that it should read them."""

    def begin(self, since: datetime, *, observed_at: datetime) -> BulkPlace:
        """Have it look for all that changed since then, live and deleted."""

    def parts(self, place: BulkPlace) -> Generator[BulkPart]:
        """What it found behind a place."""

    def end(self, place: BulkPlace) -> None:
        """Let it forget the job."""


class Source(Protocol):
    """The org, as far as one object of it is concerned."""

    @property
    def log(self) -> Log | None:
        """Where the log of deletions is to be had; None for objects that have none."""

    @property
    def bulk(self) -> BulkSource | None:
        """Where very much is to be had at once; None for objects that are not offered there."""

    def batch(self, key: Key) -> Batch:
        """What comes behind a key, live and deleted."""


class Sink(Protocol):
    """Where it is stored. Each `keep` is one commit."""

    def moment(self) -> datetime:
        """Now, on the one clock by which readings are ordered."""

    def keep(
        self, rows: Sequence[NewRecord], advance: Callable[[Merged], Position], *, observed_at: datetime
    ) -> Merged:
        """Merge rows that were asked for no earlier than `observed_at`, and the position that comes of it."""


@dataclass(slots=True)
class Followed:
    """What following an object came to.

    `is_done` says that the pass came to its end; where it waits for a Bulk job, `again` is when that is worth a look.
    """

    position: Position
    merged: Merged = field(default_factory=Merged)
    rows: int = 0
    is_done: bool = False
    again: timedelta | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a Bulk job."""
        return self.again is not None


class Follower:
    """Follows one object by one pass. `may_go_on` is asked after every batch that is not the last."""

    def __init__(self, source: Source, sink: Sink, position: Position, *, may_go_on: Callable[[], bool]) -> None:
        self._source = source
        self._sink = sink
        self._may_go_on = may_go_on
        self.followed = Followed(position)

    def run(self) -> Followed:
        """Read and store what changed.

        Raises:
            JobError: whatever the org answers; what was stored stays, and the next run goes on from there.
        """
        is_fresh = self.followed.position.under_way is None
        self.followed.position = self.followed.position.begin()
        if self._place is None:
            self._batch()
            if is_fresh and not self.followed.is_done:
                self._prepare()
        if self._place is not None:
            self._read_bulk(self._place)
        while not (self.followed.is_done or self.followed.is_waiting) and self._may_go_on():
            self._batch()
        if self.followed.is_done and self.followed.position.owes_log:
            self.read_log()
        return self.followed

    def _prepare(self) -> None:
        """There is more than a batch: find out what will be settled at its end, and how it is read best."""
        if self._source.log is None:
            # Rows come in the order of their stamps, or it would not be known what is settled by them.
            return
        self.read_log()
        self.followed.position = self.followed.position.begin_anew()
        bulk = self._source.bulk
        if bulk is not None and bulk.is_worth(self.followed.position.settled):
            self._begin_bulk(bulk)

    @property
    def _place(self) -> BulkPlace | None:
        going = self.followed.position.under_way
        return None if going is None else going.bulk

    # by a Bulk job

    def _begin_bulk(self, bulk: BulkSource) -> None:
        observed_at = self._sink.moment()
        try:
            place = bulk.begin(self.followed.position.settled, observed_at=observed_at)
        except BulkRefused:
            return
        # Kept before it is waited for: another attempt goes on with it.
        self._keep([], self.followed.position.by_bulk(place), observed_at=observed_at)

    def _read_bulk(self, place: BulkPlace) -> None:
        bulk = self._source.bulk
        try:
            if bulk is None:
                raise BulkRefused
            self._store_bulk(bulk, place)
        except BulkRefused:
            self._keep([], self.followed.position.by_queries(), observed_at=self._sink.moment())
        except BulkWaits as waits:
            self.followed.again = waits.again
            return
        if bulk is not None and self._place is None:
            bulk.end(place)

    def _store_bulk(self, bulk: BulkSource, place: BulkPlace) -> None:
        """Store the parts, each in a commit, until the last one or until it is time to stop."""
        with closing(bulk.parts(place)) as parts:
            for part in parts:
                self._part(part, observed_at=place.observed)
                if part.is_last or not self._may_go_on():
                    self.followed.is_done = part.is_last
                    return

    def _part(self, part: BulkPart, *, observed_at: datetime) -> None:
        followed = self.followed
        before = followed.position

        def advance(merged: Merged) -> Position:
            stored = before.stored(part.behind, saw=merged.changed > 0)
            followed.position = self._ended(stored) if part.is_last else stored
            return followed.position

        followed.merged += self._sink.keep(part.rows, advance, observed_at=observed_at)
        followed.rows += len(part.rows)

    def _keep(self, rows: Sequence[NewRecord], position: Position, *, observed_at: datetime) -> None:
        self.followed.merged += self._sink.keep(rows, lambda _: position, observed_at=observed_at)
        self.followed.position = position

    # by queries

    def _batch(self) -> None:
        """Read and store a batch."""
        followed = self.followed
        before = followed.position
        observed_at = self._sink.moment()
        batch = self._source.batch(_key(before))

        def advance(merged: Merged) -> Position:
            moved = before.moved(batch.last or _key(before), saw=merged.changed > 0)
            followed.position = moved if batch.is_full else self._ended(moved)
            return followed.position

        followed.merged += self._sink.keep(batch.rows, advance, observed_at=observed_at)
        followed.rows += len(batch.rows)
        followed.is_done = not batch.is_full

    def _ended(self, position: Position) -> Position:
        key = _key(position)
        newest = None if key.id is None else key.at
        return position.ended(newest=newest)

    def read_log(self) -> None:
        """Read the log of deletions from where it was read to."""
        log = self._source.log
        if log is None:
            return
        observed_at = self._sink.moment()
        read = read_log(log, self.followed.position)
        after = self.followed.position.logged(read.covered, is_broken=read.is_broken)
        self._keep(read.rows, after, observed_at=observed_at)


def _key(position: Position) -> Key:
    going = position.under_way
    if going is None:
        raise ValueError("no pass is under way")
    return going.key
