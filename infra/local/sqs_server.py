"""The embedded stack's SQS server: moto's, answering for SQS alone, on 127.0.0.1; queues live as long as it does.

    python -m infra.local.sqs_server --port 5000

Waitress serves it: moto's own development server closes every connection after one answer.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from types import FrameType

import waitress
from moto.moto_server.werkzeug_app import create_backend_app

from infra.local.sqs_backend import install

HOST = "127.0.0.1"

#: Each waiting long poll holds a thread, and a send must never wait for one.
THREADS = 192
MAX_CONNECTIONS = 1000


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; exits with 1 and one line when the port cannot be used."""
    parser = argparse.ArgumentParser(description="moto's SQS server for the embedded stack")
    parser.add_argument(
        "--port", type=_port, required=True, help="port on 127.0.0.1; 0 takes a free one and says which"
    )
    port = parser.parse_args().port
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, _leave)
    # It tells of every long poll that waits for a thread, and of every client that went away.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    install()
    server = _listen(port)
    print(f"SQS server: listening on http://{HOST}:{server.effective_port}", flush=True)  # noqa: T201 - for whoever started it
    server.run()


def _listen(port: int) -> waitress.server.BaseWSGIServer:
    try:
        return waitress.create_server(
            create_backend_app("sqs"),
            host=HOST,
            port=port,
            threads=THREADS,
            connection_limit=MAX_CONNECTIONS,
            # Reads on while a request is served, which is how it notices that a client has gone.
            channel_request_lookahead=1,
            asyncore_use_poll=True,
        )
    except OSError as error:
        sys.exit(f"SQS server: port {port} on {HOST} cannot be used: {error}. Is something else listening there?")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is no port")
    return port


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Nothing is worth saving here, and an orderly stop would wait for the long polls."""
    os._exit(0)


if __name__ == "__main__":
    main()
