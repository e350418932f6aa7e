"""A message's file, read through a window, so that memory does not grow with the message."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

#: How much of the file is in memory at a time, in bytes: most messages fit whole.
WINDOW = 512 * 1024
#: How much is decoded at a time, in bytes.
PIECE = 64 * 1024

#: How much shows how lines end, in bytes: a header's beginning.
_SAMPLE = 4096


class Slice(NamedTuple):
    """Bytes `start` to `end` (not included) of the file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


class Source:
    """A seekable binary file of a message. `newline` ends its lines: a line feed, or a bare carriage return."""

    __slots__ = ("_base", "_data", "_file", "newline", "size")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        self._base, self._data = 0, b""
        self._load(0)
        self.newline = _newline(self._data[:_SAMPLE])

    def peek(self, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, fewer at the end of the file; `length` is at most WINDOW."""
        if not self._base <= start <= start + length <= self._base + len(self._data):
            self._load_unless_at_end(start)
        return self._data[start - self._base : start - self._base + length]

    def find(self, needle: bytes, start: int) -> int:
        """Where `needle` comes next, or -1."""
        while start < self.size:
            if not self._base <= start < self._base + len(self._data):
                self._load(start)
            found = self._data.find(needle, start - self._base)
            if found >= 0:
                return self._base + found
            if self._reaches_end():
                break
            start = self._base + len(self._data) - len(needle) + 1
            self._load(start)
        return -1

    def pieces(self, part: Slice) -> Iterator[bytes]:
        """The bytes of a slice, in pieces of at most PIECE."""
        at = part.start
        while at < part.end and (piece := self.peek(at, min(PIECE, part.end - at))):
            yield piece
            at += len(piece)

    def _load_unless_at_end(self, start: int) -> None:
        """A window that reaches the end and holds `start` cannot be bettered."""
        if not (self._reaches_end() and self._base <= start):
            self._load(start)

    def _reaches_end(self) -> bool:
        return self._base + len(self._data) >= self.size

    def _load(self, start: int) -> None:
        self._file.seek(start)
        self._base, self._data = start, self._file.read(WINDOW)
        if not self._data and start < self.size:
            self.size = start  # the file is shorter than it said


def _newline(beginning: bytes) -> bytes:
    feeds = beginning.count(b"\n")
    bare_returns = beginning.count(b"\r") - beginning.count(b"\r\n")
    return b"\r" if bare_returns > feeds else b"\n"
