"""Following an object's changes: what is asked, in which order, and what of it is stored together.

    describe ─▶ [ batch ─▶ commit: rows and key ]… ─▶ not full: commit, settled ─▶ something was new: log of deletions
                    │ the first one is full
                    └─▶ log of deletions first, and the pass begins anew: a load of any size is settled by the pass that
                        reads it, and not read again by the next

So an object that did not change costs a description and one query, and one with some changes the log besides. Why
nothing is lost is told in docs/salesforce.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from infra.postgres.record_values import NewRecord
from infra.postgres.records import Merged
from servants.salesforce.deletes import Log, read_log
from servants.salesforce.position import Position
from servants.salesforce.soql import Key


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in the order of (stamp, Id). `last` is the place of the last one; behind one that `is_full` may be more."""

    rows: Sequence[NewRecord]
    last: Key | None
    is_full: bool


class Source(Protocol):
    """The org, as far as one object of it is concerned."""

    @property
    def log(self) -> Log | None:
        """Where the log of deletions is to be had; None for objects that have none."""

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
    """What following an object came to. `is_done` says that the pass came to its end."""

    position: Position
    merged: Merged = field(default_factory=Merged)
    rows: int = 0
    is_done: bool = False


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
        self._batch()
        if not self.followed.is_done and is_fresh and self._source.log is not None:
            self.read_log()
            self.followed.position = self.followed.position.begin_anew()
        while not self.followed.is_done and self._may_go_on():
            self._batch()
        if self.followed.is_done and self.followed.position.owes_log:
            self.read_log()
        return self.followed

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
        self.followed.merged += self._sink.keep(read.rows, lambda _: after, observed_at=observed_at)
        self.followed.position = after


def _key(position: Position) -> Key:
    going = position.under_way
    if going is None:
        raise ValueError("no pass is under way")
    return going.key
