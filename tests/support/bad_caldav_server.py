"""A CalDAV server that misbehaves as told, on a thread of the test's own process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """What the client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Reply:
    """What to answer. `then` is what happens to the body: all of it, nothing at all, one byte at a time, or cut off.

    `drip head` is what sends a header without end, one byte at a time.
    """

    status: int = 207
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    then: Literal["send", "hang", "drip", "drip head", "cut"] = "send"


def multistatus(*responses: str, token: str | None = None) -> Reply:
    """A sound multistatus of these `<D:response>` elements."""
    tail = "" if token is None else f"<D:sync-token>{token}</D:sync-token>"
    namespaces = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
    text = f'<?xml version="1.0"?><D:multistatus {namespaces}>{"".join(responses)}{tail}</D:multistatus>'
    return Reply(body=text.encode(), headers={"Content-Type": "application/xml"})


def response(href: str, *, properties: str = "", status: int | None = None) -> str:
    """One `<D:response>`: with properties, or with a status of its own."""
    if status is not None:
        return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {status} X</D:status></D:response>"
    found = f"<D:propstat><D:prop>{properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{found}</D:response>"


class BadCalDavServer(ThreadingHTTPServer):
    """Answers every request with what `answer` returns for it, and keeps the requests."""

    daemon_threads = True

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        super().__init__((HOST, 0), _Handler)
        self.answer = answer
        self.requests: list[Request] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


@contextmanager
def bad_server(
    answer: Callable[[Request], Reply] | Reply, *, tls: ssl.SSLContext | None = None
) -> Iterator[BadCalDavServer]:
    """A running server that answers always the same, or what a function says; over TLS with a context."""
    server = BadCalDavServer(answer if callable(answer) else lambda _: answer)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def self_signed(directory: Path, host: str = HOST) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    path = directory / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadCalDavServer

    def do_PROPFIND(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length).decode())
        self.server.requests.append(request)
        self._send(self.server.answer(request))

    do_REPORT = do_POST = do_PROPFIND  # noqa: N815 - the base class's way of naming methods

    def _send(self, reply: Reply) -> None:
        if reply.then == "hang":
            self.server.released.wait()
            self.close_connection = True
            return
        if reply.then == "drip head":
            self._drip(b"HTTP/1.1 207 Multi-Status\r\n" + b"X: y\r\n" * 10_000)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        try:
            self._send_body(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough, which is what some tests are about

    def _send_body(self, reply: Reply) -> None:
        if reply.then == "drip":
            self._drip(reply.body)
        elif reply.then == "cut":
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the tests read `requests`."""

    def _drip(self, data: bytes) -> None:
        self.close_connection = True
        with suppress(BrokenPipeError, ConnectionResetError):  # the client had enough, as above
            for position in range(len(data)):
                self.wfile.write(data[position : position + 1])
                if self.server.released.wait(0.05):
                    break
