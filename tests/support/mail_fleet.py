"""Real servants of `email.sync` that are killed again and again while several users' mailboxes change."""

from __future__ import annotations

import imaplib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection
from infra.postgres.scheduled_connections import add_scheduled_connection
from tests.support.fleet import Fleet
from tests.support.mail_changes import MailHand
from tests.support.mail_server import LocalMailServer, MailUser
from tests.support.mail_snapshot import Snapshot, differences, remote_snapshot, stored_snapshot
from tests.support.nursery import Nursery, nursery

TYPE = "email.sync"
SERVANTS = {"mail-0": TYPE, "mail-1": TYPE, "history-0": "email.backfill"}

#: What lies in a mailbox before it is connected, in changes.
EARLIER = 40

#: Shorter than any run over changed mailboxes lasts, so that there is always one under way.
EVERY = timedelta(seconds=1)

_BUSY = """
    SELECT DISTINCT servants.pid
    FROM jobs
    JOIN servants ON servants.id = jobs.servant_id
    WHERE jobs.state = 'running' AND starts_with(jobs.type, 'email.')
"""

_IMPORTED = "SELECT count(*) FROM imports WHERE finished_at IS NOT NULL"

_LEFT = "SELECT count(*) FROM jobs WHERE id = ANY(%s)"

_STATES = "SELECT DISTINCT state::text, error FROM job_history WHERE id = ANY(%s)"


@dataclass
class Customer:
    """One user whose mailboxes change, and the connection that follows them."""

    seed: int
    user: MailUser
    account_id: int
    connection_id: int
    hand: MailHand


@dataclass
class MailFleet:
    """The customers, and the processes that sync their mail."""

    fleet: Fleet
    server: LocalMailServer
    home: Nursery
    customers: list[Customer]
    rng: random.Random
    kills: int = 0

    def play(self, changes: int, *, kills: int) -> None:
        """So many changes for each customer, in shares; after each share a servant that is at work is killed."""
        for share in range(kills):
            count = changes * (share + 1) // kills - changes * share // kills
            for customer in self.customers:
                for _ in range(count):
                    customer.hand.change()
            self._kill_one_at_work()

    def settle(self) -> None:
        """Have every connection synced once more, by a job that is made now, once all mail from before is there."""
        self.fleet.wait(lambda: self.fleet.number(_IMPORTED) == len(self.customers), "the mail from before", 180)
        jobs = [job for customer in self.customers for job in self._enqueue(customer)]
        self.fleet.wait(lambda: self.fleet.number(_LEFT, jobs) == 0, "the last syncs", 180)
        states = self.fleet.rows(_STATES, jobs)
        assert {state for state, _ in states} == {"completed"}, states

    def compare(self, customer: Customer) -> Snapshot:
        """What the server has, which is what the database has."""
        client = sign_in(self.server, customer.user)
        remote = remote_snapshot(client)
        client.logout()
        with psycopg.connect(self.fleet.machine.url) as sql:
            found = differences(remote, stored_snapshot(sql, customer.connection_id))
        assert not found, f"seed {customer.seed}:\n" + "\n".join(found[:20])
        return remote

    def _enqueue(self, customer: Customer) -> list[int]:
        payload = {"connection_id": customer.connection_id}
        return self.fleet.enqueue(payload, job_type=TYPE, account_id=customer.account_id)

    def _kill_one_at_work(self) -> None:
        self.fleet.wait(self._busy, "a servant at work")
        name = self.rng.choice(self._busy() or list(self.home.pids))
        self.home.kill(name)
        self.kills += 1
        self.home.start_servant(name, SERVANTS[name])

    def _busy(self) -> list[str]:
        pids = {row[0] for row in self.fleet.rows(_BUSY)}
        return [name for name, pid in self.home.pids.items() if pid in pids]


@contextmanager
def mail_fleet(fleet: Fleet, server: LocalMailServer, seeds: list[int]) -> Iterator[MailFleet]:
    """A customer for each seed, a scheduler, and servants that sync all the time."""
    customers = [_customer(fleet, server, seed) for seed in seeds]
    fleet.start_scheduler()
    with nursery(fleet.machine.environment, fleet.machine.directory / "servants.log") as home:
        for name, job_type in SERVANTS.items():
            home.start_servant(name, job_type)
        try:
            yield MailFleet(fleet, server, home, customers, random.Random(seeds[0]))  # noqa: S311 - a test
        finally:
            for customer in customers:
                customer.hand.close()


def sign_in(server: LocalMailServer, user: MailUser) -> imaplib.IMAP4:
    """A client of the standard library."""
    client = imaplib.IMAP4(server.host, server.port, timeout=30)
    client.login(user.name, user.password)
    return client


def _customer(fleet: Fleet, server: LocalMailServer, seed: int) -> Customer:
    user = server.user()
    rng = random.Random(seed)  # noqa: S311 - a test
    hand = MailHand(lambda: sign_in(server, user), rng=rng, change_validity=server.uid_validity_of(user))
    for _ in range(EARLIER):
        hand.change()
    with psycopg.connect(fleet.machine.url) as sql:
        account_id = add_account(sql, user.name).id
        new = NewConnection(
            account_id=account_id,
            provider="imap",
            name="main",
            config={"host": server.host, "port": server.port, "username": user.name, "tls": "none"},
            credentials={"password": user.password},
        )
        connection_id, _ = add_scheduled_connection(sql, fleet.keyring(), new, every={TYPE: EVERY})
    return Customer(seed, user, account_id, connection_id, hand)
