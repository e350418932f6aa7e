"""From a response as it came to a value of `responses`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from servants.email.imap.faults import UnexpectedReply
from servants.email.imap.fetch import MAX_MODSEQ, MAX_UID, fast_fetch, number_of, parse_fetch
from servants.email.imap.lexer import Raw
from servants.email.imap.responses import (
    Capability,
    Continuation,
    Enabled,
    Exists,
    Expunge,
    Listing,
    MailboxStatus,
    Other,
    Response,
    Rights,
    Search,
    ServerId,
    Status,
    Vanished,
)
from servants.email.imap.tokens import Tokens, Value
from servants.email.values import UidSet

# Possessive repeats throughout: no line, however made, takes time that grows faster than its length.
_STATUS = re.compile(rb"(\S++)[ \t]++(OK|NO|BAD|BYE|PREAUTH)(?:[ \t]++(.*))?", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb"\[([^\]\s]{1,64}+)(?:[ \t]++([^\]]*+))?\][ \t]*+(.*)", re.DOTALL)
_UNTAGGED = re.compile(rb"\*[ \t]*+(?:(\d{1,10}+)[ \t]++)?([A-Za-z][A-Za-z0-9-]*+)[ \t]*+")
_VANISHED = re.compile(rb"(\(EARLIER\))?(.*)", re.IGNORECASE | re.DOTALL)
_SEARCH = re.compile(rb"((?:\d{1,10}+(?!\d)[ \t]*+)*+)(?:\(MODSEQ[ \t]++\d++[ \t]*+\))?[ \t]*+", re.IGNORECASE)
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_SET = re.compile(rb"\d{1,10}(?::\d{1,10})?(?:,\d{1,10}(?::\d{1,10})?)*+")
_ESEARCH_ALL = re.compile(rb"\bALL[ \t]++([\d:,]++)", re.IGNORECASE)
_STATUS_ITEMS = re.compile(
    rb"\((?:MESSAGES|RECENT|UIDNEXT|UIDVALIDITY|UNSEEN|SIZE|HIGHESTMODSEQ|MAILBOXID|DELETED|APPENDLIMIT)\b",
    re.IGNORECASE,
)


def parse(raw: Raw) -> Response:
    """One response.

    Raises:
        UnexpectedReply: it is not IMAP, or one whose meaning matters cannot be read.
    """
    if (fetch := fast_fetch(raw)) is not None:
        return fetch
    line = raw[0]
    if line[:1] == b"+":
        return Continuation(line[1:].strip())
    if found := _STATUS.fullmatch(line):
        return _status(found[1], found[2], found[3] or b"")
    found = _UNTAGGED.match(line)
    if found is None:
        raise UnexpectedReply("a line that is no IMAP")
    word = found[2].decode().upper()
    if found[1] is not None:
        return _numbered(raw, found.end(), int(found[1]), word)
    reader = _READERS.get(word)
    return Other(word) if reader is None else reader(raw, found.end())


def _status(tag: bytes, condition: bytes, rest: bytes) -> Status:
    code = _CODE.fullmatch(rest)
    name, argument, text = (code[1], code[2] or b"", code[3]) if code else (None, b"", rest)
    return Status(
        None if tag == b"*" else _text(tag),
        condition.decode().upper(),
        None if name is None else _text(name).upper(),
        _text(argument).strip(),
        _text(text).strip(),
    )


def _numbered(raw: Raw, start: int, number: int, word: str) -> Response:
    if word == "FETCH":
        return parse_fetch(raw, start, number)
    if word == "EXISTS":
        return Exists(number)
    return Expunge(number) if word == "EXPUNGE" else Other(word)


def _capability(raw: Raw, start: int) -> Capability:
    return Capability(_words(raw, start))


def _enabled(raw: Raw, start: int) -> Enabled:
    return Enabled(_words(raw, start))


def _words(raw: Raw, start: int) -> frozenset[str]:
    return frozenset(_text(raw[0][start:]).upper().split())


def _server_id(raw: Raw, start: int) -> ServerId:
    pairs = Tokens(raw, start).value()
    words = pairs if isinstance(pairs, list) else []
    texts = [_text(word) if isinstance(word, bytes) else "" for word in words]
    return ServerId({key.lower(): value for key, value in zip(texts[::2], texts[1::2], strict=False)})


def _listing(raw: Raw, start: int) -> Listing:
    tokens = Tokens(raw, start)
    attributes = frozenset(_text(word).lower() for word in tokens.items() if isinstance(word, bytes))
    # A lone backslash in quotes, which some servers fail to escape.
    if (rest := tokens.rest()).startswith(b'"\\" '):
        return Listing(attributes, "\\", _name(Tokens([rest, *raw[1:]], 4)))
    delimiter = tokens.value()
    if isinstance(delimiter, list):
        raise UnexpectedReply("LIST without a delimiter")
    return Listing(attributes, _text(delimiter) if delimiter else None, _name(tokens))


def _name(tokens: Tokens) -> bytes:
    """A mailbox's name; one with spaces and without quotes is taken to the line's end."""
    plain = tokens.rest()
    name = tokens.value()
    if name is None and plain:  # an atom that happens to be NIL is a name here
        name = plain
    if not isinstance(name, bytes):
        raise UnexpectedReply("a mailbox without a name")
    rest = tokens.rest()
    return plain if rest and plain.startswith(name) and not rest.startswith(b"(") else name


def _mailbox_status(raw: Raw, start: int) -> MailboxStatus:
    if len(raw) == 1 and raw[0][start : start + 1] != b'"' and (found := _STATUS_ITEMS.search(raw[0], start)):
        name, tokens = raw[0][start : found.start()].rstrip(), Tokens(raw, found.start())
    else:
        tokens = Tokens(raw, start)
        name = _name(tokens)
    items = tokens.items()
    both = zip(items[::2], items[1::2], strict=False)
    pairs = {_text(key).upper(): value for key, value in both if isinstance(key, bytes)}
    numbers = {key: number_of(value, MAX_MODSEQ) for key, value in pairs.items() if isinstance(value, bytes)}
    return MailboxStatus(name, numbers, _object_id(pairs.get("MAILBOXID")))


def _object_id(value: Value) -> str | None:
    """RFC 8474 §4.2: `MAILBOXID (F2212ea87-6097-4256-9d51-71338625)`; None where it is none by §7."""
    inner = value[0] if isinstance(value, list) and value else value
    return inner.decode() if isinstance(inner, bytes) and _OBJECT_ID.fullmatch(inner) else None


def _rights(raw: Raw, start: int) -> Rights:
    tokens = Tokens(raw, start)
    name, letters = tokens.value(), tokens.value()
    if not isinstance(name, bytes) or isinstance(letters, list):
        raise UnexpectedReply("MYRIGHTS without a mailbox and its rights")
    return Rights(name, frozenset(_text(letters)))


def _vanished(raw: Raw, start: int) -> Vanished:
    found = _VANISHED.fullmatch(raw[0], start)
    if found is None or len(raw) > 1:
        raise UnexpectedReply("VANISHED without UIDs")
    return Vanished(_uid_set(found[2].strip()), found[1] is not None)


def _search(raw: Raw, start: int) -> Search:
    found = _SEARCH.fullmatch(raw[0], start)
    if found is None or len(raw) > 1:
        raise UnexpectedReply("SEARCH with something other than numbers")
    numbers = sorted({int(number) for number in found[1].split()})
    return Search(_within_bounds(UidSet(tuple(_ranges(numbers)))))


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as ranges; old servers list a hundred thousand of them."""
    if not numbers:
        return
    low = last = numbers[0]
    for number in numbers:
        if number > last + 1:
            yield low, last
            low = number
        last = number
    yield low, last


def _esearch(raw: Raw, start: int) -> Search:
    """RFC 9051 §7.3.4; without ALL nothing was found."""
    found = _ESEARCH_ALL.search(raw[0], start)
    return Search(_uid_set(found[1]) if found else UidSet())


def _uid_set(text: bytes) -> UidSet:
    if not text:
        return UidSet()
    if not _SET.fullmatch(text):
        raise UnexpectedReply("a set of UIDs that cannot be read")
    return _within_bounds(UidSet.parse(text.decode()))


def _within_bounds(uids: UidSet) -> UidSet:
    if uids and (uids.ranges[0][0] < 1 or uids.ranges[-1][1] > MAX_UID):
        raise UnexpectedReply("a set of UIDs beyond what UIDs can be")
    return uids


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


_READERS: Mapping[str, Callable[[Raw, int], Response]] = {
    "CAPABILITY": _capability,
    "ENABLED": _enabled,
    "ESEARCH": _esearch,
    "ID": _server_id,
    "LIST": _listing,
    "MYRIGHTS": _rights,
    "SEARCH": _search,
    "STATUS": _mailbox_status,
    "VANISHED": _vanished,
}
