"""Query jobs of Bulk API 2.0 at the sandbox org: their states, their pages, and what they do not query."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from infra.local.salesforce.bulk_results import MEMBER_ROWS
from tests.support.sandbox_bulk import accounts, code, create, job, one_account, page, pages, query, table, waited
from tests.support.sandbox_org import SandboxOrg, sandbox_org


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture
def http(org: SandboxOrg) -> Iterator[requests.Session]:
    with org.session() as client:
        yield client


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


def test_jobs_and_results_outlive_the_server_for_seven_days(tmp_path: Path) -> None:
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
