"""Whether the audit is what it was: its chain of hashes followed from the first action to the last, and written out.

The chain shows any change by somebody who cannot make it anew. Whoever may switch triggers off could, from some
position on: only a head that was noted elsewhere shows that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import psycopg

from infra.postgres.audit_breaks import Break, BreakKind, explain_break
from infra.postgres.audit_links import COLUMNS, START, Head, Link, chained, links, one_moment, stored_head, unlinked


@dataclass(frozen=True, slots=True)
class Verification:
    """So many actions hold, up to `head`, which is None where none does; `broken` is what is wrong behind them."""

    verified: int
    head: Head | None
    broken: Break | None


def verify(connection: psycopg.Connection, *, noted: Head | None = None) -> Verification:
    """Follow the chain to its first break, or to its end; `noted`, a head of earlier, must be in it.

    Takes a second for some 100,000 actions, and a few MB. Nobody who acts has to wait for it.

    Raises:
        psycopg.errors.ActiveSqlTransaction: the connection is in a transaction.
    """
    with one_moment(connection):
        end, broken = _follow(connection, noted)
        broken = broken or _break_behind(connection, end, noted)
    return Verification(end.position, end if end.position else None, broken)


def export(connection: psycopg.Connection) -> Iterator[str]:
    """A line of JSON for each action, without its line break: `position`, `chain` in hexadecimal, every column.

    Ordered by position; actions without a link come last. `detail` is, byte for byte, the text that was hashed.

    Raises:
        psycopg.errors.ActiveSqlTransaction: the connection is in a transaction.
    """
    with one_moment(connection):
        for link in chain(links(connection), unlinked(connection)):
            yield _line(link)


def _follow(connection: psycopg.Connection, noted: Head | None) -> tuple[Head, Break | None]:
    end = START
    for link in links(connection):
        here = Head(link.position, link.chain)
        broken = _break_at(connection, end, link) or _other_than_noted(here, noted)
        if broken:
            return end, broken
        end = here
    return end, None


def _break_at(connection: psycopg.Connection, end: Head, link: Link) -> Break | None:
    """What is wrong with the link behind `end`."""
    expected = end.position + 1
    if link.position != expected:
        return Break(BreakKind.MISSING, expected, None, f"{_positions(expected, link.position - 1)} missing.")
    if link.id is None:
        gone = f"The action {link.action_id} at position {expected} is gone: it was taken out."
        return Break(BreakKind.MISSING, expected, link.action_id, gone)
    if chained(end.chain, link) != link.chain:
        return explain_break(connection, end, link)
    return None


def _positions(first: int, last: int) -> str:
    return f"Position {first} is" if first == last else f"Positions {first} to {last} are"


def _other_than_noted(here: Head, noted: Head | None) -> Break | None:
    if noted is None or here.position != noted.position or here.chain == noted.chain:
        return None
    rebuilt = f"Position {here.position} is not what was noted: the chain was made anew from there or from before."
    return Break(BreakKind.REBUILT, here.position, None, rebuilt)


def _break_behind(connection: psycopg.Connection, end: Head, noted: Head | None) -> Break | None:
    """What is wrong once every link holds."""
    return _other_head(end, stored_head(connection)) or _unlinked(connection) or _cut(end, noted)


def _other_head(end: Head, stored: Head | None) -> Break | None:
    if (stored or START) == end:
        return None
    if stored is None:
        sentence = f"The chain's head is gone; its last link is at position {end.position}."
    elif stored.position > end.position:
        cut = _positions(end.position + 1, stored.position)
        sentence = (
            f"The chain ends at position {end.position}, its head is at {stored.position}: {cut.lower()} cut off."
        )
    elif stored.position < end.position:
        added = _positions(stored.position + 1, end.position)
        sentence = f"The chain's head is at position {stored.position}: {added.lower()} behind it."
    else:
        sentence = f"The chain's head at position {end.position} is not what the last link says."
    return Break(BreakKind.HEAD, end.position, None, sentence)


def _unlinked(connection: psycopg.Connection) -> Break | None:
    first = next(unlinked(connection), None)
    if first is None:
        return None
    sentence = f"The action {first.action_id} has no link: it was put in past the chain, or its link was taken out."
    return Break(BreakKind.UNLINKED, None, first.action_id, sentence)


def _cut(end: Head, noted: Head | None) -> Break | None:
    if noted is None or noted.position <= end.position:
        return None
    missing = _positions(end.position + 1, noted.position)
    sentence = f"The chain ends at position {end.position}, {noted.position} was noted: {missing.lower()} cut off."
    return Break(BreakKind.CUT, end.position, None, sentence)


def _line(link: Link) -> str:
    fields: dict[str, str | int | None] = {
        "position": link.position or None,
        "chain": link.chain.hex() or None,
        "action_id": link.action_id,
    }
    fields |= {name: getattr(link, name) for name in COLUMNS if name != "detail"}
    # Read and written by Python, `1.00` would become `1.0`, and the line could no more be hashed.
    return f'{json.dumps(fields, ensure_ascii=False)[:-1]}, "detail": {link.detail or "null"}}}'
