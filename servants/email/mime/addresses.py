"""Who a message names (RFC 5322 §3.4, RFC 6532)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parseaddr
from functools import lru_cache

from servants.email.mime.charsets import clean_line, decode_raw
from servants.email.mime.fields import Fields
from servants.email.mime.notes import Notes
from servants.email.mime.words import decode_words, unfolded
from servants.email.values import Participant, ParticipantRole

#: Participants of a message beyond which no more are kept.
MOST = 1000
#: The longest address (RFC 5321 §4.5.3.1) and display name, in characters.
LONGEST_ADDRESS = 320
LONGEST_NAME = 300
#: The longest entry of a list that is read, in bytes.
_LONGEST_ENTRY = 2000

_ROLES = tuple((role, role.value.replace("_", "-").encode()) for role in ParticipantRole)

#: A display name in quotes or without anything special, and an address in angle brackets; or a bare address.
_USUAL = re.compile(
    rb"(?:\"([^\"\\]*)\"\s*|([^\"<>(),;:\\]*))<\s*([^\s<>()\"@,;:\\]+@[^\s<>()\"@,;:\\]+)\s*>"
    rb"|([^\s<>()\"@,;:\\]+@[^\s<>()\"@,;:\\]+)"
)
#: What needs no more than lower case.
_ASCII = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]*[A-Za-z0-9]")
_BARE = re.compile(r"[^\s<>()\[\]\"',;:\\@]+@(?:[^\s<>()\[\]\"',;:\\@]+|\[[^\s\[\]]*\])")
#: What to step over, and what separates, in a list of addresses: encoded words and quoted text are one token.
_TOKEN = re.compile(rb"=\?[^?\s]+\?[bq]\?[^?]*\?=|\"(?:[^\"\\]|\\.)*\"|\\.|[(),;:<>]", re.DOTALL | re.IGNORECASE)
_NOTABLE = re.compile(rb"[\"(;:\\]|=\?")
_MAILTO = "mailto:"
_ESCAPED = re.compile(r"\\(.)")
_QUOTES = " \t\"'<>"
_NOBODY = re.compile(
    rb"[\s<\"'-]*(?:un(?:disclosed|listed|specified)|no)[\s_-]*(?:to-header|recipient|sender)", re.IGNORECASE
)


def participants(fields: Fields, notes: Notes) -> tuple[Participant, ...]:
    """Everyone a header names, by role; each address once in a role."""
    found: dict[tuple[ParticipantRole, str], Participant] = {}
    for role, field in _ROLES:
        for value in fields.get(field, ()):
            for address, name in addresses(value, notes):
                found.setdefault((role, address), Participant(role, address, name))
                if len(found) >= MOST:
                    notes.add(f"there are more than {MOST} participants")
                    return tuple(found.values())
    return tuple(found.values())


def addresses(value: bytes, notes: Notes) -> Iterator[tuple[str, str | None]]:
    """(normalised address, display name) of everyone in a field; a group's members count, its name does not."""
    for entry in _entries(unfolded(value)):
        found = _usual(entry) or _odd(entry[:_LONGEST_ENTRY])
        if found is None:
            if not _NOBODY.match(entry):
                notes.add("an address cannot be read")
            continue
        written, name = found
        if (address := normalised(written, notes)) is not None:
            yield address, _display_name(name, address, notes)


def normalised(written: str, notes: Notes) -> str | None:
    """An address in lower case, its domain in IDNA's ASCII form; None, with a note, for what is no address."""
    if len(written) < LONGEST_ADDRESS and (match := _ASCII.fullmatch(written)):
        return match[0].lower()
    local, at, domain = written.strip().rpartition("@")
    domain = domain.strip().rstrip(".").lower()
    local = clean_line(local).lower()
    if not (local and at and domain) or len(local) + len(domain) >= LONGEST_ADDRESS or " " in clean_line(domain):
        notes.add("an address cannot be read")
        return None
    if not domain.isascii() or not domain.isprintable():
        ascii_form = _idna(domain)
        if ascii_form is None:
            notes.add("an address has a domain that cannot exist")
        domain = ascii_form or clean_line(domain)
    return f"{local}@{domain}"


@lru_cache(maxsize=1024)
def _idna(domain: str) -> str | None:
    """A domain in ASCII (RFC 5891, with the mapping of UTS 46)."""
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:
        return None


def _entries(value: bytes) -> Iterator[bytes]:
    """The entries of a list, without white space around them; names of groups are left out."""
    found = _separated(value) if _NOTABLE.search(value) else value.split(b",")
    return (entry for written in found if (entry := written.strip()))


def _separated(value: bytes) -> list[bytes]:
    found: list[bytes] = []
    start, depth, angle = 0, 0, -1
    for token in _TOKEN.finditer(value):
        mark = token[0]
        if mark == b"(":
            depth += 1
        elif mark == b")":
            depth = max(depth - 1, 0)
        elif depth:
            continue
        elif mark == b"<":
            angle = token.end()
        elif mark == b">":
            angle = -1
        elif mark in (b",", b";") and not (angle >= 0 and value[angle : angle + 1] == b"@"):
            found.append(value[start : token.start()])
            start, angle = token.end(), -1
        elif mark == b":" and angle < 0:
            start = token.end()
    if depth:  # a parenthesis that nothing closes hides no addresses
        return value.replace(b"(", b" ").replace(b";", b",").split(b",")
    return [*found, value[start:]]


def _usual(entry: bytes) -> tuple[str, bytes] | None:
    """(address, name) of an entry as nearly all are."""
    match = _USUAL.fullmatch(entry)
    if match is None:
        return None
    return decode_raw(match[3] or match[4]), match[2] if match[1] is None else match[1]


def _odd(entry: bytes) -> tuple[str, bytes] | None:
    """(address, name) of what is left: comments, escapes, routes, missing brackets, words around an address."""
    text = entry.decode("latin-1")
    if angled := _angled(text):
        return _raw(angled[0]), angled[1].encode("latin-1")
    name, address = _parsed(text)
    if "@" in address and _BARE.fullmatch(address):
        return _raw(address), name.encode("latin-1", "replace")
    decoded = decode_words(entry, Notes())
    if "@" in decoded and (bare := _BARE.search(decoded)):
        return bare[0], decoded[: bare.start()].encode()
    return None


def _angled(text: str) -> tuple[str, str] | None:
    """(address, name) by the last angle bracket before an address, which may have a route (RFC 5322 §4.4)."""
    while "<" in text:
        text, _, after = text.rpartition("<")
        address = after.partition(">")[0].strip()
        if address.startswith("@"):
            address = address.rpartition(":")[2]
        if "@" in address:
            return address[len(_MAILTO) :] if address.lower().startswith(_MAILTO) else address, text
    return None


def _raw(text: str) -> str:
    """Bytes that were read as Latin-1, for lack of knowledge, as what they are."""
    return decode_raw(text.encode("latin-1", "replace"))


def _parsed(entry: str) -> tuple[str, str]:
    """(name, address) by the standard library, for a comment that is the name; it trips over deep nesting."""
    try:
        return parseaddr(entry)
    except (RecursionError, IndexError, ValueError):
        return "", ""


def _display_name(written: bytes | None, address: str, notes: Notes) -> str | None:
    """A name without the quotes and the escapes around it; none where it only repeats the address."""
    if not written:
        return None
    name = decode_words(written, notes)
    if "\\" in name:
        name = _ESCAPED.sub(r"\1", name)
    name = name.strip(_QUOTES)[:LONGEST_NAME].rstrip()
    return None if name.lower() == address else name or None
