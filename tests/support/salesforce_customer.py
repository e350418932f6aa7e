"""A customer's org in the sandbox, its connection in a test's database, and whether the two are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.postgres.salesforce_objects import ObjectState, list_objects
from retinue.servant import ServantType
from retinue.testing import Drained, Ran, RetinueDatabase, drain, run
from scheduler.rescue import Rescue
from servants.salesforce.backfill import backfill
from servants.salesforce.formulas import refresh_formulas
from servants.salesforce.reconcile import reconcile
from servants.salesforce.sync import sync_salesforce
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org

_RECORDS = "SELECT external_id, payload FROM records WHERE connection_id = %s AND kind = %s AND deleted_at IS NULL"

#: What the API gives and a sync leaves out: compounds, whose parts are fields of their own, and contents of files.
LEFT_OUT = ("BillingAddress", "ShippingAddress", "MailingAddress", "OtherAddress", "Address", "Body")


@dataclass
class OrgCustomer:
    """An org with a connection that was made a moment ago."""

    database: RetinueDatabase
    org: SandboxOrg
    connection_id: int

    def sync(self, **payload: Any) -> Ran:
        """One attempt at `salesforce.sync`, in this thread."""
        return self.run(sync_salesforce, **payload)

    def run(self, servant: ServantType[Any], **payload: Any) -> Ran:
        """One attempt at any job of the connection."""
        ran = run(servant, {"connection_id": self.connection_id, **payload}, database=self.database, account_id=1)
        if ran.raised is not None and ran.state is None:
            raise ran.raised
        return ran

    def cut_off(self, servant: ServantType[Any], *, commits: int) -> None:
        """One attempt by a servant that dies after so many commits; its job is rescued, and put off."""
        run(
            servant,
            {"connection_id": self.connection_id},
            database=self.database,
            account_id=1,
            lose_lease_after=commits,
        )
        sql = self.database.sql
        sql.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'")
        Rescue(self.database.pool, queued_timeout_seconds=0, lost_seconds=60).run_once()
        sql.execute("UPDATE jobs SET run_at = now() + interval '1 day' WHERE state = 'pending'")

    def drain(self, *, passing: timedelta = timedelta(0), seconds: float = 40) -> Drained:
        """Perform every due job, and all that they bring about."""
        servants = (sync_salesforce, backfill, reconcile, refresh_formulas)
        return drain(self.database, *servants, passing=passing, seconds=seconds)

    def onboard(self, *names: str) -> None:
        """Read everything for the first time; only these objects where some are named."""
        if names:
            self.select(*names)
        assert self.sync().state == "completed"
        self.drain()
        assert {found.state for found in list_objects(self.database.sql, self.connection_id)} == {ObjectState.LIVE}

    def select(self, *names: str) -> None:
        """Choose which objects are synced."""
        for name in names:
            self.database.sql.execute(
                "INSERT INTO salesforce_objects (connection_id, account_id, name, selected) VALUES (%s, 1, %s, true)"
                " ON CONFLICT (connection_id, name) DO UPDATE SET selected = true",
                (self.connection_id, name),
            )

    def calls(self) -> int:
        """API calls that the org has counted."""
        return self.org.control.usage().calls

    def stored(self, name: str) -> dict[str, dict[str, Any]]:
        """The records that live, by Id."""
        return dict(self.database.sql.execute(_RECORDS, (self.connection_id, name)).fetchall())

    def expected(self, name: str) -> dict[str, dict[str, Any]]:
        """The rows of the org that live, by Id."""
        rows = self.org.control.rows(name, user=USER.username)
        return {row["Id"]: _plain(row) for row in rows if not row.get("IsDeleted")}

    def assert_equal(self, *names: str) -> None:
        """Compare every field of every row."""
        for name in names:
            stored, expected = self.stored(name), self.expected(name)
            assert stored.keys() == expected.keys(), f"{name}: {stored.keys() ^ expected.keys()}"
            for external_id, row in expected.items():
                kept = {field: stored[external_id].get(field) for field in row}
                assert kept == row, f"{name} {external_id}"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _value(value)
        for name, value in row.items()
        if name not in (*LEFT_OUT, "attributes") and not isinstance(value, dict)
    }


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.endswith(".000+0000") and "T" in value:
        return f"{value[:19]}Z"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None if value == "" else value


@contextmanager
def org_customer(database: RetinueDatabase, directory: Path) -> Iterator[OrgCustomer]:
    """A new org and its connection."""
    with sandbox_org(directory) as org:
        yield connected(database, org)


def connected(database: RetinueDatabase, org: SandboxOrg, *, url: str = "") -> OrgCustomer:
    """A new account with a connection to an org, at another address than its own where one is given."""
    config, credentials = settings_of(org, url=url)
    connection_id = database.connection(database.account(), "salesforce", config=config, credentials=credentials)
    return OrgCustomer(database, org, connection_id)


def settings_of(org: SandboxOrg, *, url: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Configuration and credentials of a connection that is signed in."""
    where = url or org.url
    config = {"login_url": where, "client_id": APP.client_id, "username": USER.username, "api_version": "61.0"}
    credentials = {
        "access_token": org.control.sign_in(USER.username),
        "instance_url": where,
        "refresh_token": "kept for the day that the session ends",
    }
    return config, credentials
