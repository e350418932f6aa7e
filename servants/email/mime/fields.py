"""The header fields of a message or a part (RFC 5322 §2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from servants.email.mime.notes import Notes
from servants.email.mime.source import Source

#: More of a header than this is not read, in bytes.
LONGEST_HEADER = 256 * 1024
#: More of a field than this is not read, in bytes: some thousand addresses.
LONGEST_FIELD = 128 * 1024

#: What is kept.
WANTED = frozenset(
    b"from sender reply-to to cc bcc subject date message-id in-reply-to references "
    b"content-type content-transfer-encoding content-disposition content-id".split()
)
#: Where one of these comes later, a line that is no field is junk within the header, not the beginning of the body.
_TELLING = WANTED | {b"mime-version", b"received", b"return-path"}

_EMPTY_LINES = (b"\r\n", b"\n", b"\r")
_EMPTY_LINE = re.compile(rb"\r?\n")
#: A field with its continuation lines. What begins like a delimiter is left to be looked at.
_FIELD = re.compile(rb"(?!--)([!-9;-~]{1,200})[ \t]*:([^\n]*\n(?:[ \t][^\n]*\n)*)")
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")

Fields = dict[bytes, list[bytes]]


class Header(NamedTuple):
    """`fields`: the values of the wanted fields by their names in lower case. `known`: whether there was any field."""

    fields: Fields
    body: int
    known: bool


def first(fields: Fields, name: bytes) -> bytes | None:
    """The first value of a field that is not blank."""
    for value in fields.get(name, ()):
        if value.strip():
            return value
    return None


def read_header(source: Source, start: int, delimiters: Mapping[bytes, object], notes: Notes) -> Header:
    """The header that begins at `start`. It ends with an empty line, before a delimiter of a multipart, or where the
    body begins without either."""
    reader = _HeaderReader(source, start, notes)
    return reader.read_usual() or reader.read(delimiters)


class _HeaderReader:
    def __init__(self, source: Source, start: int, notes: Notes) -> None:
        self._block = source.peek(start, LONGEST_HEADER)
        self._source, self._start, self._newline, self._notes = source, start, source.newline, notes
        self._fields: dict[bytes, list[list[bytes]]] = {}
        self._lines: list[bytes] | None = None  # of the field being read, where it is wanted
        self._known = False
        self._junk: int | None = None  # where the first line that is no field begins

    def read_usual(self) -> Header | None:
        """A header of nothing but fields, as nearly all are, in a fraction of the time; None for any other."""
        block, at = self._block, 0
        found: Fields = {}
        while match := _FIELD.match(block, at):
            at = match.end()
            name = match[1].lower()
            if name in WANTED:
                found.setdefault(name, []).append(match[2].strip())
        after = _EMPTY_LINE.match(block, at)
        if after is None or not at or at > LONGEST_FIELD:
            return None
        return Header(found, self._start + after.end(), known=True)

    def read(self, delimiters: Mapping[bytes, object]) -> Header:
        block, newline = self._block, self._newline
        at = self._after_envelope_line()
        while at < len(block):
            end = block.find(newline, at) + 1 or len(block)
            line = block[at:end]
            if line in _EMPTY_LINES:
                return self._ended(end)
            if line[:2] == b"--" and line.rstrip() in delimiters:
                return self._ended(at)
            self._take(line, at)
            at = end
        if len(block) == LONGEST_HEADER and self._junk is None:
            self._notes.add(f"a header is longer than {LONGEST_HEADER // 1024} kB")
            return self._ended(at if delimiters else self._after_the_rest(at))
        return self._ended(at)

    def _after_the_rest(self, at: int) -> int:
        """Where the body of a message begins whose header is too long to be read."""
        source, newline = self._source, self._newline
        empty_lines = (newline + newline, newline + b"\r" + newline)
        ends = [source.find(empty, self._start + at - 1) + len(empty) for empty in empty_lines]
        return min((end - self._start for end in ends if end - self._start > at), default=source.size - self._start)

    def _after_envelope_line(self) -> int:
        """Past the line with which mbox files begin a message."""
        if self._block.startswith((b"From ", b">From ")):
            return self._block.find(self._newline) + 1
        return 0

    def _take(self, line: bytes, at: int) -> None:
        if line[0] in b" \t" and self._known:
            if self._lines is not None:
                self._lines.append(line)
            return
        self._lines = None
        match = _NAME.match(line)
        if match is not None:
            self._begin(match[1].lower(), line[match.end() :])
        elif self._junk is None:
            self._junk = at

    def _begin(self, name: bytes, value: bytes) -> None:
        if self._junk is not None:
            if name not in _TELLING:
                return
            self._notes.add("a line in a header is no field")
            self._junk = None
        self._known = True
        if name in WANTED:
            self._lines = [value]
            self._fields.setdefault(name, []).append(self._lines)

    def _ended(self, body: int) -> Header:
        """`body` is where the reading stopped; a body that was not announced began at the junk."""
        if self._junk is not None:
            body = self._junk
            if self._known:
                self._notes.add("no empty line ends a header")
        fields = {name: [self._joined(lines) for lines in values] for name, values in self._fields.items()}
        return Header(fields, self._start + body, self._known)

    def _joined(self, lines: list[bytes]) -> bytes:
        value = lines[0] if len(lines) == 1 else b"".join(lines)
        if len(value) > LONGEST_FIELD:
            self._notes.add(f"a header field is longer than {LONGEST_FIELD // 1024} kB")
        return value[:LONGEST_FIELD].strip()
