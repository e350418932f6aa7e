"""A large org in the sandbox and the real processes that read it for the first time; and the same rows read barely."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg

from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection
from infra.postgres.records import Target, take_feed
from infra.postgres.salesforce_connections import add_salesforce_connection
from infra.postgres.salesforce_objects import select_names
from infra.postgres.statements import statement
from servants.salesforce.storing import MERGE_ROWS
from tests.support.calendar_job import PlainCommit
from tests.support.fleet import Fleet, fleet
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org

#: One process reads the history; what it has beside it begins the reading and does little.
READER = "backfill"
SERVANTS = {"sync": "salesforce.sync", READER: "salesforce.backfill"}

#: Rows that the sandbox makes in one request.
SEED_ROWS = 50_000

#: So rare that only the first sync runs.
RARELY = timedelta(hours=12)

_READ = "SELECT count(*) FROM job_groups WHERE finished_at IS NOT NULL"
_SEEN = "SELECT coalesce(sum(done), 0) FROM imports"
_STORED = "SELECT count(*) FROM records WHERE kind = %s AND deleted_at IS NULL"
_BYTES = "SELECT avg(length(payload::text))::int FROM (SELECT payload FROM records LIMIT 1000) AS sample"
_RESULTS = "SELECT coalesce(sum((result ->> 'rows')::int), 0) FROM job_history WHERE type = 'salesforce.backfill'"
_LINES = (
    "COPY (SELECT external_id, version, content_hash, payload::text, deleted_at FROM records ORDER BY external_id)"
    " TO STDOUT"
)
_STAGE = "COPY pg_temp.staged_records (external_id, version, content_hash, payload, deleted_at) FROM STDIN"


@dataclass
class Load:
    """One first reading; `memory` is the reader's in MB: at the start, after a tenth, at the end, at most."""

    rows: int
    seconds: float
    memory: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds


@dataclass
class LargeOrg:
    """An org, the processes that sync it, and one connection for each object that was read."""

    org: SandboxOrg
    fleet: Fleet
    account_id: int

    def seed(self, name: str, rows: int) -> None:
        """Fill an object with rows that changed some minutes ago."""
        for first in range(0, rows, SEED_ROWS):
            self.org.control.seed(name, min(SEED_ROWS, rows - first), seed=first)
        self.org.control.clock_forward(minutes=2)

    def load(self, name: str, rows: int) -> Load:
        """Connect the org for one object and wait until its history is in."""
        before, seen, read = self.memory("VmRSS"), self.fleet.number(_SEEN), self.fleet.number(_READ)
        self._connect(name)
        began = time.monotonic()
        # One connection for all looks: the processor is shared with what is measured.
        with psycopg.connect(self.fleet.machine.url, autocommit=True) as sql:
            self.fleet.wait(lambda: _number(sql, _SEEN) - seen >= rows // 10, "the first tenth", 600, every=0.2)
            tenth = self.memory("VmRSS")
            self.fleet.wait(lambda: _number(sql, _READ) > read, "the history", 3000, every=0.2)
        load = Load(rows, time.monotonic() - began)
        load.memory = [before, tenth, self.memory("VmRSS"), self.memory("VmHWM")]
        return load

    def _connect(self, name: str) -> None:
        with psycopg.connect(self.fleet.machine.url) as sql:
            added = add_salesforce_connection(sql, self.fleet.keyring(), self._new(name), every=RARELY)
            select_names(sql, added.connection_id, self.account_id, [name])

    def _new(self, name: str) -> NewConnection:
        config = {"login_url": self.org.url, "client_id": APP.client_id, "username": USER.username}
        token = self.org.control.sign_in(USER.username)
        credentials = {"access_token": token, "instance_url": self.org.url, "refresh_token": "not needed"}
        return NewConnection(
            account_id=self.account_id, provider="salesforce", name=name, config=config, credentials=credentials
        )

    def memory(self, line: str) -> float:
        """What proc(5) says of the reader's memory, in MB."""
        status = Path(f"/proc/{self.fleet.machine.processes[READER].pid}/status").read_text()
        found = re.search(rf"{line}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def stored(self, name: str) -> int:
        """How many records of an object live."""
        return self.fleet.number(_STORED, name)

    def told(self) -> int:
        """How many rows the jobs say that they have read."""
        return self.fleet.number(_RESULTS)

    @property
    def row_bytes(self) -> int:
        """How long a record is on average."""
        return self.fleet.number(_BYTES)

    def load_barely(self, file: Path) -> float:
        """Rows per second of a COPY of the same rows and the merge, into the emptied table, in this process alone."""
        with psycopg.connect(self.fleet.machine.url) as sql:
            pages = list(_dump(sql, file))
            kind = str(self.fleet.rows("SELECT max(kind) FROM records")[0][0])
            target = Target(self.fleet.number("SELECT max(connection_id) FROM records"), self.account_id, kind)
            sql.execute("TRUNCATE records, record_changes, record_feeds")
            sql.commit()
            began, merged = time.monotonic(), 0
            with file.open("rb") as lines:
                for size in pages:
                    merged += _merge(sql, target, lines.read(size))
            return merged / (time.monotonic() - began)


def _number(sql: psycopg.Connection, query: str) -> int:
    found = sql.execute(query.encode()).fetchone()
    assert found is not None
    return int(found[0])


def _dump(sql: psycopg.Connection, file: Path) -> Iterator[int]:
    """Write what is stored as COPY has it; the bytes of each page."""
    size, count = 0, 0
    with file.open("wb") as lines, sql.cursor() as cursor, cursor.copy(_LINES.encode()) as copy:
        for line in copy:
            size, count = size + lines.write(line), count + 1
            if count % MERGE_ROWS == 0:
                yield size
                size = 0
    yield size


def _merge(sql: psycopg.Connection, target: Target, lines: bytes) -> int:
    """One page, in one commit, by the statements that a sync uses; how many records were added."""
    sql.execute(statement("stage_records"))
    with sql.cursor() as cursor, cursor.copy(_STAGE.encode()) as copy:
        copy.write(lines)
    take_feed(PlainCommit(sql, []), target)
    now = sql.execute("SELECT clock_timestamp()").fetchone()
    assert now is not None
    params = target.params | {"observed_at": now[0], "generation": None, "mend": False}
    merged = sql.execute(statement("merge_records"), params, prepare=False).fetchone()
    sql.commit()
    assert merged is not None
    return int(merged[0])


@contextmanager
def large_org(directory: Path) -> Iterator[LargeOrg]:
    """An empty org, and processes that wait for work."""
    with ExitStack() as stack:
        org = stack.enter_context(sandbox_org(directory))
        made = stack.enter_context(fleet(RETINUE_LEASE_SECONDS="60"))
        with psycopg.connect(made.machine.url) as sql:
            account_id = add_account(sql, "acme").id
        for name, job_type in SERVANTS.items():
            made.start_servant(name, job_type)
        made.wait(lambda: made.number("SELECT count(*) FROM servants") == len(SERVANTS), "the servants")
        made.start_scheduler()
        yield LargeOrg(org, made, account_id)
