"""An IMAP connection tried out step by step, for the person who has just typed it in."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from retinue.connection import Connection
from retinue.errors import CredentialError, PermanentError
from servants.email.connecting import open_session, sign_in_of
from servants.email.imap.faults import REFUSALS, Denied, NoSuchMailbox, UnexpectedReply
from servants.email.imap.limits import Limits
from servants.email.imap.session import ImapSession
from servants.email.oauth import Grant, is_oauth
from servants.email.providers import advice_for
from servants.email.sign_in import SignIn, Tls, trusting
from servants.email.values import RemoteFolder
from servants.mending import by_setting
from servants.probing import ProbeReport, StepFailed, distrust, encrypted, find_address, reach, reason_of, try_steps
from servants.reach import connect

if TYPE_CHECKING:
    import imaplib

#: A person is waiting, so less patience than a sync has.
PATIENCE = Limits(connect_seconds=5, read_seconds=15, reply_seconds=30)

#: Mailboxes that are named, and whose rights are asked for.
NAMED, ASKED = 8, 50

INBOX = "INBOX"


def probe(connection: Connection, *, limits: Limits = PATIENCE) -> ProbeReport:
    """Try out a mailbox; never raises for what it finds. A token that is no longer good is renewed, and kept.

    Steps: settings, name, network, encryption, sign-in, folders, permissions.
    """
    with ExitStack() as stack:
        return try_steps(_Trial(connection, limits, stack).steps())


class _Trial:
    """What the steps hand on to one another."""

    _sign_in: SignIn
    _session: ImapSession
    _folders: list[RemoteFolder]

    def __init__(self, connection: Connection, limits: Limits, stack: ExitStack) -> None:
        self._connection = connection
        self._limits = limits
        self._stack = stack
        self._oauth = is_oauth(connection.credentials)

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("settings", self._settings),
            ("name", self._name),
            ("network", self._network),
            ("encryption", self._encryption),
            ("sign-in", self._signing_in),
            ("folders", self._listing),
            ("permissions", self._permissions),
        ]

    def _settings(self) -> str:
        token = Grant.from_credentials(self._connection.credentials).access_token if self._oauth else None
        self._sign_in = sign_in_of(self._connection, token)
        secret = "OAuth tokens" if self._oauth else "password"
        return f"Server, user name and {secret} are given; the server is {self._sign_in.place}."

    def _name(self) -> str:
        return find_address(self._sign_in.host, self._sign_in.port, within=self._sign_in.reach)

    def _network(self) -> str:
        seconds, within = self._limits.connect_seconds, self._sign_in.reach
        return reach(self._sign_in.host, self._sign_in.port, seconds=seconds, within=within)

    def _encryption(self) -> str:
        host, mode = self._sign_in.host, self._sign_in.tls
        if mode is Tls.NONE:
            return "Not encrypted; the server is on this machine."
        try:
            return self._start_tls() if mode is Tls.STARTTLS else self._shake_hands()
        except ssl.SSLCertVerificationError as error:
            raise distrust(host, error) from error
        except OSError as error:
            raise StepFailed(
                f"{host} does not speak TLS on this port ({reason_of(error)}). {_OTHER_PORT[mode]}"
            ) from error

    @property
    def _trust(self) -> ssl.SSLContext:
        return self._sign_in.trust or trusting()

    def _shake_hands(self) -> str:
        host = self._sign_in.host
        with (
            self._connected() as plain,
            self._trust.wrap_socket(plain, server_hostname=host) as tls,
        ):
            return encrypted(tls)

    def _connected(self) -> socket.socket:
        sign_in, seconds = self._sign_in, self._limits.connect_seconds
        return connect(sign_in.host, sign_in.port, reach=sign_in.reach, seconds=seconds)

    def _start_tls(self) -> str:
        import imaplib

        host, port = self._sign_in.host, self._sign_in.port
        try:
            client = _client(host, port, self._connected)
            # Not by its own block, which says goodbye: a refused certificate leaves nothing to say it over.
            try:
                client.starttls(self._trust)
                return encrypted(cast("ssl.SSLSocket", client.sock))
            finally:
                client.file.close()
                client.sock.close()
        except imaplib.IMAP4.error as error:
            raise StepFailed(f"{host} does not offer STARTTLS on port {port}. {_OTHER_PORT[Tls.STARTTLS]}") from error

    def _signing_in(self) -> str:
        try:
            self._session = self._stack.enter_context(open_session(self._connection, limits=self._limits))
        except UnexpectedReply as error:
            raise StepFailed(f"{error.message} Is {self._sign_in.place} an IMAP server?") from error
        except (CredentialError, PermanentError) as error:
            raise StepFailed(f"{error.message} {advice_for(self._sign_in.host, oauth=self._oauth)}".strip()) from error
        return f"The server accepts {self._sign_in.username}."

    def _listing(self) -> str:
        self._folders = [folder for folder in self._session.folders() if folder.selectable]
        if not self._folders:
            raise StepFailed("The server shows this user no mailboxes; give another user's sign-in.")
        names = ", ".join(folder.name for folder in self._folders[:NAMED])
        more = f" and {len(self._folders) - NAMED} more" if len(self._folders) > NAMED else ""
        return f"Found {len(self._folders)}: {names}{more}."

    def _permissions(self) -> str:
        try:
            held = self._session.examine(INBOX).exists
        except (Denied, NoSuchMailbox) as error:
            raise StepFailed(f"{error.message} Give the user the right to read INBOX.") from error
        closed = [folder.name for folder in self._folders[:ASKED] if not self._may_read(folder.name)]
        if INBOX in closed:
            raise StepFailed("This user may see INBOX but not read it; give the user the rights l and r (RFC 4314).")
        found = f"INBOX can be read and holds {held}."
        return f"{found} NOT READABLE for this user, and left out: {', '.join(closed)}." if closed else found

    def _may_read(self, name: str) -> bool:
        """Where the server tells (RFC 4314 §4); `r` is the right to read."""
        if "ACL" not in self._session.capabilities:
            return True
        try:
            return "r" in self._session.rights(name)
        except REFUSALS:
            return False


_OTHER_PORT = {
    Tls.TLS: "Is it a port for STARTTLS (usually 143)? Then set tls to 'starttls': "
    f"{by_setting('--tls starttls')}. The port for TLS is usually 993: {by_setting('--port 993')}.",
    Tls.STARTTLS: f"If the port encrypts at once (usually 993), set tls to 'tls': {by_setting('--tls tls')}.",
}


def _client(host: str, port: int, connected: Callable[[], socket.socket]) -> imaplib.IMAP4:
    """The standard library's client over a connection of ours."""
    # Loaded with the first probe of a server with STARTTLS.
    import imaplib

    class Client(imaplib.IMAP4):
        def _create_socket(self, timeout: float | None) -> socket.socket:
            return connected()

    return Client(host, port)
