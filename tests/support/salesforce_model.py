"""An org in memory that behaves as badly as orgs do, and a store, to drive the engine's own code without a server.

Every answer may find the org changed since the one before; stamps are whole seconds; transactions show later than they
were stamped; a servant may be killed before or after a commit.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from infra.postgres.record_values import NewRecord, values_of, version_of
from infra.postgres.records import Merged
from servants.salesforce.increment import Batch, BulkPart, BulkRefused, BulkWaits, Followed, Follower
from servants.salesforce.position import BulkPlace, Position
from servants.salesforce.soql import Key

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Killed(Exception):
    """The servant is gone."""


@dataclass(frozen=True)
class OrgRow:
    stamp: datetime
    value: int
    is_deleted: bool = False


@dataclass
class Transaction:
    """Changes that are stamped and not visible yet; None is a hard delete."""

    began: datetime
    rows: dict[str, OrgRow | None]


@dataclass(frozen=True)
class LogLine:
    id: str
    deleted_at: datetime


@dataclass(frozen=True)
class LogWindow:
    rows: Sequence[LogLine]
    earliest_date_available: datetime
    latest_date_covered: datetime


@dataclass
class ModelOrg:
    """One object of an org; `page` is how many rows one answer has at most."""

    chance: random.Random
    page: int = 3
    now_at: datetime = BEGIN
    rows: dict[str, OrgRow] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    open: list[Transaction] = field(default_factory=list)
    made: int = 0
    calls: list[str] = field(default_factory=list)
    is_busy: bool = True

    #: From so many changed rows on a Bulk job is worth it; None where the API is not offered.
    bulk_rows: int | None = None
    jobs: dict[str, list[NewRecord]] = field(default_factory=dict)

    @property
    def log(self) -> ModelOrg:
        return self

    @property
    def bulk(self) -> ModelOrg | None:
        return None if self.bulk_rows is None else self

    # what the world does

    def pass_time(self) -> None:
        self.now_at += timedelta(milliseconds=self.chance.choice([0, 0, 200, 500, 900, 3000]))

    def stir(self) -> None:
        """What happens between two answers."""
        for _ in range(self.chance.randrange(4) if self.is_busy else 0):
            self.pass_time()
            action = self.chance.choice([self.change, self.change, self.load, self.hold, self.finish, self.finish])
            action()

    def change(self) -> None:
        self.commit(Transaction(self.now_at, self._changes(1)))

    def load(self) -> None:
        """Many rows of one second: more than a page."""
        self.commit(Transaction(self.now_at, self._changes(self.chance.randrange(2, 3 * self.page))))

    def hold(self) -> None:
        self.open.append(Transaction(self.now_at, self._changes(self.chance.randrange(1, 4))))

    def finish(self) -> None:
        if self.open:
            self.commit(self.open.pop(self.chance.randrange(len(self.open))))

    def _changes(self, count: int) -> dict[str, OrgRow | None]:
        return dict(self._one() for _ in range(count))

    def _one(self) -> tuple[str, OrgRow | None]:
        stamp = self.now_at.replace(microsecond=0)
        self.made += 1
        locked = {external_id for one in self.open for external_id in one.rows}
        free = sorted(self.rows.keys() - locked)
        if not free or self.chance.random() < 0.4:
            return f"{self.made:018d}", OrgRow(stamp, self.made)
        chosen = self.chance.choice(free)
        kind = self.chance.random()
        if kind < 0.15:
            return chosen, None
        return chosen, OrgRow(stamp, self.made, is_deleted=kind < 0.35)

    def commit(self, transaction: Transaction) -> None:
        for external_id, row in transaction.rows.items():
            if row is None:
                # Purged out of the bin leaves the log line of its first deletion; otherwise this one.
                if self.rows.pop(external_id, None) is not None:
                    self.lines.append(LogLine(external_id, transaction.began.replace(microsecond=0)))
            else:
                self.rows[external_id] = row
                if row.is_deleted:
                    self.lines.append(LogLine(external_id, row.stamp))

    def quiet(self) -> None:
        """The writers stop; what is open ends."""
        self.is_busy = False
        while self.open:
            self.commit(self.open.pop())
        self.now_at += timedelta(seconds=5)

    # what the engine asks

    def batch(self, key: Key) -> Batch:
        self.stir()
        self.calls.append("query")
        ordered = sorted((row.stamp, external_id) for external_id, row in self.rows.items())
        behind = [one for one in ordered if one >= (key.at, key.id + "!" if key.id else "")]
        some = behind[: self.page]
        records = [self._record(external_id) for _, external_id in some]
        answered = Batch(records, Key(*some[-1]) if some else None, is_full=len(some) >= self.page)
        self.stir()
        return answered

    def _record(self, external_id: str) -> NewRecord:
        row = self.rows[external_id]
        deleted_at = row.stamp if row.is_deleted else None
        return NewRecord(external_id, version_of(row.stamp), {"value": row.value}, deleted_at)

    def now(self) -> datetime:
        return self.now_at.replace(microsecond=0)

    def deleted(self, start: datetime, end: datetime) -> LogWindow:
        self.stir()
        self.calls.append("log")
        covered = min([end, *(one.began for one in self.open)])
        lines = [line for line in self.lines if start.replace(second=0) <= line.deleted_at <= end]
        self.stir()
        return LogWindow(lines, BEGIN - timedelta(days=1), covered)

    def is_worth(self, since: datetime) -> bool:
        self.stir()
        self.calls.append("count")
        assert self.bulk_rows is not None
        return sum(row.stamp >= since for row in self.rows.values()) >= self.bulk_rows

    def begin(self, since: datetime, *, observed_at: datetime) -> BulkPlace:
        """A job, which reads one part of the Ids after the other while the org goes on changing."""
        self.calls.append("job")
        self.stir()
        self._perhaps_refuse()
        found: list[NewRecord] = []
        for ending in ("", *"0123456789"):
            found += [self._record(one) for one, row in self.rows.items() if row.stamp >= since and one[-1:] == ending]
            self.stir()
        self.chance.shuffle(found)
        job_id = f"job {len(self.jobs)}"
        self.jobs[job_id] = found
        return BulkPlace(job_id=job_id, observed_at=observed_at.isoformat(), generation=0)

    def parts(self, place: BulkPlace) -> Generator[BulkPart]:
        if self.is_busy and self.chance.random() < 0.2:
            raise BulkWaits(timedelta(seconds=1))
        while True:
            self._perhaps_refuse()
            self.stir()
            self.calls.append("results")
            rows = self.jobs[place.job_id][place.done : place.done + self.page]
            place = replace(place, done=place.done + len(rows))
            is_last = place.done == len(self.jobs[place.job_id])
            yield BulkPart(rows, place, is_last=is_last)
            if is_last:
                return

    def end(self, place: BulkPlace) -> None:
        del self.jobs[place.job_id]

    def _perhaps_refuse(self) -> None:
        if self.is_busy and self.chance.random() < 0.1:
            raise BulkRefused

    def live(self) -> dict[str, int]:
        return {external_id: row.value for external_id, row in self.rows.items() if not row.is_deleted}


@dataclass
class Stored:
    version: int
    observed_at: datetime
    value: int | None
    is_live: bool


@dataclass
class ModelStore:
    """Merges as `infra.postgres.records` does."""

    chance: random.Random
    records: dict[str, Stored] = field(default_factory=dict)
    position: Position | None = None
    clock: datetime = BEGIN
    deadly: float = 0.0

    def moment(self) -> datetime:
        self.clock += timedelta(milliseconds=1)
        return self.clock

    def keep(
        self, rows: Sequence[NewRecord], advance: Callable[[Merged], Position], *, observed_at: datetime
    ) -> Merged:
        self._perhaps_die()
        merged = Merged()
        for row in rows:
            merged += self._merge(row, observed_at)
        self.position = advance(merged)
        self._perhaps_die()
        return merged

    def _perhaps_die(self) -> None:
        if self.chance.random() < self.deadly:
            raise Killed

    def _merge(self, row: NewRecord, observed_at: datetime) -> Merged:
        known = self.records.get(row.external_id)
        value = None if row.payload is None else values_of(row.payload)["value"]
        version = row.version or 0
        if known is not None and (version, observed_at) < (known.version, known.observed_at):
            return Merged(unchanged=1)
        is_live = row.deleted_at is None
        was_live = known is not None and known.is_live
        kept = value if value is not None or known is None else known.value
        self.records[row.external_id] = Stored(version, observed_at, kept, is_live)
        if is_live and not was_live:
            return Merged(added=1)
        if not is_live:
            return Merged(deleted=1) if was_live else Merged(unchanged=1)
        return Merged(updated=1) if known is not None and known.value != kept else Merged(unchanged=1)

    def live(self) -> dict[str, int | None]:
        return {external_id: one.value for external_id, one in self.records.items() if one.is_live}


def follow(org: ModelOrg, store: ModelStore) -> Followed | None:
    """One increment, which may run out of time while the org is busy; None where the servant was killed in it."""
    assert store.position is not None
    try:
        return Follower(org, store, store.position, may_go_on=lambda: org.chance.random() > 0.2 * org.is_busy).run()
    except Killed:
        return None


def read_log(org: ModelOrg, store: ModelStore) -> None:
    """What reconciliation does by the hour."""
    assert store.position is not None
    Follower(org, store, store.position, may_go_on=lambda: True).read_log()


def world(seed: int, *, deadly: float = 0.0) -> tuple[ModelOrg, ModelStore]:
    """An org with some rows, of which the store has everything, and from where on it is followed."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    org = ModelOrg(chance)
    for _ in range(chance.randrange(10)):
        org.pass_time()
        org.change()
    store = ModelStore(chance, deadly=deadly)
    covered = org.deleted(org.now(), org.now()).latest_date_covered
    store.position = replace(Position.at(covered))
    observed_at = store.moment()
    for external_id in org.rows:
        store._merge(org._record(external_id), observed_at)
    return org, store
