"""Large messages, many messages and long sets of UIDs; and what QRESYNC tells, with a real server."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable

from servants.email.values import FlagLine, Position, UidSet
from tests.support.dovecot_server import MailServer, dovecot
from tests.support.imap_letters import expunge, fill, letter, session

__all__ = ["dovecot"]

MIB = 1024 * 1024


def test_qresync_tells_what_changed_since(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        fill(client, "INBOX", [letter(number) for number in range(1, 11)])
    with session(dovecot, user) as opened:
        assert opened.enable_qresync()
        selected = opened.examine("INBOX")
    assert selected.highest_modseq is not None
    known = Position(selected.uid_validity, selected.highest_modseq)
    with dovecot.client(user) as client:
        client.select("INBOX")
        client.uid("STORE", "2,4", "+FLAGS", "(\\Flagged)")
        expunge(client, "INBOX", "5:6,9")
        fill(client, "INBOX", [letter(11)])
    with session(dovecot, user) as opened:
        opened.enable_qresync()
        now = opened.examine("INBOX", known=known)
        assert now.vanished == UidSet(((5, 6), (9, 9)))
        assert now.changed is not None
        assert {line.uid: line.flags for line in now.changed} == {2: ("\\Flagged",), 4: ("\\Flagged",), 11: ()}
        assert now.highest_modseq is not None
        assert all(line.modseq is not None and line.modseq > known.highest_modseq for line in now.changed)
        lines, gone = opened.flags(None, changed_since=known.highest_modseq, vanished=True)
        assert sorted(line.uid for line in lines) == [2, 4, 11]
        assert gone == now.vanished
        same = opened.examine("INBOX", known=Position(now.uid_validity, now.highest_modseq))
        assert (same.changed, same.vanished) == ((), UidSet())


def test_qresync_after_uidvalidity_changed_tells_nothing(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        fill(client, "INBOX", [letter(1)])
    with session(dovecot, user) as opened:
        opened.enable_qresync()
        selected = opened.examine("INBOX", known=Position(12345, 1))
        assert (selected.vanished, selected.changed) == (None, None)


def test_sets_that_do_not_fit_a_line(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        fill(client, "INBOX", [letter(number) for number in range(1, 6)])
    with session(dovecot, user) as opened:
        opened.examine("INBOX")
        scattered = UidSet.of(range(1, 9000, 2))
        before = opened.round_trips
        assert {line.uid for line in opened.flags(scattered)[0]} == {1, 3, 5}
        assert opened.round_trips - before > 2
        assert [line.uid for line in opened.headers(scattered)] == [1, 3, 5]


def test_a_message_of_50_mb_takes_little_memory(dovecot: MailServer) -> None:
    user, large = dovecot.user(), letter(1, size=50 * MIB)
    digest = hashlib.sha256(large).hexdigest()
    with dovecot.client(user) as client:
        fill(client, "INBOX", [large])
    size = len(large)
    del large
    with session(dovecot, user) as opened:
        opened.examine("INBOX")
        tracemalloc.start()
        try:
            (message,) = opened.messages(UidSet.of([1]), sizes={1: size})
            with message.body:
                assert digest_of(message.body.read) == digest
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 * MIB
        assert opened.round_trips >= size // MIB


def digest_of(read: Callable[[int], bytes]) -> str:
    digest = hashlib.sha256()
    while piece := read(65536):
        digest.update(piece)
    return digest.hexdigest()


def test_many_messages_take_little_memory(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        fill(client, "INBOX", [letter(number, size=200_000) for number in range(1, 61)])
    with session(dovecot, user) as opened:
        opened.examine("INBOX")
        sizes = {line.uid: line.size for line in opened.headers(opened.uids())}
        tracemalloc.start()
        try:
            read = sum(len(message.body.read()) for message in opened.messages(UidSet.of(sizes), sizes=sizes))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert read == sum(sizes.values()) > 11_000_000
        assert peak < 10_000_000


def test_flag_lines_are_values(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        fill(client, "INBOX", [letter(1)], "zebra \\Draft apple")
    with session(dovecot, user) as opened:
        selected = opened.examine("INBOX")
        ((line,), _) = opened.flags(UidSet.of([1]))
        assert line == FlagLine(1, ("\\Draft", "apple", "zebra"), selected.highest_modseq)
