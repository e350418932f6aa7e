"""A process that uses the connection of an org, as a servant does, step by step as its standard input says.

    python -m tests.support.salesforce_renewer DATABASE_URL CONNECTION_ID [die]

The first line is the master key. Each further line is a step: `open` reads the connection as a servant does when a job
begins, `call` makes one API call over it. Each is answered with one line.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import psycopg

from infra.keys import Key
from infra.postgres.connections import open_connection
from infra.postgres.vault import Vault
from infra.secrets import Keyring
from retinue.connection import Connection
from retinue.errors import JobError
from servants.salesforce.client import open_client


class Dying(Vault):
    """Dies when it has something to store."""

    def _store(self, *arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Renewer:
    """Such a process, as a test leads it."""

    def __init__(self, database_url: str, connection_id: int, key: Key, *, dies: bool = False) -> None:
        arguments = [database_url, str(connection_id), *(["die"] if dies else [])]
        command = [sys.executable, "-m", "tests.support.salesforce_renewer", *arguments]
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.begin(key.render())

    def begin(self, step: str) -> None:
        """Have it take a step."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()

    def ended(self) -> str:
        """What it said of the step."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def take(self, step: str) -> str:
        """Have it take a step, and wait for its end."""
        self.begin(step)
        return self.ended()

    def close(self) -> None:
        """End it, if it lives."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def main(database_url: str, connection_id: str, *mode: str) -> None:
    keyring = Keyring(Key.parse(sys.stdin.readline()))
    vault = (Dying if mode else Vault)(database_url, keyring)
    connection: Connection | None = None
    with psycopg.connect(database_url, autocommit=True) as sql:
        for line in sys.stdin:
            if line.strip() == "open":
                connection = replace(open_connection(sql, keyring, int(connection_id)), keeper=vault)
                _say("opened")
            elif connection is not None:
                _say(_call(connection))


def _call(connection: Connection) -> str:
    try:
        with open_client(connection) as client:
            client.rest.limits()
    except JobError as error:
        return f"{type(error).__name__}: {error.message}"
    return "called"


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
