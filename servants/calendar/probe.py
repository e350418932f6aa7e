"""A CalDAV connection tried out step by step, for the person who has just typed it in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from servants.calendar.client import DavClient, Limits, SignIn
from servants.calendar.discovery import PROPERTIES, RemoteCalendar, find_calendars
from servants.calendar.faults import Missing, Refused
from servants.calendar.reports import full_listing
from servants.mending import by_setting
from servants.probing import ProbeReport, StepFailed, distrust, encrypted, find_address, reach, try_steps
from servants.reach import connect

#: A person is waiting, so less patience than a sync has.
PATIENCE = Limits(connect_seconds=5, read_seconds=15, reply_seconds=30)


def probe(config: Mapping[str, Any], credentials: Mapping[str, str], *, limits: Limits = PATIENCE) -> ProbeReport:
    """Try out a connection with these settings (see `SignIn.from_settings`); never raises for what it finds.

    Steps: settings, name, network, encryption, sign-in, calendars, permissions.
    """
    return try_steps(_Trial(limits).steps(config, credentials))


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
        return find_address(self._sign_in.host, self._sign_in.port, within=self._sign_in.reach)

    def _network(self) -> str:
        seconds, within = self._limits.connect_seconds, self._sign_in.reach
        return reach(self._sign_in.host, self._sign_in.port, seconds=seconds, within=within)

    def _encryption(self) -> str:
        host = self._sign_in.host
        if not self._sign_in.uses_tls:
            return "Not encrypted; the server is on this machine."
        port, within = self._sign_in.port, self._sign_in.reach
        try:
            trust = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
            with (
                connect(host, port, reach=within, seconds=self._limits.connect_seconds) as plain,
                trust.wrap_socket(plain, server_hostname=host) as tls,
            ):
                return encrypted(tls)
        except ssl.SSLCertVerificationError as error:
            raise distrust(host, error) from error
        except OSError as error:
            raise StepFailed(
                f"{host} does not speak TLS on this port ({error}); check the address, and mend it by "
                f"{by_setting('--url https://…')}."
            ) from error

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
            raise StepFailed("This user has no event calendars; make one there, or give another user's sign-in.")
        return f"Found {len(self._calendars)}: {', '.join(calendar.name for calendar in self._calendars)}."

    def _permissions(self) -> str:
        with self._client() as dav:
            counts = {calendar.name: len(full_listing(dav, calendar).etags) for calendar in self._calendars}
        return f"All can be read: {', '.join(f'{name} holds {count}' for name, count in counts.items())}."

    def _client(self) -> DavClient:
        return DavClient(self._sign_in, limits=self._limits)
