"""A CalDAV connection tried out step by step, for the person who has just typed it in."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from retinue.errors import JobError
from servants.calendar.client import DavClient, Limits, SignIn
from servants.calendar.discovery import PROPERTIES, RemoteCalendar, find_calendars
from servants.calendar.faults import Missing, Refused
from servants.calendar.reports import full_listing

#: A person is waiting, so less patience than a sync has.
PATIENCE = Limits(connect_seconds=5, read_seconds=15, reply_seconds=30)

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step: what was tried, and a sentence on what was found, or on what is wrong and how to mend it."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The steps in their order, up to the first that failed."""

    steps: tuple[ProbeStep, ...]

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


class _Failed(Exception):
    """This step found something wrong; the message is for the person."""


def probe(config: Mapping[str, Any], credentials: Mapping[str, str], *, limits: Limits = PATIENCE) -> ProbeReport:
    """Try out a connection with these settings (see `SignIn.from_settings`); never raises for what it finds.

    Steps: settings, name, network, encryption, sign-in, calendars, permissions.
    """
    steps: list[ProbeStep] = []
    trial = _Trial(limits)
    for name, step in trial.steps(config, credentials):
        try:
            steps.append(ProbeStep(name, True, step()))
        except (_Failed, JobError) as error:
            steps.append(ProbeStep(name, False, str(error)))
            break
    return ProbeReport(tuple(steps))


class _Trial:
    """What the steps hand on to one another."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sign_in = SignIn("https://unset.invalid/", "", "")
        self._calendars: list[RemoteCalendar] = []

    def steps(self, config: Mapping[str, Any], credentials: Mapping[str, str]) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("settings", lambda: self._settings(config, credentials)),
            ("name", self._name),
            ("network", self._network),
            ("encryption", self._encryption),
            ("sign-in", self._signing_in),
            ("calendars", self._discovery),
            ("permissions", self._permissions),
        ]

    def _settings(self, config: Mapping[str, Any], credentials: Mapping[str, str]) -> str:
        self._sign_in = SignIn.from_settings(config, credentials)
        return f"Address, user name and password are given; the server is {self._sign_in.host}."

    def _name(self) -> str:
        host = self._sign_in.host
        try:
            found = socket.getaddrinfo(host, self._sign_in.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _Failed(f"The name {host} cannot be resolved ({_reason(error)}); check how it is spelt.") from error
        return f"{host} is {found[0][4][0]}."

    def _network(self) -> str:
        sign_in = self._sign_in
        try:
            self._connect().close()
        except OSError as error:
            raise _Failed(
                f"{sign_in.host} does not accept connections on port {sign_in.port} ({_reason(error)}); "
                "check the port, and whether a firewall stands between."
            ) from error
        return f"{sign_in.host} accepts connections on port {sign_in.port}."

    def _encryption(self) -> str:
        host = self._sign_in.host
        if not self._sign_in.uses_tls:
            return "Not encrypted." if host in _LOCAL_HOSTS else "NOT ENCRYPTED: the password travels in the clear."
        try:
            trust = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
            with self._connect() as plain, trust.wrap_socket(plain, server_hostname=host) as tls:
                return f"Encrypted with {tls.version()}; the certificate is good."
        except ssl.SSLCertVerificationError as error:
            raise _Failed(
                f"The certificate of {host} is not trusted ({error.verify_message}); its owner has to mend it."
            ) from error
        except OSError as error:
            raise _Failed(f"{host} does not speak TLS on this port ({error}); is it an http:// address?") from error

    def _connect(self) -> socket.socket:
        address = (self._sign_in.host, self._sign_in.port)
        return socket.create_connection(address, timeout=self._limits.connect_seconds)

    def _signing_in(self) -> str:
        with self._client() as dav:
            try:
                with dav.propfind(self._sign_in.url, PROPERTIES) as (_, reply):
                    list(reply)
            except (Missing, Refused):
                return f"Not refused, though nothing is at this address itself; {self._sign_in.host} is searched."
        return f"The server accepts {self._sign_in.username}."

    def _discovery(self) -> str:
        with self._client() as dav:
            self._calendars = find_calendars(dav)
        if not self._calendars:
            raise _Failed("This user has no event calendars; make one there, or give another user's sign-in.")
        return f"Found {len(self._calendars)}: {', '.join(calendar.name for calendar in self._calendars)}."

    def _permissions(self) -> str:
        with self._client() as dav:
            counts = {calendar.name: len(full_listing(dav, calendar).etags) for calendar in self._calendars}
        return f"All can be read: {', '.join(f'{name} holds {count}' for name, count in counts.items())}."

    def _client(self) -> DavClient:
        return DavClient(self._sign_in, limits=self._limits)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
