"""An org in the test's own process, and what tests ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.local.salesforce.formulas import column_sql
from infra.local.salesforce.metadata import new_field
from infra.local.salesforce.org import Org
from infra.local.salesforce.results import RowResult
from infra.local.salesforce.values import to_json


@contextmanager
def opened(directory: Path) -> Iterator[Org]:
    """The org of this directory."""
    org = Org.open(directory / "org.db")
    try:
        yield org
    finally:
        org.close()


def added(org: Org, name: str, **values: Any) -> str:
    """The id of a new record of these values."""
    with org.edit(org.admin) as edit:
        [result] = edit.insert(name, [values])
    assert result.success, result.errors
    assert result.id is not None
    return result.id


def changed(org: Org, name: str, record_id: str, **values: Any) -> None:
    """Give a record other values."""
    with org.edit(org.admin) as edit:
        [result] = edit.update(name, [{"Id": record_id, **values}])
    assert result.success, result.errors


def value(org: Org, record_id: str, name: str) -> Any:
    """A field of a record as the API shows it."""
    full = org.full_schema()
    sobject = full.of_id(record_id)
    assert sobject is not None
    field = sobject.field(name)
    query = f'SELECT {column_sql(full, sobject, field, "t")} FROM "{sobject.table}" t WHERE t."Id" = ?'  # noqa: S608 - the org's own names
    with org.store.read() as connection:
        [raw] = connection.execute(query, (record_id,)).fetchone()
    return to_json(field, raw)


def count(org: Org, name: str, condition: str = "1") -> int:
    """How many rows an object's table has."""
    table = org.full_schema().object(name).table
    with org.store.read() as connection:
        found = connection.execute(f'SELECT COUNT(*) FROM "{table}" WHERE {condition}')  # noqa: S608 - the org's own names
        return int(found.fetchone()[0])


def codes(results: list[RowResult]) -> list[str]:
    """Each row's first error code, or `ok`."""
    return [result.errors[0].code if result.errors else "ok" for result in results]


def keyed(org: Org) -> None:
    """Give accounts an external id of their own."""
    org.add_field("Account", new_field("Number__c", "string", length=40, external_id=True, unique=True))


def deleted_ids(org: Org, name: str) -> list[str]:
    """What the log of deletions tells of an object."""
    sobject = org.full_schema().object(name)
    now = org.clock.now()
    rows = org.log.deleted_rows(sobject, now - timedelta(days=15), now + timedelta(minutes=1), limit=100)
    return [row.id for row in rows]
