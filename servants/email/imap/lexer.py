"""Bytes in, whole responses out: lines and the literals in them (RFC 9051 §2.2.2, §4.3).

No I/O happens here. What a server may make us keep is bounded at every moment, and a literal that is too large is
refused when it is announced, before any of it is read.
"""

from __future__ import annotations

import re

from servants.email.imap.faults import ReplyTooLarge

#: The longest line but for those in `_LONG`: a LIST or FETCH line with every flag a mailbox may have stays below it.
LINE_BYTES = 64 * 1024

#: The longest line that lists UIDs: two million of them without any two in a row.
LONG_LINE_BYTES = 16 * 1024 * 1024

#: The largest literal that is read where nobody asked for a larger one: names come as literals.
LITERAL_BYTES = 64 * 1024

#: The most bytes of one reply where nobody asked for more: the flags of some 400,000 messages.
REPLY_BYTES = 32 * 1024 * 1024

_LONG = re.compile(rb"\* (?:SEARCH|ESEARCH|VANISHED)\b", re.IGNORECASE)
#: So many bytes, or pieces of at least one byte, show whether a line is such a one.
_LONG_WORD = 16
_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}\Z")

# Text for people is no place for literals, though it may end like one.
_TEXT = re.compile(rb"\+|\* (?:OK|NO|BAD|BYE|PREAUTH)\b|(?!\* )[^ ]+ (?:OK|NO|BAD)\b", re.IGNORECASE)

#: A response as it came: its text, and between two pieces of text a literal. The marks of literals are left out.
Raw = list[bytes]


class Lexer:
    """Cuts a stream of bytes into responses, however the bytes arrive."""

    def __init__(self) -> None:
        self._data = b""
        self._position = 0
        #: Bytes that came in but do not yet make a line or a literal.
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._literal: int | None = None
        self._parts: Raw = []
        self.allow()

    def allow(self, *, literal_bytes: int = LITERAL_BYTES, reply_bytes: int = REPLY_BYTES) -> None:
        """Say how large the literals of what comes next may be, and all of it together."""
        self._literal_limit = literal_bytes
        self._left = reply_bytes

    def feed(self, data: bytes) -> None:
        """Take in what arrived; to be followed by `next` until it gives None.

        Raises:
            ReplyTooLarge: the server sends more than it may.
        """
        self._left -= len(data)
        if self._left < 0:
            raise ReplyTooLarge("the reply is larger than what was asked for")
        if not self._pending:
            self._data = data if self._position == len(self._data) else self._data[self._position :] + data
            self._position = 0
            return
        self._pending.append(data)
        self._pending_size += len(data)
        if self._literal is None:
            self._join_line(data)
        elif self._pending_size >= self._literal:
            self._join()

    def next(self) -> Raw | None:
        """The next whole response; None until more bytes arrive.

        Raises:
            ReplyTooLarge: a line or a literal is larger than it may be.
        """
        while not self._pending:
            if self._literal is not None and not self._take_literal(self._literal):
                return None
            end = self._data.find(b"\n", self._position)
            if end < 0:
                self._wait()
                self._check_line(self._pending_size)
                return None
            if self._take_line(end):
                parts, self._parts = self._parts, []
                return parts
        return None

    def drop(self) -> None:
        """Forget all that came in: what arrived before TLS began may be anybody's (RFC 9051 §11.3)."""
        self._data, self._position, self._literal = b"", 0, None
        self._pending, self._pending_size, self._parts = [], 0, []

    def _take_literal(self, size: int) -> bool:
        end = self._position + size
        if end > len(self._data):
            self._wait()
            return False
        self._parts.append(self._data[self._position : end])
        self._position = end
        self._literal = None
        return True

    def _take_line(self, end: int) -> bool:
        """Take the line that ends here; whether the response ends with it."""
        line = self._data[self._position : end]
        if len(line) > LINE_BYTES:
            self._check_line(len(line))
        self._position = end + 1
        if line[-1:] == b"\r":
            line = line[:-1]
        if line[-1:] == b"}" and (mark := _LITERAL.search(line)) and (self._parts or not _TEXT.match(line)):
            self._expect_literal(int(mark[1]))
            line = line[: mark.start()]
        self._parts.append(line)
        return self._literal is None

    def _expect_literal(self, size: int) -> None:
        if size > self._literal_limit:
            raise ReplyTooLarge(f"it announces {size:,} bytes where at most {self._literal_limit:,} were asked for")
        self._literal = size

    def _wait(self) -> None:
        """Put aside what is no whole line or literal, so that a large one is put together only once."""
        rest = self._data[self._position :]
        self._pending, self._pending_size = ([rest], len(rest)) if rest else ([], 0)
        self._data, self._position = b"", 0

    def _join(self) -> None:
        self._data, self._position = b"".join(self._pending), 0
        self._pending, self._pending_size = [], 0

    def _join_line(self, data: bytes) -> None:
        if b"\n" in data:
            self._join()
        else:
            self._check_line(self._pending_size)

    def _check_line(self, size: int) -> None:
        if size <= LINE_BYTES:
            return
        pending = self._pending[:_LONG_WORD] or [self._data[self._position : self._position + _LONG_WORD]]
        if size > LONG_LINE_BYTES or self._parts or not _LONG.match(b"".join(pending)):
            raise ReplyTooLarge(f"a line is longer than {LINE_BYTES:,} bytes")
