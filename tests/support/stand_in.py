"""A program that stands in for one of the stack's: python stand_in.py ROLE [ARGUMENT …]

Roles:

idle              waits for SIGTERM
serve PORT        answers every GET with 200
refuse PORT TEXT  answers every GET with 503 and TEXT
fail CODE TEXT    prints TEXT and exits at once
misconfigured     leaves as a program does whose configuration is wrong
frail CODE PATH   exits with CODE on SIGUSR1; PATH is there once it would
stubborn          ignores SIGTERM
parent            starts a child that ignores SIGTERM, and leaves it behind on SIGTERM
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from infra.supervisor.exits import leave_misconfigured


def serve(port: str, *, status: int = 200, text: str = "ready") -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


def fail(code: str, text: str) -> None:
    sys.stderr.write(f"{text}\n")
    raise SystemExit(int(code))


def frail(code: str, path: str) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(int(code)))
    Path(path).touch()
    signal.pause()


def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def parent() -> None:
    subprocess.Popen([sys.executable, str(Path(__file__)), "stubborn"])  # noqa: S603 - this very program
    signal.pause()


ROLES: dict[str, Callable[..., object]] = {
    "frail": frail,
    "idle": signal.pause,
    "serve": serve,
    "refuse": lambda port, text: serve(port, status=503, text=text),
    "fail": fail,
    "misconfigured": lambda: leave_misconfigured("RETINUE_THING is wrong"),
    "stubborn": stubborn,
    "parent": parent,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
