"""Servants that read an org in small pages, so that few rows are many of them.

    python -m tests.support.small_pages 40 120

is the nursery (`tests.support.nursery`) of servants with pages of 40 rows, who read more than 120 changes by Bulk jobs.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, NamedTuple

from tests.support import nursery

#: Waits between two looks at a Bulk job, in seconds: an org as small as these is done at once.
LOOKS = (0.02, 0.05, 0.1, 0.2)


class Reading(NamedTuple):
    """How an org is read: rows of a page, and from how many changed rows on a Bulk job reads them."""

    page_rows: int
    bulk_changes: int


def settings(reading: Reading) -> dict[str, Any]:
    """By the names of what they stand for: the values with which an org is read in this way."""
    rows = reading.page_rows
    return {
        "servants.salesforce.org_reading.BATCH_ROWS": rows,
        "servants.salesforce.org_reading.IDS_AT_ONCE": max(2, rows // 4),
        "servants.salesforce.onboarding.BATCH_ROWS": rows,
        "servants.salesforce.onboarding.REST_ROWS": 4 * rows,
        "servants.salesforce.onboarding.CHUNK_ROWS": 20 * rows,
        "servants.salesforce.backfill.MERGE_ROWS": 3 * rows,
        "servants.salesforce.bulk_reading.MERGE_ROWS": rows,
        "servants.salesforce.bulk_reading.BULK_CHANGES": reading.bulk_changes,
        "servants.salesforce.listing.BULK_WORTH": 10 * rows,
        "servants.salesforce.listing.BULK_SLICE": 5 * rows,
        "servants.salesforce.listing.BULK_MOST": 10 * rows,
        "servants.salesforce.listing.SLICE_ROWS": 2 * rows,
        "servants.salesforce.client.bulk.LOOKS": LOOKS,
        # Its clock is moved by minutes while a job runs.
        "servants.salesforce.client.bulk.AGE_SHARE": 0.0,
    }


def main() -> None:
    """Set them here, whence all servants are forked."""
    for name, value in settings(Reading(*map(int, sys.argv[1:]))).items():
        module, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(module), attribute, value)
    nursery.main()


if __name__ == "__main__":
    main()
