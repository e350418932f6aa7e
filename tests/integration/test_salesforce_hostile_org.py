"""An org that answers without an end: nothing of it is held, followed or waited for beyond bounds."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterator

import pytest

from infra.postgres.records import Target
from infra.postgres.salesforce_fields import SalesforceField
from infra.postgres.salesforce_objects import ObjectState, SalesforceObject
from retinue.clock import SystemClock
from servants.salesforce.bulk_reading import parts_of
from servants.salesforce.client import errors
from servants.salesforce.client.bulk import BulkJob
from servants.salesforce.client.http import Limits
from servants.salesforce.id_ranges import EVERYTHING
from servants.salesforce.object_rows import OrgObject
from servants.salesforce.org_reading import OrgReader
from servants.salesforce.position import BulkPlace
from servants.salesforce.soql import Key
from tests.support.salesforce_caller import Desk, desk
from tests.support.salesforce_server import Answer, SalesforceServer, csv_page, org

__all__ = ["org"]

MOMENT = SystemClock().now().replace(microsecond=0)
STAMP = MOMENT.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
QUERY = "SELECT Id FROM Account"


@pytest.fixture
def made(org: SalesforceServer) -> Iterator[Desk]:
    with desk(org, limits=Limits(line_bytes=1_000_000)) as opened:
        yield opened


def job(records: int) -> BulkJob:
    return BulkJob("750a", "Account", "JobComplete", records, 0, "", MOMENT)


def rows(*ids: str, total: int | None = None, leads_on: bool = False) -> Answer:
    records = [{"attributes": {}, "Id": one, "SystemModstamp": STAMP, "IsDeleted": False} for one in ids]
    more = {"nextRecordsUrl": "/services/data/v62.0/query/01g-more"} if leads_on else {}
    total = len(ids) if total is None else total
    return Answer(200, {"totalSize": total, "done": not leads_on, "records": records} | more)


def reader(made: Desk) -> OrgReader:
    """Of accounts with nothing but what marks them."""
    row = SalesforceObject(
        connection_id=7,
        account_id=1,
        name="Account",
        label=None,
        key_prefix=None,
        state=ObjectState.LIVE,
        problem=None,
        selected=True,
        bulk=True,
        described_at=None,
        describe_modified=None,
        synced_at=None,
        reconciled_at=None,
        reconciled=None,
        formulas_at=None,
        chosen=None,
        field_generation=0,
        position={},
    )
    types = {"SystemModstamp": "datetime", "IsDeleted": "boolean"}
    fields = tuple(
        SalesforceField("Account", name, kind, {}, False, place, MOMENT, None, None)
        for place, (name, kind) in enumerate(types.items())
    )
    return OrgReader(made.client, OrgObject(row, fields, Target(7, 1, "Account")))


# Bulk results


def test_a_line_without_an_end_is_not_put_together(made: Desk, org: SalesforceServer) -> None:
    # A few kilobytes on the wire.
    bomb = gzip.compress(b'"Id"\n"' + b"a" * 3_000_000)
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip", "Sforce-NumberOfRecords": "1"}
    org.script("GET .*/results", Answer(200, bomb, headers))
    with (
        made.client.bulk.page("750a") as page,
        pytest.raises(errors.UnexpectedAnswer, match="a line of more than 1,000,000 bytes"),
    ):
        list(page.rows)


def test_nor_is_a_row_of_lines_without_an_end(
    made: Desk, org: SalesforceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servants.salesforce.client.csv_rows.ROW_CHARACTERS", 100_000)
    org.script("GET .*/results", csv_page('"Id"', '"a","', *['","'] * 50_000, count=1))
    with (
        made.client.bulk.page("750a") as page,
        pytest.raises(errors.UnexpectedAnswer, match="a row of more than 100,000 characters"),
    ):
        list(page.rows)


def test_more_rows_than_were_announced_are_not_read(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", csv_page('"Id"', *['"a"'] * 1000, count=2))
    came: list[list[str]] = []
    with made.client.bulk.page("750a") as page, pytest.raises(errors.RowsMissing, match="and more came"):
        came.extend(page.rows)
    assert page.came == 2


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (csv_page('"Id"', count=0, following="MjAw"), "leads on without a row"),
        (csv_page('"Id"', '"a"', count=1, following="MjAw"), "found 3 rows, and its pages announce more"),
    ],
)
def test_pages_of_a_job_come_to_an_end(made: Desk, org: SalesforceServer, page: Answer, words: str) -> None:
    org.script("GET .*/results", page)
    with pytest.raises(errors.RowsMissing, match=words):
        deque(row for some in made.client.bulk.pages(job(3)) for row in some.rows)
    assert len(org.asked) <= 4


@pytest.mark.parametrize("count", [0, 1])
def test_parts_of_a_job_come_to_an_end(made: Desk, org: SalesforceServer, count: int) -> None:
    lines = [f'"001{"a" * 15}","{STAMP}","false"'] * count
    org.script("GET .*/results", csv_page('"Id","SystemModstamp","IsDeleted"', *lines, count=count, following="MjAw"))
    place = BulkPlace(job_id="750a", observed_at=MOMENT.isoformat(), generation=0)
    with pytest.raises(errors.RowsMissing):
        list(parts_of(made.client, reader(made), job(3), place, rows=10))
    assert len(org.asked) <= 4


# queries


@pytest.mark.parametrize("following", [rows("a", total=3, leads_on=True), rows(total=3, leads_on=True)])
def test_pages_of_a_query_come_to_an_end(made: Desk, org: SalesforceServer, following: Answer) -> None:
    org.script("GET .*/query", rows("a", total=3, leads_on=True), following)
    with pytest.raises(errors.RowsMissing, match="announced 3 rows"):
        list(made.client.rest.pages(QUERY))
    assert len(org.asked) <= 4


def test_no_more_rows_are_read_than_were_asked_for(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/query", rows("a", total=10**9, leads_on=True))
    with pytest.raises(errors.UnexpectedAnswer, match="at most 2,000 rows was answered with 1,000,000,000"):
        reader(made).page(EVERYTHING, behind=None)
    assert len(org.asked) == 1


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "c"), ("d", "c")])
def test_a_range_is_read_forwards_alone(made: Desk, org: SalesforceServer, ids: tuple[str, str]) -> None:
    org.script("GET .*/query", rows(*ids))
    with pytest.raises(errors.UnexpectedAnswer, match="in another order"):
        reader(made).page(EVERYTHING, behind="b")


def test_changes_are_read_forwards_alone(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/queryAll", rows("a", "b"))
    assert reader(made).batch(Key(MOMENT, "a")).last == Key(MOMENT, "b")
    with pytest.raises(errors.UnexpectedAnswer, match="in another order"):
        reader(made).batch(Key(MOMENT, "b"))
