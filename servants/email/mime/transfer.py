"""Content transfer encodings (RFC 2045 §6) and uuencode, read piece by piece."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

from servants.email.mime.notes import Notes

_WHITE = b" \t\r\n\v\f"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64))
_UNCHANGED = frozenset(("", "7bit", "8bit", "binary", "none", "7-bit", "8-bit"))
_UUENCODED = frozenset(("x-uuencode", "uuencode", "x-uue", "uue"))
#: A soft line break with the blanks that were added on the way (RFC 2045 §6.7, rule 3).
_SOFT_BREAK = re.compile(rb"=[ \t]+\r?\n")
_BEGIN = re.compile(rb"begin [0-7]{3,4} ")
#: A line longer than this is read in parts.
_LONGEST_LINE = 128 * 1024


def decoded(pieces: Iterable[bytes], encoding: str, notes: Notes) -> Iterator[bytes]:
    """The bytes that an encoding of the name in Content-Transfer-Encoding stands for; damage in it is noted."""
    name = encoding.strip().lower()
    if name in _UNCHANGED:
        return iter(pieces)
    if name == "base64":
        return _from_base64(pieces, notes)
    if name in ("quoted-printable", "quopri"):
        return (binascii.a2b_qp(_SOFT_BREAK.sub(b"=\n", lines)) for lines in _whole_lines(pieces))
    if name in _UUENCODED:
        return _from_uuencode(pieces, notes)
    notes.add("a part names an unknown transfer encoding")
    return iter(pieces)


def _from_base64(pieces: Iterable[bytes], notes: Notes) -> Iterator[bytes]:
    """Ends at the first padding, as other readers do; a single letter left over stands for nothing."""
    rest = b""
    for piece in pieces:
        letters, padding, more = (rest + _letters(piece, notes)).partition(b"=")
        whole = len(letters) & ~3
        yield binascii.a2b_base64(letters[:whole])
        rest = letters[whole:]
        if padding:
            if more.strip(b"="):
                notes.add("base64 of a part goes on after its end")
            break
    if len(rest) == 1:
        notes.add("base64 of a part is cut off")
    elif rest:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _letters(piece: bytes, notes: Notes) -> bytes:
    solid = piece.translate(None, _WHITE)
    letters = solid.translate(None, _NO_BASE64)
    if len(letters) != len(solid):
        notes.add("base64 of a part is damaged")
    return letters


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces that end where a line does; an overlong line is cut where no `=` and its two digits are cut apart."""
    rest = b""
    for piece in pieces:
        data = rest + piece
        end = data.rfind(b"\n") + 1
        if not end and len(data) > _LONGEST_LINE:
            equals = data.rfind(b"=", len(data) - 4)
            end = equals if equals >= 0 else len(data)
        if end:
            yield data[:end]
        rest = data[end:]
    if rest:
        yield rest


def _from_uuencode(pieces: Iterable[bytes], notes: Notes) -> Iterator[bytes]:
    begun = False
    for lines in _whole_lines(pieces):
        found: list[bytes] = []
        for line in lines.splitlines():
            if not begun:
                begun = _BEGIN.match(line) is not None
            elif line.rstrip() == b"end":
                yield b"".join(found)
                return
            else:
                found.append(_uu_line(line, notes))
        yield b"".join(found)
    notes.add("uuencode of a part has no beginning" if not begun else "uuencode of a part has no end")


def _uu_line(line: bytes, notes: Notes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        pass  # many writers fill the last line with too much
    try:
        return binascii.a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3])
    except (binascii.Error, IndexError):
        notes.add("uuencode of a part is damaged")
        return b""
