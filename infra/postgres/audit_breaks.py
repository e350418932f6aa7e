"""Where the audit's chain breaks, and what was done to it there, as far as hashes tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import psycopg

from infra.postgres.audit_links import START, Head, Link, chained, links


class BreakKind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    ALTERED = "altered"
    INSERTED = "inserted"
    REORDERED = "reordered"
    HEAD = "head"
    UNLINKED = "unlinked"
    REBUILT = "rebuilt"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong, as a sentence, and where: None where it is at no position, or no action."""

    kind: BreakKind
    position: int | None
    action_id: int | None
    sentence: str


@dataclass(slots=True)
class _Clues:
    """Which action belongs behind the last good link, where one is now, and behind what the one there belongs."""

    rightful: Link | None = None
    moved_to: int | None = None
    belongs_behind: int | None = None


def explain_break(connection: psycopg.Connection, end: Head, wrong: Link) -> Break:
    """What was done to the link `wrong`, which does not follow from `end`; reads the whole chain for it."""
    position = end.position + 1
    clues = _clues(connection, end, wrong)
    match clues:
        case _Clues(rightful=Link(action_id=other)):
            said = f"The actions were reordered: at position {position} is {wrong.action_id}, where {other} was."
            return Break(BreakKind.REORDERED, position, wrong.action_id, said)
        case _Clues(moved_to=int(to), belongs_behind=int()):
            said = f"The actions were reordered: what is at position {to} was at {position}."
            return Break(BreakKind.REORDERED, position, wrong.action_id, said)
        case _Clues(moved_to=int(to)):
            return _inserted(position, to - 1)
        case _Clues(belongs_behind=int(behind)) if behind < end.position:
            return _inserted(behind + 1, end.position)
        case _Clues(belongs_behind=int(behind)):
            said = f"The actions were reordered: what is at position {position} was behind {behind}."
            return Break(BreakKind.REORDERED, position, wrong.action_id, said)
    said = (
        f"The action {wrong.action_id} at position {position} does not fit the chain:"
        " it was altered, or one before it was taken out."
    )
    return Break(BreakKind.ALTERED, position, wrong.action_id, said)


def _clues(connection: psycopg.Connection, end: Head, wrong: Link) -> _Clues:
    clues = _Clues(belongs_behind=0 if chained(START.chain, wrong) == wrong.chain else None)
    for link in links(connection):
        if link.position == wrong.position or link.id is None:
            continue
        here = chained(end.chain, link)
        if here == wrong.chain:
            clues.rightful = link
        if here == link.chain and link.position > end.position:
            clues.moved_to = link.position
        if chained(link.chain, wrong) == wrong.chain:
            clues.belongs_behind = link.position
    return clues


def _inserted(first: int, last: int) -> Break:
    what = f"The action at position {first} was" if first == last else f"The actions at {first} to {last} were"
    return Break(BreakKind.INSERTED, first, None, f"{what} put in afterwards.")
