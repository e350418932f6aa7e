"""What a sync has to do, worked out before anything is touched.

Words: a *href* is a member's path on its server, an *etag* its version there; *known* are the members we hold, by href.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from servants.calendar.faults import SuspiciousEmptiness
from servants.calendar.reports import Changes

#: A calendar that held at least this many objects and suddenly lists none is not believed at once.
SUSPICIOUS_FROM = 10


@dataclass(frozen=True, slots=True)
class Upsert:
    """Fetch this member and write it. `new` says that we hold none of it."""

    href: str
    new: bool


@dataclass(frozen=True, slots=True)
class Delete:
    """The member is gone."""

    href: str


Action = Upsert | Delete


def plan(changes: Changes, known: Mapping[str, str], *, believe_empty: bool = False) -> list[Action]:
    """The actions that bring `known` (href to etag) in step with the server, deletions last.

    Raises:
        SuspiciousEmptiness: a complete listing is empty though we hold many members, and `believe_empty` is not set.
    """
    if changes.complete and not changes.etags and len(known) >= SUSPICIOUS_FROM and not believe_empty:
        raise SuspiciousEmptiness(
            f"lists nothing though {len(known)} objects are known; they are deleted if the next listing says the same"
        )
    return [*_upserts(changes, known), *_deletes(changes, known)]


def _upserts(changes: Changes, known: Mapping[str, str]) -> Iterator[Upsert]:
    for href, etag in changes.etags.items():
        if href not in known:
            yield Upsert(href, new=True)
        # A server may give no etag at all; then the text itself has to be compared.
        elif not etag or known[href] != etag:
            yield Upsert(href, new=False)


def _deletes(changes: Changes, known: Mapping[str, str]) -> Iterator[Delete]:
    # A member made and deleted between two syncs is reported as removed though we never had it.
    gone = known.keys() & changes.removed
    if changes.complete:
        # Being listed no more is the only sign of a deletion once a token has expired.
        gone |= known.keys() - changes.etags.keys()
    return (Delete(href) for href in sorted(gone))
