"""The lexer: the same responses however the bytes arrive, and never more kept than was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.imap.faults import ReplyTooLarge
from servants.email.imap.lexer import LINE_BYTES, LITERAL_BYTES, LONG_LINE_BYTES, Lexer, Raw
from tests.support.imap_bytes import SAMPLES, cut, split, streams


def drain(lexer: Lexer) -> list[Raw]:
    return list(iter(lexer.next, None))


def taken_of(lexer: Lexer, piece: bytes) -> tuple[int, ReplyTooLarge]:
    """How much of an endless stream of such pieces is taken, and the error that ends it."""
    taken = 0
    while True:
        try:
            lexer.feed(piece)
            drain(lexer)
        except ReplyTooLarge as error:
            return taken, error
        taken += len(piece)


@given(streams, st.lists(st.integers(min_value=0), max_size=30))
def test_any_split_of_the_stream_gives_the_same_responses(data: bytes, cuts: list[int]) -> None:
    assert cut(split(data, cuts)) == cut([data])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_pieces_of_any_size_give_the_same_responses(size: int) -> None:
    data = b"".join(SAMPLES)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    found, error = cut(pieces)
    assert error is None
    assert len(found) == len(SAMPLES)
    assert found == cut([data])[0]


def test_a_literal_is_whatever_bytes_it_announced() -> None:
    found, _ = cut([b"* 1 FETCH (BODY[] {14}\r\n)\r\n* 1 EXISTS\r UID 5)\r\n"])
    assert found == [[b"* 1 FETCH (BODY[] ", b")\r\n* 1 EXISTS\r", b" UID 5)"]]


def test_text_for_people_holds_no_literals() -> None:
    lines = [b"* OK see {3}", b"* NO {3}", b"* BYE {3}", b"+ {3}", b"R1 OK {3}", b"R1 BAD [ALERT] {3}"]
    found, _ = cut([b"\r\n".join([*lines, b""])])
    assert found == [[line] for line in lines]


@pytest.mark.parametrize("mark", [b"{%d}", b"~{%d}", b"{%d+}"])
def test_a_literal_that_is_too_large_is_refused_when_it_is_announced(mark: bytes) -> None:
    lexer = Lexer()
    lexer.feed(b"* 1 FETCH (BODY[] " + mark % LITERAL_BYTES + b"\r\n")
    assert lexer.next() is None
    lexer.drop()
    lexer.feed(b"* 1 FETCH (BODY[] " + mark % (LITERAL_BYTES + 1) + b"\r\n")
    with pytest.raises(ReplyTooLarge, match="announces 65,537 bytes where at most 65,536"):
        lexer.next()


def test_as_large_a_literal_as_was_asked_for_comes_whole() -> None:
    lexer = Lexer()
    lexer.allow(literal_bytes=3_000_000)
    body = bytes(range(250)) * 12_000
    data = b"* 1 FETCH (BODY[] {3000000}\r\n" + body + b")\r\n"
    found = []
    for start in range(0, len(data), 16_384):
        lexer.feed(data[start : start + 16_384])
        found += drain(lexer)
    assert found == [[b"* 1 FETCH (BODY[] ", body, b")"]]


@pytest.mark.parametrize("beginning", [b"* LIST ", b"x", b"* 1 FETCH (BODY[] {0}\r\n"])
@pytest.mark.parametrize("size", [1000, LINE_BYTES, 2 * LINE_BYTES])
def test_an_endless_line_is_given_up_at_its_bound(beginning: bytes, size: int) -> None:
    lexer = Lexer()
    lexer.feed(beginning)
    assert lexer.next() is None
    taken, error = taken_of(lexer, b"x" * size)
    assert "a line is longer than" in error.message
    assert taken <= LINE_BYTES


@pytest.mark.parametrize("word", [b"* SEARCH ", b"* ESEARCH ", b"* VANISHED "])
def test_a_line_of_uids_may_be_long_and_not_endless(word: bytes) -> None:
    lexer = Lexer()
    for byte in word:
        lexer.feed(bytes([byte]))
        assert lexer.next() is None
    piece = b"1,3,5,7," * 8192
    taken, _ = taken_of(lexer, piece)
    assert LONG_LINE_BYTES - 2 * len(piece) < taken <= LONG_LINE_BYTES


def test_a_long_line_that_arrives_at_once_meets_the_same_bound() -> None:
    for line, error in ((b"* SEARCH" + b" 1" * 40_000, None), (b"* LIST" + b" 1" * 40_000, ReplyTooLarge)):
        assert cut([line + b"\r\n"])[1] is error


@pytest.mark.parametrize("sent", [b"* 1 EXISTS\r\n", b"{0}\r\n", b"* 1 FETCH (BODY[] {9}\r\n"])
def test_a_reply_without_end_is_given_up(sent: bytes) -> None:
    lexer = Lexer()
    lexer.allow(reply_bytes=100_000)
    taken, error = taken_of(lexer, sent)
    assert "larger than what was asked for" in error.message
    assert 100_000 - len(sent) < taken <= 100_000


def test_what_was_dropped_leaves_nothing_behind() -> None:
    for sent in (b"* 1 EXI", b"* 1 FETCH (BODY[] {10}\r\nabc", b"* 1 FETCH (BODY[] {2}\r\nab FL", b"R1 OK\r\n* 2 EX"):
        lexer = Lexer()
        lexer.feed(sent)
        lexer.next()
        lexer.drop()
        lexer.feed(b"* 5 EXISTS\r\n")
        assert drain(lexer) == [[b"* 5 EXISTS"]]


def test_what_was_not_yet_taken_waits_for_more() -> None:
    lexer = Lexer()
    lexer.feed(b"R1 OK\r\n* 2 EXISTS\r\n* 3")
    assert lexer.next() == [b"R1 OK"]
    lexer.feed(b" EXISTS\r\n")
    assert drain(lexer) == [[b"* 2 EXISTS"], [b"* 3 EXISTS"]]
