"""From a connection to a client of its org."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from retinue.clock import Clock
from retinue.connection import Connection
from retinue.errors import PermanentError
from servants.salesforce.client.bulk import BulkQuery
from servants.salesforce.client.http import Caller, Limits
from servants.salesforce.client.rest import Rest
from servants.salesforce.client.sign_in import SignIn
from servants.salesforce.provider import PROVIDER


@dataclass(frozen=True, slots=True)
class Salesforce:
    """One org over one connection. Not shared between threads; several may be open at once."""

    sign_in: SignIn
    rest: Rest
    bulk: BulkQuery


@contextmanager
def open_client(
    connection: Connection,
    *,
    limits: Limits | None = None,
    clock: Clock | None = None,
    stop_if_cancelled: Callable[[], None] = lambda: None,
    pause: Callable[[float], None] | None = None,
) -> Iterator[Salesforce]:
    """A client for the org of this connection; nothing is sent before it is used.

    `stop_if_cancelled` is called while answers come in and while it waits, and may raise. `pause` is what waits.

    Raises:
        PermanentError: the connection is another provider's, or its settings cannot be used.
    """
    sign_in = sign_in_of(connection)
    with Caller(connection, limits=limits, clock=clock, stop_if_cancelled=stop_if_cancelled, pause=pause) as caller:
        yield Salesforce(sign_in, Rest(caller, sign_in.api_version), BulkQuery(caller, sign_in.api_version))


def sign_in_of(connection: Connection) -> SignIn:
    """Where and as whom to sign in.

    Raises:
        PermanentError: the connection is another provider's, or lacks something.
    """
    if connection.provider != PROVIDER:
        raise PermanentError(f"connection {connection.id} is for {connection.provider!r}, not for {PROVIDER!r}.")
    return SignIn.from_settings(connection.config, connection.credentials)
