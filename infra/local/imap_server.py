"""The embedded stack's IMAP server: pymap on 127.0.0.1 as a program of its own, without TLS.

    python -m infra.local.imap_server --port 8640 --data .retinue/imap

Mail and the sign-ins live under `--data` and survive restarts. SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from pymap.backend.dict import Config, DictBackend, Login
from pymap.imap import IMAPService
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from infra.local.demo_accounts import DEMO_ACCOUNTS
from infra.local.imap_store import MailStore
from infra.local.sign_ins import prepare_users

HOST = "127.0.0.1"

#: How long a change may be in memory alone.
SAVE_SECONDS = 1.0

#: What pymap's own command line would say of the rest.
_SETTINGS = {
    "host": HOST,
    "debug": False,
    "cert": None,
    "key": None,
    "tls": False,
    "passlib_cfg": None,
    "proxy_protocol": None,
    "inherited_sockets": None,
    "demo_data": False,
    "demo_user": "",
    "demo_password": "",
}


class LocalConfig(Config):
    """pymap's settings, with a greeting that asks no name server."""

    @property
    def greeting(self) -> bytes:
        return b"Ready"


async def serve(port: int, data_dir: Path, passwords: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: the port cannot be listened on.
    """
    config = LocalConfig.from_args(
        Namespace(port=port, **_SETTINGS), hash_context=Cleartext(), invalid_user_sleep=0.0, reject_dnsbl=False
    )
    config.apply_context()
    login = Login(config)
    login.users_dict |= {user: UserMetadata(config, user, password=password) for user, password in passwords.items()}
    store = MailStore(data_dir / "mail.json")
    config.set_cache |= await store.load(passwords)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        await IMAPService(DictBackend(login, config), config).start(stack)
        while not stopped.is_set():
            await store.save(config.set_cache)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), SAVE_SECONDS)
    await store.save(config.set_cache, clean=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.local.imap_server", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="directory of the mail and the sign-ins")
    options = parser.parse_args(arguments)
    logging.getLogger("pymap").setLevel(logging.ERROR)
    passwords = prepare_users(options.data, (account.user for account in DEMO_ACCOUNTS))
    try:
        asyncio.run(serve(options.port, options.data, passwords))
    except OSError as error:
        sys.stderr.write(f"The IMAP server cannot listen on {HOST}:{options.port} ({error}); is the port taken?\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
