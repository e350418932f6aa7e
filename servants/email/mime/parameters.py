"""Content-Type and Content-Disposition: a value and its parameters, plain or as RFC 2231 writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from servants.email.mime.charsets import clean_line, decode
from servants.email.mime.notes import Notes
from servants.email.mime.words import decode_words, unfolded

#: More of a field than this is not read, in bytes.
LONGEST_FIELD = 16 * 1024

_PARAMETER = re.compile(rb";\s*([^\s=;\"()]{1,100})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)(?:\"|\\?\Z)|([^;]*))", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(r"(.+?)(?:\*(\d{1,3}))?(\*)?")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,127}")
_COMMENT = re.compile(rb"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Parameterised:
    """A value in lower case, and the parameters as bytes by their names in lower case, as they were written."""

    value: str = ""
    parameters: dict[str, bytes] = field(default_factory=dict)

    def text(self, name: str, notes: Notes) -> str | None:
        """A parameter as one line of text: plain, with encoded words, or in the form and the pieces of RFC 2231."""
        if (plain := self.parameters.get(name)) is not None:
            return decode_words(plain, notes) or None
        sections = self._sections(name)
        return _joined(sections, notes) or None if sections else None

    def token(self, name: str) -> bytes | None:
        """A parameter as bytes, for a boundary."""
        if (plain := self.parameters.get(name)) is not None:
            return plain
        sections = self._sections(name)
        return (
            b"".join(_unquoted(value, extended, first=number == 0)[1] for number, extended, value in sections) or None
        )

    def _sections(self, name: str) -> list[tuple[int, bool, bytes]]:
        """(number, in the extended form, value) of a parameter's pieces (RFC 2231 §3 and §4), by their number."""
        found = []
        for written, value in self.parameters.items():
            match = _SECTION.fullmatch(written) if "*" in written else None
            if match and match[1] == name:
                found.append((int(match[2] or 0), match[3] is not None, value))
        return sorted(found)


def parameterised(value: bytes | None) -> Parameterised:
    """A field's value as value and parameters; the first of several of one name counts."""
    if not value:
        return _NOTHING
    return _read_often(value) if len(value) <= _OFTEN else _read(value)


def _read(value: bytes) -> Parameterised:
    line = unfolded(value[:LONGEST_FIELD])
    head, semicolon, _ = line.partition(b";")
    found: dict[str, bytes] = {}
    if semicolon:
        for match in _PARAMETER.finditer(line, len(head)):
            plain = match[3].strip() if match[2] is None else _ESCAPED.sub(rb"\1", match[2])
            found.setdefault(match[1].decode("ascii", "replace").lower(), plain)
    if b"(" in head:
        head = _COMMENT.sub(b"", head)
    return Parameterised(head.strip().strip(b'"').decode("ascii", "replace").lower(), found)


#: Short values are the same ones again and again: `text/plain; charset=utf-8`, `base64`.
_OFTEN = 64
_NOTHING = Parameterised()
_read_often = lru_cache(maxsize=1024)(_read)


def media_type(value: str) -> str | None:
    """A well-formed media type; None for anything else."""
    return value if _TYPE.fullmatch(value) else None


def _joined(sections: list[tuple[int, bool, bytes]], notes: Notes) -> str:
    charset: str | None = None
    data = b""
    for number, extended, value in sections:
        named, piece = _unquoted(value, extended, first=number == 0)
        charset = named or charset
        data += piece
    return clean_line(decode(data, charset or "utf-8", notes, what="a header"))


def _unquoted(value: bytes, extended: bool, *, first: bool) -> tuple[str | None, bytes]:
    """(charset, bytes) of a piece; an extended first one is `charset'language'percent-encoded`."""
    if not extended:
        return None, value
    if first and value.count(b"'") >= 2:
        charset, _language, value = value.split(b"'", 2)
        return charset.decode("ascii", "replace") or None, unquote_to_bytes(value)
    return None, unquote_to_bytes(value)
