"""A session with mail servers that misbehave: every failure is one clear error, and none of them names the password."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retinue.connection import Call, UncountedCall
from retinue.errors import CredentialError, JobCancelled, JobError, PermanentError, RateLimited
from servants.email.imap.faults import (
    CertificateRefused,
    ConnectionLost,
    NoAnswer,
    NoSuchMailbox,
    ReplyTooLarge,
    ServerFailed,
    TlsFailed,
    UnexpectedReply,
    Unreachable,
)
from servants.email.imap.limits import Limits
from servants.email.imap.session import ImapSession
from servants.email.sign_in import SignIn, Tls, trusting
from servants.email.values import UidSet
from tests.support import certificates
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
    Answer,
    BadImapServer,
    Command,
    Reply,
    bad_imap_server,
    server_context,
)
from tests.support.radicale_server import free_port

PASSWORD = "correct-horse"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUICK = Limits(connect_seconds=5, read_seconds=2, reply_seconds=3)


class NoonClock:
    """Noon, and as much time as there was."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def sign_in(port: int, **settings: Any) -> SignIn:
    return SignIn("127.0.0.1", "ann", **{"password": PASSWORD, "tls": Tls.NONE, "port": port, **settings})


@contextmanager
def session(server: BadImapServer, *, limits: Limits = QUICK, **options: Any) -> Iterator[ImapSession]:
    with ImapSession.open(sign_in(server.port), limits=limits, **options) as opened:
        yield opened


def read_all(server: BadImapServer, **options: Any) -> list[bytes]:
    """Sign in and read every message of INBOX."""
    with session(server, **options) as opened:
        opened.examine("INBOX")
        lines = list(opened.headers(opened.uids()))
        sizes = {line.uid: line.size for line in lines}
        return [message.body.read() for message in opened.messages(UidSet.of(sizes), sizes=sizes)]


def failure(script: Mapping[str, Answer], **options: Any) -> JobError:
    with bad_imap_server(script) as server, pytest.raises(JobError) as caught:
        read_all(server, **options)
    assert PASSWORD not in str(caught.value)
    return caught.value


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


def test_waiting_in_several_steps_loses_nothing_of_tls(tmp_path: Path) -> None:
    issued = certificates.issue(tmp_path, "valid")
    looks, is_late = itertools.count(), threading.Event()

    def look() -> None:
        if next(looks) > 12:
            is_late.set()

    late = Reply(b"* SEARCH 1\r\n<tag> OK\r\n")
    script: Mapping[str, Answer] = {"UID SEARCH": lambda _: late if is_late.wait(20) else None}
    with bad_imap_server(script, tls=server_context(issued.chain, issued.key)) as server:
        mine = sign_in(server.port, tls=Tls.TLS, trust=trusting(str(issued.ca_file)))
        with ImapSession.open(mine, stop_if_cancelled=look) as opened:
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


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "expired; its operator has to renew it"),
        ("self-signed", "its operator has to install one of a known authority"),
        ("other-name", "Connect by the name that it was issued for"),
    ],
)
@pytest.mark.parametrize("mode", [Tls.TLS, Tls.STARTTLS])
def test_a_certificate_that_cannot_be_trusted(tmp_path: Path, kind: certificates.Kind, words: str, mode: Tls) -> None:
    issued = certificates.issue(tmp_path, kind)
    capability = "IMAP4rev1 STARTTLS" if mode is Tls.STARTTLS else "IMAP4rev1"
    trust = trusting(str(issued.ca_file))
    with (
        bad_imap_server(tls=server_context(issued.chain, issued.key), capability=capability) as server,
        pytest.raises(CertificateRefused) as caught,
    ):
        ImapSession.open(sign_in(server.port, tls=mode, trust=trust), limits=QUICK).__enter__()
    assert words in caught.value.message
    assert "LOGIN" not in server.names


def test_a_server_without_tls_where_it_should_begin_at_once() -> None:
    with (
        bad_imap_server() as server,
        pytest.raises(TlsFailed, match=r"nothing speaks TLS at port .*try tls 'starttls'"),
    ):
        ImapSession.open(sign_in(server.port, tls=Tls.TLS), limits=QUICK).__enter__()


def test_a_server_without_starttls_gets_no_password() -> None:
    with bad_imap_server() as server, pytest.raises(PermanentError, match="offers no STARTTLS"):
        ImapSession.open(sign_in(server.port, tls=Tls.STARTTLS), limits=QUICK).__enter__()
    assert server.names == ["CAPABILITY"]


@pytest.mark.parametrize("injected", [b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n", b"* BYE\r\nR3 OK\r\n", b"* LI"])
def test_what_is_slipped_in_before_tls_is_dropped(tmp_path: Path, injected: bytes) -> None:
    issued = certificates.issue(tmp_path, "valid")
    tls, trust = server_context(issued.chain, issued.key), trusting(str(issued.ca_file))
    script = {"STARTTLS": Reply(b"<tag> OK Begin\r\n" + injected)}
    with bad_imap_server(script, tls=tls, capability="IMAP4rev1 STARTTLS AUTH=PLAIN") as server:
        if injected.startswith(b"* BYE"):
            with pytest.raises(UnexpectedReply, match="nobody gave"):
                ImapSession.open(sign_in(server.port, tls=Tls.STARTTLS, trust=trust), limits=QUICK).__enter__()
            return
        with ImapSession.open(sign_in(server.port, tls=Tls.STARTTLS, trust=trust), limits=QUICK) as opened:
            assert opened.capabilities == {"IMAP4REV1", "STARTTLS", "AUTH=PLAIN"}
    assert "LOGIN" in server.names


def test_a_plain_server_without_any_extension_is_read_in_full() -> None:
    with bad_imap_server() as server:
        texts = read_all(server)
        assert texts == [letter.text for letter in server.letters.values()]
    assert server.names[-1] == "LOGOUT"


def test_messages_of_any_size_come_whole() -> None:
    with bad_imap_server() as server, session(server, limits=Limits(piece_bytes=20, batch_messages=2)) as opened:
        opened.examine("INBOX")
        sizes = {line.uid: line.size for line in opened.headers(opened.uids())}
        before = opened.round_trips
        found = {}
        for message in opened.messages(opened.uids(), sizes=sizes):
            with message.body:
                found[message.uid] = message.body.read()
        assert found == {uid: letter.text for uid, letter in server.letters.items()}
        assert opened.round_trips > before + 9


def test_after_trouble_the_session_says_so() -> None:
    with bad_imap_server({"UID SEARCH": GARBAGE}) as server, session(server) as opened:
        opened.examine("INBOX")
        with pytest.raises(UnexpectedReply):
            opened.uids()
        for _ in range(2):
            with pytest.raises(ConnectionLost, match=r"UID SEARCH at .*: the connection is closed already"):
                opened.uids()


def test_a_refusal_leaves_the_session_open() -> None:
    missing = Reply(b"<tag> NO [NONEXISTENT] gone\r\n")
    with bad_imap_server({"EXAMINE": [missing]}) as server, session(server) as opened:
        with pytest.raises(NoSuchMailbox):
            opened.examine("Old")
        assert opened.examine("INBOX").exists == 3


def test_other_commands_may_come_between_two_messages() -> None:
    with bad_imap_server() as server, session(server, limits=Limits(batch_messages=1)) as opened:
        opened.examine("INBOX")
        sizes = {line.uid: line.size for line in opened.headers(opened.uids())}
        for message in opened.messages(opened.uids(), sizes=sizes):
            assert opened.uids() == UidSet(((1, 3),))
            assert message.body.read() == server.letters[message.uid].text


def test_a_job_that_is_asked_to_stop_stops_within_moments_though_the_server_is_silent() -> None:
    asked = threading.Event()

    def stop() -> None:
        if asked.is_set():
            raise JobCancelled

    def answer(_: Command) -> Reply:
        asked.set()
        return SILENCE

    with bad_imap_server({"UID SEARCH": answer}) as server, pytest.raises(JobCancelled):
        read_all(server, limits=Limits(read_seconds=50), stop_if_cancelled=stop)


def test_a_server_that_says_no_goodbye_is_left_all_the_same() -> None:
    for reply in (HANG_UP, GARBAGE, Reply(b"* BYE [LIMIT] Too many connections\r\n"), Reply(b"<tag> NO\r\n")):
        with bad_imap_server({"LOGOUT": reply}) as server, session(server):
            pass
        assert server.names[-1] == "LOGOUT"


class Counted:
    """What stands around calls, and how each of them ended."""

    def __init__(self) -> None:
        self.ends: list[type[BaseException] | None] = []

    def __call__(self) -> AbstractContextManager[Call]:
        return self._call()

    @contextmanager
    def _call(self) -> Iterator[Call]:
        try:
            yield UncountedCall()
        except BaseException as error:
            self.ends.append(type(error))
            raise
        self.ends.append(None)


def test_each_command_is_one_call_and_so_is_signing_in() -> None:
    calls = Counted()
    with bad_imap_server() as server, session(server, call=calls) as opened:
        assert calls.ends == [None]
        opened.examine("INBOX")
        opened.uids()
    assert calls.ends == [None, None, None]


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        ({"LOGIN": WRONG_PASSWORD}, [CredentialError]),
        ({"UID SEARCH": OVER_QUOTA}, [None, None, RateLimited]),
        ({"UID SEARCH": HANG_UP}, [None, None, ConnectionLost]),
        ({GREETING: SILENCE}, [NoAnswer]),
    ],
)
def test_a_call_is_told_how_it_ended(script: Mapping[str, Answer], ends: list[type[BaseException] | None]) -> None:
    calls = Counted()
    failure(script, call=calls, limits=Limits(read_seconds=0.2))
    assert calls.ends == ends


def test_limits_name_their_reset() -> None:
    error = failure({"UID FETCH": OVER_QUOTA}, clock=NoonClock())
    assert isinstance(error, RateLimited)
    assert error.reset_at == NOW + timedelta(hours=1)
