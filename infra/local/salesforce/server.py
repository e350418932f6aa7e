"""The sandbox Salesforce org of the embedded stack, on 127.0.0.1 as a program of its own.

    python -m infra.local.salesforce.server --port 8650 --data .retinue/salesforce

The org's data lie under `--data` and survive restarts. SIGTERM or SIGINT ends it once the requests under way are
answered.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import waitress

from infra.local.salesforce.sandbox import open_sandbox

HOST = "127.0.0.1"

THREADS = 16
MAX_CONNECTIONS = 500

#: Beyond what an ingest job may bring, so that the job itself refuses what is too much.
MAX_BODY_BYTES = 200_000_000


def listen(application: Any, port: int) -> Any:
    """A server of the application; port 0 takes a free one, and `effective_port` tells which.

    Raises:
        OSError: the port cannot be listened on.
    """
    return waitress.create_server(
        application,
        host=HOST,
        port=port,
        threads=THREADS,
        ident=None,
        connection_limit=MAX_CONNECTIONS,
        max_request_body_size=MAX_BODY_BYTES,
        # select() cannot watch a process's thousandth file.
        asyncore_use_poll=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.local.salesforce.server", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one and says which")
    parser.add_argument("--data", type=Path, required=True, help="directory of the org's data")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    # It tells of every client that went away.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    return _serve(options.port, options.data)


def _serve(port: int, data: Path) -> int:
    sandbox = open_sandbox(data)
    try:
        server = listen(sandbox.wsgi, port)
    except OSError as error:
        sys.stderr.write(f"The sandbox org cannot listen on {HOST}:{port} ({error}); is the port taken?\n")
        return 1
    else:
        sys.stdout.write(f"Sandbox org: listening on http://{HOST}:{server.effective_port}\n")
        sys.stdout.flush()
        server.run()
        server.close()
        return 0
    finally:
        sandbox.close()


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Waitress ends its loop on this, lets its threads finish what they answer, and returns.
    raise SystemExit


if __name__ == "__main__":
    sys.exit(main())
