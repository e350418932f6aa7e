"""FETCH responses: one regular expression for what servers usually write, the slow path for all else.

A sync reads a hundred thousand of these lines; the fast path takes each with one match, whatever its items' order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from servants.email.imap.faults import UnexpectedReply
from servants.email.imap.lexer import Raw
from servants.email.imap.responses import Fetch, parse_flags
from servants.email.imap.tokens import Tokens, Value

#: RFC 7162 §7: a mod-sequence has 63 bits.
MAX_MODSEQ = 2**63 - 1

#: More messages than this are in no mailbox: sequence numbers are counted by 32 bits, of which PostgreSQL keeps 31.
MAX_MESSAGES = 2**31 - 1

#: RFC 9051 §9: a UID has 32 bits.
MAX_UID = 2**32 - 1

_ITEM = (
    rb"(?:UID (\d{1,10})|FLAGS \(([^()\"{]*+)\)|MODSEQ \((\d{1,18})\)|RFC822\.SIZE (\d{1,15})"
    rb"|INTERNALDATE \"([^\"\\]*+)\")"
)
_WHOLE = re.compile(rb"\* (\d{1,10}) FETCH \((?:" + _ITEM + rb" ?)*+\)")
_BEFORE_BODY = re.compile(rb"\* (\d{1,10}) FETCH \((?:" + _ITEM + rb" )*+BODY\[(HEADER|)\](?:<(\d{1,15})>)? ?")
_AFTER_BODY = re.compile(rb"(?: " + _ITEM + rb")*+ ?\)")


def parse_fetch(raw: Raw, start: int, number: int) -> Fetch:
    """A FETCH response, whose items begin at `start` of its first piece.

    Raises:
        UnexpectedReply: it is none.
    """
    return fast_fetch(raw) or _slow_fetch(raw, start, number)


def fast_fetch(raw: Raw) -> Fetch | None:
    """A FETCH response as servers usually write it; None for any other."""
    if len(raw) == 1:
        found = _WHOLE.fullmatch(raw[0])
        return None if found is None else _fetch(found.groups(), None, None, None)
    if len(raw) != 3:
        return None
    before = _BEFORE_BODY.fullmatch(raw[0])
    if before is None:
        return None
    *items, section, origin = before.groups()
    if raw[2] != b")":
        after = _AFTER_BODY.fullmatch(raw[2])
        if after is None:
            return None
        late = (None, *after.groups())
        items = [early if new is None else new for early, new in zip(items, late, strict=True)]
    return _fetch(items, section, origin, raw[1])


def _fetch(items: Sequence[Any], section: bytes | None, origin: bytes | None, body: bytes | None) -> Fetch:
    number, uid, flags, modseq, size, date = items
    return Fetch(
        int(number),
        None if uid is None else int(uid),
        None if flags is None else parse_flags(flags),
        None if modseq is None else int(modseq),
        None if size is None else int(size),
        date,
        None if section is None else section.decode(),
        None if origin is None else int(origin),
        body,
    )


def _slow_fetch(raw: Raw, start: int, number: int) -> Fetch:
    tokens, fetch = Tokens(raw, start), Fetch(number)
    if not tokens.opens():
        raise UnexpectedReply("FETCH without its list of items")
    while name := tokens.name():
        item, section, origin = name
        fetch = fetch._replace(**_read(item, section, origin, tokens.value()))
    return fetch


def _read(item: str, section: str | None, origin: int | None, value: Value) -> dict[str, Any]:
    """The fields of `Fetch` that this item sets; none where it means nothing to us."""
    match item:
        case "UID":
            return {"uid": number_of(value, MAX_UID)}
        case "FLAGS":
            return {"flags": parse_flags(b" ".join(word for word in _list(value) if isinstance(word, bytes)))}
        case "MODSEQ":
            return {"modseq": number_of(next(iter(_list(value)), None), MAX_MODSEQ)}
        case "RFC822.SIZE":
            return {"size": number_of(value, MAX_MODSEQ)}
        case "INTERNALDATE":
            return {"internal_date": value} if isinstance(value, bytes) else {}
        case "BODY" | "BINARY" if section in ("", "HEADER"):
            return {"section": section, "origin": origin, "body": value if isinstance(value, bytes) else None}
        case "RFC822" | "RFC822.HEADER":
            section = "HEADER" if item.endswith("HEADER") else ""
            return {"section": section, "body": value if isinstance(value, bytes) else None}
    return {}


def number_of(value: Value, largest: int) -> int:
    """A number within bounds.

    Raises:
        UnexpectedReply: it is none.
    """
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 19 and (number := int(value)) <= largest:
        return number
    raise UnexpectedReply("a number was expected")


def _list(value: Value) -> list[Value]:
    if isinstance(value, list):
        return value
    # Some servers leave the parentheses out around a single value.
    return [] if value is None else [value]
