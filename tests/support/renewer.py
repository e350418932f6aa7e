"""A process that asks for the access token of a connection: two of them race, one dies between asking and storing.

    python -m tests.support.renewer DATABASE_URL CONNECTION_ID [die]

The master key is read from standard input. It prints the token that it was given.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import psycopg

from infra.keys import Key
from infra.postgres.connections import open_connection
from infra.postgres.vault import Vault
from infra.secrets import Keyring
from retinue.connection import Connection
from servants.email.oauth import AccessTokens


class Dying(Vault):
    """Dies when it has something to store."""

    def _store(self, *arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def start_renewer(database_url: str, connection_id: int, key: Key, *, dies: bool = False) -> subprocess.Popen[str]:
    """The process, under way."""
    command = [
        sys.executable,
        "-m",
        "tests.support.renewer",
        database_url,
        str(connection_id),
        *(["die"] if dies else []),
    ]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - our own program
    assert process.stdin is not None
    process.stdin.write(f"{key.render()}\n")
    process.stdin.close()
    process.stdin = None
    return process


def main(database_url: str, connection_id: str, *mode: str) -> None:
    keyring = Keyring(Key.parse(sys.stdin.readline()))
    vault = (Dying if mode else Vault)(database_url, keyring)
    with psycopg.connect(database_url) as sql:
        found = open_connection(sql, keyring, int(connection_id))
    connection = Connection(
        found.id, found.account_id, found.provider, found.name, found.config, found.credentials, keeper=vault
    )
    print(AccessTokens(connection).token())  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
