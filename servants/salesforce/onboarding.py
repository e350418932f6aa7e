"""The first reading of objects, and reading them anew: recent changes first, then the history by jobs of its own.

    note positions ─▶ count ─▶ recent changes ─▶ one commit: a group of `salesforce.backfill` jobs, one for each range
                                                 of Ids, followed by a comparing `salesforce.reconcile`

The position is noted before anything is read: what changes from then on is found by the increments, which go on at the
same time. Where history and increments read the same row, the newer version stays.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from infra.postgres.budgets import show_budgets
from infra.postgres.enqueue import NewJob
from infra.postgres.imports import Kind, Stage, begin_import, note_recent, stage_of
from infra.postgres.record_replacements import begin_replacement
from infra.postgres.salesforce_objects import ObjectState, save_state
from retinue.errors import PermanentError, TransientError
from retinue.job import Commit, Job
from retinue.limits import DAY
from servants.salesforce import quota
from servants.salesforce.client.errors import QueryTooSlow
from servants.salesforce.id_ranges import EVERYTHING, IdRange, split
from servants.salesforce.object_rows import OrgObject, hold, moment, save_position
from servants.salesforce.org_reading import BATCH_ROWS, OrgReader
from servants.salesforce.position import OVERLAP, SHORTEST_WINDOW, Position
from servants.salesforce.storing import merge, now_of

if TYPE_CHECKING:
    from servants.salesforce.sync import ConnectionSync

#: What is recent.
RECENT = timedelta(weeks=4)

#: Rows of one backfill, as far as Ids are spread evenly; half of them is not worth a Bulk job.
CHUNK_ROWS = 50_000
REST_ROWS = 4 * BATCH_ROWS

#: How many rows an object may have that is too large to be counted in the time that a query has.
UNCOUNTED = 5_000_000

GROUP = "salesforce history"
GROUP_AGAIN = "salesforce resync"

#: The place of an object that is not followed.
NOWHERE = Position.at(datetime(1970, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Listing:
    """An object that is to be read: how many rows it has, and between which Ids they are."""

    found: OrgObject
    rows: int
    ends: tuple[str, str] | None

    @property
    def chunks(self) -> list[IdRange]:
        """Its ranges, the newest rows first."""
        parts = max(1, math.ceil(self.rows / CHUNK_ROWS))
        if self.ends is None or parts == 1:
            return [EVERYTHING]
        return split(*self.ends, parts)[::-1]


def is_due(found: OrgObject, resync: Collection[str]) -> bool:
    """Whether the object is to be read as a whole: nothing of it is in yet, or a person wants it."""
    first = found.row.state in (ObjectState.PENDING, ObjectState.RECENT) or found.position is None
    return first or found.name in resync


def begin(job: Job[Any], engine: ConnectionSync, found: Sequence[OrgObject]) -> dict[str, int]:
    """Read what is recent and hand over the rest; how many rows there are, and by how many jobs they are read."""
    return _Onboarding(job, engine).run(found)


class _Onboarding:
    """The first reading of some objects, or reading them anew."""

    def __init__(self, job: Job[Any], engine: ConnectionSync) -> None:
        self._job = job
        self._client = engine.client
        self._connection = engine.connection
        self._deadline = engine.deadline
        self._engine = engine

    def run(self, found: Sequence[OrgObject]) -> dict[str, int]:
        listings = [listing for one in found if (listing := self._listed(one)) is not None]
        for listing in listings:
            self._job.stop_if_cancelled()
            if listing.found.row.state is not ObjectState.LIVE and not self._deadline.passed:
                self._read_recent(listing.found)
        return self._hand_over(listings)

    def _listed(self, found: OrgObject) -> Listing | None:
        """One object's trouble is none of the others': they are handed over."""
        try:
            return self._listing(self._with_position(found))
        except (TransientError, PermanentError) as trouble:
            self._engine.note_trouble(found, trouble)
            return None

    # positions

    def _with_position(self, found: OrgObject) -> OrgObject:
        """The object with the place from which on it is followed; an earlier attempt may have noted it."""
        if found.position is not None:
            return found
        position = self._position(found)
        with self._job.commit() as tx:
            hold(tx, found.target, generation=found.row.field_generation)
            save_position(tx, found.target, position)
            save_state(tx, self._connection, found.name, ObjectState.RECENT)
        return replace(found, row=replace(found.row, position=position.as_json(), state=ObjectState.RECENT))

    def _position(self, found: OrgObject) -> Position:
        if found.stamp is None:
            return NOWHERE
        reader = OrgReader(self._client, found)
        if reader.log is not None:
            now = reader.log.now()
            return Position.at(reader.log.deleted(now - SHORTEST_WINDOW, now).latest_date_covered)
        newest = reader.newest_moment()
        return Position.at(NOWHERE.settled if newest is None else newest - OVERLAP, has_log=False)

    def _listing(self, found: OrgObject) -> Listing:
        self._job.stop_if_cancelled()
        reader = OrgReader(self._client, found)
        try:
            rows = reader.count()
        except QueryTooSlow:
            rows = UNCOUNTED
        return Listing(found, rows, reader.ends() if rows > CHUNK_ROWS else None)

    # what is recent

    def _read_recent(self, found: OrgObject) -> None:
        if found.stamp is None:
            return
        observed_at = now_of(self._job)
        rows = OrgReader(self._client, found).newest(datetime.now(UTC) - RECENT, BATCH_ROWS)
        with self._job.commit() as tx:
            hold(tx, found.target, generation=found.row.field_generation)
            merge(tx, found, rows, observed_at=observed_at)

    # the history

    def _hand_over(self, listings: Sequence[Listing]) -> dict[str, int]:
        # What is there already is read again: at the end of that, whatever was not seen is deleted.
        again = [one for one in listings if one.found.is_live]
        first = [one for one in listings if not one.found.is_live]
        estimates = [self._hand_over_some(some, again=some is again) for some in (first, again) if some]
        for estimate in estimates:
            if estimate.days > 1:
                self._job.anomaly(
                    "salesforce_backfill_spread", calls=estimate.calls, per_day=estimate.per_day, days=estimate.days
                )
        calls = sum(estimate.calls for estimate in estimates)
        return {"history_rows": sum(one.rows for one in listings), "history_calls": calls}

    def _hand_over_some(self, listings: Sequence[Listing], *, again: bool) -> quota.Estimate:
        per_day = self._per_day()
        with self._job.commit() as tx:
            # All objects before the feed, which the replacements take.
            for one in listings:
                hold(tx, one.found.target, generation=one.found.row.field_generation)
            began = {one.found.name: self._begin(tx, one, again=again) for one in listings}
            if again:
                tx.checkpoint(self._engine.note_handed_over(began))
            chunks = _newest_first([self._chunks(one, began[one.found.name]) for one in listings])
            costs = [quota.calls_for(chunk["rows"], bulk=chunk["bulk"]) for chunk in chunks]
            due = quota.spread(costs, per_day=per_day, now=moment(tx))
            self._group(tx, list(zip(chunks, due, strict=True)), began, again=again)
        return quota.estimate(costs, per_day=per_day)

    def _begin(self, tx: Commit, listing: Listing, *, again: bool) -> int | None:
        found = listing.found
        if again:
            return begin_replacement(tx, found.target, began_at=moment(tx)).generation
        save_state(tx, self._connection, found.name, ObjectState.HISTORY)
        return None

    def _chunks(self, listing: Listing, replacement: int | None) -> list[dict[str, Any]]:
        ranges = listing.chunks
        rows = math.ceil(listing.rows / len(ranges))
        return [
            {
                "connection_id": self._connection.id,
                "object": listing.found.name,
                "replacement": replacement,
                "first": ids.first,
                "end": ids.end,
                "rows": rows,
                "bulk": listing.found.row.bulk and rows > REST_ROWS,
            }
            for ids in ranges
        ]

    def _group(
        self,
        tx: Commit,
        chunks: Sequence[tuple[dict[str, Any], datetime | None]],
        began: dict[str, int | None],
        *,
        again: bool,
    ) -> None:
        account_id = self._connection.account_id
        replacements = {name: number for name, number in began.items() if number is not None}
        compare = {"connection_id": self._connection.id, "objects": sorted(began), "replacements": replacements}
        group = tx.group(
            (
                NewJob(type="salesforce.backfill", payload=chunk, account_id=account_id, run_at=due)
                for chunk, due in chunks
            ),
            name=GROUP_AGAIN if again else GROUP,
            account_id=account_id,
            # What was not read as a whole replaces nothing; of a first reading the comparison brings what is missing.
            on_failure="withhold" if again else "continue",
            follow_up=NewJob(type="salesforce.reconcile", payload=compare, account_id=account_id),
        )
        if not again and stage_of(tx, self._connection.id, Kind.SALESFORCE) is Stage.RECENT:
            total = sum(chunk["rows"] for chunk, _ in chunks)
            begin_import(
                tx, connection_id=self._connection.id, account_id=account_id, kind=Kind.SALESFORCE, total=total
            )
            note_recent(tx, self._connection.id, Kind.SALESFORCE, group_id=group.id)

    def _per_day(self) -> int:
        """How many calls the connection may make in a day, as far as its budget is known."""
        with self._job.commit() as tx:
            days = [line for line in show_budgets(tx.connection, self._connection.id) if line.window_seconds == DAY]
        limits = [min(line.call_limit, line.learned_limit or line.call_limit) for line in days]
        shares = [1 - line.reserve for line in days]
        return min((int(limit * share) for limit, share in zip(limits, shares, strict=True)), default=10**9)


def _newest_first(chunks: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The newest chunk of every object, then the next newest of every object …"""
    return [chunk for chunk in chain.from_iterable(zip_longest(*chunks)) if chunk is not None]
