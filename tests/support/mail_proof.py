"""Random changes to a user's mailboxes while `email.sync` follows them and is stopped at random points.

After every few hundred changes one sync runs undisturbed; then the database must be what the server is.
"""

from __future__ import annotations

import imaplib
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from retinue.errors import JobCancelled, LeaseLost, TransientError
from retinue.testing.database import RetinueDatabase
from retinue.testing.inline import Circumstances, run
from retinue.testing.ran import Ran
from servants.email.sync import sync_email
from tests.support.mail_changes import MailHand
from tests.support.mail_server import LocalMailServer
from tests.support.mail_snapshot import differences, remote_snapshot, stored_snapshot
from tests.support.wires import Wire

#: What an attempt may end with when it was stopped on purpose, or when a mailbox went from under it.
_EXPECTED = (LeaseLost, JobCancelled, TransientError)

#: How often a sync compares every mailbox in full.
COMPARED = 0.15

#: An undisturbed sync may be told to come back: where much is to do, or by a list that is too empty to be true.
_QUIET_ATTEMPTS = 20


@dataclass
class Tally:
    """What happened in a seed's run."""

    changes: int = 0
    attempts: int = 0
    checks: int = 0
    mailboxes: int = 0
    messages: int = 0
    seconds: float = 0
    ends: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        stopped = ", ".join(f"{count} {how}" for how, count in sorted(self.ends.items()))
        return (
            f"{self.changes:,} changes, {self.attempts} syncs ({stopped}), equal {self.checks} times, at the end"
            f" {self.mailboxes} mailboxes and {self.messages} messages, {self.seconds:.0f} s"
        )


class MailProof:
    """One user, one connection, one seed."""

    def __init__(self, database: RetinueDatabase, server: LocalMailServer, wire: Wire, *, seed: int) -> None:
        self.tally = Tally()
        self._rng = random.Random(seed)  # noqa: S311 - a test
        self._database = database
        self._server = server
        self._wire = wire
        self._user = server.user()
        self._checkpoint: object = None
        account_id = database.account(f"seed {seed}")
        config = {"host": server.host, "port": wire.port, "username": self._user.name, "tls": "none"}
        self.connection_id = database.connection(
            account_id, "imap", config=config, credentials={"password": self._user.password}
        )
        self._account_id = account_id

    def play(self, changes: int, *, checks: int) -> Tally:
        """Make so many changes while syncs are stopped; compare so often, the last time at the end."""
        began = time.monotonic()
        # Its own numbers: how the syncs go shall not decide which changes are made.
        rng = random.Random(self._rng.random())  # noqa: S311 - a test
        hand = MailHand(self._connect, rng=rng, change_validity=self._server.uid_validity_of(self._user))
        # The mailbox is empty when it is connected: there is no history, and one comparison ends the first reading.
        self._attempt({})
        assert self._attempt({}, compare=True).state == "completed"
        for check in range(checks):
            self._change(hand, changes * (check + 1) // checks - changes * check // checks)
            self.check()
        hand.close()
        self.tally.seconds = time.monotonic() - began
        return self.tally

    def check(self) -> None:
        """Sync undisturbed, and compare."""
        self._sync_undisturbed()
        client = self._connect()
        remote = remote_snapshot(client)
        client.logout()
        found = differences(remote, stored_snapshot(self._database.sql, self.connection_id))
        assert not found, "\n".join(found[:20])
        self.tally.checks += 1
        self.tally.mailboxes, self.tally.messages = len(remote.folders), len(remote.messages)

    def _sync_undisturbed(self) -> None:
        ran = self._attempt({})
        for _ in range(_QUIET_ATTEMPTS):
            if ran.state == "completed":
                return
            ran = self._attempt({})
        raise AssertionError((ran.state, ran.error))

    def _change(self, hand: MailHand, changes: int) -> None:
        """A few changes at a time, each few of them while a sync runs."""
        self.tally.changes += changes
        while changes:
            few = min(changes, self._rng.randint(5, 40))
            changes -= few
            with ThreadPoolExecutor(1) as beside, self._trouble() as circumstances:
                syncing = beside.submit(self._attempt, circumstances, compare=self._rng.random() < COMPARED)
                for _ in range(few):
                    hand.change()
                syncing.result()

    @contextmanager
    def _trouble(self) -> Iterator[Circumstances]:
        """What stops the next attempt, if anything does."""
        kind = self._rng.choice(("none", "none", "lease", "lease", "cut", "cut", "stop"))
        circumstances: Circumstances = {}
        if kind == "lease":
            circumstances["lose_lease_after"] = self._rng.randrange(8)
        elif kind == "stop":
            circumstances |= {"stop": "draining", "stop_after": self._rng.randrange(8)}
        elif kind == "cut":
            self._wire.cut_after(int(10 ** self._rng.uniform(2.3, 5.3)), mends=self._rng.random() < 0.5)
        yield circumstances
        self._wire.heal()

    def _attempt(self, circumstances: Circumstances, *, compare: bool = False) -> Ran:
        """One attempt: the next of a job that was stopped, or the first of a new one.

        No comparison, not even one that mailboxes change under, may find anything that following them has missed.
        """
        # Nobody waits here for a breaker that the cuts have opened.
        self._database.sql.execute("DELETE FROM breakers")
        given: Circumstances = {
            "database": self._database,
            "account_id": self._account_id,
            "checkpoint": self._checkpoint,
            **circumstances,
        }
        ran = run(sync_email, {"connection_id": self.connection_id, "compare": compare}, **given)
        assert "mailbox_drift" not in [anomaly.name for anomaly in ran.anomalies], ran.anomalies
        assert ran.raised is None or isinstance(ran.raised, _EXPECTED), ran.raised
        kept = ran.state != "completed" and self._rng.random() < 0.7
        self._checkpoint = ran.checkpoint if kept else None
        self.tally.attempts += 1
        self.tally.ends[_end(ran)] += 1
        return ran

    def _connect(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4(self._server.host, self._server.port, timeout=30)
        client.login(self._user.name, self._user.password)
        return client


def _end(ran: Ran) -> str:
    if isinstance(ran.raised, LeaseLost):
        return "killed"
    if isinstance(ran.raised, JobCancelled):
        return "stopped"
    return "whole" if ran.state == "completed" else "cut off"
