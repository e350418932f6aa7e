"""Letters that Retinue itself sends, by one SMTP server (RFC 5321), over TLS wherever others could listen."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from infra.hosts import is_loopback
from retinue.errors import RetinueError

if TYPE_CHECKING:
    from infra.settings import Settings

#: Somebody waits for the page that says whether it was sent.
PATIENCE_SECONDS = 10

#: For submission (RFC 8314): with TLS from the beginning, and with STARTTLS.
_PORTS = {"smtps": 465, "smtp": 587}


class MailNotSent(RetinueError):
    """The server did not take the letter; the message says what it told, and holds no secret."""


def can_send(settings: Settings) -> bool:
    """Whether there is a server to send by."""
    return settings.smtp_url is not None


def send(settings: Settings, *, to: str, subject: str, text: str) -> None:
    """Hand one letter of plain text to the server.

    Raises:
        MailNotSent
    """
    letter = _letter(settings, to, subject, text)
    server = urlsplit("" if settings.smtp_url is None else settings.smtp_url.get_secret_value())
    try:
        with _connected(server) as smtp:
            smtp.send_message(letter)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise MailNotSent(f"The mail server does not take letters for {to}: {_told(code, said)}") from None
    except smtplib.SMTPAuthenticationError as error:
        # Without what it said: servers repeat there who wanted to sign in.
        raise MailNotSent(f"The mail server refuses the sign-in ({error.smtp_code}): mend RETINUE_SMTP_URL.") from None
    except smtplib.SMTPResponseException as error:
        raise MailNotSent(f"The mail server refused the letter: {_told(error.smtp_code, error.smtp_error)}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise MailNotSent(f"The mail server {server.hostname} could not be asked: {error}") from None


def _letter(settings: Settings, to: str, subject: str, text: str) -> EmailMessage:
    letter = EmailMessage(policy=SMTP)
    letter["From"] = settings.mail_from
    letter["To"] = to
    letter["Subject"] = subject
    letter["Date"] = formatdate()
    letter["Message-ID"] = make_msgid(domain=(settings.mail_from or "").rpartition("@")[2].rstrip(">") or None)
    # No machine answers it (RFC 3834).
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    return letter


@contextmanager
def _connected(server: SplitResult) -> Iterator[smtplib.SMTP]:
    """The server, ready for letters."""
    context = ssl.create_default_context()
    host, port = server.hostname or "", server.port or _PORTS[server.scheme]
    if server.scheme == "smtps":
        opened: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=PATIENCE_SECONDS, context=context)
    else:
        opened = smtplib.SMTP(host, port, timeout=PATIENCE_SECONDS)
    with opened as smtp:
        smtp.ehlo()
        # Whoever sits between could take the offer away: only this very machine is spoken to in the clear.
        if server.scheme == "smtp" and (smtp.has_extn("starttls") or not is_loopback(host)):
            smtp.starttls(context=context)
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        yield smtp


def _told(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())[:200]}"
