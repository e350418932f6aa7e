"""Responses as servers write them, well and badly, as values."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.imap.faults import UnexpectedReply
from servants.email.imap.fetch import fast_fetch
from servants.email.imap.lexer import Raw
from servants.email.imap.parser import parse
from servants.email.imap.responses import (
    Capability,
    Continuation,
    Enabled,
    Exists,
    Expunge,
    Fetch,
    Listing,
    MailboxStatus,
    Other,
    Search,
    ServerId,
    Status,
    Vanished,
)
from servants.email.values import UidSet
from tests.support.imap_bytes import SAMPLES, cut, one, streams


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"* OK hello", Status(None, "OK", None, "", "hello")),
        (b"* ok [uidvalidity 7] fine", Status(None, "OK", "UIDVALIDITY", "7", "fine")),
        (b"* OK [HIGHESTMODSEQ 715194045007]", Status(None, "OK", "HIGHESTMODSEQ", "715194045007", "")),
        (b"* OK [NOMODSEQ]", Status(None, "OK", "NOMODSEQ", "", "")),
        (b"* BYE", Status(None, "BYE", None, "", "")),
        (b"* PREAUTH in", Status(None, "PREAUTH", None, "", "in")),
        (b"R3 NO [AUTHENTICATIONFAILED] no", Status("R3", "NO", "AUTHENTICATIONFAILED", "", "no")),
        (b"R3 OK", Status("R3", "OK", None, "", "")),
        (b"R3 OK  [READ-ONLY]done", Status("R3", "OK", "READ-ONLY", "", "done")),
        (b"R3 NO [half a code", Status("R3", "NO", None, "", "[half a code")),
        (b"* OK [PERMANENTFLAGS (\\Seen \\*)] x", Status(None, "OK", "PERMANENTFLAGS", "(\\Seen \\*)", "x")),
        (b"* OK caf\xe9", Status(None, "OK", None, "", "caf�")),
    ],
)
def test_statuses(line: bytes, status: Status) -> None:
    assert parse([line]) == status


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"+ go on\r\n", Continuation(b"go on")),
        (b"+\r\n", Continuation(b"")),
        (b"* CAPABILITY imap4rev1 Idle\r\n", Capability(frozenset({"IMAP4REV1", "IDLE"}))),
        (b"* ENABLED QRESYNC\r\n", Enabled(frozenset({"QRESYNC"}))),
        (b"* ENABLED\r\n", Enabled(frozenset())),
        (b'* ID ("Name" "Dovecot" "os" NIL)\r\n', ServerId({"name": "Dovecot", "os": ""})),
        (b"* ID NIL\r\n", ServerId({})),
        (b"* 172 EXISTS\r\n", Exists(172)),
        (b"* 44 EXPUNGE \r\n", Expunge(44)),
        (b"*  44   exists\r\n", Exists(44)),
        (b"* 1 RECENT\r\n", Other("RECENT")),
        (b"* NAMESPACE NIL NIL NIL\r\n", Other("NAMESPACE")),
        (b"* XWHATEVER a (b\r\n", Other("XWHATEVER")),
        (b"* VANISHED (EARLIER) 300:310,405\r\n", Vanished(UidSet(((300, 310), (405, 405))), earlier=True)),
        (b"* VANISHED(earlier)310:300\r\n", Vanished(UidSet(((300, 310),)), earlier=True)),
        (b"* VANISHED 405,406\r\n", Vanished(UidSet(((405, 406),)), earlier=False)),
        (b"* VANISHED (EARLIER) \r\n", Vanished(UidSet(), earlier=True)),
        (b"* SEARCH\r\n", Search(UidSet())),
        (b"* SEARCH 2 84 3 3 \r\n", Search(UidSet(((2, 3), (84, 84))))),
        (b"* SEARCH 2 84 (MODSEQ 9)\r\n", Search(UidSet(((2, 2), (84, 84))))),
        (b'* ESEARCH (TAG "A") UID COUNT 5 ALL 4:19,21\r\n', Search(UidSet(((4, 19), (21, 21))))),
        (b'* ESEARCH (TAG "ALL") UID\r\n', Search(UidSet())),
    ],
)
def test_single_responses(sent: bytes, expected: object) -> None:
    assert one(sent) == expected


@pytest.mark.parametrize(
    ("sent", "listing"),
    [
        (b'* LIST (\\HasNoChildren \\Sent) "/" Sent\r\n', (("\\hasnochildren", "\\sent"), "/", b"Sent")),
        (b'* LIST () "." "a \\"b\\\\"\r\n', ((), ".", b'a "b\\')),
        (b"* LIST () NIL {4}\r\na\0b(\r\n", ((), None, b"a\0b(")),
        (b"* LIST () nil NIL\r\n", ((), None, b"NIL")),
        (b'* LIST () "/" ""\r\n', ((), "/", b"")),
        (b'* LIST () "/" two words\r\n', ((), "/", b"two words")),
        (b'* LIST () "\\" plain\r\n', ((), "\\", b"plain")),
        (b'* LIST () "\\\\" plain\r\n', ((), "\\", b"plain")),
        (b'* LIST (\\Subscribed) "/" "x" ("CHILDINFO" ("SUBSCRIBED"))\r\n', (("\\subscribed",), "/", b"x")),
        (b'* LIST () "/" x ("OLDNAME" ("y"))\r\n', ((), "/", b"x")),
        (b'* LIST(\\A)"/""x"\r\n', (("\\a",), "/", b"x")),
    ],
)
def test_listings(sent: bytes, listing: tuple[tuple[str, ...], str | None, bytes]) -> None:
    attributes, delimiter, raw = listing
    assert one(sent) == Listing(frozenset(attributes), delimiter, raw)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"* STATUS box (MESSAGES 231 UIDNEXT 44)\r\n", MailboxStatus(b"box", {"MESSAGES": 231, "UIDNEXT": 44}, None)),
        (b'* STATUS "a (b" (UNSEEN 3 MAILBOXID (F2-x))\r\n', MailboxStatus(b"a (b", {"UNSEEN": 3}, "F2-x")),
        (b"* STATUS two words (MESSAGES 1 ) \r\n", MailboxStatus(b"two words", {"MESSAGES": 1}, None)),
        (b"* STATUS {3}\r\na\nb (HIGHESTMODSEQ 7)\r\n", MailboxStatus(b"a\nb", {"HIGHESTMODSEQ": 7}, None)),
        (b"* STATUS x (MAILBOXID (\x1b\x8f.U) UNSEEN 1)\r\n", MailboxStatus(b"x", {"UNSEEN": 1}, None)),
        (b"* STATUS x ()\r\n", MailboxStatus(b"x", {}, None)),
    ],
)  # fmt: skip
def test_mailbox_statuses(sent: bytes, expected: MailboxStatus) -> None:
    assert one(sent) == expected


SEEN = ("\\Seen",)


@pytest.mark.parametrize(
    ("sent", "fetch"),
    [
        (b"* 2 FETCH (UID 5 FLAGS (\\Seen))\r\n", Fetch(2, 5, SEEN)),
        (b"* 2 FETCH (FLAGS (\\Seen) UID 5 MODSEQ (7))\r\n", Fetch(2, 5, SEEN, 7)),
        (b"* 2 fetch (flags (\\SEEN) uid 5)\r\n", Fetch(2, 5, SEEN)),
        (b"* 2 FETCH (FLAGS(\\Seen)UID 5 MODSEQ(7))\r\n", Fetch(2, 5, SEEN, 7)),
        (b"* 2 FETCH ( UID 5  FLAGS ( \\Seen ) )\r\n", Fetch(2, 5, SEEN)),
        (b"* 2 FETCH (UID 5 FLAGS ())\r\n", Fetch(2, 5, ())),
        (b"* 2 FETCH (FLAGS (b a \\recent \\DRAFT a))\r\n", Fetch(2, None, ("\\Draft", "a", "b"))),
        (b"* 2 FETCH (UID 5 FLAGS (a\\ ] \xe9))\r\n", Fetch(2, 5, ("]", "a\\", "�"))),
        (b"* 2 FETCH (UID 5 MODSEQ 7)\r\n", Fetch(2, 5, None, 7)),
        (b'* 2 FETCH (UID 5 X-GM-LABELS ("\\\\Inbox" {3}\r\na b) FLAGS (\\Seen))\r\n', Fetch(2, 5, SEEN)),
        (b"* 2 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n", Fetch(2, 5, section="", body=b"abc")),
        (b"* 2 FETCH (BODY[] {3}\r\nabc UID 5 FLAGS (\\Seen))\r\n", Fetch(2, 5, SEEN, section="", body=b"abc")),
        (b"* 2 FETCH (UID 5 BODY[] {3}\r\nabcFLAGS (\\Seen))\r\n", Fetch(2, 5, SEEN, section="", body=b"abc")),
        (b'* 2 FETCH (UID 5 BODY[] "a\\"b")\r\n', Fetch(2, 5, section="", body=b'a"b')),
        (b'* 2 FETCH (UID 5 BODY[] "")\r\n', Fetch(2, 5, section="", body=b"")),
        (b"* 2 FETCH (UID 5 BODY[] NIL)\r\n", Fetch(2, 5, section="")),
        (b"* 2 FETCH (UID 5 BODY[]<7> {1}\r\na)\r\n", Fetch(2, 5, section="", origin=7, body=b"a")),
        (b"* 2 FETCH (UID 5 body[header]{1}\r\na)\r\n", Fetch(2, 5, section="HEADER", body=b"a")),
        (b"* 2 FETCH (UID 5 BINARY[] ~{1}\r\n\0)\r\n", Fetch(2, 5, section="", body=b"\0")),
        (b"* 2 FETCH (UID 5 RFC822 {1}\r\na)\r\n", Fetch(2, 5, section="", body=b"a")),
        (b"* 2 FETCH (UID 5 RFC822.HEADER {1}\r\na)\r\n", Fetch(2, 5, section="HEADER", body=b"a")),
        (b"* 2 FETCH (UID 5 BODY[1] {1}\r\na BODY[HEADER] {1}\r\nb)\r\n", Fetch(2, 5, section="HEADER", body=b"b")),
        (b"* 2 FETCH (UID 5 ENVELOPE (NIL (((\"x\")))) RFC822.SIZE 9)\r\n", Fetch(2, 5, size=9)),
        (
            b'* 2 FETCH (RFC822.SIZE 9 INTERNALDATE "17-Jul-1996" BODY[HEADER] {2}\r\nhi MODSEQ (3))\r\n',
            Fetch(2, None, None, 3, 9, b"17-Jul-1996", "HEADER", None, b"hi"),
        ),
    ],
)  # fmt: skip
def test_fetches(sent: bytes, fetch: Fetch) -> None:
    assert one(sent) == fetch


ITEMS = (
    b"UID 77",
    b"FLAGS (\\Seen x)",
    b"MODSEQ (12345)",
    b"RFC822.SIZE 42",
    b'INTERNALDATE "01-Feb-2026 10:00:00 +0000"',
)


@given(st.permutations(ITEMS), st.integers(0, 5), st.booleans())
def test_the_fast_path_and_the_slow_one_agree(items: list[bytes], before: int, with_body: bool) -> None:
    if with_body:
        items.insert(before, b"BODY[] {5}\r\n(a)\r\n")
    usual = b"* 3 FETCH (" + b" ".join(items) + b")\r\n"
    unusual = b"* 3 FETCH (  " + b"  ".join(items) + b" )\r\n"
    (raw,), _ = cut([usual])
    (odd,), _ = cut([unusual])
    assert fast_fetch(raw) is not None
    assert fast_fetch(odd) is None
    assert parse(raw) == parse(odd)
    assert parse(raw) == Fetch(
        3, 77, ("\\Seen", "x"), 12345, 42, ITEMS[4][14:-1], *(("", None, b"(a)\r\n") if with_body else ())
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"220 smtp.example ESMTP\r\n",
        b"*\r\n",
        b"* (x)\r\n",
        b"\x16\x03\x01\r\n",
        b"* 99999999999 EXISTS\r\n",
        b"* VANISHED\r\n* VANISHED (EARLIER) 1:*\r\n",
        b"* VANISHED (EARLIER) 0:5\r\n",
        b"* VANISHED (EARLIER) 5,,6\r\n",
        b"* VANISHED 4294967296\r\n",
        b"* VANISHED {1}\r\n5\r\n",
        b"* SEARCH 1 x\r\n",
        b"* SEARCH 0\r\n",
        b"* SEARCH " + b"9" * 5000 + b"\r\n",
        b"* SEARCH {1}\r\n5\r\n",
        b"* LIST\r\n",
        b"* LIST ()\r\n",
        b"* LIST () ()\r\n",
        b"* LIST () \"/\"\r\n",
        b"* LIST () \"/\" (x)\r\n",
        b"* STATUS x\r\n",
        b"* STATUS x (MESSAGES y)\r\n",
        b"* 1 FETCH\r\n",
        b"* 1 FETCH (UID)\r\n",
        b"* 1 FETCH (UID x)\r\n",
        b"* 1 FETCH (UID 99999999999)\r\n",
        b"* 1 FETCH (UID 5\r\n",
        b"* 1 FETCH (UID 5 FLAGS (\\Seen)\r\n",
        b"* 1 FETCH (UID 5 MODSEQ (9223372036854775808))\r\n",
        b"* 1 FETCH (UID 5 MODSEQ ())\r\n",
        b"* 1 FETCH (\"UID\" 5)\r\n",
        b"* 1 FETCH (UID 5 X " + b"(" * 17 + b")" * 17 + b")\r\n",
        b"* 1 FETCH (UID 5 X " + b"(" * 30_000 + b"\r\n",
    ],
)  # fmt: skip
def test_what_matters_and_cannot_be_read_is_an_error(sent: bytes) -> None:
    found, _ = cut([sent])
    with pytest.raises(UnexpectedReply):
        parse(found[-1])


@given(streams)
def test_hostile_input_gives_a_value_or_one_error(data: bytes) -> None:
    for raw in cut([data])[0]:
        _reads_or_refuses(raw)


@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 100), st.binary(max_size=3)), max_size=4))
def test_damaged_responses_give_a_value_or_one_error(sample: bytes, damages: list[tuple[int, bytes]]) -> None:
    for position, put in damages:
        place = position % (len(sample) + 1)
        sample = sample[:place] + put + sample[place + 1 :]
    for raw in cut([sample + b"\r\n"])[0]:
        _reads_or_refuses(raw)


def _reads_or_refuses(raw: Raw) -> None:
    try:
        response = parse(raw)
    except UnexpectedReply as error:
        assert len(error.message) < 100  # noqa: PT017 - either outcome is right, and the message quotes nothing
    else:
        assert isinstance(response, tuple)


@pytest.mark.parametrize(
    ("beginning", "repeated", "end"),
    [
        (b"* 1 FETCH (", b"UID 1 ", b"x"),
        (b"* 1 FETCH (", b"FLAGS () ", b"x"),
        (b"* 1 FETCH (", b"X[", b""),
        (b"* 1 FETCH (X ", b'"', b""),
        (b'* 1 FETCH (INTERNALDATE "1-Jan-2000', b" ", b'")'),
        (b"* STATUS a", b" ", b"b"),
        (b"* STATUS ", b"(MESSAGES ", b""),
        (b'* LIST () "', b'\\"', b""),
        (b"* LIST (", b"a ", b""),
        (b"* VANISHED 1", b" ", b"x"),
        (b"* VANISHED (EARLIER) ", b"1,", b"x"),
        (b"* SEARCH ", b"1 ", b"x"),
        (b"* SEARCH 1", b" ", b"x"),
        (b"* ESEARCH ", b"ALL ", b""),
        (b"* OK [", b"x", b""),
        (b"* OK [A ", b" ", b""),
        (b"", b" ", b""),
        (b"R1", b" ", b"x"),
        (b"*", b" ", b"("),
        (b"* CAPABILITY ", b"A ", b""),
        (b"* ID (", b'"a" "b" ', b""),
    ],
)
def test_no_line_takes_time_that_grows_faster_than_its_length(beginning: bytes, repeated: bytes, end: bytes) -> None:
    line = beginning + repeated * (60_000 // len(repeated)) + end
    before = time.process_time()
    _reads_or_refuses([line])
    assert time.process_time() - before < 5
