"""What the sandbox org is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.local.salesforce.bulk_jobs import BulkJobs
from infra.local.salesforce.bulk_load import IngestWork
from infra.local.salesforce.bulk_runner import BulkRunner
from infra.local.salesforce.grants import Grants
from infra.local.salesforce.identity import Identity
from infra.local.salesforce.org import Org


@dataclass(frozen=True)
class Parts:
    """The parts of one org. `clock_file` keeps how far ahead its clock is."""

    org: Org
    identity: Identity
    grants: Grants
    jobs: BulkJobs
    runner: BulkRunner
    ingest: IngestWork
    clock_file: Path
