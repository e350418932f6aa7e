"""The database is what the mail server is, after any sequence of changes and however often the sync was stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from retinue.testing.database import RetinueDatabase
from retinue.testing.lent_database import LentDatabase
from retinue.testing.pytest import retinue_schema, retinue_template
from tests.support.cyrus_server import run_cyrus
from tests.support.dovecot_server import CONDSTORE, PLAIN, run_dovecot
from tests.support.fleet import Fleet, fleet
from tests.support.mail_fleet import mail_fleet
from tests.support.mail_proof import MailProof, Tally
from tests.support.mail_server import LocalMailServer
from tests.support.runtime import captured_logs
from tests.support.wires import switchboard

__all__ = ["retinue_schema", "retinue_template"]

#: By name: what starts the server. Each seed belongs to one.
SERVERS: dict[str, Callable[[], AbstractContextManager[LocalMailServer]]] = {
    "Dovecot with QRESYNC": run_dovecot,
    "Dovecot with CONDSTORE": lambda: run_dovecot(capability=CONDSTORE),
    "Dovecot with neither": lambda: run_dovecot(capability=PLAIN),
    "Cyrus": run_cyrus,
}

SEEDS = int(os.environ.get("SEEDS") or 50)
CHANGES = int(os.environ.get("CHANGES") or 1000)
FIRST_SEED = int(os.environ.get("SEED") or 1)

#: Every fifth seed is played against real servants that are killed.
FLEET_SHARE = 5
KILLS = 20

TIMES = {"RETINUE_LEASE_SECONDS": "2", "RETINUE_HEARTBEAT_SECONDS": "0.5", "RETINUE_QUEUED_TIMEOUT_SECONDS": "2"}


@pytest.mark.parametrize(("name", "changes"), [(name, 250) for name in SERVERS if name != "Cyrus"])
def test_a_short_sequence(retinue_template: LentDatabase, name: str, changes: int) -> None:
    with SERVERS[name]() as server:
        tally = play(retinue_template, server, seed=1, changes=changes, checks=3)
    assert tally.checks == 3
    assert tally.messages > 10


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_fifty_seeds(retinue_template: LentDatabase, killed_fleet: Fleet) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + SEEDS)
    killed = [seed for seed in seeds if seed % FLEET_SHARE == 0]
    stopped = [seed for seed in seeds if seed % FLEET_SHARE]
    for turn, (name, start) in enumerate(SERVERS.items()):
        played = [seed for seed in stopped if seed % len(SERVERS) == turn]
        if played:
            with start() as server:
                for seed in played:
                    tally = play(retinue_template, server, seed=seed, changes=CHANGES, checks=4)
                    tell(f"seed {seed}: {name}: {tally}")
    if killed:
        play_killed(killed_fleet, killed)
    tell(f"{len(seeds)} seeds, {len(seeds) * CHANGES:,} changes: the database equalled the server every time.")


def play(template: LentDatabase, server: LocalMailServer, *, seed: int, changes: int, checks: int) -> Tally:
    """One seed in a database of its own, with syncs in this process that are stopped at random points."""
    with switchboard() as board, lent(template) as database, captured_logs():
        proof = MailProof(database, server, board.wire(server.port), seed=seed)
        return proof.play(changes, checks=checks)


def play_killed(killed_fleet: Fleet, seeds: list[int]) -> None:
    """All these seeds at once, with servants that are killed."""
    with run_dovecot() as server, mail_fleet(killed_fleet, server, seeds) as mail:
        mail.play(CHANGES, kills=KILLS)
        mail.settle()
        for customer in mail.customers:
            there = mail.compare(customer)
            tell(
                f"seed {customer.seed}: Dovecot with QRESYNC, real servants: {CHANGES:,} changes, {mail.kills} SIGKILLs"
                f" among them, equal, at the end {len(there.folders)} mailboxes and {len(there.messages)} messages"
            )


@contextmanager
def lent(template: LentDatabase) -> Iterator[RetinueDatabase]:
    with template.lend() as url:
        database = RetinueDatabase(url)
        try:
            yield database
        finally:
            database.close()


@pytest.fixture
def killed_fleet() -> Iterator[Fleet]:
    with fleet(**TIMES) as made:
        yield made


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the proof's output is its purpose
