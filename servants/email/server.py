"""A job's connection to its mail server, which can be made anew when it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from retinue.connection import Connection
from retinue.errors import TransientError
from retinue.job import Job
from servants.email.connecting import open_session
from servants.email.imap.faults import Trouble
from servants.email.imap.session import ImapSession
from servants.email.quirks import Abilities, abilities_of

#: How often one run connects anew before it gives up: finding one message that breaks the connection takes some 16.
MAX_RENEWALS = 40


class Server:
    """A signed-in session, with what its server is known for applied. Made by `connected`.

    `session` is another one after `renew`.
    """

    def __init__(self, job: Job[Any], connection: Connection) -> None:
        self.connection = connection
        self._job = job
        self._stack = ExitStack()
        self._renewals = 0
        self._earlier_trips = 0
        self.session, self.abilities = self._open()

    def _open(self) -> tuple[ImapSession, Abilities]:
        stop_if_cancelled = self._job.stop_if_cancelled
        opening = open_session(self.connection, spared=(Trouble,), stop_if_cancelled=stop_if_cancelled)
        session = self._stack.enter_context(opening)
        known = abilities_of(str(self.connection.config.get("host", "")), session.capabilities, session.server_id)
        return session, replace(known, qresync=known.qresync and session.enable_qresync())

    def renew(self, error: TransientError) -> None:
        """Connect once more after `error` broke the session; no mailbox is open then.

        Raises:
            TransientError: it broke too often, or nobody answers.
        """
        self._renewals += 1
        if self._renewals > MAX_RENEWALS:
            raise error
        self._earlier_trips += self.session.round_trips
        self.close()
        self.session, self.abilities = self._open()

    @property
    def round_trips(self) -> int:
        """Commands sent so far."""
        return self._earlier_trips + self.session.round_trips

    def close(self) -> None:
        """Sign out."""
        self._stack.close()


@contextmanager
def connected(job: Job[Any], connection: Connection) -> Iterator[Server]:
    """Sign in to the connection's server for the time of the block.

    Raises:
        CredentialError, TransientError, RateLimited, PermanentError: it is not possible.
    """
    server = Server(job, connection)
    try:
        yield server
    except Trouble:
        # One message may break the connection again and again; what could not be mended tells of the server.
        with connection.call():
            raise
    finally:
        server.close()
