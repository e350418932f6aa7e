"""The Bulk client against a scripted org: jobs waited for, pages streamed, every row counted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from retinue.clock import SystemClock
from servants.salesforce.client import errors
from servants.salesforce.client.values import soql_text
from tests.support.salesforce_caller import Desk, made
from tests.support.salesforce_server import Answer, SalesforceServer, csv_page, org, refusal

__all__ = ["made", "org"]


def job(state: str = "JobComplete", **more: Any) -> Answer:
    told = {"id": "750a", "object": "Account", "state": state, "createdDate": aged(timedelta(0))}
    return Answer(200, told | more)


def aged(age: timedelta) -> str:
    """When a job of this age was made; the org tells its time by the clock of this machine."""
    return (SystemClock().now() - age).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def test_a_job_is_made_and_waited_for(made: Desk, org: SalesforceServer) -> None:
    org.script("POST .*/jobs/query", job("UploadComplete"))
    org.script("GET .*/jobs/query/750a", job("InProgress"), job("InProgress"), job(numberRecordsProcessed=3))
    bulk = made.client.bulk
    begun = bulk.create("SELECT Id FROM Account")
    assert json.loads(org.asked[0].body) == {"operation": "queryAll", "query": "SELECT Id FROM Account"}
    ready = bulk.wait(begun.id)
    assert (ready.is_ready, ready.records, made.pauses) == (True, 3, [1.0, 1.0])


def test_one_that_takes_long_is_left_for_later(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/jobs/query/750a", job("InProgress"))
    with pytest.raises(errors.BulkJobSlow, match="still InProgress after 40 s"):
        made.client.bulk.wait("750a", seconds=40)
    assert made.pauses == [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 15.0, 3.0]


@pytest.mark.parametrize(("age", "again"), [(20, 5), (2000, 10)])
def test_the_older_it_is_the_fewer_looks_it_gets(made: Desk, org: SalesforceServer, age: int, again: int) -> None:
    org.script("GET .*/jobs/query/750a", job("InProgress", createdDate=aged(timedelta(minutes=age))))
    with pytest.raises(errors.BulkJobSlow) as told:
        made.client.bulk.wait("750a", seconds=120)
    assert round(told.value.again / timedelta(minutes=1)) == again
    assert (len(org.asked), made.pauses) == (1, [])


def test_one_of_some_minutes_is_waited_for_as_long_as_it_is_worth(made: Desk, org: SalesforceServer) -> None:
    waiting = job("InProgress", createdDate=aged(timedelta(minutes=4)))
    org.script("GET .*/jobs/query/750a", waiting, job())
    assert made.client.bulk.wait("750a", seconds=120).is_ready
    assert [round(pause / 10) for pause in made.pauses] == [6]


def test_a_job_is_never_asked_for_twice(made: Desk, org: SalesforceServer) -> None:
    org.script("POST .*/jobs/query", Answer(503))
    with pytest.raises(errors.ServiceFailed):
        made.client.bulk.create("SELECT Id FROM Account")
    assert len(org.asked) == 1


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("INVALID_FIELD: No such column 'Old__c' on entity 'Account'", errors.FieldMissing),
        ("InvalidBatch : Field name not found : Old__c", errors.FieldMissing),
        ("INVALID_TYPE: sObject type 'Gone__c' is not supported.", errors.ObjectMissing),
        ("INVALIDENTITY: Entity 'TaskStatus' is not supported by the Bulk API.", errors.BulkUnsupported),
        ("MALFORMED_QUERY: unexpected token", errors.QueryRefused),
        ("QUERY_TIMEOUT: Your query request was running for too long.", errors.QueryTooSlow),
        ("Retried more than fifteen times", errors.QueryTooSlow),
        ("something of its own", errors.BulkJobFailed),
        ("", errors.BulkJobFailed),
    ],
)
def test_why_a_job_failed(made: Desk, org: SalesforceServer, message: str, kind: type[Exception]) -> None:
    org.script("GET .*/jobs/query/750a", job("Failed", errorMessage=message))
    with pytest.raises(kind, match="Bulk job 750a failed"):
        made.client.bulk.wait("750a")


def test_an_aborted_job_is_made_anew(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/jobs/query/750a", job("Aborted"))
    with pytest.raises(errors.BulkJobFailed, match="aborted by somebody"):
        made.client.bulk.wait("750a")


def test_pages_come_one_after_the_other_and_are_counted(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results.*locator=MjAw", csv_page('"Id","Name"', '"c",""', count=1))
    org.script(
        "GET .*/results", csv_page('"Id","Name"', '"a","x ""y"", z"', '"b","two', 'lines"', count=2, following="MjAw")
    )
    org.script("GET .*/jobs/query/750a", job(numberRecordsProcessed=3))
    ready = made.client.bulk.wait("750a")
    found, locators = [], []
    for page in made.client.bulk.pages(ready, max_records=2):
        assert page.fields == ("Id", "Name")
        found += list(page.rows)
        locators.append(page.next)
    assert found == [["a", 'x "y", z'], ["b", "two\nlines"], ["c", ""]]
    assert locators == ["MjAw", None]
    assert [path.partition("?")[2] for path in org.paths[1:]] == ["maxRecords=2", "maxRecords=2&locator=MjAw"]


def test_reading_goes_on_at_a_locator(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results.*locator=MjAw", csv_page('"Id"', '"c"', count=1))
    org.script("GET .*/jobs/query/750a", job(numberRecordsProcessed=3))
    ready = made.client.bulk.wait("750a")
    (page,) = [list(page.rows) for page in made.client.bulk.pages(ready, locator="MjAw", done=2)]
    assert page == [["c"]]


def test_a_query_without_rows(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", csv_page('"Id"', count=0))
    with made.client.bulk.page("750a") as page:
        assert (list(page.rows), page.count, page.next) == ([], 0, None)


def test_a_page_with_a_row_too_few(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", csv_page('"Id"', '"a"', count=2))
    with (
        made.client.bulk.page("750a") as page,
        pytest.raises(errors.RowsMissing, match="2 rows were announced, and 1 came"),
    ):
        list(page.rows)


def test_a_row_with_a_field_too_few(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", csv_page('"Id","Name"', '"a"', count=1))
    with made.client.bulk.page("750a") as page, pytest.raises(errors.RowsMissing, match="a row has 1 fields, not 2"):
        list(page.rows)


def test_all_pages_with_a_row_too_few(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", csv_page('"Id"', '"a"', count=1))
    org.script("GET .*/jobs/query/750a", job(numberRecordsProcessed=2))
    pages = made.client.bulk.pages(made.client.bulk.wait("750a"))
    assert list(next(pages).rows) == [["a"]]
    with pytest.raises(errors.RowsMissing, match="has found 2 rows, and 1 came"):
        next(pages)


def test_a_page_that_was_left_is_not_taken_for_read(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", csv_page('"Id"', '"a"', '"b"', count=2))
    org.script("GET .*/jobs/query/750a", job(numberRecordsProcessed=2))
    pages = made.client.bulk.pages(made.client.bulk.wait("750a"))
    assert next(next(pages).rows) == ["a"]
    with pytest.raises(errors.RowsMissing, match="1 rows of 2 were read"):
        next(pages)


@pytest.mark.parametrize("kept", [3, 40, -4])
def test_a_page_that_is_cut(made: Desk, org: SalesforceServer, kept: int) -> None:
    whole = csv_page('"Id","Name"', *(f'"{number:018}","{number * 7919}"' for number in range(500)), count=500)
    org.script(
        "GET .*/results",
        Answer(200, whole.content, whole.headers, cut_after=kept if kept > 0 else len(whole.body) + kept),
    )
    with pytest.raises((errors.ServiceFailed, errors.RowsMissing)), made.client.bulk.page("750a") as page:
        list(page.rows)


def test_a_cut_page_is_told_of_by_its_address(made: Desk, org: SalesforceServer) -> None:
    whole = csv_page('"Id"', '"a"', count=1)
    org.script("GET .*/results", Answer(200, whole.content, whole.headers, cut_after=len(whole.body) // 2))
    with pytest.raises(errors.ServiceFailed, match=r"^GET 127\.0\.0\.1\S*: "), made.client.bulk.page("750a") as page:
        list(page.rows)


def test_results_that_are_no_csv(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/results", Answer(200, b"<html>", {"Content-Type": "text/html"}))
    with (
        pytest.raises(errors.UnexpectedAnswer, match="no CSV with a count but text/html"),
        made.client.bulk.page("750a"),
    ):
        pass


def test_a_job_that_is_no_longer_kept(made: Desk, org: SalesforceServer) -> None:
    with pytest.raises(errors.BulkJobGone, match="after seven days"):
        made.client.bulk.state("750gone")
    with pytest.raises(errors.BulkJobGone), made.client.bulk.page("750gone"):
        pass
    made.client.bulk.delete("750gone")
    made.client.bulk.abort("750gone")
    assert [path.split(" ")[0] for path in org.paths] == ["GET", "GET", "DELETE", "PATCH"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400, "LIMIT_EXCEEDED", "Max Query Job Limit Exceeded"), errors.BulkPoolEmpty),
        (refusal(400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API."), errors.BulkUnsupported),
        (refusal(400, "FEATURENOTENABLED"), errors.BulkUnsupported),
        (refusal(400, "INVALID_FIELD", "No such column 'A' on entity 'B'."), errors.FieldMissing),
    ],
)
def test_why_no_job_is_made(made: Desk, org: SalesforceServer, answer: Answer, kind: type[Exception]) -> None:
    org.script("POST .*/jobs/query", answer)
    with pytest.raises(kind):
        made.client.bulk.create("SELECT Id FROM X")


def test_literals_are_escaped() -> None:
    assert soql_text("O'Hara \\ \n") == r"'O\'Hara \\ \n'"
