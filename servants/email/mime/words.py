"""Encoded words (RFC 2047) and raw 8-bit text in header fields."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from servants.email.mime.charsets import clean_line, codec_of, decode, decode_raw
from servants.email.mime.notes import Notes

#: An encoded word; its charset may carry a language (RFC 2231 §5); spaces, which are wrong in one, are common in `Q`.
_WORD = re.compile(rb"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,60})?\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_FOLD = re.compile(rb"[\r\n]+[ \t]*")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def unfolded(value: bytes) -> bytes:
    """A field's value on one line."""
    return _FOLD.sub(b" ", value) if b"\n" in value or b"\r" in value else value


def decode_words(value: bytes, notes: Notes) -> str:
    """A field's value as text: one line, encoded words read, also those that were cut apart within a character."""
    value = unfolded(value)
    if b"=?" not in value:
        return clean_line(value.decode("ascii") if value.isascii() else decode_raw(value))
    return clean_line("".join(_decoded(run, notes) for run in _runs(value)))


def _decoded(run: tuple[bytes, bytes], notes: Notes) -> str:
    charset, data = run
    if not charset:
        return decode_raw(data)
    name = charset.decode("ascii", "replace")
    if codec_of(name) is None:
        notes.add("a header names an unknown charset")
    return decode(data, name, notes, what="a header")


def _runs(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(charset, bytes), the charset empty for bytes outside of words; words of one charset side by side are one run."""
    charset, data, end = b"", b"", 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        own = word[1].lower()
        if not (end and own == charset and not between.strip()):
            yield charset, data
            if between.strip() or (not end and between):
                yield b"", between
            charset, data = own, b""
        data += _bytes_of(word)
        end = word.end()
    yield charset, data
    yield b"", value[end:]


def _bytes_of(word: re.Match[bytes]) -> bytes:
    if word[2] in b"qQ":
        return binascii.a2b_qp(word[3], header=True)
    letters = _NO_BASE64.sub(b"", word[3])
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
