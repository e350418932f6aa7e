"""Requests to one org: signed in, counted, learned from, their refusals told apart, passing faults tried again."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote_plus, urlsplit

import requests

from infra.logs import get_logger
from retinue.clock import Clock, SystemClock
from retinue.connection import Connection
from retinue.errors import JobError, PermanentError
from servants.salesforce.client import errors
from servants.salesforce.client.auth import Token, Tokens
from servants.salesforce.client.body import Body
from servants.salesforce.client.errors import Told
from servants.salesforce.client.meanings import MEANINGS
from servants.salesforce.client.refusals import fault, is_pool, told
from servants.web import network_fault

T = TypeVar("T")

#: Salesforce refuses requests whose address and headers are longer than this together, in bytes.
URI_AND_HEADERS = 16_384

#: What the headers of our requests take of it at most: an access token may have 2,000 characters.
HEADER_BYTES = 3_072

#: Waits before a request that met a passing fault is sent again, in seconds.
PAUSES = (1.0, 4.0)

#: How much of a refusal is read.
REFUSAL_BYTES = 64 * 1024

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much an org may talk.

    A query may take two minutes before its first byte. `reply_seconds` and `reply_bytes` are for one whole answer but
    for those that are streamed, of which a line has at most `line_bytes`.
    """

    connect_seconds: float = 10
    read_seconds: float = 130
    reply_seconds: float = 600
    reply_bytes: int = 64 * 1024 * 1024
    line_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` begins at the org's address. Only what changes nothing is `repeated`."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    repeated: bool = True

    @property
    def target(self) -> str:
        """Path and query. What SOQL is full of stays as it is, because the address has little room."""
        query = "&".join(f"{name}={quote_plus(value, safe=',()*:')}" for name, value in self.query.items())
        return f"{self.path}?{query}" if query else self.path

    @property
    def fits(self) -> bool:
        """Whether it is short enough for an address."""
        return len(self.target) + HEADER_BYTES <= URI_AND_HEADERS


class _Session(requests.Session):
    """A session that follows no redirect: a token goes to its own org alone."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _TokenRefused(Exception):
    """Another token may help; says nothing of the provider."""


class Caller:
    """What sends requests over one connection; use it as a context manager. Not shared between threads.

    Each request is a call of the connection that may not use its budget's reserve: that is the part of the day's calls
    which belongs to the customer's other tools.

    Every method raises, besides `BudgetExhausted` and `LaneBlocked`:
        CredentialError, PermissionWithdrawn, RateLimited, TransientError, PermanentError: see
        `servants.salesforce.client.refusals` and `Tokens`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        stop_if_cancelled: Callable[[], None] = lambda: None,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._connection = connection
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._stop_if_cancelled = stop_if_cancelled
        self._pause = pause or self._sleep
        self._tokens = Tokens(connection, clock=self._clock)
        #: How many calls of the API were made.
        self.calls = 0
        #: The org's clock at its last answer, in whole seconds; None before one.
        self.server_now: datetime | None = None
        self._session = _Session()
        # Keeps proxies in (from the environment), and a .netrc of this machine out.
        self._session.auth = lambda request: request
        self._session.headers.update({"User-Agent": "Retinue", "Accept": "application/json"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def wait(self, seconds: float) -> None:
        """Wait, unless the job is cancelled."""
        self._stop_if_cancelled()
        self._pause(seconds)
        self._stop_if_cancelled()

    def _sleep(self, seconds: float) -> None:
        """In steps, so that a cancelled job waits no longer."""
        for _ in range(int(seconds)):
            time.sleep(1)
            self._stop_if_cancelled()
        time.sleep(seconds % 1)

    def fetch(self, request: Request) -> Any:
        """The whole answer's JSON; None where it has none (204, 304)."""
        return self.answer(request, content_of)

    def answer(self, request: Request, read: Callable[[requests.Response, bytes], T]) -> T:
        """What `read` makes of the whole answer; tried again where that may help and cannot harm."""
        return self._again(request, lambda: self._whole(request, read))

    @contextmanager
    def stream(self, request: Request) -> Iterator[tuple[requests.Response, Body]]:
        """The answer while it comes in, of any length. Cut later than its first byte, it is not tried again."""
        with ExitStack() as stack:
            response = self._again(request, lambda: self._opened(stack, request))
            yield response, self._body(request, response, streamed=True)

    def _again(self, request: Request, send: Callable[[], T]) -> T:
        for seconds in PAUSES if request.repeated else ():
            try:
                return send()
            except errors.ServiceFailed as error:
                log.info("salesforce_request_repeated", connection=self._connection.id, reason=error.message)
                self.wait(seconds)
        return send()

    def _whole(self, request: Request, read: Callable[[requests.Response, bytes], T]) -> T:
        with ExitStack() as stack:
            response = self._opened(stack, request)
            return read(response, self._body(request, response).readall())

    def _opened(self, stack: ExitStack, request: Request) -> requests.Response:
        """The answer; a token that is refused is renewed once, without anybody's being told of a refusal."""
        token = self._tokens.token()
        try:
            return self._tried(stack, request, token, final=False)
        except _TokenRefused:
            fresh = self._tokens.renewed(token)
        return self._tried(stack, request, fresh, final=True)

    def _tried(self, stack: ExitStack, request: Request, token: Token, *, final: bool) -> requests.Response:
        """The answer, which `stack` closes."""
        with ExitStack() as attempt:
            call = attempt.enter_context(self._connection.call(urgent=False))
            self.calls += 1
            response = attempt.enter_context(self._send(request, token))
            self.server_now = _date(response) or self.server_now
            if response.ok and not response.is_redirect:
                call.learn(response.headers, status=response.status_code)
                stack.enter_context(attempt.pop_all())
                return response
            said = told(body := self._refusal(request, response))
            # What is spent of the Bulk API's pools stops nothing else.
            lesson = "" if is_pool(said) else body.decode("utf-8", "replace")
            call.learn(response.headers, status=response.status_code, body=lesson)
            if not final and _wants_token(response, said):
                raise _TokenRefused
            raise self._fault(request, response, said)

    def _send(self, request: Request, token: Token) -> requests.Response:
        if not request.fits:
            raise errors.QueryTooLong(f"{request.method} {request.path}: the query is too long for an address.")
        url = f"{token.instance_url}{request.target}"
        body = None if request.content is None else json.dumps(request.content).encode()
        headers = {"Authorization": f"Bearer {token.value}", **request.headers}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=UTF-8"
        try:
            return self._session.request(
                request.method,
                url,
                data=body,
                headers=headers,
                timeout=(self._limits.connect_seconds, self._limits.read_seconds),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise _unreached(network_fault(request.method, url, error)) from error

    def _body(self, request: Request, response: requests.Response, *, streamed: bool = False) -> Body:
        deadline = self._clock.monotonic() + self._limits.reply_seconds
        most_bytes = None if streamed else self._limits.reply_bytes
        line_bytes = self._limits.line_bytes if streamed else None
        where = f"{request.method} {_host(response)}{request.path}"

        def look() -> None:
            self._stop_if_cancelled()
            if not streamed and self._clock.monotonic() > deadline:
                raise errors.ServiceFailed(f"{where}: no whole answer in {self._limits.reply_seconds:g} s.")

        return Body(where, response, look=look, most_bytes=most_bytes, line_bytes=line_bytes)

    def _refusal(self, request: Request, response: requests.Response) -> bytes:
        """The beginning of a refusal's body; one that is cut still has its status."""
        body = self._body(request, response)
        try:
            return io.BufferedReader(body).read(REFUSAL_BYTES)
        except (errors.ServiceFailed, errors.UnexpectedAnswer):
            return b""

    def _fault(self, request: Request, response: requests.Response, said: Told) -> JobError:
        where = f"{request.method} {_host(response)}{request.path}"
        return fault(where, response.status_code, said, headers=response.headers, now=self._clock.now())


def content_of(response: requests.Response, body: bytes) -> Any:
    """An answer's JSON; None where it has no content.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    if response.status_code == requests.codes.no_content or not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
        raise errors.UnexpectedAnswer(
            f"{_host(response)} answered {response.status_code} with {kind[:60]} that is no data: maintenance, a page "
            "to sign in at, or something between us and Salesforce."
        ) from None


def _wants_token(response: requests.Response, said: Told) -> bool:
    """Whether a new token may help; a redirect says that the org has moved, and a new token names its address."""
    meaning = MEANINGS.get(said.code)
    refused = meaning is not None and meaning.kind is errors.SessionRefused
    return refused or response.status_code == requests.codes.unauthorized or response.is_redirect


def _unreached(error: JobError) -> JobError:
    return error if isinstance(error, PermanentError) else errors.ServiceFailed(error.message)


def _date(response: requests.Response) -> datetime | None:
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _host(response: requests.Response) -> str:
    return urlsplit(response.url).hostname or ""
