"""A manager on whose pages accounts sign in to an org of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from flask import Flask

from infra.local.salesforce.control_client import NewApp
from infra.postgres.connect import Database
from tests.support.factories import add_servant
from tests.support.manager_server import manager_app
from tests.support.sandbox_org import SandboxOrg

#: Where a test's browser says that it is.
BACK = "http://localhost/account/connect/salesforce/back"

#: What the org has to know the manager as.
PAGES = NewApp("3MVG9pages", "Retinue", client_secret="its secret", callback_url=BACK)


@contextmanager
def org_pages(database: Database, sql: psycopg.Connection, org: SandboxOrg, *, key: str) -> Iterator[Flask]:
    """The application; `key` seals what is granted."""
    for job_type in ("salesforce.sync", "salesforce.reconcile", "salesforce.formulas"):
        add_servant(sql, job_type)
    made = manager_app(
        database,
        secret_key=key,
        salesforce_client_id=PAGES.client_id,
        salesforce_client_secret=PAGES.client_secret,
        salesforce_login_url=org.url,
    )
    yield made
    made.extensions["test_accounts"].close()
