"""Sessions with the IMAP server that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from retinue.connection import Call, UncountedCall
from retinue.errors import JobError
from servants.email.imap.limits import Limits
from servants.email.imap.session import ImapSession
from servants.email.sign_in import SignIn, Tls
from servants.email.values import UidSet
from tests.support.bad_imap_server import Answer, BadImapServer, bad_imap_server

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
