"""Ingest jobs of Bulk API 2.0 at the sandbox org: a result for every row, and rows that nothing was done with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.support.sandbox_bulk import accounts, code, create, job, load, one_account, results, table, waited
from tests.support.sandbox_org import USER, SandboxOrg, sandbox_org


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture
def http(org: SandboxOrg) -> Iterator[requests.Session]:
    with org.session() as client:
        yield client


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
