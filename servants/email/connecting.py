"""From a connection to a signed-in session: by password, or by an access token that is renewed when it has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypedDict, Unpack

from retinue.async_job import AsyncConnection
from retinue.connection import Call, Connection
from retinue.errors import CredentialError, PermanentError, PermissionWithdrawn
from servants.email.imap.session import ImapSession, Limits
from servants.email.oauth import AccessTokens, is_oauth
from servants.email.sign_in import SignIn

#: The provider of the connections that mail is synced over.
PROVIDER = "imap"


class SessionOptions(TypedDict, total=False):
    """What `ImapSession.open` takes beside the sign-in and what counts its calls."""

    limits: Limits
    stop_if_cancelled: Callable[[], None]


@contextmanager
def open_session(connection: Connection, **options: Unpack[SessionOptions]) -> Iterator[ImapSession]:
    """Connect and sign in over this connection; with `with`, at whose end it signs out.

    A token that the server refuses is renewed once, without anybody's being told that the credentials were refused.

    Raises:
        PermanentError: the connection is another provider's, or its settings cannot be used.
        CredentialError, RateLimited, TransientError: see `ImapSession.open` and `AccessTokens`.
    """
    with ExitStack() as stack:
        yield _opened(stack, connection, options)


def _opened(stack: ExitStack, connection: Connection, options: SessionOptions) -> ImapSession:
    if not is_oauth(connection.credentials):
        return stack.enter_context(ImapSession.open(sign_in_of(connection), call=connection.call, **options))
    tokens = AccessTokens(connection)
    token = tokens.token()
    calls = _Lenient(connection)
    try:
        session = stack.enter_context(ImapSession.open(sign_in_of(connection, token), call=calls.call, **options))
    except PermissionWithdrawn:
        raise
    except CredentialError:
        sign_in = sign_in_of(connection, tokens.after(token))
        return stack.enter_context(ImapSession.open(sign_in, call=connection.call, **options))
    calls.is_lenient = False
    return session


def sign_in_of(connection: Connection | AsyncConnection, access_token: str | None = None) -> SignIn:
    """Where and as whom to sign in, with the connection's password or with this token.

    Raises:
        PermanentError: the connection is another provider's, or lacks something.
    """
    if connection.provider != PROVIDER:
        raise PermanentError(f"connection {connection.id} is for {connection.provider!r}, not for {PROVIDER!r}.")
    token = None if access_token is None else lambda: access_token
    return SignIn.from_settings(connection.config, connection.credentials, access_token=token)


class _Lenient:
    """A connection's calls, of which a refused sign-in counts as an answer: the token may only be too old.

    Counted as it is, it would have every job of the process stay away from the connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_lenient = True

    @contextmanager
    def call(self) -> Iterator[Call]:
        refused: CredentialError | None = None
        with self._connection.call() as call:
            try:
                yield call
            except CredentialError as error:
                if not self.is_lenient:
                    raise
                refused = error
        if refused is not None:
            raise refused
