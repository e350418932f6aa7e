"""A mail server that takes letters, and keeps them; made of aiosmtpd."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.certificates import Certificate
from tests.support.postgres import free_port

HOST = "127.0.0.1"

Security = Literal["none", "starttls", "tls"]


@dataclass
class Letterbox:
    """What arrived, and what is answered instead of taking it."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    #: Whether each came over TLS.
    secure: list[bool] = field(default_factory=list)
    #: A reply such as "550 no such user" to RCPT.
    refusal: str | None = None
    users: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refusal is not None:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        assert server.transport is not None
        self.secure.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        known = isinstance(given, LoginPassword) and self.users.get(given.login.decode()) == given.password.decode()
        return AuthResult(success=known, handled=False)


@contextmanager
def letterbox(security: Security = "none", certificate: Certificate | None = None) -> Iterator[Letterbox]:
    """One that runs."""
    box = Letterbox(free_port())
    context = None if certificate is None else _context(certificate.chain, certificate.key)
    settings: dict[str, Any] = {"authenticator": box.authenticate, "auth_require_tls": security == "starttls"}
    if security == "starttls":
        settings |= {"tls_context": context, "require_starttls": True}
    ssl_context = context if security == "tls" else None
    controller = Controller(box, hostname=HOST, port=box.port, ssl_context=ssl_context, **settings)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def _context(chain: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context
