"""From a connection to a signed-in session: by password, or by an access token that is renewed when it has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypedDict, Unpack

from retinue.async_job import AsyncConnection
from retinue.connection import Call, Connection
from retinue.errors import CredentialError, PermanentError, PermissionWithdrawn, SettingsRefused
from servants.email.imap.limits import Limits
from servants.email.imap.session import ImapSession
from servants.email.oauth import AccessTokens, is_oauth
from servants.email.sign_in import SignIn

#: The provider of the connections that mail is synced over.
PROVIDER = "imap"


class SessionOptions(TypedDict, total=False):
    """What `ImapSession.open` takes beside the sign-in and what counts its calls."""

    limits: Limits
    stop_if_cancelled: Callable[[], None]


@contextmanager
def open_session(
    connection: Connection, *, spared: tuple[type[Exception], ...] = (), **options: Unpack[SessionOptions]
) -> Iterator[ImapSession]:
    """Connect and sign in over this connection; with `with`, at whose end it signs out.

    A token that the server refuses is renewed once, without anybody's being told that the credentials were refused.
    Errors that are `spared` do not count against the connection once it is signed in: whoever opens it makes it anew,
    or counts them.

    Raises:
        PermanentError: the connection is another provider's.
        SettingsRefused: its settings cannot be used.
        CredentialError, RateLimited, TransientError: see `ImapSession.open` and `AccessTokens`.
    """
    calls = _Calls(connection)
    with ExitStack() as stack:
        session = _opened(stack, connection, calls, options)
        calls.spared = spared
        yield session


def _opened(stack: ExitStack, connection: Connection, calls: _Calls, options: SessionOptions) -> ImapSession:
    def opened(sign_in: SignIn) -> ImapSession:
        return stack.enter_context(ImapSession.open(sign_in, call=calls.call, **options))

    if not is_oauth(connection.credentials):
        return opened(sign_in_of(connection))
    tokens = AccessTokens(connection)
    token = tokens.token()
    # It may only be too old; counted, a refusal would have every job of the process stay away from the connection.
    calls.spared = (CredentialError,)
    try:
        return opened(sign_in_of(connection, token))
    except (PermissionWithdrawn, SettingsRefused):
        raise
    except CredentialError:
        calls.spared = ()
        return opened(sign_in_of(connection, tokens.after(token)))


def sign_in_of(connection: Connection | AsyncConnection, access_token: str | None = None) -> SignIn:
    """Where and as whom to sign in, with the connection's password or with this token.

    Raises:
        PermanentError: the connection is another provider's.
        SettingsRefused: it lacks something.
    """
    if connection.provider != PROVIDER:
        raise PermanentError(f"connection {connection.id} is for {connection.provider!r}, not for {PROVIDER!r}.")
    token = None if access_token is None else lambda: access_token
    return SignIn.from_settings(connection.config, connection.credentials, access_token=token)


class _Calls:
    """A connection's calls, of which those count as answered that end in a `spared` error."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.spared: tuple[type[Exception], ...] = ()

    @contextmanager
    def call(self) -> Iterator[Call]:
        spared: Exception | None = None
        with self._connection.call() as call:
            try:
                yield call
            except self.spared as error:
                spared = error
        if spared is not None:
            raise spared
