"""A response's pieces, read one by one: for all that the fast path of `fetch` does not know."""

from __future__ import annotations

import re

from servants.email.imap.faults import UnexpectedReply
from servants.email.imap.lexer import Raw

#: What may be in parentheses: what servers send unasked holds lists in lists, and no more.
_DEPTH = 16

_SPACE = re.compile(rb"[ \t\r]*")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ATOM = re.compile(rb'[^ \t\r()"]+')
_ITEM = re.compile(rb"([A-Za-z][A-Za-z0-9.-]*)(?:\[([^\]]*)\])?(?:<(\d{1,15})>)?")

#: An atom, string or literal; NIL; or a list of them.
Value = bytes | None | list["Value"]


class Tokens:
    """Reads a response from its beginning; literals stand where their marks were."""

    def __init__(self, raw: Raw, start: int = 0) -> None:
        self._raw = raw
        self._part = 0
        self._position = start

    def value(self) -> Value:
        """The next atom, string, literal or list.

        Raises:
            UnexpectedReply: there is none, or it is too deep.
        """
        outer: list[list[Value]] = []
        while True:
            if self._opens():
                outer.append([])
                if len(outer) > _DEPTH:
                    raise UnexpectedReply(f"parentheses in parentheses, more than {_DEPTH} deep")
                continue
            value: Value = outer.pop() if outer and self._skips(b")") else self._word()
            if not outer:
                return value
            outer[-1].append(value)

    def items(self) -> list[Value]:
        """The next list.

        Raises:
            UnexpectedReply: something else comes.
        """
        value = self.value()
        if not isinstance(value, list):
            raise UnexpectedReply("a list was expected")
        return value

    def name(self) -> tuple[str, str | None, int | None] | None:
        """The next name of a FETCH item, with its section and origin; None at the end of its list.

        Raises:
            UnexpectedReply: something else comes.
        """
        if self._skips(b")"):
            return None
        found = _ITEM.match(self._text, self._position)
        if found is None:
            raise UnexpectedReply("the name of a FETCH item was expected")
        self._position = found.end()
        section = None if found[2] is None else found[2].decode("ascii", "replace").upper()
        return found[1].decode().upper(), section, None if found[3] is None else int(found[3])

    def opens(self) -> bool:
        """Whether a list begins here; goes into it."""
        return self._opens()

    def at_end(self) -> bool:
        """Whether nothing is left but space."""
        self._skip_space()
        return self._part >= len(self._raw) - 1 and self._position >= len(self._text)

    def rest(self) -> bytes:
        """What is left of this piece of text."""
        self._skip_space()
        return self._text[self._position :].rstrip()

    @property
    def _text(self) -> bytes:
        return self._raw[self._part]

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._position)
        self._position = found.end() if found else self._position

    def _skips(self, char: bytes) -> bool:
        self._skip_space()
        if self._text[self._position : self._position + 1] != char:
            return False
        self._position += 1
        return True

    def _opens(self) -> bool:
        return self._skips(b"(")

    def _word(self) -> bytes | None:
        self._skip_space()
        if self._position >= len(self._text):
            return self._literal()
        if found := _QUOTED.match(self._text, self._position):
            self._position = found.end()
            return _ESCAPED.sub(rb"\1", found[1]) if b"\\" in found[1] else found[1]
        if found := _ATOM.match(self._text, self._position):
            self._position = found.end()
            return None if found[0].upper() == b"NIL" else found[0]
        raise UnexpectedReply("the response ends where a value was expected")

    def _literal(self) -> bytes:
        if self._part + 2 >= len(self._raw):
            raise UnexpectedReply("the response ends where a value was expected")
        self._part += 2
        self._position = 0
        return self._raw[self._part - 1]
