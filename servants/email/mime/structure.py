"""The tree of a message's parts (RFC 2046 §5), as slices of its file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from servants.email.mime.fields import Fields, first, read_header
from servants.email.mime.notes import Notes
from servants.email.mime.parameters import Parameterised, media_type, parameterised
from servants.email.mime.source import Slice, Source

#: Multiparts within one another, and parts in all, beyond which no more are told apart.
DEEPEST = 128
MOST_PARTS = 1000
#: Multiparts without a boundary for which one is looked for: each costs a search.
MOST_GUESSES = 20
#: Where a delimiter is looked for that no boundary names, in bytes.
_SAMPLE = 64 * 1024

#: A line that looks like a delimiter, before what looks like the header of a part.
_LIKELY = re.compile(rb"^--([^\r\n]{1,200}+)\r?\n(?=content-[a-z-]{2,40}:|\r?\n)", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Part:
    """A part: `number` as IMAP counts them, empty for the message itself. `children` is what a multipart holds."""

    number: str
    fields: Fields
    content: Parameterised
    disposition: Parameterised
    media_type: str
    body: Slice
    children: list[Part] = field(default_factory=list)

    def leaves(self) -> Iterator[Part]:
        """The parts that hold no others, in their order."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            if not part.children:
                yield part
            waiting.extend(reversed(part.children))


@dataclass(slots=True)
class _Open:
    """A multipart whose end has not come."""

    part: Part
    delimiter: bytes


class _Delimiter(NamedTuple):
    """A delimiter line: the body before it ends at `end`, what follows it begins at `after`."""

    end: int
    after: int
    level: int
    closing: bool


class Structure(NamedTuple):
    """`known`: whether the message has any header field."""

    root: Part
    known: bool


def read_structure(source: Source, notes: Notes) -> Structure:
    """The parts of a message, in one pass over it."""
    return _Walk(source, notes).run()


class _Walk:
    def __init__(self, source: Source, notes: Notes) -> None:
        self._source, self._notes = source, notes
        self._open: list[_Open] = []
        self._delimiters: dict[bytes, tuple[int, bool]] = {}
        self._leaf: Part | None = None
        self._parts = self._guesses = 0

    def run(self) -> Structure:
        root, known = self._start(None, 0)
        at = root.body.start
        while self._open and (found := self._next_delimiter(at)):
            at = self._cross(found)
        self._end(self._source.size)
        if self._open:
            self._notes.add("the end of a multipart is missing")
            self._close(0, self._source.size)
        return Structure(root, known)

    def _start(self, parent: Part | None, at: int) -> tuple[Part, bool]:
        """Read the header of the part that begins here."""
        fields, body, known = read_header(self._source, at, self._delimiters, self._notes)
        self._parts += 1
        content = parameterised(first(fields, b"content-type"))
        disposition = parameterised(first(fields, b"content-disposition"))
        part = Part(_number(parent), fields, content, disposition, _type_of(content, parent), Slice(body, body))
        if parent is not None:
            parent.children.append(part)
        self._begin(part)
        return part, known

    def _begin(self, part: Part) -> None:
        """A multipart is opened; anything else is a leaf until the next delimiter."""
        delimiter = self._delimiter_of(part) if part.media_type.startswith("multipart/") else None
        if delimiter is None:
            self._leaf = part
            return
        self._leaf = None
        self._open.append(_Open(part, delimiter))
        self._know_delimiters()

    def _delimiter_of(self, part: Part) -> bytes | None:
        """None for a multipart that is to be a leaf."""
        if len(self._open) >= DEEPEST:
            self._notes.add(f"multiparts are nested more than {DEEPEST} deep")
            return None
        boundary = (part.content.token("boundary") or b"").rstrip()
        if not boundary:
            self._notes.add("a multipart names no boundary")
            boundary = self._guessed_boundary(part)
        if not boundary:
            part.media_type = "text/plain"
        return b"--" + boundary if boundary else None

    def _guessed_boundary(self, part: Part) -> bytes:
        """What looks like one below, for the first few multiparts that name none; else nothing."""
        self._guesses += 1
        if self._guesses > MOST_GUESSES:
            return b""
        likely = _LIKELY.search(self._source.peek(part.body.start, _SAMPLE))
        return likely[1].rstrip() if likely else b""

    def _know_delimiters(self) -> None:
        """The lines that delimit an open multipart; of two with one boundary the inner counts."""
        self._delimiters = {}
        for level, multipart in enumerate(self._open):
            self._delimiters[multipart.delimiter] = level, False
            self._delimiters[multipart.delimiter + b"--"] = level, True

    def _next_delimiter(self, at: int) -> _Delimiter | None:
        source, newline = self._source, self._source.newline
        at -= 1  # the line end before it may be the one that ended the header
        while (found := source.find(newline + b"--", at)) >= 0:
            line = source.peek(found + 1, 1024)
            line = line[: line.find(newline) + 1 or len(line)]
            match = self._delimiters.get(line.rstrip())
            at = found + len(line)
            if match is not None:
                end = found - 1 if newline == b"\n" and source.peek(found - 1, 1) == b"\r" else found
                return _Delimiter(end, at + 1, *match)
        return None

    def _cross(self, found: _Delimiter) -> int:
        """Go over a delimiter; returns where to go on."""
        self._end(found.end)
        if found.level + 1 < len(self._open):
            self._notes.add("the end of a multipart is missing")
        self._close(found.level + 1, found.end)
        if found.closing:
            self._close(found.level, found.end)
            return found.after
        if self._parts >= MOST_PARTS:
            self._notes.add(f"there are more than {MOST_PARTS} parts")
            self._close(0, found.end)
            return self._source.size
        part, _ = self._start(self._open[found.level].part, found.after)
        return part.body.start

    def _end(self, at: int) -> None:
        """The leaf that is being read ends here."""
        if self._leaf is not None:
            start = self._leaf.body.start
            self._leaf.body = Slice(start, max(start, at))
            self._leaf = None

    def _close(self, level: int, at: int) -> None:
        """The multiparts from this level inwards end here; one in which no delimiter came is taken for text."""
        if level >= len(self._open):
            return
        for multipart in self._open[level:]:
            part = multipart.part
            part.body = Slice(part.body.start, max(part.body.start, at))
            if not part.children:
                self._notes.add("a multipart holds no part")
                part.media_type = "text/plain"
        del self._open[level:]
        self._know_delimiters()


def _number(parent: Part | None) -> str:
    if parent is None:
        return ""
    position = str(len(parent.children) + 1)
    return f"{parent.number}.{position}" if parent.number else position


def _type_of(content: Parameterised, parent: Part | None) -> str:
    """A part's media type; text/plain where it names none that can be read (RFC 2045 §5.2)."""
    if not content.value and parent is not None and parent.media_type == "multipart/digest":
        return "message/rfc822"
    return media_type(content.value) or "text/plain"
