"""Bytes that IMAP servers send, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from retinue.errors import JobError
from servants.email.imap.lexer import Lexer, Raw
from servants.email.imap.parser import parse
from servants.email.imap.responses import Response

#: One of each kind that matters, as servers write them, well and badly.
SAMPLES = (
    b"* OK [CAPABILITY IMAP4rev1 IDLE] ready {5}\r\n",
    b"* 23 EXISTS\r\n",
    b"* 7 EXPUNGE\r\n",
    b"* FLAGS (\\Answered \\Seen)\r\n",
    b"* 12 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (12))\r\n",
    b"* 12 FETCH (UID 5 BODY[] {12}\r\n* 1 EXISTS\r\n)\r\n",
    b"* 12 FETCH (FLAGS(\\Seen)UID 5 BODY[HEADER] ~{3}\r\n\0{9 RFC822.SIZE 7)\r\n",
    b"* 12 FETCH (UID 5 BODY[]<0> {0}\r\n)\r\n",
    b'* LIST (\\HasNoChildren) "/" {4}\r\na"b(\r\n',
    b'* LIST () NIL "quoted \\" name"\r\n',
    b'* STATUS "INBOX" (MESSAGES 3 UIDNEXT 9 )\r\n',
    b"* VANISHED (EARLIER) 1:5,9\r\n",
    b"* SEARCH 1 2 3 9 \r\n",
    b'* ESEARCH (TAG "R1") UID ALL 1:3,9\r\n',
    b"+ idling\r\n",
    b"+\r\n",
    b"\r\n",
    b"R1 OK [READ-ONLY] done\r\n",
    b"R2 NO [OVERQUOTA] {7}\n",
    b"* BYE\r\n",
)


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places."""
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def cut(pieces: Sequence[bytes], *, literal_bytes: int = 65536) -> tuple[list[Raw], type[JobError] | None]:
    """What the lexer makes of these pieces, and the error with which it ended."""
    lexer, found = Lexer(), list[Raw]()
    lexer.allow(literal_bytes=literal_bytes)
    try:
        for piece in pieces:
            lexer.feed(piece)
            while (raw := lexer.next()) is not None:
                found.append(raw)
    except JobError as error:
        return found, type(error)
    return found, None


def parsed(data: bytes) -> list[Response]:
    """The responses in these bytes."""
    found, error = cut([data])
    assert error is None
    return [parse(raw) for raw in found]


def one(data: bytes) -> Response:
    """The only response in these bytes."""
    (response,) = parsed(data)
    return response


#: Streams of sound responses with rubbish between them.
streams = st.lists(st.sampled_from(SAMPLES) | st.binary(max_size=40), max_size=12).map(b"".join)
