"""The first reading of a large object by Bulk API 2.0, beside a bare COPY and merge of the same rows in one run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.salesforce_load import Load, large_org

ROWS = int(os.environ.get("ROWS", "1000000"))

#: Rows of one result each; the fewer are some pages, too.
FEW, MANY = 15_000, 50_000

#: What one page of records takes while it is read, twice: jobs run side by side.
PAGES_MB = 60

#: The jobs' own limits: half of what the machine can do, and what a customer waits for.
SHARE = 0.5
RATE = 3500


@pytest.mark.timeout(240)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    with large_org(tmp_path / "org") as large:
        large.seed("Lead", FEW)
        large.seed("Opportunity", MANY)
        few = large.load("Lead", FEW)
        assert (large.stored("Lead"), large.told()) == (FEW, FEW)
        many = large.load("Opportunity", MANY)
        assert (large.stored("Opportunity"), large.told()) == (MANY, FEW + MANY)
        size = large.row_bytes
    # As the objects that they become, rows take several times what their text does.
    assert many.memory[-1] - few.memory[-1] < (MANY - FEW) * size / 2**20, (few.memory, many.memory)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_the_first_reading_is_half_as_fast_as_a_bare_copy_and_merge(tmp_path: Path) -> None:
    with large_org(tmp_path / "org") as large:
        large.seed("Opportunity", ROWS)
        load = large.load("Opportunity", ROWS)
        assert (large.stored("Opportunity"), large.told()) == (ROWS, ROWS)
        size = large.row_bytes
        bare = large.load_barely(tmp_path / "rows")
        assert large.stored("Opportunity") == ROWS
        calls = large.org.control.usage().calls
    tell(f"{ROWS:,} Opportunities of {size} bytes by Bulk API 2.0, one process, {calls} API calls.")
    tell_rates(load, bare)
    start, tenth, end, most = load.memory
    tell(f"Memory of the process: {start:.0f} MB at the start, {tenth:.0f} after a tenth, {end:.0f} at the end;")
    tell(f"{most:.0f} at most.")
    assert load.rate >= SHARE * bare
    assert load.rate >= RATE
    assert end - tenth < PAGES_MB


def tell_rates(load: Load, bare: float) -> None:
    tell(f"First reading: {load.seconds:.0f} s, {load.rate:,.0f} rows/s.")
    tell(f"COPY of the same rows and merge: {bare:,.0f} rows/s; the reading has {load.rate / bare:.0%} of it.")


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the proof's output is its purpose
