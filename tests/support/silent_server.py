"""A server that takes a request and never answers: what a long poll on an empty queue looks like for 20 seconds."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


class SilentServer:
    """Counts the requests it got, and those whose client has gone."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server((HOST, 0))
        self._connections: list[socket.socket] = []
        self.asked = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.url = f"http{'s' if context else ''}://{HOST}:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """End every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()  # whoever came last is in the list then
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def hang_up(self) -> None:
        """Let whoever asked last know that no answer will come."""
        self._connections[-1].shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._connections.append(connection)
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        text = b""
        try:
            while more := connection.recv(65_536):
                text += more
                if text.endswith(b"}"):  # of the JSON body
                    text = b""
                    self.asked.release()
        except OSError:  # closed from here
            return
        self.left.release()


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    """Over plain HTTP."""
    server = SilentServer()
    try:
        yield server
    finally:
        server.close()


@contextmanager
def silent_tls_server(directory: Path) -> Iterator[SilentServer]:
    """Over TLS, with the certificate in `directory/certificate.pem`."""
    certificate = directory / "certificate.pem"
    certificate.write_bytes(_self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = SilentServer(context)
    try:
        yield server
    finally:
        server.close()


def _self_signed() -> bytes:
    """A key and its certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)
