"""The embedded stack's CalDAV server: Radicale on 127.0.0.1 as a program of its own.

    python -m infra.local.caldav_server --port 8601 --data .retinue/caldav

Calendars and the sign-ins live under `--data` and survive restarts. SIGTERM or SIGINT ends it once the requests under
way are answered.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from pathlib import Path

from radicale import config, server
from radicale.log import logger

from infra.local.demo_accounts import DEMO_ACCOUNTS
from infra.local.sign_ins import prepare_users, users_path

HOST = "127.0.0.1"

#: Seconds a silent client may hold a connection, and so the longest that a stop can take.
CLIENT_TIMEOUT_SECONDS = 5


def configuration(port: int, data_dir: Path) -> config.Configuration:
    """Radicale's settings; no file outside `data_dir` is read."""
    loaded = config.load([])
    settings = {
        "server": {"hosts": f"{HOST}:{port}", "timeout": str(CLIENT_TIMEOUT_SECONDS), "max_connections": "20"},
        "auth": {
            "type": "htpasswd",
            "htpasswd_filename": str(users_path(data_dir)),
            "htpasswd_encryption": "plain",
            "htpasswd_cache": "True",
        },
        "storage": {"filesystem_folder": str(data_dir / "collections")},
    }
    loaded.update(settings, "retinue")
    return loaded


def serve(settings: config.Configuration) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        RuntimeError: the port cannot be listened on.
    """
    logger.setLevel(logging.ERROR)
    inner, outer = socket.socketpair()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inner.close())
    with inner, outer:
        server.serve(settings, outer)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.local.caldav_server", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="directory of the calendars and sign-ins")
    options = parser.parse_args(arguments)
    prepare_users(options.data, (account.user for account in DEMO_ACCOUNTS))
    try:
        serve(configuration(options.port, options.data))
    except RuntimeError as error:
        sys.stderr.write(f"The CalDAV server cannot listen on {HOST}:{options.port} ({error}); is the port taken?\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
