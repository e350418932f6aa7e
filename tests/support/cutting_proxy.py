"""A wire to a server that can be cut: connections go through, until so many bytes of answers have passed."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


class CuttingProxy(socketserver.ThreadingTCPServer):
    """Forwards to a port of this machine. `left` is how many bytes of answers still pass; None is any number."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__((HOST, 0), _Wire)
        self.target = (HOST, port)
        self.left: int | None = None
        self._counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def passes(self, size: int) -> int:
        """How much of an answer's next piece may pass."""
        with self._counting:
            if self.left is None:
                return size
            passing = min(size, self.left)
            self.left -= passing
            return passing

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a connection that breaks is what this is for."""


class _Wire(socketserver.BaseRequestHandler):
    server: CuttingProxy

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as upstream:
            asking = threading.Thread(target=self._ask, args=(upstream,), daemon=True)
            asking.start()
            self._answer(upstream)
            # Both ends go at once, so that neither waits for the other.
            for end in (upstream, self.request):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join()

    def _ask(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while piece := self.request.recv(65536):
                upstream.sendall(piece)
            upstream.shutdown(socket.SHUT_WR)

    def _answer(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while piece := upstream.recv(65536):
                passing = self.server.passes(len(piece))
                self.request.sendall(piece[:passing])
                if passing < len(piece):
                    return


@contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    """A running proxy."""
    proxy = CuttingProxy(port)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
