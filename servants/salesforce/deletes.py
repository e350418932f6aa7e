"""The log of deletions: rows that were deleted, also those that no query shows any more.

A query over all rows shows what lies in the recycle bin. What was purged, or never came there, is only in the log,
for 15 days ("sObject Get Deleted"). Windows are joined at `latestDateCovered`, which leaves out transactions that had
begun but not ended: their deletions are in the next window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from infra.postgres.record_values import NewRecord, version_of
from servants.salesforce.client.errors import TooManyIds, WindowTooOld
from servants.salesforce.position import SHORTEST_WINDOW, Position, floor


class Deletion(Protocol):
    """One line of the log."""

    @property
    def id(self) -> str: ...

    @property
    def deleted_at(self) -> datetime: ...


class Deletions(Protocol):
    """A window of the log."""

    @property
    def rows(self) -> Sequence[Deletion]: ...

    @property
    def earliest_date_available(self) -> datetime: ...

    @property
    def latest_date_covered(self) -> datetime: ...


class Log(Protocol):
    """Where the log is asked for."""

    def now(self) -> datetime:
        """The org's clock. One that is ahead of it would have moments covered that are still to come."""

    def deleted(self, start: datetime, end: datetime) -> Deletions:
        """What was deleted in a window. Raises TooManyIds, WindowTooOld."""


class Window(NamedTuple):
    """A part of the log, up to `end`."""

    end: datetime
    deletions: Deletions


@dataclass(frozen=True, slots=True)
class LogRead:
    """What the log said. Where it `is_broken` deletions may be missing, which only comparing all Ids finds."""

    rows: Sequence[NewRecord]
    covered: datetime
    is_broken: bool = False


def read_log(log: Log, position: Position) -> LogRead:
    """Read the log behind a position."""
    now = log.now()
    start, end = position.window(now)
    try:
        found = _windows(log, start, end)
        is_broken = position.lacks_log(found[0].deletions.earliest_date_available, now)
    except (WindowTooOld, TooManyIds):
        # From here on it can be followed again; what was before, it does not tell.
        found, is_broken = [Window(end, log.deleted(end - SHORTEST_WINDOW, end))], True
    return LogRead(_tombstones(found, position), _covered(found), is_broken)


def _windows(log: Log, start: datetime, end: datetime) -> list[Window]:
    """The log of a window, in as many parts as it takes.

    Raises:
        TooManyIds: even the shortest window has too many.
        WindowTooOld: it does not lie so far back.
    """
    try:
        return [Window(end, log.deleted(start, end))]
    except TooManyIds:
        if end - start < 2 * SHORTEST_WINDOW:
            raise
    middle = floor(start + (end - start) / 2)
    return [*_windows(log, start, middle), *_windows(log, middle, end)]


def _covered(found: Sequence[Window]) -> datetime:
    """Up to where nothing is missing: what a part does not cover to its end, the parts after it do not, either."""
    for window in found:
        if window.deletions.latest_date_covered < window.end:
            return window.deletions.latest_date_covered
    return found[-1].deletions.latest_date_covered


def _tombstones(found: Sequence[Window], position: Position) -> list[NewRecord]:
    """What was deleted since the log was read. Windows begin earlier, and by then a row may have come back."""
    since = None if position.deletes is None else floor(position.deletes)
    deleted = {row.id: row.deleted_at for window in found for row in window.deletions.rows}
    return [
        NewRecord(external_id, version_of(moment), None, moment)
        for external_id, moment in deleted.items()
        if since is None or moment >= since
    ]
