"""The conversation in an event loop against a real IMAP server: IDLE, TLS, and connections that break."""

from __future__ import annotations

import asyncio
import imaplib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from retinue.errors import CredentialError
from servants.email.imap.aio import AsyncImapSession
from servants.email.imap.faults import CertificateRefused, ConnectionLost, NoAnswer, Unreachable
from servants.email.imap.limits import Limits
from servants.email.sign_in import SignIn, Tls, trusting
from tests.support.dovecot_server import dovecot
from tests.support.mail_server import LocalMailServer, MailUser
from tests.support.race import wait_until
from tests.support.wires import Wire, switchboard

__all__ = ["dovecot"]

MAIL = b"From: a@example.com\r\nSubject: News\r\n\r\nHello.\r\n"

#: More than any answer takes on this machine.
SOON = 10.0


@pytest.fixture
def user(dovecot: LocalMailServer) -> MailUser:
    return dovecot.user()


@pytest.fixture
def sign_in(dovecot: LocalMailServer, user: MailUser) -> SignIn:
    return SignIn(dovecot.host, user.name, password=user.password, tls=Tls.NONE, port=dovecot.port)


@pytest.fixture
def client(dovecot: LocalMailServer, user: MailUser) -> Iterator[imaplib.IMAP4]:
    with dovecot.client(user) as client:
        yield client


@pytest.fixture
def wire(dovecot: LocalMailServer) -> Iterator[Wire]:
    with switchboard() as board:
        yield board.wire(dovecot.port)


def talk(sign_in: SignIn, conversation: Callable[[AsyncImapSession], Awaitable[Any]], **limits: Any) -> Any:
    """Open INBOX and have the conversation, in a loop of its own."""

    async def whole() -> Any:
        async with AsyncImapSession.open(sign_in, limits=Limits(**limits)) as session:
            await session.examine("INBOX")
            return await conversation(session)

    return asyncio.run(asyncio.wait_for(whole(), 30))


def test_idle_tells_of_mail_the_moment_it_comes(sign_in: SignIn, client: imaplib.IMAP4) -> None:
    async def watch(session: AsyncImapSession) -> tuple[bool, float]:
        await session.begin_idle()
        await asyncio.to_thread(client.append, "INBOX", None, None, MAIL)
        since = time.monotonic()
        changed = await session.changed(SOON)
        took = time.monotonic() - since
        assert not await session.end_idle()
        assert not await session.noop()
        return changed, took

    changed, took = talk(sign_in, watch)
    assert changed
    assert took < 1


def test_what_comes_before_idle_begins_is_told_as_well(sign_in: SignIn, client: imaplib.IMAP4) -> None:
    async def watch(session: AsyncImapSession) -> bool:
        await asyncio.to_thread(client.append, "INBOX", None, None, MAIL)
        await session.begin_idle()
        return await session.changed(SOON)

    assert talk(sign_in, watch)


def test_flags_and_expunges_are_told(sign_in: SignIn, client: imaplib.IMAP4) -> None:
    client.append("INBOX", None, None, MAIL)
    client.select("INBOX")

    async def watch(session: AsyncImapSession) -> list[bool]:
        await session.begin_idle()
        await asyncio.to_thread(client.store, "1", "+FLAGS", "(\\Seen \\Deleted)")
        seen = await session.changed(SOON)
        await asyncio.to_thread(client.expunge)
        return [seen, await session.changed(SOON)]

    assert talk(sign_in, watch) == [True, True]


def test_quiet_is_told_after_the_time_and_idle_goes_on(sign_in: SignIn, client: imaplib.IMAP4) -> None:
    async def watch(session: AsyncImapSession) -> list[bool]:
        await session.begin_idle()
        quiet = await session.changed(0.1)
        await asyncio.to_thread(client.append, "INBOX", None, None, MAIL)
        return [quiet, await session.changed(SOON)]

    assert talk(sign_in, watch) == [False, True]


def test_a_question_tells_of_mail_where_idle_is_not_used(sign_in: SignIn, client: imaplib.IMAP4) -> None:
    async def watch(session: AsyncImapSession) -> list[bool]:
        before = await session.noop()
        await asyncio.to_thread(client.append, "INBOX", None, None, MAIL)
        return [before, await session.noop()]

    assert talk(sign_in, watch) == [False, True]


@pytest.mark.parametrize("tls", [Tls.TLS, Tls.STARTTLS])
def test_idle_over_tls(dovecot: LocalMailServer, client: imaplib.IMAP4, sign_in: SignIn, tls: Tls) -> None:
    port = dovecot.tls_port if tls is Tls.TLS else dovecot.port
    secured = replace(sign_in, tls=tls, port=port, trust=trusting(str(dovecot.ca_file)))

    async def watch(session: AsyncImapSession) -> bool:
        await session.begin_idle()
        await asyncio.to_thread(client.append, "INBOX", None, None, MAIL)
        return await session.changed(SOON)

    assert talk(secured, watch)


def test_a_certificate_of_an_unknown_authority_is_refused(dovecot: LocalMailServer, sign_in: SignIn) -> None:
    with pytest.raises(CertificateRefused):
        talk(replace(sign_in, tls=Tls.TLS, port=dovecot.tls_port), AsyncImapSession.noop)


def test_a_wrong_password_is_a_refused_sign_in(sign_in: SignIn) -> None:
    with pytest.raises(CredentialError, match=r"LOGIN at 127\.0\.0\.1"):
        talk(replace(sign_in, password="wrong"), AsyncImapSession.noop)


def test_a_port_where_nobody_listens(sign_in: SignIn) -> None:
    with pytest.raises((ConnectionLost, Unreachable), match=r"Connecting to 127\.0\.0\.1:1"):
        talk(replace(sign_in, port=1), AsyncImapSession.noop)


def test_a_server_that_says_nothing(sign_in: SignIn, wire: Wire) -> None:
    wire.silence()
    with pytest.raises(NoAnswer):
        talk(replace(sign_in, port=wire.port), AsyncImapSession.noop, read_seconds=0.2)


def test_a_connection_that_breaks_in_idle(sign_in: SignIn, wire: Wire) -> None:
    async def watch(session: AsyncImapSession) -> None:
        await session.begin_idle()
        await asyncio.to_thread(wire.cut)
        with pytest.raises(ConnectionLost, match=r"IDLE at 127\.0\.0\.1"):
            await session.changed(SOON)
        with pytest.raises(ConnectionLost, match="closed already"):
            await session.noop()

    talk(replace(sign_in, port=wire.port), watch)


def test_leaving_ends_idle_and_signs_out(dovecot: LocalMailServer, user: MailUser, sign_in: SignIn) -> None:
    async def watch(session: AsyncImapSession) -> None:
        await session.begin_idle()

    talk(sign_in, watch)
    # The server's process of the session writes this after the connection is gone.
    wait_until(lambda: f"imap({user.name})" in dovecot.log(), "the server has not logged the session's end")
    assert "Logged out" in dovecot.last_line_of(user)


def test_leaving_does_not_wait_for_a_server_that_hangs(sign_in: SignIn, wire: Wire) -> None:
    async def watch(session: AsyncImapSession) -> float:
        await session.begin_idle()
        await asyncio.to_thread(wire.silence)
        return time.monotonic()

    left = talk(replace(sign_in, port=wire.port), watch)
    assert time.monotonic() - left < 2
