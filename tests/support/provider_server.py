"""A provider on the loopback interface: counts the calls of each customer, and refuses, fails or limits as it is told.

GET /customers/7    200, or 401 with a wrong password, 403, 429, 500
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ProviderServer:
    """What it counts and how it answers; `failing`, `revoked` and `limited` may be changed at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        #: The passwords it accepts.
        self.passwords: dict[str, str] = {}
        #: Customers whose calls fail with 500.
        self.failing: set[str] = set()
        #: Customers whose calls are answered with these headers and this status.
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}
        #: Calls wait here while it is closed.
        self.opened = threading.Event()
        self.opened.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, headers = server.answer(self.path, self.headers.get("Authorization", ""))
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def total(self) -> int:
        with self._lock:
            return sum(self.calls.values())

    def answer(self, path: str, password: str) -> tuple[int, dict[str, str]]:
        customer = path.rpartition("/")[2]
        with self._lock:
            self.calls[customer] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.opened.wait(20)
        with self._lock:
            self.at_once -= 1
        if customer in self.answers:
            return self.answers[customer]
        if self.passwords.get(customer, password) != password:
            return 401, {}
        return (500, {}) if customer in self.failing else (200, {})

    def close(self) -> None:
        self.opened.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def provider_server() -> Iterator[ProviderServer]:
    server = ProviderServer()
    try:
        yield server
    finally:
        server.close()
