"""One connection's protocol: the same reply however its bytes arrive, and one kind of error for whatever is wrong."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.imap import commands
from servants.email.imap.commands import Command, Literal
from servants.email.imap.faults import Trouble
from servants.email.imap.protocol import Protocol, Reply
from tests.support.imap_bytes import split, streams

REPLY = (
    b"* 3 EXISTS\r\n\r\n* OK [UIDVALIDITY 7] x\r\n* 1 FETCH (UID 5 BODY[] {13}\r\n* 9 EXISTS\r\n\r)\r\n"
    b"* 2 FETCH (UID 6 FLAGS (\\Seen))\r\n* VANISHED 8\r\n* 1 EXPUNGE\r\n* OK [ALERT] read\r\n"
    b"R2 NO [CANNOT] no\r\nR1 OK\r\n"
)


def greeted() -> Protocol:
    protocol = Protocol()
    protocol.receive(b"* OK ready\r\n")
    assert protocol.take_reply() == Reply()
    return protocol


def reply_to(pieces: list[bytes]) -> Reply:
    protocol = greeted()
    protocol.begin([commands.fetch("1:*", "UID"), commands.plain("NOOP")])
    assert protocol.take_outgoing() == b"R1 UID FETCH 1:* (UID)\r\nR2 NOOP\r\n"
    for piece in pieces:
        assert not protocol.done
        protocol.receive(piece)
    assert protocol.done
    return protocol.take_reply()


@given(st.lists(st.integers(min_value=0), max_size=20))
def test_any_split_of_a_reply_gives_the_same(cuts: list[int]) -> None:
    assert reply_to([piece for piece in split(REPLY, cuts) if piece]) == reply_to([REPLY])


def test_what_a_reply_holds() -> None:
    reply = reply_to([REPLY])
    assert [end.condition for end in reply.ends] == ["OK", "NO"]
    assert (reply.exists, reply.expunged, reply.codes["UIDVALIDITY"]) == (3, 1, "7")
    assert [fetch.uid for fetch in reply.fetched] == [5, 6]
    assert reply.fetched[0].body == b"* 9 EXISTS\r\n\r"
    assert reply.changed


@given(streams, st.lists(st.integers(min_value=0), max_size=10))
def test_whatever_a_server_sends_is_taken_or_refused(data: bytes, cuts: list[int]) -> None:
    protocol = greeted()
    protocol.begin([commands.plain("NOOP")])
    with suppress(Trouble):
        for piece in split(data, cuts):
            protocol.receive(piece)


@given(streams)
def test_nothing_is_believed_before_the_greeting(data: bytes) -> None:
    protocol = Protocol()
    with suppress(Trouble):
        protocol.receive(data)
    assert protocol.greeting is not None or protocol.reply == Reply()


@pytest.mark.parametrize("sent", [b"+ go on\r\n", b"R1 OK\r\n", b"R0 OK\r\n", b"nonsense\r\n", b"* 1 FETCH (UID\r\n"])
def test_what_nobody_asked_for_is_refused(sent: bytes) -> None:
    with pytest.raises(Trouble):
        greeted().receive(sent)


def test_a_literal_waits_until_the_server_asks_for_it() -> None:
    protocol = greeted()
    protocol.begin([Command(name="LOGIN", arguments=(Literal(b"ann"), Literal(b"pass")))])
    sent = []
    for _ in range(3):
        sent.append(protocol.take_outgoing())
        protocol.receive(b"+ go on\r\n" if len(sent) < 3 else b"R1 OK\r\n")
    assert sent == [b"R1 LOGIN {3}\r\n", b"ann {4}\r\n", b"pass\r\n"]
    assert protocol.done


def test_a_command_refused_at_its_literal_is_over() -> None:
    protocol = greeted()
    protocol.begin([Command(name="LOGIN", arguments=(Literal(b"ann"), b"x"))])
    protocol.take_outgoing()
    protocol.receive(b"R1 BAD no literals\r\n")
    assert protocol.done
    assert protocol.take_outgoing() == b""


def test_idle_tells_that_it_listens_and_what_happens() -> None:
    protocol = greeted()
    protocol.begin([commands.idle()])
    protocol.receive(b"+ idling\r\n")
    assert protocol.reply.continued
    assert not protocol.take_changes().changed
    protocol.receive(b"* OK still here\r\n")
    assert not protocol.take_changes().changed
    for happening in (b"* 4 EXISTS\r\n", b"* 4 EXPUNGE\r\n", b"* VANISHED 4\r\n", b"* 4 FETCH (FLAGS ())\r\n"):
        protocol.receive(happening)
        assert protocol.take_changes().changed
    protocol.say(b"DONE\r\n")
    assert protocol.take_outgoing() == b"R1 IDLE\r\nDONE\r\n"
    protocol.receive(b"* 5 EXISTS\r\nR1 OK\r\n")
    assert protocol.done
    assert protocol.take_reply().changed


def test_an_idle_of_days_may_tell_any_number_of_things() -> None:
    protocol = greeted()
    protocol.begin([commands.idle()])
    protocol.receive(b"+ idling\r\n")
    happening = (b"* OK " + b"x" * 60_000 + b"\r\n") * 20 + b"* 4 EXISTS\r\n"
    for _ in range(60):
        protocol.receive(happening)
        protocol.renew_allowance()
        assert protocol.take_changes().exists == 4
