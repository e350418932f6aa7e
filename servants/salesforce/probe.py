"""A connection to an org tried out step by step, for the person who has just typed it in."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from infra.hosts import is_loopback
from retinue.connection import Connection
from retinue.errors import JobError, PermanentError, PermissionWithdrawn
from servants.probing import ProbeReport, StepFailed, distrust, encrypted, find_address, reach, reason_of, try_steps
from servants.salesforce.client import Salesforce, open_client
from servants.salesforce.client.http import Limits
from servants.salesforce.client.session import sign_in_of
from servants.salesforce.client.sign_in import SignIn
from servants.salesforce.client.values import ObjectLine

#: A person is waiting, so less patience than a sync has.
PATIENCE = Limits(connect_seconds=5, read_seconds=30, reply_seconds=60)

#: What nearly every customer wants to see synced.
USUAL = ("Account", "Contact", "Lead", "Opportunity", "Task", "Event", "User")

DAILY = "DailyApiRequests"


def probe(connection: Connection, *, limits: Limits = PATIENCE) -> ProbeReport:
    """Try out a connection; never raises for what it finds. A token that is no longer good is renewed, and kept.

    Steps: settings, name, network, encryption, sign-in, permissions, quota.
    """
    with ExitStack() as stack:
        return try_steps(_Trial(connection, limits, stack).steps())


class _Trial:
    """What the steps hand on to one another."""

    _sign_in: SignIn
    _client: Salesforce
    _objects: list[ObjectLine]

    def __init__(self, connection: Connection, limits: Limits, stack: ExitStack) -> None:
        self._connection = connection
        self._limits = limits
        self._stack = stack

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("settings", self._settings),
            ("name", lambda: find_address(self._sign_in.host, self._sign_in.port)),
            ("network", lambda: reach(self._sign_in.host, self._sign_in.port, seconds=self._limits.connect_seconds)),
            ("encryption", self._encryption),
            ("sign-in", self._signing_in),
            ("permissions", self._permissions),
            ("quota", self._quota),
        ]

    def _settings(self) -> str:
        self._sign_in = sign_in_of(self._connection)
        secret = "a private key" if self._sign_in.flow == "jwt" else "a refresh token"
        return f"App and {secret} are given; people sign in at {self._sign_in.host}."

    def _encryption(self) -> str:
        host = self._sign_in.host
        if not self._sign_in.uses_tls:
            return "Not encrypted; the org is on this machine." if is_loopback(host) else "NOT ENCRYPTED."
        try:
            trust = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
            address = (host, self._sign_in.port)
            with (
                socket.create_connection(address, timeout=self._limits.connect_seconds) as plain,
                trust.wrap_socket(plain, server_hostname=host) as tls,
            ):
                return encrypted(tls)
        except ssl.SSLCertVerificationError as error:
            raise distrust(host, error) from error
        except OSError as error:
            raise StepFailed(f"{host} does not speak TLS on this port ({reason_of(error)}).") from error

    def _signing_in(self) -> str:
        self._client = self._stack.enter_context(
            open_client(self._connection, limits=self._limits, pause=lambda _seconds: None)
        )
        self._objects = self._client.rest.objects()
        return f"The org lets {self._who()} in, by version {self._sign_in.api_version} of its API."

    def _who(self) -> str:
        """The user's name, which not every app may ask for."""
        try:
            return self._client.rest.identity().username
        except JobError:
            return self._sign_in.username or "this user"

    def _permissions(self) -> str:
        readable = {line.name for line in self._objects if line.queryable}
        missing = [name for name in USUAL if name not in readable]
        if len(missing) == len(USUAL):
            raise StepFailed(
                "This user may read none of the usual objects; give it a permission set with Read, or View All Data."
            )
        found = f"{len(readable)} objects can be queried."
        return f"{found} NOT READABLE for this user: {', '.join(missing)}." if missing else found

    def _quota(self) -> str:
        try:
            day = self._client.rest.limits().get(DAILY)
        except (PermanentError, PermissionWithdrawn):
            day = None
        if day is None:
            return "The org does not show this user its limits; each answer tells what is left."
        return f"{day.used:,} of {day.max:,} API calls of the last 24 hours are used, by all tools together."
