"""Headers and messages: many by one command, large ones in pieces, and what the server keeps to itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.imap.commands import UID_SET_CHARACTERS
from servants.email.imap.faults import NoSuchMailbox, Refused, ReplyTooLarge
from servants.email.imap.fetching import (
    batches,
    fetch_each,
    fetch_in_pieces,
    headers_command,
    messages_command,
)
from servants.email.imap.limits import Limits
from servants.email.values import UidSet
from tests.support.imap_play import Play

MIB = 1024 * 1024
PIECE = re.compile(rb"UID FETCH (\d+) \(UID BODY\.PEEK\[\]<(\d+)\.(\d+)>\)")


def mailbox(messages: Mapping[int, bytes], *, refused: Mapping[int, bytes] | None = None) -> Callable[[bytes], bytes]:
    """A server with these messages. A command that names a refused one is answered so, after the others' bodies."""
    faults = refused or {}

    def answer(line: bytes) -> bytes:
        uids = UidSet.parse(line.split()[2].decode())
        bodies = b"".join(
            b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, uid, len(messages[uid]), messages[uid])
            for uid in uids
            if uid in messages
        )
        endings = [faults[uid] for uid in uids if uid in faults]
        return bodies + (b"<tag> " + endings[0] + b"\r\n" if endings else b"<tag> OK\r\n")

    return answer


def play(answer: Callable[[bytes], bytes]) -> Play:
    made = Play(answer)
    made.protocol.receive(b"* OK ready\r\n")
    return made


def fetched(made: Play, uids: UidSet, sizes: Mapping[int, int], refused: dict[int, str]) -> dict[int, bytes | None]:
    found = made.carry_out(fetch_each(uids, messages_command(sizes), refused))
    return {uid: fetch.body for uid, fetch in found.items()}


def test_many_messages_come_by_one_command_and_those_that_are_gone_do_not() -> None:
    made = play(mailbox({1: b"one", 3: b"three", 4: b""}))
    refused: dict[int, str] = {}
    assert fetched(made, UidSet.of([1, 2, 3, 4]), dict.fromkeys(range(5), 5), refused) == {
        1: b"one",
        3: b"three",
        4: b"",
    }
    assert made.sent == [b"UID FETCH 1:4 (UID BODY.PEEK[])"]
    assert refused == {}


def test_a_message_that_the_server_refuses_does_not_stop_the_others() -> None:
    made = play(mailbox({1: b"one", 3: b"three"}, refused={2: b"NO [CANNOT] Broken"}))
    refused: dict[int, str] = {}
    assert fetched(made, UidSet.of([1, 2, 3]), dict.fromkeys(range(5), 5), refused) == {1: b"one", 3: b"three"}
    assert refused == {
        2: "UID FETCH at mail.example:993 answered NO [CANNOT]: the server refuses it. The server says: 'Broken'"
    }


def test_messages_that_come_only_when_asked_for_alone() -> None:
    def answer(line: bytes) -> bytes:
        if line.startswith(b"UID FETCH 1:3 "):
            return b"* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n<tag> NO out of luck\r\n"
        return mailbox({2: b"b", 3: b"c"})(line)

    made, refused = play(answer), dict[int, str]()
    assert fetched(made, UidSet.of([1, 2, 3]), dict.fromkeys(range(5), 5), refused) == {1: b"a", 2: b"b", 3: b"c"}
    assert [line.split()[2] for line in made.sent] == [b"1:3", b"2", b"3"]
    assert refused == {}


def test_some_messages_gone_is_no_refusal() -> None:
    made = play(mailbox({1: b"a"}, refused={2: b"NO [EXPUNGEISSUED] Some are gone"}))
    refused: dict[int, str] = {}
    assert fetched(made, UidSet.of([1, 2]), dict.fromkeys(range(5), 5), refused) == {1: b"a"}
    assert refused == {}
    assert len(made.sent) == 1


def test_a_mailbox_that_refuses_every_message_is_given_up_soon() -> None:
    made = play(mailbox({}, refused=dict.fromkeys(range(1, 201), b"NO cannot")))
    refused: dict[int, str] = {}
    with pytest.raises(Refused):
        fetched(made, UidSet(((1, 200),)), dict.fromkeys(range(1, 201), 5), refused)
    assert len(made.sent) == 6
    assert refused == {}


def test_a_body_and_flags_told_apart_belong_together() -> None:
    told = (
        b"* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 9 FETCH (FLAGS ())\r\n<tag> OK\r\n"
    )
    made = play(lambda _: told)
    (fetch,) = made.carry_out(fetch_each(UidSet.of([1]), messages_command({1: 1}), {})).values()
    assert (fetch.body, fetch.flags) == (b"a", ("\\Seen",))


def test_a_body_far_larger_than_its_size_is_refused_unread() -> None:
    made = play(lambda _: b"* 1 FETCH (UID 1 BODY[] {2147483648}\r\n")
    with pytest.raises(ReplyTooLarge, match="announces 2,147,483,648 bytes where at most"):
        fetched(made, UidSet.of([1]), {1: 10_000}, {})


def test_a_message_of_which_a_wrong_size_was_told_comes_when_it_is_asked_for_alone() -> None:
    texts = {1: b"x" * 2_000_000, 2: b"two"}
    with pytest.raises(ReplyTooLarge):
        fetched(play(mailbox(texts)), UidSet.of(texts), {1: 7, 2: 3}, {})
    for uid, text in texts.items():
        assert fetched(play(mailbox(texts)), UidSet.of([uid]), {1: 7, 2: 3}, {}) == {uid: text}


def test_headers_ask_for_mod_sequences_where_the_mailbox_has_them() -> None:
    for with_modseq in (True, False):
        made = play(lambda _: b"OK")
        made.carry_out(fetch_each(UidSet.of([7]), headers_command(Limits(), with_modseq=with_modseq), {}))
        modseq = b"MODSEQ " if with_modseq else b""
        assert made.sent == [b"UID FETCH 7 (UID RFC822.SIZE INTERNALDATE FLAGS " + modseq + b"BODY.PEEK[HEADER])"]


def pieces(text: bytes, *, shortens: int = 0) -> Callable[[bytes], bytes]:
    """A server with one message, number 5; every piece but an empty one may lack its last bytes."""

    def answer(line: bytes) -> bytes:
        found = PIECE.fullmatch(line)
        assert found is not None
        start, length = int(found[2]), int(found[3])
        piece = text[start : start + length]
        piece = piece[: max(1, len(piece) - shortens)]
        return b"* 1 FETCH (UID 5 BODY[]<%d> {%d}\r\n%b)\r\n<tag> OK\r\n" % (start, len(piece), piece)

    return answer


@pytest.mark.parametrize(
    ("length", "told", "round_trips"),
    [(250, 250, 3), (200, 200, 3), (250, 240, 3), (250, 260, 4), (300, 250, 4), (0, 150, 1), (99, 150, 2)],
)
def test_a_large_message_comes_in_pieces_to_its_end_whatever_size_was_told(
    length: int, told: int, round_trips: int
) -> None:
    text = bytes(range(256))[:length] if length <= 256 else bytes(range(150)) * 2
    made = play(pieces(text))
    body = made.carry_out(fetch_in_pieces(5, told, 100))
    assert body is not None
    with body:
        assert body.read() == text
    assert len(made.sent) == round_trips


def test_a_server_that_gives_less_than_a_piece_gets_asked_for_the_rest() -> None:
    made = play(pieces(b"x" * 250, shortens=30))
    body = made.carry_out(fetch_in_pieces(5, 250, 100))
    assert body is not None
    with body:
        assert body.read() == b"x" * 250


def test_a_large_message_that_is_gone_is_none() -> None:
    assert play(lambda _: b"OK").carry_out(fetch_in_pieces(5, 250, 100)) is None


def test_a_large_message_without_end_is_given_up() -> None:
    def answer(line: bytes) -> bytes:
        found = PIECE.fullmatch(line)
        assert found is not None
        return b"* 1 FETCH (UID 5 BODY[]<%b> {65536}\r\n%b)\r\n<tag> OK\r\n" % (found[2], b"x" * 65536)

    made = play(answer)
    with pytest.raises(ReplyTooLarge, match="said to have 100,000 bytes has more than"):
        made.carry_out(fetch_in_pieces(5, 100_000, 65536))
    assert len(made.sent) < 10


def test_a_server_that_sends_the_whole_instead_of_a_piece_is_not_read() -> None:
    made = play(lambda _: b"* 1 FETCH (UID 5 BODY[] {50000000}\r\n")
    with pytest.raises(ReplyTooLarge):
        made.carry_out(fetch_in_pieces(5, 50_000_000, MIB))


def test_a_large_message_that_is_refused_is_told_of() -> None:
    with pytest.raises(NoSuchMailbox):
        play(lambda _: b"<tag> NO [NONEXISTENT] x\r\n").carry_out(fetch_in_pieces(5, 250, 100))


LIMITS = Limits(batch_messages=10, batch_bytes=1000, piece_bytes=500)


@given(st.dictionaries(st.integers(1, 60), st.integers(0, 900)))
def test_batches_hold_every_message_once_within_their_bounds(sizes: dict[int, int]) -> None:
    groups = list(batches(UidSet.of(sizes), sizes, LIMITS))
    assert [uid for group in groups for uid in group] == sorted(sizes)
    for group in groups:
        assert len(group) <= LIMITS.batch_messages
        assert sum(sizes[uid] for uid in group) <= LIMITS.batch_bytes
        assert len(group) == 1 or max(sizes[uid] for uid in group) <= LIMITS.piece_bytes


def test_batches_are_as_large_as_they_may_be() -> None:
    sizes = dict.fromkeys(range(1, 31), 100)
    assert [len(group) for group in batches(UidSet.of(sizes), sizes, LIMITS)] == [10, 10, 10]
    sizes = {1: 400, 2: 400, 3: 400, 4: 501, 5: 1}
    assert [str(group) for group in batches(UidSet.of(sizes), sizes, LIMITS)] == ["1:2", "3", "4", "5"]


def test_a_batch_fits_a_command_line_whatever_the_limits() -> None:
    sizes = dict.fromkeys(range(4_000_000_000, 4_000_010_000, 2), 1)
    limits = Limits(batch_messages=10_000)
    assert all(len(str(group)) <= UID_SET_CHARACTERS for group in batches(UidSet.of(sizes), sizes, limits))
