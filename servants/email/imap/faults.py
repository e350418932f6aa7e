"""What can go wrong between us and a mail server, as the framework's errors.

The core says what happened in a few words; `Trouble.at` puts them into a sentence that names the server. No message
holds a password or a token, nor anything out of a mail.
"""

from __future__ import annotations

import socket
import ssl
from typing import Self

from retinue.errors import PermanentError, TransientError
from servants.email.sign_in import SignIn, Tls
from servants.mending import by_setting


class Trouble(TransientError):
    """The conversation with the server broke off; the connection is closed."""

    _is_sentence = False

    def at(self, said: str, words: str = "") -> Self:
        """As a sentence, unless it is one already.

        `said` names the server and what was asked of it, `words` are what the server itself had to say.
        """
        return self if self._is_sentence else type(self)(f"{said}: {self.message}.{words}").whole()

    def whole(self) -> Self:
        """Itself, marked as a sentence."""
        self._is_sentence = True
        return self


class UnexpectedReply(Trouble):
    """the server answered with something other than IMAP"""


class ReplyTooLarge(Trouble):
    """the server sends more than it was asked for"""


class ConnectionLost(Trouble):
    """the connection broke"""


class NoAnswer(Trouble):
    """no whole answer within the time allowed"""


class Unreachable(Trouble):
    """no connection can be made"""


class TlsFailed(Trouble):
    """TLS could not begin"""


class CertificateRefused(TlsFailed):
    """the server's certificate cannot be trusted"""


class ServerFailed(TransientError):
    """The server says that it cannot do it for the moment."""


class Refused(TransientError):
    """The server refused this command, which says nothing of others."""

    provider_failed = False


class NotUnderstood(PermanentError):
    """The server does not understand this command."""


class NoSuchMailbox(PermanentError):
    """The mailbox does not exist."""


class Denied(PermanentError):
    """This user may not do this with the mailbox."""


#: What concerns one command or one mailbox alone; the connection goes on.
REFUSALS = (Refused, NotUnderstood, NoSuchMailbox, Denied)


def network_trouble(error: OSError | ValueError, sign_in: SignIn) -> Trouble:
    """What became of the connection, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(f"the server's certificate cannot be trusted ({_untrusted(error)})")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return TlsFailed(f"TLS failed ({error.reason or error}{_tls_advice(error, sign_in)})")
    if isinstance(error, TimeoutError):
        return NoAnswer()
    if isinstance(error, ValueError | socket.gaierror):
        return Unreachable(f"the host name is not known; check it, and mend it by {by_setting('--host NAME')}")
    return ConnectionLost(f"the connection failed ({error.strerror or type(error).__name__})")


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    """OpenSSL's reason with how to mend it: X509_V_ERR_CERT_HAS_EXPIRED is 10, HOSTNAME_MISMATCH 62, IP_ADDRESS 64."""
    reason = error.verify_message or str(error)
    if error.verify_code == 10:
        return f"{reason}; its operator has to renew it"
    if error.verify_code in (62, 64):
        return f"{reason} Connect by the name that it was issued for"
    return f"{reason}; its operator has to install one of a known authority, with the chain"


def _tls_advice(error: ssl.SSLError, sign_in: SignIn) -> str:
    if sign_in.tls is Tls.TLS and error.reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"):
        return (
            f"; nothing speaks TLS at port {sign_in.port} at once: try tls 'starttls', or port 993, "
            f"by {by_setting('--tls starttls')} or {by_setting('--port 993')}"
        )
    return ""
