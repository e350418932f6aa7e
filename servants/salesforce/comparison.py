"""Comparing a slice of an object with what is stored, and mending what differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.postgres.record_ranges import Difference, Digest, Held, compare, digests, held_page
from infra.postgres.record_values import NewRecord, canonical, content_hash, version_of
from infra.postgres.records import Merged, merge_fields, stage_and_merge
from retinue.job import Commit, Job
from servants.salesforce import org_reading
from servants.salesforce.client.session import Salesforce
from servants.salesforce.id_ranges import EVERYTHING
from servants.salesforce.listing import Slice
from servants.salesforce.object_rows import OrgObject, hold, share
from servants.salesforce.org_reading import OrgReader
from servants.salesforce.storing import MERGE_ROWS, batches, merge, now_of, with_kept

#: Ids that a report names of each kind of difference.
EXAMPLES = 5


@dataclass(slots=True)
class Report:
    """What a comparison found so far; JSON as it is kept with the object.

    `missing` are not stored, `stale` are stored otherwise, `surplus` are in the org no more. `drift` are those of them
    that increments should have brought. `formulas` are records whose calculated fields were brought up to date.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, slice_: Slice, found: Difference, *, settled: int) -> None:
        """Count a slice in."""
        self.counts["rows"] += len(slice_.listed)
        self.counts["slices"] += 1
        self.counts["equal_slices"] += not (found.missing or found.stale or found.surplus)
        versions = {one.external_id: one.version or 0 for one in slice_.records}
        for name, ids in (("missing", found.missing), ("stale", found.stale), ("surplus", found.surplus)):
            self.counts[name] += len(ids)
            self.counts["drift"] += sum(versions.get(one, 0) < settled for one in ids)
            self.examples[name] = (self.examples.get(name, []) + list(ids))[:EXAMPLES]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differed."""
        return not any(self.counts[name] for name in ("missing", "stale", "surplus"))

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        shown = {name: ids for name, ids in self.examples.items() if ids}
        return {**self.counts, "equal": self.is_equal, "examples": shown}

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Report:
        """As it was kept."""
        counts = {name: count for name, count in kept.items() if name not in ("equal", "examples")}
        return cls(Counter(counts), dict(kept.get("examples", {})))


class Comparison:
    """Compares one object slice by slice. `deep` compares contents, too; without `mend` nothing is written."""

    def __init__(self, job: Job[Any], client: Salesforce, found: OrgObject, *, deep: bool, mend: bool) -> None:
        self._job = job
        self._found = found
        self._whole = OrgReader(client, found)
        self._deep = deep
        self._mend = mend
        self._settled = 0 if found.position is None else version_of(found.position.settled)

    def slice(self, slice_: Slice, report: Report) -> None:
        """Compare a slice, mend it, and add what was found to the report."""
        difference = self._difference(slice_)
        report.add(slice_, difference, settled=self._settled)
        if not self._mend:
            return
        self._bring([*difference.missing, *difference.stale], slice_.behind, among=len(slice_.listed))
        self._delete(difference.surplus, slice_.observed_at)
        if not self._deep:
            report.counts["formulas"] += refresh(self._job, self._found, slice_).updated

    def _difference(self, slice_: Slice) -> Difference:
        target = self._found.target
        with self._job.commit() as tx:
            share(tx, target, generation=self._found.row.field_generation)
            # Values that are only kept belong to what is stored, and to its hash.
            kept = self._found.kept if self._deep else []
            told = [self._told(one) for one in with_kept(tx, target, slice_.records, kept)]
            (ours,) = digests(tx, target, [slice_.low], until=slice_.high)
            theirs = _digest(told)
            if ours.same_versions(theirs) and (not self._deep or ours.contents == theirs.contents):
                return Difference()
            pairs = ((one.external_id, one.version) for one in told)
            found = compare(tx, target, pairs, low=slice_.low, high=slice_.high)
            others = self._contents(tx, slice_, told, {*found.missing, *found.stale}) if self._deep else []
        # What changed while it was listed is there, in whatever version.
        there = set(slice_.listed)
        surplus = [one for one in found.surplus if one not in there]
        return Difference(found.missing, [*found.stale, *others], surplus)

    def _told(self, one: NewRecord) -> Held:
        is_hashed = self._deep and one.payload is not None
        contents = content_hash(one.external_id, canonical(one.payload or {})) if is_hashed else 0
        return Held(one.external_id, one.version or 0, contents)

    def _contents(self, tx: Commit, slice_: Slice, org: Sequence[Held], known: set[str]) -> list[str]:
        """Records of the same version whose contents differ."""
        told = {one.external_id: one.content_hash for one in org if one.external_id not in known}
        different = []
        after, page = slice_.low, held_page(tx, self._found.target, after=slice_.low, before=slice_.high)
        while page:
            different += [
                one.external_id for one in page if told.get(one.external_id, one.content_hash) != one.content_hash
            ]
            after = page[-1].external_id
            page = held_page(tx, self._found.target, after=after, before=slice_.high)
        return different

    def _bring(self, ids: Sequence[str], behind: str | None, *, among: int) -> None:
        """Read these rows as they are now, and store them whatever version is stored.

        They lie `among` so many behind an Id: where most of those are wanted, they are read page by page.
        """
        if not ids:
            return
        observed_at = now_of(self._job)
        by_pages = math.ceil(len(ids) / org_reading.IDS_AT_ONCE) > math.ceil(among / org_reading.BATCH_ROWS)
        for rows in self._pages(set(ids), behind) if by_pages else self._whole.of_ids(ids):
            self._job.stop_if_cancelled()
            with self._job.commit() as tx:
                share(tx, self._found.target, generation=self._found.row.field_generation)
                merge(tx, self._found, rows, observed_at=observed_at, mend=True)

    def _pages(self, ids: Collection[str], behind: str | None) -> Iterator[list[NewRecord]]:
        last = max(ids)
        while behind is None or behind < last:
            page = self._whole.page(EVERYTHING, behind=behind)
            yield [one for one in page.records if one.external_id in ids]
            if page.is_last:
                return
            behind = page.listed[-1]

    def _delete(self, ids: Sequence[str], observed_at: datetime) -> None:
        """Delete records that were not listed; one that was read since the listing began stays."""
        for some in batches(ids, MERGE_ROWS):
            gone = [NewRecord(external_id, None, None, observed_at) for external_id in some]
            with self._job.commit() as tx:
                hold(tx, self._found.target, generation=self._found.row.field_generation)
                stage_and_merge(tx, self._found.target, gone, observed_at=observed_at)


def _digest(held: Sequence[Held]) -> Digest:
    digest = Digest()
    for one in held:
        digest.add(*one)
    return digest


def refresh(job: Job[Any], found: OrgObject, slice_: Slice) -> Merged:
    """Lay the fields of a slice over the stored records, as of when it was listed."""
    merged = Merged()
    for some in batches((one for one in slice_.records if one.payload), MERGE_ROWS):
        with job.commit() as tx:
            share(tx, found.target, generation=found.row.field_generation)
            merged += merge_fields(tx, found.target, some, observed_at=slice_.observed_at)
    return merged
