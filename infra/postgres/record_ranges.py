"""Stored records by ranges of their IDs: what proves that they equal the provider's, and finds where they do not.

IDs are in the order of their bytes, which is Salesforce's own order of Ids. A range is [low, high); the first low is
the empty text, and the last range has no end. Only records that live are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from infra.postgres.record_values import NewRecord
from infra.postgres.records import Executor, Target, stage
from infra.postgres.statements import statement
from retinue.job import Commit

_MODULUS = 2**64


class Held(NamedTuple):
    """A record that is stored and lives."""

    external_id: str
    version: int
    content_hash: int


@dataclass(slots=True)
class Digest:
    """A range in three numbers, whatever the order in which its records are added.

    Attributes:
        rows: how many there are.
        versions: the sum of a hash of each one's ID and version, modulo 2^64.
        contents: likewise of each one's `content_hash`, which covers its ID and payload.
    """

    rows: int = 0
    versions: int = 0
    contents: int = 0

    def add(self, external_id: str, version: int, content_hash: int = 0) -> None:
        """Count a record in; where contents are not compared, their hash may be left out."""
        told = sha256(f"{external_id} {version}".encode()).digest()
        self.rows += 1
        self.versions = (self.versions + int.from_bytes(told[:8], "big", signed=True)) % _MODULUS
        self.contents = (self.contents + content_hash) % _MODULUS

    def same_versions(self, other: Digest) -> bool:
        """Whether both have the same records in the same versions."""
        return (self.rows, self.versions) == (other.rows, other.versions)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where records differ from the provider's: IDs, in order.

    `missing` are not stored, or deleted here; `stale` have another version; `surplus` the provider has no more.
    """

    missing: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)


def count_records(executor: Executor, target: Target) -> int:
    """How many live."""
    return int(executor.execute(statement("count_records"), target.params).fetchone()[0])


def held_page(
    executor: Executor, target: Target, *, after: str = "", before: str | None = None, limit: int = 10_000
) -> list[Held]:
    """The next records between two IDs, both left out."""
    params = target.params | {"after": after, "before": before, "limit": limit}
    return [Held(*row) for row in executor.execute(statement("list_held_records"), params)]


def range_bounds(executor: Executor, target: Target, *, rows: int) -> list[str]:
    """The beginnings of ranges of so many records each."""
    found = executor.execute(statement("split_records"), target.params | {"rows": rows})
    return ["", *(row[0] for row in found)]


def pairs(bounds: Sequence[str], *, until: str | None = None) -> list[tuple[str, str | None]]:
    """The ranges that begin at `bounds`: each ends where the next begins, the last one at `until`."""
    return [*pairwise(bounds), (bounds[-1], until)]


def digests(executor: Executor, target: Target, bounds: Sequence[str], *, until: str | None = None) -> list[Digest]:
    """One for each of the ranges that begin at `bounds`, in one pass."""
    params = target.params | {"bounds": list(bounds), "low": bounds[0], "high": until}
    found = {
        row[0]: Digest(row[1], *(int(total) % _MODULUS for total in row[2:]))
        for row in executor.execute(statement("digest_records"), params)
    }
    return [found.get(number, Digest()) for number in range(1, len(bounds) + 1)]


def compare(
    tx: Commit, target: Target, told: Iterable[tuple[str, int]], *, low: str = "", high: str | None = None
) -> Difference:
    """Compare what the provider has in a range, as (ID, version), with what is stored there and lives.

    `told` is streamed. What is merged between the provider's answer and this shows as a difference, too: before mending
    one, read the record again.
    """
    stage(tx, (NewRecord(external_id, version) for external_id, version in told))
    found = Difference()
    params = target.params | {"low": low, "high": high}
    for external_id, missing, surplus in tx.connection.execute(statement("compare_records"), params):
        where = found.missing if missing else found.surplus if surplus else found.stale
        where.append(external_id)
    return found
