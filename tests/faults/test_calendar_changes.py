"""Calendars changed at random while their sync is killed at random: PostgreSQL equals a full re-read of the server."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from infra.postgres.connect import Database
from servants.calendar.instances import window_around
from tests.support.calendar_editor import Editor
from tests.support.calendar_job import calendar_account
from tests.support.calendar_truth import in_database, on_server
from tests.support.cutting_proxy import CuttingProxy, cutting_proxy
from tests.support.killed_sync import KilledSync
from tests.support.radicale_server import Hand, run_radicale
from tests.support.xandikos_server import run_xandikos

FIRST_SEED = int(os.environ.get("SEED", "1"))

#: The most changes between two runs of the sync.
BETWEEN = 12

#: Where the truth is looked at besides the end, in changes.
EVERY = 250

Serve = Callable[[Path], AbstractContextManager[tuple[Hand, int]]]


@contextmanager
def radicale(directory: Path) -> Iterator[tuple[Hand, int]]:
    with run_radicale(directory) as server:
        yield server.hand(), server.port


@contextmanager
def xandikos(directory: Path) -> Iterator[tuple[Hand, int]]:
    with run_xandikos(directory) as server:
        yield server.hand(), server.port


SERVERS: dict[str, Serve] = {"radicale": radicale, "xandikos": xandikos}


@pytest.mark.parametrize("name", SERVERS)
def test_a_few_changes_leave_the_database_as_the_server_is(
    name: str, database: Database, sql: psycopg.Connection, tmp_path: Path
) -> None:
    run(SERVERS[name], database, sql, tmp_path, seed=1, changes=40)


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + int(os.environ.get("SEEDS", "50"))))
@pytest.mark.parametrize("name", SERVERS)
def test_a_thousand_changes_leave_the_database_as_the_server_is(
    name: str, seed: int, database: Database, sql: psycopg.Connection, tmp_path: Path
) -> None:
    run(SERVERS[name], database, sql, tmp_path, seed=seed, changes=int(os.environ.get("CHANGES", "1000")))


def run(serve: Serve, database: Database, sql: psycopg.Connection, tmp_path: Path, *, seed: int, changes: int) -> None:
    """Change, sync until killed, and compare now and then."""
    draw = random.Random(seed)  # noqa: S311 - a seed that repeats is the purpose
    today = datetime.now(UTC).date()
    began = time.monotonic()
    directory = tmp_path / "server"
    directory.mkdir()
    with serve(directory) as (hand, port), cutting_proxy(port) as proxy:
        editor = Editor(hand, draw, today)
        sync = killed_sync(database, hand, proxy, draw)
        done, next_look = 0, EVERY
        while done < changes:
            for _ in range(min(draw.randint(1, BETWEEN), changes - done)):
                editor.change()
                done += 1
            sync.run()
            if done >= next_look:
                next_look += EVERY
                sync.finish()
                compare(sql, hand)
        sync.finish()
        occurrences = compare(sql, hand)
    took = time.monotonic() - began
    print(f"seed {seed}: {done} changes, {sync.kills} kills, {sync.cuts} cuts, {occurrences} instances, {took:.0f} s")  # noqa: T201 - what the proof shows


def killed_sync(database: Database, hand: Hand, proxy: CuttingProxy, draw: random.Random) -> KilledSync:
    url = proxy.url + urlsplit(hand.base_url).path
    account = calendar_account(database, url=url, username=hand.username, password=hand.password)
    return KilledSync(account, proxy, draw)


def compare(sql: psycopg.Connection, hand: Hand) -> int:
    """Nothing differs; how many instances there are."""
    window = window_around(datetime.now(UTC).date())
    truth, held = on_server(hand, window.first, window.end), in_database(sql, hand.username)
    assert truth.differences(held) == []
    return len(held.occurrences)
