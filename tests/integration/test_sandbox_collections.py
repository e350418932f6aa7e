"""The sandbox org's requests of several rows: collections, composite, batch, trees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.salesforce.metadata import new_field
from tests.support.sandbox_app import BASE, SandboxApp, code_of, sandbox_app

MANY = "composite/sobjects"
ALL_NAMES = "SELECT Name FROM Account ORDER BY Name"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxApp]:
    with sandbox_app(tmp_path) as sandbox:
        yield sandbox


def _account(**fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Account"}, **fields}


def _contact(**fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, **fields}


def _outcomes(answer: Any) -> list[bool | str]:
    """True for each row that was written, the code of its error for another."""
    return [row["success"] or row["errors"][0]["statusCode"] for row in answer.get_json()]


# -- collections --


def test_rows_of_several_objects_each_with_a_result(sandbox: SandboxApp) -> None:
    records = [_account(Name="a"), _contact(LastName="c"), _account(), _account(Name="b"), _contact(Foo=1)]
    answer = sandbox.post(MANY, {"records": records})
    assert answer.status_code == 200
    assert _outcomes(answer) == [True, True, "REQUIRED_FIELD_MISSING", True, "INVALID_FIELD"]
    error = answer.get_json()[2]["errors"][0]
    assert error["fields"] == ["Name"]
    assert sandbox.names(ALL_NAMES) == ["a", "b"]


def test_all_or_none(sandbox: SandboxApp) -> None:
    records = [_account(Name="a"), _contact(LastName="c"), _account()]
    answer = sandbox.post(MANY, {"records": records, "allOrNone": True})
    undone = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert _outcomes(answer) == [undone, undone, "REQUIRED_FIELD_MISSING"]
    assert sandbox.names(ALL_NAMES) == []
    assert sandbox.query("SELECT COUNT() FROM Contact").get_json()["totalSize"] == 0


def test_update_and_delete(sandbox: SandboxApp) -> None:
    first, second = sandbox.create("Account", Name="a"), sandbox.create("Account", Name="b")
    contact = sandbox.create("Contact", LastName="c")
    records = [_account(id=first, Name="A"), _contact(Id=contact, LastName="C"), _account(id=second, Foo=1)]
    assert _outcomes(sandbox.patch(MANY, {"records": records})) == [True, True, "INVALID_FIELD"]
    assert sandbox.names(ALL_NAMES) == ["A", "b"]
    assert _outcomes(sandbox.ask("DELETE", f"{MANY}?ids={first},{contact},{first}")) == [
        True,
        True,
        "ENTITY_IS_DELETED",
    ]
    answer = sandbox.ask("DELETE", f"{MANY}?ids={second},{first}&allOrNone=true")
    assert _outcomes(answer) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "ENTITY_IS_DELETED"]
    assert sandbox.names(ALL_NAMES) == ["b"]


def test_upsert_by_external_id(sandbox: SandboxApp) -> None:
    sandbox.org.add_field("Account", new_field("Code__c", "string", length=40, external_id=True))
    sandbox.create("Account", Name="a", Code__c="1")
    records = [_account(Name="A", Code__c="1"), _account(Name="b", Code__c="2"), _account(Name="c", Code__c="3")]
    answer = sandbox.patch(f"{MANY}/Account/Code__c", {"records": [*records, _account(Name="d", Code__c="3")]})
    assert [row.get("created") for row in answer.get_json()] == [False, True, False, False]
    assert _outcomes(answer)[:2] == [True, True]
    assert _outcomes(answer)[2:] == ["DUPLICATE_VALUE", "DUPLICATE_VALUE"]
    assert sandbox.names(ALL_NAMES) == ["A", "b"]
    other = sandbox.patch(f"{MANY}/Account/Code__c", {"records": [_contact(LastName="x")]})
    assert code_of(other) == (400, "INVALID_TYPE")


def test_reading_many(sandbox: SandboxApp) -> None:
    first, second = sandbox.create("Account", Name="a"), sandbox.create("Account", Name="b")
    missing = "0015e0000000999AAA"
    by_url = sandbox.get(f"{MANY}/Account?ids={second},{missing},{first[:15]}&fields=name")
    by_body = sandbox.post(f"{MANY}/Account", {"ids": [second, missing, first[:15]], "fields": ["name"]})
    for answer in (by_url, by_body):
        assert [row and row["Name"] for row in answer.get_json()] == ["b", None, "a"]
    assert code_of(sandbox.get(f"{MANY}/Account?ids=x&fields=Name")) == (400, "MALFORMED_ID")
    assert code_of(sandbox.get(f"{MANY}/Account?ids={first}&fields=Foo")) == (400, "INVALID_FIELD")


@pytest.mark.parametrize(("count", "status"), [(0, 400), (1, 200), (200, 200), (201, 400)])
def test_at_most_200(sandbox: SandboxApp, count: int, status: int) -> None:
    answer = sandbox.post(MANY, {"records": [_account(Name=str(number)) for number in range(count)]})
    assert answer.status_code == status
    assert len(sandbox.names(ALL_NAMES)) == (count if status == 200 else 0)


@pytest.mark.parametrize("body", [{}, {"records": "x"}, {"records": ["x"]}, [], "x"])
def test_body_of_another_shape(sandbox: SandboxApp, body: Any) -> None:
    assert code_of(sandbox.post(MANY, body)) == (400, "JSON_PARSER_ERROR")


def test_a_collection_is_one_call(sandbox: SandboxApp) -> None:
    sandbox.post(MANY, {"records": [_account(Name=str(number)) for number in range(50)]})
    assert sandbox.org.usage.counts() == {"collections": 1}


# -- composite --


def _part(name: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    part = {"referenceId": name, "method": method, "url": f"{BASE}/{path}"}
    return part if body is None else part | {"body": body}


def _composite(sandbox: SandboxApp, *parts: dict[str, Any], whole: bool = False) -> dict[str, tuple[int, Any]]:
    answer = sandbox.post("composite", {"allOrNone": whole, "compositeRequest": list(parts)})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return {one["referenceId"]: (one["httpStatusCode"], one["body"]) for one in answer.get_json()["compositeResponse"]}


def test_later_parts_refer_to_earlier_ones(sandbox: SandboxApp) -> None:
    told = _composite(
        sandbox,
        _part("made", "POST", "sobjects/Account", {"Name": "Acme", "Phone": "1"}),
        _part("read", "GET", "sobjects/Account/@{made.id}?fields=Name,Phone"),
        _part("child", "POST", "sobjects/Contact", {"LastName": "of @{read.Name}", "AccountId": "@{made.id}"}),
        _part("found", "GET", "query?q=SELECT+Id,Account.Phone+FROM+Contact+WHERE+AccountId='@{made.id}'"),
        _part(
            "again", "PATCH", "sobjects/Contact/@{found.records[0].Id}", {"Phone": "@{found.records[0].Account.Phone}"}
        ),
        whole=True,
    )
    assert [status for status, _ in told.values()] == [201, 200, 201, 200, 204]
    contacts = sandbox.query("SELECT LastName, Phone, Account.Name FROM Contact").get_json()["records"]
    assert [(one["LastName"], one["Phone"], one["Account"]["Name"]) for one in contacts] == [("of Acme", "1", "Acme")]
    assert sandbox.org.usage.counts() == {"composite": 1, "query": 1}


def test_a_part_that_fails_takes_down_what_refers_to_it(sandbox: SandboxApp) -> None:
    told = _composite(
        sandbox,
        _part("bad", "POST", "sobjects/Account", {}),
        _part("child", "POST", "sobjects/Contact", {"LastName": "c", "AccountId": "@{bad.id}"}),
        _part("other", "POST", "sobjects/Account", {"Name": "Other"}),
        _part("none", "GET", "sobjects/Account/@{other.foo}"),
    )
    codes = {name: status if status < 400 else body[0]["errorCode"] for name, (status, body) in told.items()}
    halted = "PROCESSING_HALTED"
    assert codes == {"bad": "REQUIRED_FIELD_MISSING", "child": halted, "other": 201, "none": halted}
    assert sandbox.names(ALL_NAMES) == ["Other"]


def test_a_whole_composite_is_undone(sandbox: SandboxApp) -> None:
    told = _composite(
        sandbox,
        _part("first", "POST", "sobjects/Account", {"Name": "First"}),
        _part("second", "POST", "sobjects/Account", {}),
        _part("third", "POST", "sobjects/Account", {"Name": "Third"}),
        whole=True,
    )
    assert [body[0]["errorCode"] for _, body in told.values()] == [
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
        "PROCESSING_HALTED",
    ]
    assert sandbox.names(ALL_NAMES) == []


def test_parts_may_be_of_any_resource_and_fail_alone(sandbox: SandboxApp) -> None:
    told = _composite(
        sandbox,
        _part("many", "POST", MANY, {"records": [_account(Name="a"), _account()]}),
        _part("describe", "GET", "sobjects/Account/describe"),
        _part("limits", "GET", "limits"),
        _part("wrong", "GET", "nothing"),
        _part("method", "PUT", "limits"),
        _part("verb", "FETCH", "limits"),
        _part("query", "GET", "query?q=SELECT+Foo+FROM+Account"),
        {"referenceId": "outside", "method": "GET", "url": "/services/oauth2/userinfo"},
    )
    assert [status for status, _ in told.values()] == [200, 200, 200, 404, 405, 400, 400, 404]


def test_parts_bring_their_own_headers(sandbox: SandboxApp) -> None:
    known = sandbox.get("sobjects/Account/describe").headers["Last-Modified"]
    part = _part("same", "GET", "sobjects/Account/describe") | {"httpHeaders": {"If-Modified-Since": known}}
    assert _composite(sandbox, part) == {"same": (304, None)}


def test_how_many_parts(sandbox: SandboxApp) -> None:
    limits = [_part(f"p{number}", "GET", "limits") for number in range(26)]
    queries = [_part(f"q{number}", "GET", "query?q=SELECT+Id+FROM+Account") for number in range(6)]
    assert len(_composite(sandbox, *limits[:25])) == 25
    assert len(_composite(sandbox, *queries[:5], *limits[:20])) == 25
    for parts in ([], limits, queries):
        assert code_of(sandbox.post("composite", {"compositeRequest": parts})) == (400, "LIMIT_EXCEEDED")


@pytest.mark.parametrize("names", [["a", "a"], ["a", ""], ["a", None]])
def test_each_part_needs_a_name_of_its_own(sandbox: SandboxApp, names: list[str]) -> None:
    parts = [_part(name, "POST", "sobjects/Account", {"Name": "x"}) for name in names]
    assert code_of(sandbox.post("composite", {"compositeRequest": parts})) == (400, "JSON_PARSER_ERROR")
    assert sandbox.names(ALL_NAMES) == []


def test_a_batch_may_reach_the_day_s_limit(sandbox: SandboxApp) -> None:
    sandbox.org.usage.set_max("DailyApiRequests", 2)
    requests = [{"method": "GET", "url": "v62.0/limits"}] * 3
    results = sandbox.post("composite/batch", {"batchRequests": requests}).get_json()["results"]
    assert [one["statusCode"] for one in results] == [200, 200, 403]
    assert results[2]["result"][0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


def test_batch(sandbox: SandboxApp) -> None:
    requests = [
        {"method": "POST", "url": "v62.0/sobjects/Account", "richInput": {"Name": "a"}},
        {"method": "GET", "url": "/services/data/v61.0/query?q=SELECT+Name+FROM+Account"},
        {"method": "POST", "url": "v62.0/sobjects/Account", "richInput": {}},
        {"method": "GET", "url": "v62.0/limits"},
    ]
    answer = sandbox.post("composite/batch", {"batchRequests": requests}).get_json()
    assert answer["hasErrors"] is True
    assert [one["statusCode"] for one in answer["results"]] == [201, 200, 400, 200]
    assert answer["results"][1]["result"]["records"][0]["attributes"]["url"].startswith("/services/data/v61.0/")
    assert sandbox.org.usage.counts() == {"composite": 4}


def test_a_batch_may_stop_at_an_error(sandbox: SandboxApp) -> None:
    requests = [{"method": "GET", "url": "v62.0/nothing"}, {"method": "GET", "url": "v62.0/limits"}]
    answer = sandbox.post("composite/batch", {"batchRequests": requests, "haltOnError": True}).get_json()
    assert [one["statusCode"] for one in answer["results"]] == [404, 412]
    assert answer["results"][1]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"


# -- trees --


def _leaf(kind: str, reference: str, **fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": kind, "referenceId": reference}, **fields}


def test_a_tree_of_records(sandbox: SandboxApp) -> None:
    contacts = {"records": [_leaf("Contact", "c1", LastName="x"), _leaf("Contact", "c2", LastName="y")]}
    roots = [_leaf("Account", "a1", Name="a", Contacts=contacts), _leaf("Account", "a2", Name="b")]
    answer = sandbox.post("composite/tree/Account", {"records": roots})
    assert answer.status_code == 201
    assert answer.get_json()["hasErrors"] is False
    assert [one["referenceId"] for one in answer.get_json()["results"]] == ["a1", "c1", "c2", "a2"]
    found = sandbox.query("SELECT LastName, Account.Name FROM Contact ORDER BY LastName").get_json()["records"]
    assert [(one["LastName"], one["Account"]["Name"]) for one in found] == [("x", "a"), ("y", "a")]


def test_a_tree_is_made_whole_or_not_at_all(sandbox: SandboxApp) -> None:
    contacts = {"records": [_leaf("Contact", "c1")]}
    roots = [_leaf("Account", "a1", Name="a", Contacts=contacts), _leaf("Account", "a2", Name="b")]
    answer = sandbox.post("composite/tree/Account", {"records": roots})
    assert answer.status_code == 400
    (failed,) = answer.get_json()["results"]
    assert failed["referenceId"] == "c1"
    assert failed["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert sandbox.names(ALL_NAMES) == []


def test_trees_that_are_refused(sandbox: SandboxApp) -> None:
    many = [_leaf("Account", str(number), Name="a") for number in range(201)]
    foos = {"records": [_leaf("Contact", "c", LastName="x")]}
    for records, code in (
        (many, "LIMIT_EXCEEDED"),
        ([_leaf("Contact", "c", LastName="x")], "INVALID_TYPE"),
        ([_account(Name="a")], "INVALID_INPUT"),
        ([_leaf("Account", "a", Name="a", Foos=foos)], "INVALID_FIELD"),
    ):
        assert code_of(sandbox.post("composite/tree/Account", {"records": records})) == (400, code)
    assert sandbox.names(ALL_NAMES) == []
