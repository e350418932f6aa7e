"""A small org for the client's tests: real tokens that rotate, and whatever answers a test has written down.

It knows no data: the sandbox org does. Every request but those for tokens counts, and its answer says so in
`Sforce-Limit-Info`, as Salesforce's do.
"""

from __future__ import annotations

import gzip
import json
import re
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import jwt
import pytest

HOST = "127.0.0.1"
CLIENT_ID, USERNAME = "retinue-app", "ada@customer.example"
SESSION_REFUSED = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


@dataclass(frozen=True)
class Answer:
    """What to answer: JSON, or bytes as they are. `cut_after` closes the connection after so many bytes of the body."""

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None

    @property
    def body(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        return b"" if self.content is None else json.dumps(self.content).encode()


@dataclass(frozen=True)
class Asked:
    """One request, its path and query decoded."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """A refusal in Salesforce's shape."""
    return Answer(status, [{"errorCode": code, "message": message}], headers)


def csv_page(*lines: str, count: int, following: str = "null") -> Answer:
    """A page of Bulk results, as gzip."""
    headers = {
        "Content-Type": "text/csv",
        "Content-Encoding": "gzip",
        "Sforce-NumberOfRecords": str(count),
        "Sforce-Locator": following,
    }
    return Answer(200, gzip.compress("".join(f"{line}\n" for line in lines).encode()), headers)


class SalesforceServer(ThreadingHTTPServer):
    """The org. A refresh token that is used twice ends its whole family, as with rotation on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self._lock = threading.Lock()
        self._scripts: list[tuple[re.Pattern[str], deque[Answer]]] = []
        self._access: set[str] = set()
        self._refresh: str | None = None
        self._spent: set[str] = set()
        self.public_key: str | None = None
        self.asked: list[Asked] = []
        self.grants: list[dict[str, str]] = []
        self.family_revoked = False
        self.expires_in: int | None = None
        self.used, self.max = 0, 15_000
        #: What `/token` answers instead of a token.
        self.token_refusal: Answer | None = None
        #: Requests for tokens wait here while it is closed; `token_asked` says that one does.
        self.token_gate, self.token_asked = threading.Event(), threading.Event()
        self.token_gate.set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, without what stands before the API's version."""
        return [f"{one.method} {re.sub(r'^/services/data/v[0-9.]+/', '', one.path)}" for one in self.asked]

    def script(self, pattern: str, *answers: Answer) -> None:
        """Answer requests whose `METHOD path?query` matches: with each answer once, then with the last one."""
        self._scripts.append((re.compile(pattern), deque(answers)))

    def forget(self) -> None:
        """Drop what was scripted."""
        self._scripts.clear()

    def credentials(self) -> dict[str, str]:
        """Those of a customer who has just signed in by the web flow."""
        with self._lock:
            self._refresh = secrets.token_urlsafe(12)
            return {"refresh_token": self._refresh, "access_token": self._token(), "instance_url": self.url}

    def end_sessions(self) -> None:
        """Every access token is refused from now on."""
        with self._lock:
            self._access.clear()

    def _token(self) -> str:
        token = secrets.token_urlsafe(12)
        self._access.add(token)
        return token

    def grant(self, form: dict[str, str]) -> Answer:
        """The answer of `/token`."""
        self.grants.append(form)
        self.token_asked.set()
        assert self.token_gate.wait(20)
        if self.token_refusal is not None:
            return self.token_refusal
        with self._lock:
            return self._by_key(form) if "assertion" in form else self._by_refresh_token(form)

    def _by_key(self, form: dict[str, str]) -> Answer:
        assert self.public_key is not None
        claims = jwt.decode(form["assertion"], self.public_key, algorithms=["RS256"], audience=self.url)
        known = (claims["iss"], claims["sub"]) == (CLIENT_ID, USERNAME)
        return self._granted({}) if known else _no_grant("user hasn't approved this consumer")

    def _by_refresh_token(self, form: dict[str, str]) -> Answer:
        given = form.get("refresh_token", "")
        if given in self._spent:
            self.family_revoked, self._refresh = True, None
            self._access.clear()
        if given != self._refresh:
            return _no_grant("expired access/refresh token")
        self._spent.add(given)
        self._refresh = secrets.token_urlsafe(12)
        return self._granted({"refresh_token": self._refresh})

    def _granted(self, more: dict[str, Any]) -> Answer:
        life = {} if self.expires_in is None else {"expires_in": str(self.expires_in)}
        return Answer(
            200, {"access_token": self._token(), "instance_url": self.url, "token_type": "Bearer"} | more | life
        )

    def answer(self, asked: Asked) -> Answer:
        """The answer of everything else."""
        with self._lock:
            self.asked.append(asked)
            self.used += 1
            bearer = asked.headers.get("Authorization", "").removeprefix("Bearer ")
            if bearer not in self._access:
                return Answer(401, SESSION_REFUSED)
            for pattern, answers in self._scripts:
                if pattern.search(f"{asked.method} {asked.path}"):
                    return answers.popleft() if len(answers) > 1 else answers[0]
        return refusal(404, "NOT_FOUND", "The requested resource does not exist")


def _no_grant(words: str) -> Answer:
    return Answer(400, {"error": "invalid_grant", "error_description": words})


class _Handler(BaseHTTPRequestHandler):
    server: SalesforceServer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/services/oauth2/token":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            self._say(self.server.grant(form))
            return
        asked = Asked(self.command, unquote_plus(self.path), dict(self.headers.items()), body)
        self._say(self.server.answer(asked))

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that the base class looks for

    def _say(self, answer: Answer) -> None:
        body = answer.body
        given = {
            "Content-Type": "application/json",
            "Sforce-Limit-Info": f"api-usage={self.server.used}/{self.server.max}",
        }
        self.send_response(answer.status)
        for name, value in {**given, **answer.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut_after])
        if answer.cut_after is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the tests read `asked`."""


@contextmanager
def salesforce_server() -> Iterator[SalesforceServer]:
    """A running server."""
    server = SalesforceServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def org() -> Iterator[SalesforceServer]:
    """One for each test."""
    with salesforce_server() as server:
        yield server
