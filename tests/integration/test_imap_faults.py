"""A session with mail servers that misbehave: every failure is one clear error, and none of them names the password."""

from __future__ import annotations

import pytest

from retinue.errors import CredentialError, JobError, RateLimited
from servants.email.imap.faults import (
    ConnectionLost,
    NoAnswer,
    NoSuchMailbox,
    ReplyTooLarge,
    ServerFailed,
    UnexpectedReply,
    Unreachable,
)
from servants.email.imap.limits import Limits
from servants.email.imap.session import ImapSession
from servants.email.sign_in import SignIn
from servants.email.values import UidSet
from tests.support.bad_imap_server import (
    CUT_OFF,
    ENDLESS_LINE,
    GARBAGE,
    GREETING,
    HANG_UP,
    HUGE_LITERAL,
    OVER_QUOTA,
    SILENCE,
    THROTTLED,
    TOO_MANY_CONNECTIONS,
    UNAVAILABLE,
    WRONG_PASSWORD,
    Reply,
    bad_imap_server,
)
from tests.support.imap_sessions import PASSWORD, NoonClock, failure, read_all, session, sign_in
from tests.support.radicale_server import free_port


@pytest.mark.parametrize(
    ("command", "reply", "kind", "words"),
    [
        (GREETING, HANG_UP, ConnectionLost, "Connecting to {place}: the server closed the connection."),
        (GREETING, GARBAGE, UnexpectedReply, "Connecting to {place}: a line that is no IMAP."),
        (GREETING, Reply(b"220 smtp.example ESMTP\r\n"), UnexpectedReply, "Connecting to {place}: a line that is no"),
        (GREETING, TOO_MANY_CONNECTIONS, RateLimited, "the server wants no more until 12:05:00 UTC. The server says:"),
        (GREETING, Reply(b"* BYE down\r\n"), ConnectionLost, "Connecting to {place}: the server ended the connection."),
        (GREETING, ENDLESS_LINE, ReplyTooLarge, "Connecting to {place}: a line is longer than 65,536 bytes."),
        ("LOGIN", WRONG_PASSWORD, CredentialError, "LOGIN at {place} answered NO [AUTHENTICATIONFAILED]: the sign-in"),
        ("LOGIN", UNAVAILABLE, ServerFailed, "LOGIN at {place} answered NO [UNAVAILABLE]"),
        ("LOGIN", HANG_UP, ConnectionLost, "LOGIN at {place}: the server closed the connection."),
        ("LOGIN", Reply(b"<tag> BAD LOGIN ann correct-horse\r\n"), CredentialError, "'LOGIN ann …'"),
        ("EXAMINE", Reply(b"<tag> NO [NONEXISTENT] gone\r\n"), NoSuchMailbox, "EXAMINE at {place} answered NO"),
        ("EXAMINE", Reply(b"<tag> OK\r\n"), UnexpectedReply, "EXAMINE at {place}: it opened a mailbox without"),
        ("UID SEARCH", THROTTLED, RateLimited, "UID SEARCH at {place} answered NO [THROTTLED]"),
        ("UID FETCH", OVER_QUOTA, RateLimited, "UID FETCH at {place} answered NO [OVERQUOTA]"),
        ("UID FETCH", CUT_OFF, ConnectionLost, "UID FETCH at {place}: the server closed the connection."),
        ("UID FETCH", HUGE_LITERAL, ReplyTooLarge, "UID FETCH at {place}: it announces 2,147,483,648 bytes"),
        ("UID FETCH", GARBAGE, UnexpectedReply, "UID FETCH at {place}: a line that is no IMAP."),
        ("UID FETCH", ENDLESS_LINE, ReplyTooLarge, "UID FETCH at {place}: a line is longer than"),
        ("UID FETCH", Reply(b"* BYE idle too long\r\n"), ConnectionLost, "UID FETCH at {place}: the server ended the"),
        ("UID FETCH", Reply(b"* 1 FETCH (UID x)\r\n<tag> OK\r\n"), UnexpectedReply, "UID FETCH at {place}: a number"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_one_clear_error(command: str, reply: Reply, kind: type[JobError], words: str) -> None:
    with bad_imap_server({command: reply}) as server, pytest.raises(JobError) as caught:
        read_all(server, clock=NoonClock())
    assert type(caught.value) is kind
    assert words.format(place=f"127.0.0.1:{server.port}") in caught.value.message
    assert PASSWORD not in caught.value.message


@pytest.mark.parametrize("command", [GREETING, "CAPABILITY", "LOGIN", "EXAMINE", "UID SEARCH", "UID FETCH"])
def test_a_silent_server_is_left_in_time(command: str) -> None:
    error = failure({command: SILENCE}, limits=Limits(read_seconds=0.2))
    assert type(error) is NoAnswer
    assert "no whole answer within the time allowed" in error.message


def test_what_a_server_says_before_it_falls_silent_is_passed_on() -> None:
    error = failure({"LOGIN": Reply(b"* NO Disk is full\r\n", then="hang")}, limits=Limits(read_seconds=0.2))
    assert type(error) is NoAnswer
    assert error.message.endswith("within the time allowed. The server says: 'Disk is full'")


def test_a_server_that_drips_is_left_in_time() -> None:
    dripping = Reply(b"* SEARCH " + b"1 " * 1000, then="drip")
    assert type(failure({"UID SEARCH": dripping}, limits=Limits(reply_seconds=0.5))) is NoAnswer


def test_a_server_that_drips_and_ends_in_time_is_understood() -> None:
    dripping = Reply(b"* SEARCH 1\r\n<tag> OK\r\n", then="drip")
    with bad_imap_server({"UID SEARCH": dripping}) as server, session(server) as opened:
        opened.examine("INBOX")
        assert opened.uids() == UidSet(((1, 1),))


def test_a_flood_is_not_read_to_its_end() -> None:
    with bad_imap_server({"UID FETCH": HUGE_LITERAL}) as server:
        with pytest.raises(ReplyTooLarge):
            read_all(server)
        assert server.sent < 64 * 1024 * 1024


def test_nobody_there() -> None:
    with pytest.raises(
        ConnectionLost, match=r"Connecting to 127\.0\.0\.1:\d+: the connection failed \(Connection refused"
    ):
        ImapSession.open(sign_in(free_port())).__enter__()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".example"])
def test_a_host_that_does_not_exist(host: str) -> None:
    with pytest.raises(Unreachable, match="the host name is not known; check it"):
        ImapSession.open(SignIn(host, "ann", password=PASSWORD)).__enter__()
