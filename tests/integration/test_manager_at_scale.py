"""Every page and every GET of the API answers soon in a large installation, and none counts jobs or scans them.

`make proof-manager` builds the large one; `ROWS` is how many finished jobs it has.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import quantiles

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from retinue.testing.lent_database import LentDatabase
from tests.support.large_installation import Size, beat, build
from tests.support.manager_server import manager_app, signed_in
from tests.support.plans import explain_text
from tests.support.recorded import Asked, RecordedDatabase

#: Enough that reading all would be seen, and little enough for every run of the tests.
SMALL = Size(finished=50_000, pending=5_000, servants=20, accounts=500)

#: A query that only reads, whatever comment stands before it.
_READS = re.compile(rb"(?:\s|--[^\n]*\n)*(?:SELECT|WITH)\b", re.IGNORECASE)

#: No query of a page reads more rows of a table of jobs than this, unless it says itself how many at most: those of a
#: search, which grow as long as there is time.
MOST_ROWS = 2_500

#: A partition of so few rows, as soon after midnight, is read whole for each of a hundred jobs sooner than by an index.
SMALL_TABLE_ROWS = 1_000

#: Seconds: 95 of 100 answers come sooner than the first, none later than the second.
P95_SECONDS, LONGEST_SECONDS = 0.150, 0.500

#: How often each is asked for by the proof: often enough that 95 of 100 are not all of them.
TIMES = 40

#: What is asked for with a filter, beside what every address gives.
FILTERED = (
    "/jobs?q=state:failed",
    "/jobs?q=state:pending",
    "/jobs?q=type:email.sync+state:failed+error:~refused",
    "/jobs?q=account:7",
    "/jobs?q=account:7+state:failed",
    "/jobs?q=schedule:7",
    "/jobs?q=group:1",
    "/jobs?q=account:7+error:~never",
    "/jobs?q=account:477",
    "/jobs?q=connection:7+after:3h",
    "/jobs/bulk/retry?q=account:7",
    "/jobs/bulk/cancel?q=type:email.sync",
    "/jobs/bulk/reschedule?q=account:7",
    "/groups?unfinished",
    "/accounts?troubled=1",
    "/accounts?named=Account+77",
    "/lanes?held=1",
    "/audit?action=job.",
    "/?span=hour",
    "/?span=week",
)

#: These stream, go elsewhere, or are no pages; those of an account are measured by `make proof-account-pages`.
LEFT_OUT = re.compile(
    r"^/(static|assets|live|sign-in|oidc|healthz|readyz|metrics|preferences|icon|favicon|account/|account$|visits/unmask$)"
)

#: What an address asks for that is nothing without it.
NEEDED = {
    "/lanes/one": "?type=email.sync&lane=connection_id:7",
    "/jobs/suggest": "?q=account:Acc&at=11",
    "/jobs/bulk/retry": "?q=state:failed",
    "/jobs/bulk/cancel": "?q=type:email.sync",
    "/jobs/bulk/reschedule": "?q=state:pending",
}

#: Pages about something that the large installation has none of.
MISSING = re.compile(r"^(/api/v1)?/(people|tokens)/<")


class Installation:
    """A manager on a database that it fills."""

    def __init__(self, sql: psycopg.Connection, database: RecordedDatabase, size: Size) -> None:
        build(sql, size)
        self.sql, self.database, self.size = sql, database, size
        self.app: Flask = manager_app(database)
        self.client: FlaskClient = signed_in(self.app)

    def addresses(self, turn: int = 0) -> list[str]:
        """Every address that can be read; what they are about differs from turn to turn."""
        found = []
        for rule in self.app.url_map.iter_rules():
            if "GET" not in (rule.methods or set()) or LEFT_OUT.match(rule.rule) or MISSING.search(rule.rule):
                continue
            address = _filled(rule.rule, self.size, turn)
            found.append(address + NEEDED.get(address, ""))
        return sorted({*found, *FILTERED})

    def ask(self, address: str) -> float:
        """The seconds that the answer took."""
        began = time.perf_counter()
        answer = self.client.get(address)
        seconds = time.perf_counter() - began
        assert answer.status_code in (200, 302), f"{address}: {answer.status_code} {answer.text[:300]}"
        return seconds


def _filled(rule: str, size: Size, turn: int) -> str:
    """The address with something that there is for each of its parts."""
    given = {
        "job_id": size.finished // 200 * 100 + 100 * turn,
        "attempt": 1,
        "group_id": 1 + turn,
        "account_id": 1 + turn,
        "connection_id": 50 + turn,
        "schedule_id": 1 + turn,
        "servant_id": 1 + turn % size.servants,
        "incident_id": 1,
        "anomaly_id": 1,
        "fingerprint": "00000001",
        "job_type": "email.sync",
        "type": "email.sync",
        "operation": "retry",
        "person_id": 1,
        "name": "throughput",
    }
    return re.sub(r"<(?:[^:<>]*:)?(\w+)>", lambda part: str(given[part[1]]), rule)


def installation(lent_database: LentDatabase, size: Size) -> Iterator[Installation]:
    with ExitStack() as stack:
        url = stack.enter_context(lent_database.server.fresh_database(lent_database.template))
        database = RecordedDatabase(url)
        stack.callback(database.close)
        sql = stack.enter_context(psycopg.connect(url, autocommit=True))
        yield Installation(sql, database, size)


@pytest.fixture(scope="module")
def small(lent_database: LentDatabase) -> Iterator[Installation]:
    yield from installation(lent_database, SMALL)


def test_no_address_is_left_out_by_mistake(small: Installation) -> None:
    assert len(small.addresses()) > 50


def test_no_page_counts_jobs_or_scans_them(small: Installation) -> None:
    too_much = []
    for address in small.addresses():
        small.database.taken()
        small.ask(address)
        for asked in {asked.query: asked for asked in small.database.taken()}.values():
            too_much += [f"{address}: {told}" for told in _too_much(small.sql, asked)]
    assert too_much == []


def _too_much(sql: psycopg.Connection, asked: Asked) -> list[str]:
    if not _READS.match(asked.query):
        return []
    reads = explain_text(sql, asked.query, asked.params, settings=asked.settings)
    told = " ".join(asked.query.decode().split())[:120]
    most = max(MOST_ROWS, (asked.params or {}).get("window", 0))
    return [
        f"{read.rows} rows of {read.table} by {read.node}: {told}"
        for read in reads
        if read.rows > most
        and re.match(r"jobs$|job_history|job_events", read.table)
        and _rows_of(sql, read.table) > SMALL_TABLE_ROWS
    ]


def _rows_of(sql: psycopg.Connection, table: str) -> int:
    found = sql.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", (table,)).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_a_large_installation_is_shown_at_once(lent_database: LentDatabase) -> None:
    size = Size(finished=int(os.environ.get("ROWS", "10000000")))
    for large in installation(lent_database, size):
        times: dict[str, list[float]] = {}
        for turn in range(TIMES + 1):
            beat(large.sql)
            for address in large.addresses(turn):
                # The first turn fills the caches of connections and plans, as the first minute of a manager does.
                times.setdefault(_form(address), []).extend([large.ask(address)] if turn > 0 else [])
        table = [_line(form, found) for form, found in sorted(times.items(), key=lambda one: -max(one[1]))]
        print(f"\n{size}\n" + "\n".join(table))  # noqa: T201 - what the proof is run for
        assert all(_p95(found) < P95_SECONDS and max(found) < LONGEST_SECONDS for found in times.values())


def _form(address: str) -> str:
    """An address without what differs from turn to turn."""
    path, mark, query = address.partition("?")
    return re.sub(r"/\d+", "/N", path) + mark + query


def _p95(found: Sequence[float]) -> float:
    return quantiles(found, n=20)[-1]


def _line(form: str, found: Sequence[float]) -> str:
    return f"{1000 * _p95(found):8.1f} ms {1000 * max(found):8.1f} ms at most  {form}"
