"""One account's requests to one CalDAV server: sign-in, redirects, time and size limits, errors.

The `caldav` library is not used: it reads whole replies of any size before it looks at them, logs their text, and its
redirects turn PROPFIND into GET.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import HTTPBasicAuth

from infra.hosts import Reach, is_loopback
from retinue.clock import Clock, SystemClock
from retinue.connection import Call, uncounted
from retinue.errors import PermanentError, SettingsRefused, TransientError
from servants.calendar.faults import (
    Refused,
    ReplyTooLarge,
    SyncTokenExpired,
    TooMuchAsked,
    resolve,
    status_fault,
)
from servants.calendar.multistatus import DAV, Multistatus, has_precondition
from servants.head_in_time import HeadInTime
from servants.mending import lacks
from servants.reach import reach_of
from servants.web import network_fault, shown, without_user

MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024

#: How much of an error reply is read to find the precondition it names.
ERROR_BODY_BYTES = 64 * 1024

MULTI_STATUS = 207


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much a server may talk. `reply_seconds` is for one whole reply, however slowly it drips."""

    connect_seconds: float = 10
    read_seconds: float = 60
    reply_seconds: float = 120
    reply_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where to begin and as whom. The password shows in no `repr`."""

    url: str
    username: str
    password: str = field(repr=False)
    #: How far away from this machine the server, and what it refers to, may be.
    reach: Reach = Reach.ANY

    @classmethod
    def from_settings(cls, config: Mapping[str, Any], credentials: Mapping[str, str]) -> SignIn:
        """From a connection's settings: `config` holds `url`, `username` and maybe `reach`; `credentials` `password`.

        Raises:
            SettingsRefused: one of them is missing, or the address cannot be one of CalDAV.
        """
        # Rows may hold whatever JSON somebody wrote into them.
        parts: list[Any] = [config, credentials]
        config, credentials = (part if isinstance(part, Mapping) else {} for part in parts)
        given = {"url": config.get("url"), "username": config.get("username"), "password": credentials.get("password")}
        missing = [name for name, value in given.items() if not isinstance(value, str) or not value]
        if missing:
            raise SettingsRefused(lacks("The CalDAV connection", missing))
        return cls(str(given["url"]), str(given["username"]), str(given["password"]), reach_of(config))

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")) or not _has_place(self.url):
            raise SettingsRefused(f"{shown(self.url)!r} is no CalDAV address; expected https://host/path.")
        if without_user(self.url) != self.url:
            raise SettingsRefused(f"Give user name and password apart from the address {shown(self.url)!r}, not in it.")

        if not self.uses_tls and not is_loopback(self.host):
            raise SettingsRefused(
                f"{shown(self.url)!r} begins with http://, which is allowed on this machine alone, for the password "
                "would travel in the clear; give an address with https://."
            )

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or (443 if self.uses_tls else 80)

    @property
    def uses_tls(self) -> bool:
        return self.url.startswith("https://")


class _Session(requests.Session):
    """A session that leaves redirects to its caller: its own reading of them has no limit and turns PROPFIND to GET."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class DavClient:
    """Requests as one user; use it as a context manager. Not shared between threads.

    `stop_if_cancelled` is called while a reply comes in and may raise. `call` stands around each request, from sending
    it to the end of its reply.

    Every method raises:
        CredentialError, RateLimited, TransientError, PermanentError: see `servants.calendar.faults`.
    """

    def __init__(
        self,
        sign_in: SignIn,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        stop_if_cancelled: Callable[[], None] = lambda: None,
        call: Callable[[], AbstractContextManager[Call]] = uncounted,
    ) -> None:
        self.sign_in = sign_in
        self._call = call
        self._stop_if_cancelled = stop_if_cancelled
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._session = _Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HeadInTime(self._limits.reply_seconds, reach=sign_in.reach))
        # Bytes, because requests would encode text as Latin-1 and fail on the rest of Unicode.
        self._session.auth = HTTPBasicAuth(sign_in.username.encode(), sign_in.password.encode())
        self._session.headers.update({"Content-Type": "application/xml; charset=utf-8", "User-Agent": "Retinue"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    @contextmanager
    def propfind(self, url: str, body: str, *, depth: int = 0) -> Iterator[tuple[str, Multistatus]]:
        """Ask for properties; gives the address that answered, for relative hrefs, and the reply."""
        with self._reply("PROPFIND", url, body, depth) as (answered, reply):
            yield answered, reply

    @contextmanager
    def report(self, url: str, body: str, *, depth: int | None = None) -> Iterator[Multistatus]:
        """Run a report on a calendar.

        Raises:
            SyncTokenExpired: the server refused the sync token in `body` (RFC 6578 §3.2, DAV:valid-sync-token).
        """
        with self._reply("REPORT", url, body, depth) as (_, reply):
            yield reply

    @contextmanager
    def _reply(self, method: str, url: str, body: str, depth: int | None) -> Iterator[tuple[str, Multistatus]]:
        deadline = self._clock.monotonic() + self._limits.reply_seconds
        for _ in range(MAX_REDIRECTS + 1):
            with self._call() as call, self._send(method, url, body, depth) as response:
                call.learn(response.headers, status=response.status_code)
                if not response.is_redirect:
                    chunks = self._chunks(method, url, response, deadline)
                    if response.status_code != MULTI_STATUS:
                        raise self._fault(method, url, response, chunks)
                    yield url, Multistatus(chunks, source=f"{method} {shown(url)}")
                    return
            url = resolve(url, response.headers["Location"])
        raise PermanentError(f"{method} {shown(url)}: more than {MAX_REDIRECTS} redirects.")

    def _send(self, method: str, url: str, body: str, depth: int | None) -> requests.Response:
        self._check_trusted(url)
        try:
            return self._session.request(
                method,
                url,
                data=body.encode(),
                headers={} if depth is None else {"Depth": str(depth)},
                timeout=(self._limits.connect_seconds, self._limits.read_seconds),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise network_fault(method, url, error) from error

    def _check_trusted(self, url: str) -> None:
        """The password goes where the customer said, and over TLS to hosts that this server names (RFC 6764 §5)."""
        ours, theirs = urlsplit(self.sign_in.url), urlsplit(url)
        same_plain_server = ours.scheme == theirs.scheme == "http" and _place(url) == _place(self.sign_in.url)
        if theirs.scheme != "https" and not same_plain_server:
            raise Refused(f"The server sends us to {shown(url)}; the password is not sent there without TLS.")

    def _chunks(self, method: str, url: str, response: requests.Response, deadline: float) -> Iterator[bytes]:
        size = 0
        try:
            # read1 returns what has arrived, so that a server which drips bytes meets the deadline.
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
                self._stop_if_cancelled()
                size += len(chunk)
                if size > self._limits.reply_bytes:
                    raise ReplyTooLarge(f"{method} {shown(url)}: more than {self._limits.reply_bytes:,} bytes.")
                if self._clock.monotonic() > deadline:
                    raise TransientError(f"{method} {shown(url)}: no whole answer in {self._limits.reply_seconds:g} s.")
                yield chunk
        except urllib3.exceptions.HTTPError as error:
            raise network_fault(method, url, error) from error

    def _fault(self, method: str, url: str, response: requests.Response, chunks: Iterator[bytes]) -> Exception:
        said = _beginning(chunks) if 400 <= response.status_code < 500 else b""
        if has_precondition(said, f"{DAV}valid-sync-token"):
            return SyncTokenExpired(f"{method} {shown(url)}: the server no longer knows the sync token.")
        if has_precondition(said, f"{DAV}number-of-matches-within-limits"):
            return TooMuchAsked(f"{method} {shown(url)}: the server will not give that much at once.")
        return status_fault(method, url, response, now=self._clock.now())


def _has_place(url: str) -> bool:
    """Whether there is a host, and a port that can be one."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and " " not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def _place(url: str) -> tuple[str | None, int]:
    """Host and port of a plain address; another port may be another's server."""
    parts = urlsplit(url)
    try:
        return parts.hostname, parts.port or 80
    except ValueError:
        return None, 0


def _beginning(chunks: Iterator[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > ERROR_BODY_BYTES:
            break
    return body
