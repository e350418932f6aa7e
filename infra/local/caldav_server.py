"""The embedded stack's CalDAV server: Radicale on 127.0.0.1 as a program of its own.

    python -m infra.local.caldav_server --port 8601 --data .retinue/caldav

Calendars and the sign-ins live under `--data` and survive restarts. SIGTERM or SIGINT ends it once the requests under
way are answered.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from radicale import config, server
from radicale.log import logger

from infra.local.demo_accounts import DEMO_ACCOUNTS

HOST = "127.0.0.1"

#: Seconds a silent client may hold a connection, and so the longest that a stop can take.
CLIENT_TIMEOUT_SECONDS = 5


def users_path(data_dir: Path) -> Path:
    """The htpasswd file of the server that keeps its data in `data_dir`: lines of `user:password`, mode 0600."""
    return data_dir / "users"


def read_passwords(data_dir: Path) -> dict[str, str]:
    """The password of every user; empty before the server was first prepared."""
    path = users_path(data_dir)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict(line.split(":", 1) for line in lines if line)


def prepare_users(data_dir: Path, users: Iterable[str]) -> dict[str, str]:
    """Give each of `users` a password unless it has one, and return the password of every user.

    They are kept as plain text, for this machine's owner only: the programs that sign in need them as they are.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    passwords = read_passwords(data_dir)
    for user in users:
        passwords.setdefault(user, secrets.token_urlsafe(12))
    path = users_path(data_dir)
    path.touch(mode=0o600)
    path.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()), encoding="utf-8")
    return passwords


def configuration(port: int, data_dir: Path, token_age_seconds: int | None = None) -> config.Configuration:
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
    if token_age_seconds is not None:
        settings["storage"]["max_sync_token_age"] = str(token_age_seconds)
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
    parser.add_argument("--token-age", type=int, metavar="SECONDS", help="how long a sync token stays good (30 days)")
    options = parser.parse_args(arguments)
    prepare_users(options.data, (account.user for account in DEMO_ACCOUNTS))
    try:
        serve(configuration(options.port, options.data, options.token_age))
    except RuntimeError as error:
        sys.stderr.write(f"The CalDAV server cannot listen on {HOST}:{options.port} ({error}); is the port taken?\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
