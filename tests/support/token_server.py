"""An OAuth 2.0 authorisation server for tests: grants access tokens, renews them, and tells a mail server of them."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

HOST = "127.0.0.1"


class TokenServer(ThreadingHTTPServer):
    """`/token` renews (RFC 6749 §6) and `/introspect` says whose a token is (RFC 7662); both keep what they were asked.

    Whoever holds a refresh token need not show a client secret: the tests look at `requests` for that.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self._access: dict[str, str] = {}
        self._refresh: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.expires_in = 3600
        #: Whether a renewal gives a new refresh token and makes the one that was used worthless.
        self.rotates = False
        #: What `/token` answers instead of a token, such as (400, {"error": "invalid_grant"}).
        self.refusal: tuple[int, dict[str, Any]] | None = None

    @property
    def token_url(self) -> str:
        return f"http://{HOST}:{self.server_port}/token"

    @property
    def introspection_url(self) -> str:
        return f"http://{HOST}:{self.server_port}/introspect"

    def access_token(self, user: str) -> str:
        """A new token that signs this user in until it is revoked."""
        token = secrets.token_urlsafe(24)
        self._access[token] = user
        return token

    def refresh_token(self, user: str) -> str:
        """A token that `/token` changes for access tokens."""
        token = secrets.token_urlsafe(24)
        self._refresh[token] = user
        return token

    def revoke(self, user: str) -> None:
        """Make all of a user's access tokens worthless."""
        self._access = {token: owner for token, owner in self._access.items() if owner != user}

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and the JSON for a request."""
        self.requests.append((path, form))
        if path == "/introspect":
            user = self._access.get(form.get("token", ""))
            return 200, {"active": user is not None, "username": user or ""}
        if self.refusal is not None:
            return self.refusal
        owner = self._refresh.get(form.get("refresh_token", ""))
        if form.get("grant_type") != "refresh_token" or owner is None:
            return 400, {"error": "invalid_grant"}
        granted = {"access_token": self.access_token(owner), "token_type": "Bearer", "expires_in": self.expires_in}
        if self.rotates:
            del self._refresh[form["refresh_token"]]
            granted["refresh_token"] = self.refresh_token(owner)
        return 200, granted


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        status, content = self.server.answer(self.path, form)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the tests read `requests`."""


@contextmanager
def token_server() -> Iterator[TokenServer]:
    """A running server."""
    server = TokenServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
