"""The sandbox org as a whole: its data, its sign-ins, its Bulk workers and the application that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.local.salesforce import authorize, bulk_ingest, bulk_query, oauth, soap_login
from infra.local.salesforce.app import create_app
from infra.local.salesforce.bulk_jobs import BulkJobs
from infra.local.salesforce.bulk_load import IngestWork
from infra.local.salesforce.bulk_runner import BulkRunner
from infra.local.salesforce.clock import Clock
from infra.local.salesforce.control import blueprints as control_blueprints
from infra.local.salesforce.faults import FaultyApp
from infra.local.salesforce.grants import Grants
from infra.local.salesforce.identity import Identity
from infra.local.salesforce.org import Org
from infra.local.salesforce.parts import Parts

#: The file that says how many seconds the org's clock is ahead.
CLOCK = "clock"


@dataclass(frozen=True)
class Sandbox:
    """One org, ready to be served; `wsgi` is the application."""

    parts: Parts
    wsgi: Any

    @property
    def org(self) -> Org:
        return self.parts.org

    def close(self) -> None:
        """End the workers and let go of the file."""
        self.parts.runner.close()
        self.parts.org.close()


def open_sandbox(directory: Path, clock: Clock | None = None) -> Sandbox:
    """The org whose data lies in this directory, made when there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = _parts(Org(directory / "org.sqlite", clock or kept_clock(directory / CLOCK)), directory)
    app = create_app(
        parts.org,
        parts.identity,
        [
            oauth.blueprint(parts.identity, parts.grants),
            authorize.blueprint(parts.identity, parts.grants),
            soap_login.blueprint(parts.identity),
            bulk_query.blueprint(parts.jobs, parts.runner),
            bulk_ingest.blueprint(parts.jobs, parts.runner),
            *control_blueprints(parts),
        ],
    )
    return Sandbox(parts, FaultyApp(app.wsgi_app, parts.org.faults))


def kept_clock(path: Path) -> Clock:
    """The org's clock, as far ahead as it was left: stamps must not go back after a restart."""
    return Clock(timedelta(seconds=float(path.read_text()) if path.exists() else 0))


def _parts(org: Org, directory: Path) -> Parts:
    identity = Identity(org)
    jobs = BulkJobs(org, directory / "bulk")
    runner = BulkRunner(jobs)
    ingest = IngestWork(org, jobs)
    runner.serve(bulk_query.KIND, bulk_query.QueryWork(org, jobs, runner).run, repeatable=True)
    runner.serve(bulk_ingest.KIND, ingest.run, repeatable=False)
    return Parts(org, identity, Grants(identity), jobs, runner, ingest, directory / CLOCK)
