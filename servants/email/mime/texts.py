"""Which parts are a message's text, and which are attachments."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from servants.email.mime.charsets import clean_text, decode, decode_beginning, meta_charset
from servants.email.mime.fields import first
from servants.email.mime.html import html_to_text
from servants.email.mime.notes import Notes
from servants.email.mime.parameters import Parameterised, media_type, parameterised
from servants.email.mime.plain import unflowed
from servants.email.mime.source import Source
from servants.email.mime.structure import Part
from servants.email.mime.transfer import decoded
from servants.email.mime.words import decode_words
from servants.email.values import Attachment

#: The longest text that is kept of a message, in characters, and the most that is decoded of a part, in bytes.
LONGEST_TEXT = 1024 * 1024
LONGEST_FILENAME = 255
LONGEST_CONTENT_ID = 500

#: A plain text shorter than this may only stand in for the HTML beside it: any, or one that speaks of HTML.
_STUB = 40
_TALKATIVE_STUB = 400
#: The HTML's text is this many times longer than a stub.
_STUB_RATIO = 3

_PLAIN, _HTML = "plain", "html"
_KINDS = {"text/plain": _PLAIN, "text/html": _HTML, "application/xhtml+xml": _HTML, "text/markdown": _PLAIN}
#: Forms of the text that are neither shown nor attachments.
_SILENT = frozenset(("text/x-amp-html", "text/watch-html"))
_CUT = f"the text is longer than {LONGEST_TEXT // 1024} kB and was cut"
_PATH = re.compile(r"[\\/]")


class Text(NamedTuple):
    """A message's text and whether it was 'plain' or 'html'."""

    text: str | None
    source: str | None


class _Piece(NamedTuple):
    text: str
    source: str


class Reader:
    """Reads the parts of one message."""

    def __init__(self, source: Source, root: Part, notes: Notes) -> None:
        self._source, self._root, self._notes = source, root, notes
        self._texts = self._numbers_of_texts()
        self._read = 0  # characters of text so far

    def text(self) -> Text:
        """The text, which a message of several parts may hold in several."""
        pieces = [piece for piece in self._pieces(self._root) if piece.text.strip()]
        if not pieces:
            return Text(None, None)
        text = "\n\n".join(piece.text.strip("\n") for piece in pieces)
        if len(text) > LONGEST_TEXT:
            self._notes.add(_CUT)
        return Text(text[:LONGEST_TEXT], _HTML if any(piece.source == _HTML for piece in pieces) else _PLAIN)

    def attachments(self) -> tuple[Attachment, ...]:
        """The parts that are no text of the message, in their order."""
        leaves = (leaf for leaf in self._root.leaves() if leaf.number not in self._texts)
        return tuple(self._attachment(leaf) for leaf in leaves if leaf.media_type not in _SILENT)

    def _pieces(self, part: Part) -> list[_Piece]:
        if not part.children:
            return [self._piece(part)] if part.number in self._texts else []
        if part.media_type == "multipart/alternative":
            return self._best(part)
        return [piece for child in part.children for piece in self._pieces(child)]

    def _best(self, alternative: Part) -> list[_Piece]:
        """The plain text, unless it only stands in for HTML."""
        kinds = {self._kind(child): child for child in reversed(alternative.children)}
        plain = self._pieces(kinds[_PLAIN]) if _PLAIN in kinds else []
        length = _length(plain)
        if _HTML in kinds and _may_be_stub(length, plain):
            html = self._pieces(kinds[_HTML])
            return html if _length(html) > length * _STUB_RATIO else plain
        return plain

    def _kind(self, part: Part) -> str | None:
        """What the first text within a part is."""
        return next((_KINDS[leaf.media_type] for leaf in part.leaves() if leaf.number in self._texts), None)

    def _numbers_of_texts(self) -> set[str]:
        """Text that is not to be saved as a file: without a name, or, where all have names, the first."""
        leaves = (leaf for leaf in self._root.leaves() if leaf.media_type in _KINDS)
        shown = [leaf for leaf in leaves if leaf.disposition.value != "attachment"]
        return {leaf.number for leaf in shown if not self._filename(leaf)} or {leaf.number for leaf in shown[:1]}

    def _piece(self, leaf: Part) -> _Piece:
        source = _KINDS[leaf.media_type]
        if self._read > LONGEST_TEXT:
            self._notes.add(_CUT)
            return _Piece("", source)
        data, is_cut = self._beginning(leaf)
        charset = leaf.content.text("charset", self._notes) or (meta_charset(data) if source == _HTML else None)
        read = decode_beginning if is_cut else decode
        text = clean_text(read(data, charset, self._notes))
        self._read += len(text)
        if source == _HTML:
            return _Piece(html_to_text(text, self._notes), source)
        return _Piece(_reflowed(text, leaf.content), source)

    def _beginning(self, leaf: Part) -> tuple[bytes, bool]:
        """(as much of a part as is kept of a text, whether there is more)."""
        data = bytearray()
        for piece in self._decoded(leaf):
            data += piece
            if len(data) > LONGEST_TEXT:
                self._notes.add(_CUT)
                return bytes(data[:LONGEST_TEXT]), True
        return bytes(data), False

    def _decoded(self, leaf: Part) -> Iterator[bytes]:
        encoding = parameterised(first(leaf.fields, b"content-transfer-encoding")).value
        return decoded(self._source.pieces(leaf.body), encoding, self._notes)

    def _attachment(self, leaf: Part) -> Attachment:
        size, digest = 0, hashlib.sha256()
        for piece in self._decoded(leaf):
            size += len(piece)
            digest.update(piece)
        content_id = self._content_id(leaf)
        disposition = leaf.disposition.value
        return Attachment(
            part=leaf.number or "1",
            filename=self._filename(leaf),
            content_type=_content_type(leaf),
            size=size,
            content_hash=digest.hexdigest(),
            content_id=content_id,
            inline=disposition == "inline" or (content_id is not None and disposition != "attachment"),
        )

    def _filename(self, leaf: Part) -> str | None:
        """A part's name, without a path."""
        name = leaf.disposition.text("filename", self._notes) or leaf.content.text("name", self._notes)
        return _PATH.split(name)[-1].strip()[:LONGEST_FILENAME] or None if name else None

    def _content_id(self, leaf: Part) -> str | None:
        value = first(leaf.fields, b"content-id")
        return decode_words(value, self._notes).strip("<> ")[:LONGEST_CONTENT_ID] or None if value else None


def _length(pieces: list[_Piece]) -> int:
    return sum(len(piece.text.strip()) for piece in pieces)


def _may_be_stub(length: int, plain: list[_Piece]) -> bool:
    return length < _STUB or (length < _TALKATIVE_STUB and any("html" in piece.text.lower() for piece in plain))


def _reflowed(text: str, content: Parameterised) -> str:
    if (content.token("format") or b"").lower() != b"flowed":
        return text
    return unflowed(text, delete_space=(content.token("delsp") or b"").lower() == b"yes")


def _content_type(leaf: Part) -> str:
    """A part's media type; of one that names none that can be read, that of unknown bytes."""
    unreadable = leaf.content.value and media_type(leaf.content.value) is None
    return "application/octet-stream" if unreadable else leaf.media_type
