"""How fast records are merged, beside a bare COPY of the same rows in the same run."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.record_values import NewRecord, canonical, content_hash
from infra.postgres.records import Merged, stage_and_merge
from scheduler.retain import Retain
from tests.support.stored_records import RecordAccount, at, record_account

ROWS = int(os.environ.get("ROWS", "200000"))

#: Records of one commit.
PAGE = 5000

WORDS = ["Northern", "contract", "renewal", "Acme", "prospect", "discount", "quarter", "pilot", "expansion", "harbour"]

_COLUMNS = "connection_id, kind, external_id, account_id, version, observed_at, content_hash, payload"


def opportunity(number: int, *, edition: int = 0) -> NewRecord:
    """A record of about 1 kB; of another edition, two of its fields differ."""
    word = WORDS[number % len(WORDS)]
    payload: dict[str, Any] = {
        "Id": f"006{number:012}AAA",
        "Name": f"{word} {number}",
        "Amount": number * 1.25,
        "StageName": ("Prospecting", "Closed Won")[edition % 2],
        "CloseDate": "2026-12-31",
        "IsClosed": False,
        "OwnerId": "005000000000001AAA",
        "AccountId": f"001{number // 7:012}AAA",
        "SystemModstamp": f"2026-01-01T00:00:{edition % 60:02}.000+0000",
        "Description": " ".join(WORDS[(number + place) % len(WORDS)] for place in range(60)),
        **{f"Custom_{place}__c": WORDS[(number * place) % len(WORDS)] for place in range(10)},
    }
    return NewRecord(payload["Id"], 1 + edition, payload)


@dataclass
class Trial:
    """One connection that many records are merged into, and what each way of it took."""

    account: RecordAccount
    rows: int
    rates: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, page: Callable[[range], Merged | None]) -> Merged:
        """Handle all rows page by page; what the merges did."""
        total, began = Merged(), time.perf_counter()
        for first in range(0, self.rows, PAGE):
            total += page(range(first, min(self.rows, first + PAGE))) or Merged()
        self.rates[name] = self.rows / (time.perf_counter() - began)
        return total

    def copy(self, numbers: range) -> None:
        """The same rows into a table of the same shape, in one COPY."""
        with (
            self.account.database.transaction() as connection,
            connection.cursor() as cursor,
            cursor.copy(f"COPY bare_records ({_COLUMNS}) FROM STDIN".encode()) as copy,
        ):
            for row in map(opportunity, numbers):
                text = canonical(row.payload or {})
                hashed = content_hash(row.external_id, text)
                copy.write_row((1, "Opportunity", row.external_id, 1, row.version, at(0), hashed, text))

    def merge(self, numbers: range, *, edition: Callable[[int], int] = lambda _: 0, observed: float = 1) -> Merged:
        rows: Iterator[NewRecord] = (opportunity(number, edition=edition(number)) for number in numbers)
        with self.account.commit() as tx:
            return stage_and_merge(tx, self.account.target, rows, observed_at=at(observed))

    def tell(self) -> str:
        """The rates, and each beside the bare COPY."""
        bare = self.rates["bare COPY"]
        return "\n".join(f"{name:24} {rate:8,.0f} rows/s {rate / bare:6.0%}" for name, rate in self.rates.items())


def measure(database: Database, sql: psycopg.Connection, rows: int) -> Trial:
    """Load, read again, change a tenth, change all; each must do just that."""
    Retain(database, history_days=14).run_once()
    sql.execute("CREATE TABLE bare_records (LIKE records INCLUDING ALL)")
    trial = Trial(record_account(database), rows)
    trial.run("bare COPY", trial.copy)
    assert trial.run("first load", trial.merge) == Merged(added=rows)
    assert trial.run("nothing changed", lambda page: trial.merge(page, observed=2)) == Merged(unchanged=rows)
    tenth = trial.run("a tenth changed", lambda page: trial.merge(page, edition=lambda n: int(n % 10 == 0), observed=3))
    assert (tenth.updated, tenth.unchanged) == (rows // 10, rows - rows // 10)
    assert trial.run("all changed", lambda page: trial.merge(page, edition=lambda _: 2, observed=4)).updated == rows
    return trial


def test_pages_of_thousands_do_what_they_should(database: Database, sql: psycopg.Connection) -> None:
    trial = measure(database, sql, 6000)
    kept = sql.execute("SELECT count(*), max(position) FROM record_changes").fetchone()
    assert kept == (6000 + 600 + 6000, 6000 + 600 + 6000)
    assert trial.account.feed(after=6000, limit=1)[0].before == {
        "StageName": "Prospecting",
        "SystemModstamp": "2026-01-01T00:00:00.000+0000",
    }


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_the_first_load_is_half_as_fast_as_a_bare_copy(database: Database, sql: psycopg.Connection) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trial = measure(database, sql, ROWS)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    text = canonical(opportunity(1).payload or {})
    print(f"\n{ROWS:,} records of {len(text)} bytes, {PAGE} a commit; the process grew by {grown / 1024:.0f} MiB")  # noqa: T201 - what the proof is run for
    print(trial.tell())  # noqa: T201 - likewise
    assert trial.rates["first load"] >= 0.5 * trial.rates["bare COPY"]
    assert trial.rates["first load"] >= 3500
