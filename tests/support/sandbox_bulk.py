"""Jobs of Bulk API 2.0 at the sandbox org, as a client with nothing of Retinue's in it makes them."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from tests.support.sandbox_org import SandboxOrg

PATIENCE = 30


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
