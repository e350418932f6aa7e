"""A session with small servers: whole replies, refusals, cancellation, and the calls that are counted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta

import pytest

from retinue.errors import CredentialError, JobCancelled, RateLimited
from servants.email.imap.faults import ConnectionLost, NoAnswer, NoSuchMailbox, UnexpectedReply
from servants.email.imap.limits import Limits
from servants.email.values import UidSet
from tests.support.bad_imap_server import (
    GARBAGE,
    GREETING,
    HANG_UP,
    OVER_QUOTA,
    SILENCE,
    WRONG_PASSWORD,
    Answer,
    Command,
    Reply,
    bad_imap_server,
)
from tests.support.imap_sessions import NOW, Counted, NoonClock, failure, read_all, session


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
