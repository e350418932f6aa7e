"""How far an object is followed, and what a pass over its changes does to that. Pure.

    settled   every row that has or will ever have an earlier stamp is stored
    covered   a `latestDateCovered`: transactions that were open when it was asked for begin no earlier. It becomes
              `settled` once a pass that began after it was asked for has come to its end.
    deletes   from here on the log of deletions is to be read
    unproven  the log lacks some deletions, which only a comparison of all Ids finds
    owes_log  something changed since the log was read
    has_log   whether the org keeps such a log of the object

A pass reads what changed since `settled` in the order of (stamp, Id), batch by batch; or, where that is very much, as
one Bulk job finds it, in no order. Stamps are whole seconds, moments of the log may not be: what is settled is cut to
the second, and its whole second is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from servants.salesforce.soql import Key

#: Where an object has no log, no transaction takes longer than this ("Apex Governor Limits": ten minutes).
OVERLAP = timedelta(minutes=15)

#: The log of deletions is asked for more than a minute ("sObject Get Deleted"), and lies at most 15 days back.
SHORTEST_WINDOW = timedelta(minutes=2)
LONGEST_WINDOW = timedelta(days=15) - timedelta(hours=1)


def floor(moment: datetime) -> datetime:
    """The second that a moment lies in."""
    return moment.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPlace:
    """How far the results of a Bulk job are stored.

    Of the page that `locator` leads to, `skip` rows are, behind `done` rows of earlier pages. The job was made no
    earlier than `observed_at`, for the fields of this `generation`.
    """

    job_id: str
    observed_at: str
    generation: int
    locator: str | None = None
    skip: int = 0
    done: int = 0

    @property
    def observed(self) -> datetime:
        return datetime.fromisoformat(self.observed_at)


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of what changed, under way.

    `covered` is what will be settled at its end, `key` the last row that is stored, `saw` whether something was new.
    Where a Bulk job reads, `bulk` is its place, and `key` is where the pass begins.
    """

    key: Key
    covered: datetime | None
    saw: bool = False
    bulk: BulkPlace | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far one object is followed."""

    settled: datetime
    covered: datetime | None = None
    deletes: datetime | None = None
    under_way: Pass | None = None
    unproven: bool = False
    owes_log: bool = False
    has_log: bool = True

    @classmethod
    def at(cls, covered: datetime, *, has_log: bool = True) -> Self:
        """The place that a first reading begins at: whatever changes from then on is followed."""
        return cls(floor(covered), covered, covered, has_log=has_log)

    def begin(self) -> Position:
        """Begin a pass, or go on with the one that was cut off."""
        if self.under_way is not None:
            return self
        return replace(self, under_way=Pass(Key(self.settled), self.covered))

    def begin_anew(self) -> Position:
        """Drop what a pass has read, and begin another that may settle what is covered by now."""
        return replace(self, under_way=None).begin()

    def moved(self, key: Key, *, saw: bool) -> Position:
        """Behind a batch that is stored."""
        going = self._going
        return replace(self, under_way=replace(going, key=key, saw=going.saw or saw))

    def by_bulk(self, place: BulkPlace) -> Position:
        """A Bulk job was made, which reads the pass from its beginning."""
        return replace(self, under_way=replace(self._going, key=Key(self.settled), bulk=place))

    def by_queries(self) -> Position:
        """The Bulk job came to nothing: queries read the pass from its beginning, of which much may be stored."""
        return replace(self, under_way=replace(self._going, key=Key(self.settled), bulk=None))

    def stored(self, place: BulkPlace, *, saw: bool) -> Position:
        """Behind a part of a Bulk job's results that is stored."""
        going = self._going
        return replace(self, under_way=replace(going, saw=going.saw or saw, bulk=place))

    def ended(self, *, newest: datetime | None) -> Position:
        """Behind the last batch. `newest` is the newest stamp there is, where anything changed.

        Where there is no log, what is older than any transaction may be is settled.
        """
        covered = self._going.covered
        if not self.has_log and newest is not None:
            covered = newest - OVERLAP
        settled = self.settled if covered is None else max(self.settled, floor(covered))
        owes_log = self.owes_log or (self.has_log and self._going.saw)
        return replace(self, settled=settled, under_way=None, owes_log=owes_log)

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """What of the log is to be read at `now` of the org's clock; later than `deletes` where `lacks_log`."""
        start = self.deletes or now
        return max(min(start, now - SHORTEST_WINDOW), now - LONGEST_WINDOW), now

    def lacks_log(self, earliest: datetime | None, now: datetime) -> bool:
        """Whether deletions since `deletes` may be in the log no more, of which `earliest` is the beginning."""
        if self.deletes is None:
            return False
        return self.deletes < now - LONGEST_WINDOW or (earliest is not None and earliest > self.deletes)

    def logged(self, covered: datetime, *, is_broken: bool) -> Position:
        """Behind a reading of the log, which says what it covers."""
        return replace(
            self,
            covered=max(covered, self.covered or covered),
            deletes=max(covered, self.deletes or covered),
            unproven=self.unproven or is_broken,
            owes_log=False,
        )

    @property
    def _going(self) -> Pass:
        if self.under_way is None:
            raise ValueError("no pass is under way")
        return self.under_way

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        going = self.under_way
        return {
            "settled": self.settled.isoformat(),
            "covered": _text(self.covered),
            "deletes": _text(self.deletes),
            "unproven": self.unproven,
            "owes_log": self.owes_log,
            "has_log": self.has_log,
            "pass": going
            and {
                "at": going.key.at.isoformat(),
                "id": going.key.id,
                "covered": _text(going.covered),
                "saw": going.saw,
                "bulk": going.bulk and asdict(going.bulk),
            },
        }

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Self:
        """As it was stored."""
        going = stored.get("pass")
        return cls(
            datetime.fromisoformat(stored["settled"]),
            _moment(stored.get("covered")),
            _moment(stored.get("deletes")),
            going
            and Pass(
                Key(datetime.fromisoformat(going["at"]), going["id"]),
                _moment(going["covered"]),
                saw=going["saw"],
                bulk=going.get("bulk") and BulkPlace(**going["bulk"]),
            ),
            unproven=stored.get("unproven", False),
            owes_log=stored.get("owes_log", False),
            has_log=stored.get("has_log", True),
        )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
