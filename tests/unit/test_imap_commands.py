"""Commands on the wire."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.imap import commands
from servants.email.imap.commands import UID_SET_CHARACTERS, Command, Literal, split, string
from servants.email.values import Position, UidSet

NONE: frozenset[str] = frozenset()
ALL = frozenset({"SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CONDSTORE", "OBJECTID"})


def line(command: Command, capabilities: frozenset[str] = NONE) -> bytes:
    (piece,) = command.pieces("R1", capabilities)
    return piece


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (commands.plain("CAPABILITY"), b"R1 CAPABILITY\r\n"),
        (commands.plain("ENABLE", "QRESYNC"), b"R1 ENABLE QRESYNC\r\n"),
        (commands.login("ann", 'p"a\\ss'), b'R1 LOGIN "ann" "p\\"a\\\\ss"\r\n'),
        (commands.identify({"name": "Retinue"}), b'R1 ID ("name" "Retinue")\r\n'),
        (commands.list_all(NONE), b'R1 LIST "" "*"\r\n'),
        (commands.list_all(frozenset({"LIST-EXTENDED"})), b'R1 LIST "" "*"\r\n'),
        (commands.list_all(frozenset({"SPECIAL-USE", "LIST-STATUS"})), b'R1 LIST "" "*"\r\n'),
        (
            commands.list_all(ALL),
            b'R1 LIST "" "*" RETURN (SPECIAL-USE STATUS '
            b"(MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ MAILBOXID))\r\n",
        ),
        (commands.status(b"a b", NONE), b'R1 STATUS "a b" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)\r\n'),
        (commands.examine(b"x", known=None, capabilities=NONE), b'R1 EXAMINE "x"\r\n'),
        (commands.examine(b"x", known=None, capabilities=ALL), b'R1 EXAMINE "x" (CONDSTORE)\r\n'),
        (commands.examine(b"x", known=Position(7, 90), capabilities=ALL), b'R1 EXAMINE "x" (QRESYNC (7 90))\r\n'),
        (commands.examine(b"x", known=Position(7, 0), capabilities=ALL), b'R1 EXAMINE "x" (CONDSTORE)\r\n'),
        (commands.search((), extended=False), b"R1 UID SEARCH ALL\r\n"),
        (commands.search(("SINCE", "1-Nov-2026"), extended=True), b"R1 UID SEARCH RETURN (ALL) SINCE 1-Nov-2026\r\n"),
        (commands.fetch_flags(UidSet.of([1, 2]), with_modseq=False), b"R1 UID FETCH 1:2 (UID FLAGS)\r\n"),
        (commands.fetch("1:3,9", "UID BODY.PEEK[]"), b"R1 UID FETCH 1:3,9 (UID BODY.PEEK[])\r\n"),
        (commands.fetch_flags(None, with_modseq=False), b"R1 UID FETCH 1:* (UID FLAGS)\r\n"),
        (
            commands.fetch_flags(None, with_modseq=True, changed_since=5, vanished=True),
            b"R1 UID FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 5 VANISHED)\r\n",
        ),
    ],
)  # fmt: skip
def test_lines(command: Command, sent: bytes) -> None:
    assert line(command) == sent


@pytest.mark.parametrize("value", [b"caf\xc3\xa9", b"a\r\nR2 DELETE INBOX", b"a\0b"])
def test_what_cannot_be_quoted_becomes_a_literal(value: bytes) -> None:
    assert string(value) == Literal(value)
    command = Command(name="X", arguments=(string(value), b"end"))
    assert command.pieces("R1", NONE) == [b"R1 X {%d}\r\n" % len(value), value + b" end\r\n"]


def test_literals_wait_for_the_server_unless_it_need_not_be_asked() -> None:
    small, large = (Command(name="X", arguments=(Literal(b"a" * size),)) for size in (4096, 4097))
    for capability in ("LITERAL+", "LITERAL-"):
        assert line(small, frozenset({capability})) == b"R1 X {4096+}\r\n" + b"a" * 4096 + b"\r\n"
    assert len(large.pieces("R1", frozenset({"LITERAL+"}))) == 1
    assert len(large.pieces("R1", frozenset({"LITERAL-"}))) == 2
    assert len(small.pieces("R1", NONE)) == 2


def test_xoauth2_sends_the_token_at_once_or_when_asked() -> None:
    at_once = commands.authenticate_xoauth2("ann@example.org", "tok", at_once=True)
    word, encoded = line(at_once).removeprefix(b"R1 AUTHENTICATE ").split()
    assert (word, b64decode(encoded)) == (b"XOAUTH2", b"user=ann@example.org\1auth=Bearer tok\1\1")
    asked = commands.authenticate_xoauth2("ann@example.org", "tok", at_once=False)
    assert line(asked) == b"R1 AUTHENTICATE XOAUTH2\r\n"
    assert asked.challenges == (encoded + b"\r\n", b"\r\n")


def test_a_password_of_any_characters_goes_by_plain() -> None:
    command = commands.authenticate_plain("änn", "pß", at_once=True)
    assert b64decode(line(command).split()[-1]).decode() == "\0änn\0pß"


def test_no_secret_shows_in_a_repr() -> None:
    for command in (
        commands.login("ann", "hunter2"),
        commands.login("ann", "hünter2"),
        commands.authenticate_plain("ann", "hunter2", at_once=False),
        commands.authenticate_xoauth2("ann", "hunter2", at_once=True),
    ):
        assert "nter2" not in repr(command)
        assert "aHVudGVyMg" not in repr(command)


@pytest.mark.parametrize("criterion", ["a\r\nR2 LOGOUT", "é", ""])
def test_no_criterion_can_bring_in_another_command(criterion: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        commands.search(("SUBJECT", criterion), extended=True)


@given(
    st.lists(st.integers(1, 2**32 - 1), max_size=2000) | st.just(list(range(1, 9000, 2))) | st.just(list(range(1, 50))),
    st.none() | st.integers(1, 300),
)
def test_a_set_is_split_into_lines_that_servers_take(numbers: list[int], messages: int | None) -> None:
    uids = UidSet.of(numbers)
    parts = list(split(uids, messages=messages))
    assert UidSet.of_ranges(pair for part in parts for pair in part.ranges) == uids
    assert sum(map(len, parts)) == len(uids)
    assert all(parts)
    assert all(len(str(part)) <= UID_SET_CHARACTERS for part in parts)
    assert messages is None or all(len(part) <= messages for part in parts)
    assert messages is None or len(str(uids)) > UID_SET_CHARACTERS or len(parts) == -(-len(uids) // messages)


def test_a_million_messages_in_a_row_are_one_line() -> None:
    assert [str(part) for part in split(UidSet(((1, 1_000_000),)))] == ["1:1000000"]
