"""As `servants.email.connecting`, in an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from retinue.async_job import AsyncConnection
from retinue.errors import CredentialError, PermissionWithdrawn, SettingsRefused
from servants.email.connecting import sign_in_of
from servants.email.imap.aio import AsyncImapSession
from servants.email.imap.limits import Limits
from servants.email.oauth import AsyncAccessTokens, is_oauth
from servants.email.sign_in import SignIn


@asynccontextmanager
async def open_async_session(
    connection: AsyncConnection, *, limits: Limits | None = None
) -> AsyncIterator[AsyncImapSession]:
    """Connect and sign in over this connection; with `async with`, at whose end it signs out.

    A token that the server refuses is renewed once. One call is counted, for connecting and signing in: what a server
    does to a connection that is only listened to says nothing of its health.

    Raises:
        PermanentError: the connection is another provider's.
        SettingsRefused: its settings cannot be used.
        CredentialError, RateLimited, TransientError: it is not possible.
        LaneBlocked: the connection was found broken by others.
    """
    async with AsyncExitStack() as stack:
        async with connection.call():
            session = await _opened(stack, connection, limits)
        yield session


async def _opened(stack: AsyncExitStack, connection: AsyncConnection, limits: Limits | None) -> AsyncImapSession:
    async def opened(sign_in: SignIn) -> AsyncImapSession:
        return await stack.enter_async_context(AsyncImapSession.open(sign_in, limits=limits))

    if not is_oauth(connection.credentials):
        return await opened(sign_in_of(connection))
    tokens = AsyncAccessTokens(connection)
    token = await tokens.token()
    try:
        return await opened(sign_in_of(connection, token))
    except (PermissionWithdrawn, SettingsRefused):
        raise
    except CredentialError:
        return await opened(sign_in_of(connection, await tokens.after(token)))
