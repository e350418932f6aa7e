"""The embedded stack's SQS server: moto's, answering for SQS alone, on 127.0.0.1.

    python -m infra.local.sqs_server --port 5000
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from types import FrameType

import waitress
from moto.moto_server.werkzeug_app import create_backend_app

HOST = "127.0.0.1"

#: Each waiting long poll holds a thread.
THREADS = 96


def main() -> None:
    """Serve until SIGTERM; exits with 1 and one line when the port is taken."""
    parser = argparse.ArgumentParser(description="moto's SQS server for the embedded stack")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, _leave)
    # It tells of every long poll that waits for a thread, and of every client that went away.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        server = waitress.create_server(create_backend_app("sqs"), host=HOST, port=port, threads=THREADS)
    except OSError as error:
        sys.exit(f"SQS server: port {port} on {HOST} cannot be used: {error.strerror}. Is something else listening there?")
    server.run()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
