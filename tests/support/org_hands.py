"""The ways by which changes get into an org: REST calls, Bulk jobs, and the sandbox's control behind them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Protocol

import requests

from infra.local.salesforce.control_records import Records
from infra.local.salesforce.control_values import Done, Row
from tests.support.sandbox_bulk import load, results
from tests.support.sandbox_org import SandboxOrg

PATIENCE = 60


class Hand(Protocol):
    """Edits rows of one object; what became of each, in the order given or not."""

    def insert(self, sobject: str, rows: Sequence[Row]) -> list[Done]: ...

    def update(self, sobject: str, rows: Sequence[Row]) -> list[Done]: ...

    def delete(self, sobject: str, ids: Sequence[str]) -> list[Done]: ...


class RestHand:
    """One row by a request of its own, several by sObject Collections."""

    def __init__(self, org: SandboxOrg) -> None:
        self._url = org.data_url
        self._http = org.session()

    def insert(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        if len(rows) == 1:
            return [_one(self._http.post(f"{self._url}/sobjects/{sobject}", json=rows[0], timeout=PATIENCE))]
        return self._several("POST", json=_records(sobject, rows))

    def update(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        if len(rows) > 1:
            return self._several("PATCH", json=_records(sobject, rows))
        changes = {name: value for name, value in rows[0].items() if name != "Id"}
        answer = self._http.patch(f"{self._url}/sobjects/{sobject}/{rows[0]['Id']}", json=changes, timeout=PATIENCE)
        return [_one(answer, str(rows[0]["Id"]))]

    def delete(self, sobject: str, ids: Sequence[str]) -> list[Done]:
        if len(ids) > 1:
            return self._several("DELETE", params={"ids": ",".join(ids)})
        return [_one(self._http.delete(f"{self._url}/sobjects/{sobject}/{ids[0]}", timeout=PATIENCE), ids[0])]

    def close(self) -> None:
        self._http.close()

    def _several(self, method: str, **sent: Any) -> list[Done]:
        answer = self._http.request(method, f"{self._url}/composite/sobjects", timeout=PATIENCE, **sent)
        assert answer.ok, answer.text
        return [Done(row.get("id"), row.get("created", False), tuple(row["errors"])) for row in answer.json()]


def _records(sobject: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {"allOrNone": False, "records": [{"attributes": {"type": sobject}, **row} for row in rows]}


def _one(answer: requests.Response, external_id: str | None = None) -> Done:
    """What became of a row that had a request of its own."""
    if answer.ok:
        return Done(external_id or answer.json()["id"], external_id is None, ())
    errors = tuple({"statusCode": error["errorCode"], "message": error["message"]} for error in answer.json())
    return Done(external_id, created=False, errors=errors)


class BulkHand:
    """Ingest jobs of Bulk API 2.0; `hard` has its deletes pass the recycle bin."""

    def __init__(self, org: SandboxOrg) -> None:
        self._org = org
        self._http = org.session()

    def insert(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        return self._load(sobject, "insert", rows)

    def update(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        return self._load(sobject, "update", rows)

    def delete(self, sobject: str, ids: Sequence[str], *, hard: bool = False) -> list[Done]:
        return self._load(sobject, "hardDelete" if hard else "delete", [{"Id": one} for one in ids])

    def close(self) -> None:
        self._http.close()

    def _load(self, sobject: str, operation: str, rows: Sequence[Row]) -> list[Done]:
        job = load(self._org, self._http, _table(rows), object=sobject, operation=operation)
        assert job["state"] == "JobComplete", job
        good = results(self._org, self._http, job["id"], "successfulResults")
        bad = results(self._org, self._http, job["id"], "failedResults")
        assert len(good) + len(bad) == len(rows), job
        return [
            *(Done(row["sf__Id"], row["sf__Created"] == "true", ()) for row in good),
            *(Done(row["sf__Id"], False, ({"statusCode": row["sf__Error"].partition(":")[0]},)) for row in bad),
        ]


def _table(rows: Sequence[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class ControlHand:
    """Edits behind the API's back, in one transaction each; `records` says as whom, and whether it is held."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def insert(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        return self.records.insert(sobject, rows)

    def update(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        return self.records.update(sobject, rows)

    def delete(self, sobject: str, ids: Sequence[str]) -> list[Done]:
        return self.records.delete(ids)
