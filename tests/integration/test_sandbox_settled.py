"""What the sandbox org says is settled: a reader who goes by it misses nothing, however transactions interleave."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.local.salesforce.org import Org
from tests.support.sandbox import opened

WRITERS = 3
TURNS = 40


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with opened(tmp_path) as org:
        yield org


class Writer(threading.Thread):
    """Adds, changes and deletes accounts; some of its transactions show late."""

    def __init__(self, org: Org, number: int, seed: int) -> None:
        super().__init__()
        self._org = org
        self._number = number
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311 - what a trial does, not a secret
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for turn in range(TURNS):
                self._turn(turn)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._commit_all()

    def _turn(self, turn: int) -> None:
        late = f"{self._number}/{turn}" if self._random.random() < 0.3 else None
        with self._org.edit(self._org.admin, hold=late) as edit:
            ids = edit.writer.connection.execute('SELECT Id FROM "Account" WHERE IsDeleted = 0').fetchall()
            edit.insert("Account", [{"Name": f"new {turn}"} for _ in range(self._random.randrange(3))])
            if ids:
                edit.update("Account", [{"Id": self._random.choice(ids)[0], "Name": f"changed {turn}"}])
                edit.delete([self._random.choice(ids)[0]] if self._random.random() < 0.3 else [])
        self._org.clock.advance(timedelta(seconds=self._random.randrange(2)))
        if self._random.random() < 0.3:
            self._commit_all()

    def _commit_all(self) -> None:
        for held in self._org.held():
            if held.name.startswith(f"{self._number}/"):
                self._org.commit_held(held.name)


class Mirror:
    """Follows the accounts by what was stamped or deleted in each settled time."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._from = org.clock.now() - timedelta(hours=1)
        self.names: dict[str, str] = {}

    def follow(self) -> None:
        until = self._org.settled_until()
        sobject = self._org.full_schema().object("Account")
        for one in self._org.log.deleted_rows(sobject, self._from, until, limit=100_000):
            self.names.pop(one.id, None)
        for record_id in self._org.log.updated_ids(sobject, self._from, until, limit=100_000):
            self._read(record_id)
        self._from = until

    def _read(self, record_id: str) -> None:
        with self._org.store.read() as connection:
            found = connection.execute('SELECT Name, IsDeleted FROM "Account" WHERE Id = ?', (record_id,)).fetchone()
        if found[1]:
            self.names.pop(record_id, None)
        else:
            self.names[record_id] = found[0]


def truth(org: Org) -> dict[str, str]:
    with org.store.read() as connection:
        return dict(connection.execute('SELECT Id, Name FROM "Account" WHERE IsDeleted = 0'))


@pytest.mark.parametrize("seed", range(5))
def test_who_reads_what_is_settled_misses_nothing(org: Org, seed: int) -> None:
    mirror = Mirror(org)
    writers = [Writer(org, number, seed) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        mirror.follow()
    for writer in writers:
        writer.join()
        assert writer.failure is None
    org.clock.advance(timedelta(seconds=1))
    mirror.follow()
    assert mirror.names == truth(org)
    assert len(mirror.names) > TURNS


def test_who_reads_up_to_now_would_miss_what_shows_late(org: Org) -> None:
    """The trial above is one: without regard to open transactions the reader does miss something."""
    mirror = Mirror(org)
    with org.edit(org.admin, hold="late") as edit:
        edit.insert("Account", [{"Name": "late"}])
    now: datetime = org.clock.advance(timedelta(seconds=5))
    sobject = org.full_schema().object("Account")
    assert org.log.updated_ids(sobject, now - timedelta(hours=1), now, limit=10) == []
    org.commit_held("late")
    assert org.log.updated_ids(sobject, now, org.clock.now() + timedelta(seconds=1), limit=10) == []
    mirror.follow()
    assert list(mirror.names.values()) == ["late"]
