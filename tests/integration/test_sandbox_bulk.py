"""Bulk API 2.0 of the sandbox org: query jobs with their pages, and ingest jobs with a result for every row."""

from __future__ import annotations

import csv
import gzip
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from infra.local.salesforce.bulk_results import MEMBER_ROWS
from tests.support.sandbox_org import USER, SandboxOrg, sandbox_org

PATIENCE = 30


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture
def http(org: SandboxOrg) -> Iterator[requests.Session]:
    with org.session() as client:
        yield client


def accounts(org: SandboxOrg, count: int, name: str, **other: Any) -> list[str]:
    """Make accounts; their Ids."""
    done = org.control.insert("Account", [{"Name": f"{name} {number:05}", **other} for number in range(count)])
    assert all(one.success for one in done)
    return [one.id or "" for one in done]


def one_account(fields: str, account: str) -> str:
    return f"SELECT {fields} FROM Account WHERE Id = '{account}'"  # noqa: S608 - SOQL, of an Id that the org made


def create(org: SandboxOrg, http: requests.Session, kind: str, **body: Any) -> requests.Response:
    return http.post(f"{org.data_url}/jobs/{kind}", json=body, timeout=30)


def job(org: SandboxOrg, http: requests.Session, kind: str, job_id: str) -> dict[str, Any]:
    answer = http.get(f"{org.data_url}/jobs/{kind}/{job_id}", timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def waited(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The job when it is over."""
    deadline = time.monotonic() + PATIENCE
    while (seen := look())["state"] not in ("JobComplete", "Failed", "Aborted"):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)  # a job gives no signal to wait on
    return seen


def query(org: SandboxOrg, http: requests.Session, soql: str, **body: Any) -> dict[str, Any]:
    """A query job that is over."""
    answer = create(org, http, "query", **{"operation": "query", "query": soql, **body})
    assert answer.status_code == 200, answer.text
    return waited(lambda: job(org, http, "query", answer.json()["id"]))


def page(org: SandboxOrg, http: requests.Session, job_id: str, **params: Any) -> requests.Response:
    return http.get(f"{org.data_url}/jobs/query/{job_id}/results", params=params, timeout=30)


def pages(org: SandboxOrg, http: requests.Session, job_id: str, size: int) -> Iterator[list[dict[str, str]]]:
    locator = None
    while locator != "null":
        params = {"maxRecords": size} | ({} if locator is None else {"locator": locator})
        answer = page(org, http, job_id, **params)
        assert answer.status_code == 200, answer.text
        rows = table(answer.text)
        assert answer.headers["Sforce-NumberOfRecords"] == str(len(rows))
        locator = answer.headers["Sforce-Locator"]
        yield rows


def table(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


def load(org: SandboxOrg, http: requests.Session, text: str, **body: Any) -> dict[str, Any]:
    """An ingest job that is over."""
    made = create(org, http, "ingest", **body)
    assert made.status_code == 200, made.text
    job_id = made.json()["id"]
    sent = http.put(
        f"{org.url}/{made.json()['contentUrl']}",
        data=text.encode(),
        headers={"Content-Type": "text/csv; charset=UTF-8"},
        timeout=30,
    )
    assert sent.status_code == 201, sent.text
    closed = http.patch(f"{org.data_url}/jobs/ingest/{job_id}", json={"state": "UploadComplete"}, timeout=30)
    assert closed.json()["state"] == "UploadComplete"
    return waited(lambda: job(org, http, "ingest", job_id))


def results(org: SandboxOrg, http: requests.Session, job_id: str, which: str) -> list[dict[str, str]]:
    return table(http.get(f"{org.data_url}/jobs/ingest/{job_id}/{which}", timeout=30).text)


def test_query_job_tells_of_itself_and_gives_every_row_once(org: SandboxOrg, http: requests.Session) -> None:
    ids = accounts(org, 2 * MEMBER_ROWS + 500, "Paged")
    done = query(org, http, "SELECT Id, Name FROM Account WHERE Name LIKE 'Paged %' ORDER BY Name")
    assert done["state"] == "JobComplete"
    assert done["numberRecordsProcessed"] == len(ids)
    assert (done["object"], done["operation"], done["jobType"]) == ("Account", "query", "V2Query")
    for size in (MEMBER_ROWS, 700, 50_000):
        found = [row for rows in pages(org, http, done["id"], size) for row in rows]
        assert [row["Id"] for row in found] == ids


def test_results_are_compressed_when_the_client_takes_that(org: SandboxOrg, http: requests.Session) -> None:
    accounts(org, 3, "Zipped")
    done = query(org, http, "SELECT Name FROM Account WHERE Name LIKE 'Zipped %' ORDER BY Name")
    url = f"{org.data_url}/jobs/query/{done['id']}/results"
    plain = http.get(url, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert "Content-Encoding" not in plain.headers
    assert plain.text == '"Name"\n"Zipped 00000"\n"Zipped 00001"\n"Zipped 00002"\n'
    with http.get(url, headers={"Accept-Encoding": "gzip"}, timeout=30, stream=True) as zipped:
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(zipped.raw.read()).decode() == plain.text


def test_values_are_written_as_bulk_results_write_them(org: SandboxOrg, http: requests.Session) -> None:
    (account,) = accounts(org, 1, "Values", Description='a "quoted", line\nand another', AnnualRevenue=1234.5)
    fields = "Id, Name, Description, AnnualRevenue, Website, IsDeleted, SystemModstamp, Owner.Name"
    soql = one_account(fields, account)
    done = query(org, http, soql, columnDelimiter="SEMICOLON", lineEnding="CRLF")
    text = page(org, http, done["id"]).content.decode()
    assert text.startswith('"Id";"Name";"Description";"AnnualRevenue";"Website";"IsDeleted"')
    assert text.endswith("\r\n")
    (row,) = table(text, ";")
    assert row["Description"] == 'a "quoted", line\nand another'
    assert (row["AnnualRevenue"], row["Website"], row["IsDeleted"]) == ("1234.5", "", "false")
    assert row["SystemModstamp"].endswith(".000Z")
    assert row["Owner.Name"]


def test_query_all_sees_the_recycle_bin_and_query_does_not(org: SandboxOrg, http: requests.Session) -> None:
    kept, gone = accounts(org, 2, "Binned")
    org.control.delete([gone])
    soql = "SELECT Id, IsDeleted FROM Account WHERE Name LIKE 'Binned %' ORDER BY Name"
    assert table(page(org, http, query(org, http, soql)["id"]).text) == [{"Id": kept, "IsDeleted": "false"}]
    everything = query(org, http, soql, operation="queryAll")
    assert table(page(org, http, everything["id"]).text) == [
        {"Id": kept, "IsDeleted": "false"},
        {"Id": gone, "IsDeleted": "true"},
    ]


def test_result_is_that_of_the_moment_the_job_ran(org: SandboxOrg, http: requests.Session) -> None:
    ids = accounts(org, 5, "Moment")
    done = query(org, http, "SELECT Id FROM Account WHERE Name LIKE 'Moment %'")
    org.control.hard_delete(ids)
    assert {row["Id"] for row in table(page(org, http, done["id"]).text)} == set(ids)


def test_empty_result_has_its_header(org: SandboxOrg, http: requests.Session) -> None:
    done = query(org, http, "SELECT Id FROM Account WHERE Name = 'nobody'")
    answer = page(org, http, done["id"])
    assert (answer.text, answer.headers["Sforce-Locator"]) == ('"Id"\n', "null")
    assert answer.headers["Sforce-NumberOfRecords"] == "0"


@pytest.mark.parametrize(
    ("soql", "error"),
    [
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT COUNT() FROM Account", "FUNCTIONALITY_NOT_ENABLED"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "FUNCTIONALITY_NOT_ENABLED"),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 5", "FUNCTIONALITY_NOT_ENABLED"),
        ("SELECT BillingAddress FROM Account", "FUNCTIONALITY_NOT_ENABLED"),
    ],
)
def test_what_bulk_does_not_query_is_refused_at_once(
    org: SandboxOrg, http: requests.Session, soql: str, error: str
) -> None:
    assert code(create(org, http, "query", operation="query", query=soql)) == (400, error)


def test_job_waits_is_aborted_and_deleted(org: SandboxOrg, http: requests.Session) -> None:
    org.control.pause_bulk()
    try:
        made = create(org, http, "query", operation="query", query="SELECT Id FROM Account").json()
        assert made["state"] == "UploadComplete"
        assert code(page(org, http, made["id"])) == (400, "INVALIDJOBSTATE")
        url = f"{org.data_url}/jobs/query/{made['id']}"
        assert code(http.delete(url, timeout=30)) == (400, "INVALIDJOBSTATE")
        assert http.patch(url, json={"state": "Aborted"}, timeout=30).json()["state"] == "Aborted"
        assert http.delete(url, timeout=30).status_code == 204
        assert code(http.get(url, timeout=30)) == (404, "NOT_FOUND")
    finally:
        org.control.resume_bulk()


def test_failed_job_says_why(org: SandboxOrg, http: requests.Session) -> None:
    org.control.fail_bulk_job("InternalServerError : try again")
    done = query(org, http, "SELECT Id FROM Account")
    assert (done["state"], done["errorMessage"]) == ("Failed", "InternalServerError : try again")


def test_jobs_are_listed_by_kind(org: SandboxOrg, http: requests.Session) -> None:
    done = query(org, http, "SELECT Id FROM Account LIMIT 1")
    listed = http.get(f"{org.data_url}/jobs/query", params={"jobType": "V2Query"}, timeout=30).json()
    assert listed["done"] is True
    assert done["id"] in {one["id"] for one in listed["records"]}
    assert {one["jobType"] for one in listed["records"]} == {"V2Query"}


def test_wrong_locator_and_page_size(org: SandboxOrg, http: requests.Session) -> None:
    done = query(org, http, "SELECT Id FROM Account LIMIT 1")
    assert code(page(org, http, done["id"], locator="nonsense")) == (400, "INVALID_QUERY_LOCATOR")
    assert code(page(org, http, done["id"], maxRecords="0")) == (400, "INVALID_REQUEST_PARAM")


def test_pool_of_query_jobs_runs_out(org: SandboxOrg, http: requests.Session) -> None:
    pool = org.control.usage().limits["DailyBulkV2QueryJobs"]
    org.control.set_limit("DailyBulkV2QueryJobs", pool["Max"] - pool["Remaining"])
    try:
        refused = create(org, http, "query", operation="query", query="SELECT Id FROM Account")
        assert refused.status_code in (400, 403)
        assert "LIMIT" in refused.json()[0]["errorCode"]
    finally:
        org.control.set_limit("DailyBulkV2QueryJobs", pool["Max"])


def test_insert_gives_every_row_a_result(org: SandboxOrg, http: requests.Session) -> None:
    text = 'Name,Website\n"Loaded, One",https://one.example\n,https://nameless.example\nLoaded Two,\n'
    done = load(org, http, text, object="Account", operation="insert")
    assert (done["state"], done["numberRecordsProcessed"], done["numberRecordsFailed"]) == ("JobComplete", 3, 1)
    good = results(org, http, done["id"], "successfulResults")
    assert [row["Name"] for row in good] == ["Loaded, One", "Loaded Two"]
    assert {row["sf__Created"] for row in good} == {"true"}
    (bad,) = results(org, http, done["id"], "failedResults")
    assert bad["sf__Error"].startswith("REQUIRED_FIELD_MISSING:")
    assert bad["Website"] == "https://nameless.example"
    assert results(org, http, done["id"], "unprocessedrecords") == []
    found = org.query(one_account("Name", good[0]["sf__Id"]))
    assert found[0]["Name"] == "Loaded, One"


def test_empty_cell_leaves_a_field_and_a_mark_clears_it(org: SandboxOrg, http: requests.Session) -> None:
    leave, clear = accounts(org, 2, "Cells", Website="https://old.example")
    done = load(org, http, f"Id,Website\n{leave},\n{clear},#N/A\n", object="Account", operation="update")
    assert done["numberRecordsFailed"] == 0
    found = {
        row["Id"]: row["Website"] for row in org.query("SELECT Id, Website FROM Account WHERE Name LIKE 'Cells %'")
    }
    assert found == {leave: "https://old.example", clear: None}


def test_upsert_by_external_id_in_another_dialect(org: SandboxOrg, http: requests.Session) -> None:
    org.control.add_field("Account", "Code__c", "string", length=20, external_id=True, unique=True)
    body = {"object": "Account", "operation": "upsert", "externalIdFieldName": "Code__c"}
    first = load(org, http, "Code__c;Name\r\nA1;First\r\n", **body, columnDelimiter="SEMICOLON", lineEnding="CRLF")
    (made,) = table(
        http.get(f"{org.data_url}/jobs/ingest/{first['id']}/successfulResults", timeout=30).text, delimiter=";"
    )
    again = load(org, http, "Code__c,Name\nA1,Second\nA2,Third\n", **body)
    rows = {row["Code__c"]: row for row in results(org, http, again["id"], "successfulresults")}
    assert rows["A1"]["sf__Id"] == made["sf__Id"]
    assert {name: row["sf__Created"] for name, row in rows.items()} == {"A1": "false", "A2": "true"}
    child = load(org, http, "LastName,Account.Code__c\nBond,A2\n", object="Contact", operation="insert")
    assert child["numberRecordsFailed"] == 0, results(org, http, child["id"], "failedResults")
    assert org.query("SELECT Account.Name FROM Contact WHERE LastName = 'Bond'")[0]["Account"]["Name"] == "Third"


def test_delete_and_hard_delete(org: SandboxOrg, http: requests.Session) -> None:
    soft, hard = accounts(org, 2, "Leaving")
    assert load(org, http, f"Id\n{soft}\n", object="Account", operation="delete")["numberRecordsFailed"] == 0
    refused = create(org, http, "ingest", object="Account", operation="hardDelete")
    assert code(refused) == (400, "FEATURENOTENABLED")
    org.control.allow_system(USER.username, "bulk_api_hard_delete", on=True)
    assert load(org, http, f"Id\n{hard}\n", object="Account", operation="hardDelete")["numberRecordsFailed"] == 0
    left = {row["Id"]: row["IsDeleted"] for row in org.control.rows("Account")}
    assert left[soft] is True
    assert hard not in left


def test_batch_that_keeps_going_wrong_leaves_its_rows_unprocessed(org: SandboxOrg, http: requests.Session) -> None:
    org.control.break_batches(100)
    try:
        done = load(org, http, "Name\nBroken One\nBroken Two\n", object="Account", operation="insert")
    finally:
        org.control.break_batches(0)
    assert (done["state"], done["numberRecordsProcessed"], done["retries"]) == ("Failed", 0, 10)
    assert [row["Name"] for row in results(org, http, done["id"], "unprocessedrecords")] == ["Broken One", "Broken Two"]
    assert org.query("SELECT Id FROM Account WHERE Name LIKE 'Broken %'") == []


def test_batch_that_goes_right_at_last_is_done(org: SandboxOrg, http: requests.Session) -> None:
    org.control.break_batches(3)
    done = load(org, http, "Name\nTried Again\n", object="Account", operation="insert")
    assert (done["state"], done["retries"], done["numberRecordsProcessed"]) == ("JobComplete", 3, 1)


def test_unknown_column_fails_the_job(org: SandboxOrg, http: requests.Session) -> None:
    done = load(org, http, "Name,Foo\nx,y\n", object="Account", operation="insert")
    assert (done["state"], done["errorMessage"]) == ("Failed", "InvalidBatch : Field name not found : Foo")
    assert results(org, http, done["id"], "unprocessedrecords") == [{"Name": "x", "Foo": "y"}]


def test_locked_row_fails_alone(org: SandboxOrg, http: requests.Session) -> None:
    locked, free = accounts(org, 2, "Locked")
    org.control.lock("batch", [locked])
    try:
        done = load(
            org, http, f"Id,Website\n{locked},x.example\n{free},x.example\n", object="Account", operation="update"
        )
    finally:
        org.control.unlock("batch")
    assert done["numberRecordsFailed"] == 1
    (bad,) = results(org, http, done["id"], "failedResults")
    assert (bad["Id"], bad["sf__Error"].split(":")[0]) == (locked, "UNABLE_TO_LOCK_ROW")


def test_small_job_in_one_multipart_request(org: SandboxOrg, http: requests.Session) -> None:
    parts = {
        "job": (None, '{"object": "Account", "operation": "insert", "contentType": "CSV"}', "application/json"),
        "content": ("content", "Name\nIn One Go\n", "text/csv"),
    }
    made = http.post(f"{org.data_url}/jobs/ingest", files=parts, timeout=30)
    assert made.status_code == 200, made.text
    done = waited(lambda: job(org, http, "ingest", made.json()["id"]))
    assert (done["state"], done["numberRecordsProcessed"]) == ("JobComplete", 1)


def test_data_comes_once_and_only_while_the_job_is_open(org: SandboxOrg, http: requests.Session) -> None:
    made = create(org, http, "ingest", object="Account", operation="insert").json()
    url = f"{org.data_url}/jobs/ingest/{made['id']}"
    assert code(http.patch(url, json={"state": "UploadComplete"}, timeout=30)) == (400, "INVALIDJOBSTATE")
    kind = {"Content-Type": "text/csv"}
    assert http.put(f"{url}/batches", data=b"Name\nx\n", headers=kind, timeout=30).status_code == 201
    assert code(http.put(f"{url}/batches", data=b"Name\nx\n", headers=kind, timeout=30)) == (400, "INVALIDJOBSTATE")
    assert http.patch(url, json={"state": "Aborted"}, timeout=30).json()["state"] == "Aborted"
    assert org.query("SELECT Id FROM Account WHERE Name = 'x'") == []


def test_jobs_and_results_outlive_the_server_for_seven_days(tmp_path: Any) -> None:
    with sandbox_org(tmp_path / "org") as org:
        ids = accounts(org, 3, "Lasting")
        with org.session() as http:
            done = query(org, http, "SELECT Id FROM Account WHERE Name LIKE 'Lasting %' ORDER BY Name")
            org.control.pause_bulk()
            waiting = create(org, http, "query", operation="query", query="SELECT Id FROM Contact").json()
        org.restart(kill=True)
        with org.session() as http:
            assert [row["Id"] for row in table(page(org, http, done["id"]).text)] == ids
            assert waited(lambda: job(org, http, "query", waiting["id"]))["state"] == "JobComplete"
        org.control.clock_forward(days=7, seconds=1)
        with org.session() as http:
            assert code(page(org, http, done["id"])) == (404, "NOT_FOUND")
