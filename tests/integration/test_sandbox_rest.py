"""The sandbox org's REST API: who may ask, queries and their pages, rows, objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.local.salesforce.metadata import new_field
from tests.support.sandbox_app import BASE, SandboxApp, code_of, sandbox_app


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxApp]:
    with sandbox_app(tmp_path) as sandbox:
        yield sandbox


@pytest.fixture
def other_user(sandbox: SandboxApp) -> str:
    """A second user's token."""
    profile = sandbox.org.admin.profile_id
    user_id = sandbox.create(
        "User",
        Username="bob@example.com",
        LastName="Bob",
        Email="bob@example.com",
        Alias="bob",
        ProfileId=profile,
        IsActive=True,
        TimeZoneSidKey="Europe/London",
        LocaleSidKey="en_GB",
        EmailEncodingKey="UTF-8",
        LanguageLocaleKey="en_US",
    )
    sandbox.tokens["bob"] = user_id
    return "bob"


def _seed(sandbox: SandboxApp, count: int) -> None:
    with sandbox.org.edit(sandbox.org.admin) as edit:
        results = edit.insert("Account", [{"Name": f"{number:04}"} for number in range(count)])
    assert all(result.success for result in results)


# -- who may ask --


def test_versions_need_no_session(sandbox: SandboxApp) -> None:
    versions = sandbox.app.test_client().get("/services/data").get_json()
    assert [versions[0]["version"], versions[-1]["version"]] == ["50.0", "65.0"]
    assert versions[-1] == {"label": "Winter '26", "url": "/services/data/v65.0", "version": "65.0"}


def test_resources_of_a_version(sandbox: SandboxApp) -> None:
    assert sandbox.get("").get_json()["query"] == f"{BASE}/query"


@pytest.mark.parametrize("version", ["v49.0", "v66.0", "v62", "62.0", "latest"])
def test_unknown_version(sandbox: SandboxApp, version: str) -> None:
    assert code_of(sandbox.get(f"/services/data/{version}/limits")) == (404, "NOT_FOUND")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic admin", "admin"])
def test_no_session(sandbox: SandboxApp, header: str) -> None:
    answer = sandbox.get("limits", headers={"Authorization": header})
    assert code_of(answer) == (401, "INVALID_SESSION_ID")
    assert sandbox.org.usage.counts() == {}


def test_older_clients_say_oauth(sandbox: SandboxApp) -> None:
    assert sandbox.get("limits", headers={"Authorization": "OAuth admin"}).status_code == 200


def test_an_inactive_user_has_no_session(sandbox: SandboxApp, other_user: str) -> None:
    assert sandbox.get("limits", by=other_user).status_code == 200
    assert sandbox.patch(f"sobjects/User/{sandbox.tokens[other_user]}", {"IsActive": False}).status_code == 204
    assert code_of(sandbox.get("limits", by=other_user)) == (401, "INVALID_SESSION_ID")


def test_a_profile_may_lack_the_api(sandbox: SandboxApp) -> None:
    sandbox.org.security.set_system(sandbox.org.admin.profile_id, "api_enabled", allowed=False)
    assert code_of(sandbox.get("limits")) == (403, "API_DISABLED_FOR_ORG")


def test_every_answer_tells_the_usage(sandbox: SandboxApp) -> None:
    told = [sandbox.get(path).headers["Sforce-Limit-Info"] for path in ("limits", "nothing", "query?q=x", "sobjects")]
    assert told == [f"api-usage={number}/15000" for number in (1, 2, 3, 4)]
    assert sandbox.get("limits").get_json()["DailyApiRequests"] == {"Max": 15000, "Remaining": 14995}
    assert sandbox.org.usage.counts() == {"limits": 2, "unknown": 1, "query": 1, "describe": 1}


def test_past_the_day_s_limit_nothing_is_answered(sandbox: SandboxApp) -> None:
    sandbox.org.usage.set_max("DailyApiRequests", 2)
    assert [sandbox.get("limits").status_code for _ in range(3)] == [200, 200, 403]
    answer = sandbox.get("limits")
    assert code_of(answer) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "TotalRequests Limit exceeded" in answer.get_json()[0]["message"]
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=2/2"


def test_the_head_of_a_request_has_a_limit(sandbox: SandboxApp) -> None:
    fits = "SELECT Id FROM Account WHERE Name = '{}'"
    assert sandbox.query(fits.format("x" * 15_000)).status_code == 200
    assert sandbox.query(fits.format("x" * 16_384)).status_code == 414
    assert sandbox.query(fits.format("x" * 15_000), headers={"X-Long": "y" * 2_000}).status_code == 431
    assert sandbox.org.usage.counts() == {"query": 1}


def test_unknown_paths_and_methods(sandbox: SandboxApp) -> None:
    assert code_of(sandbox.get("nothing")) == (404, "NOT_FOUND")
    answer = sandbox.ask("PUT", "query")
    assert code_of(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.get_json()[0]["message"].endswith("GET,HEAD")


# -- queries --


def test_a_slash_at_the_end_does_not_matter(sandbox: SandboxApp) -> None:
    assert sandbox.query("SELECT Id FROM Account", resource="query/").get_json()["totalSize"] == 0


def test_small_result_is_one_page(sandbox: SandboxApp) -> None:
    account = sandbox.create("Account", Name="Acme")
    assert sandbox.query("SELECT Id, Name FROM Account").get_json() == {
        "totalSize": 1,
        "done": True,
        "records": [
            {
                "attributes": {"type": "Account", "url": f"{BASE}/sobjects/Account/{account}"},
                "Id": account,
                "Name": "Acme",
            }
        ],
    }


def test_count_is_a_number(sandbox: SandboxApp) -> None:
    _seed(sandbox, 3)
    answer = sandbox.query("SELECT COUNT() FROM Account").get_json()
    assert answer == {"totalSize": 3, "done": True, "records": []}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT Foo FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Foo", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
    ],
)
def test_query_refused(sandbox: SandboxApp, text: str, code: str) -> None:
    assert code_of(sandbox.query(text)) == (400, code)


def _pages(sandbox: SandboxApp, text: str, size: int) -> list[list[str]]:
    answer = sandbox.query(text, headers={"Sforce-Query-Options": f"batchSize={size}"}).get_json()
    pages = [answer]
    while not answer["done"]:
        answer = sandbox.get(answer["nextRecordsUrl"]).get_json()
        pages.append(answer)
    assert {page["totalSize"] for page in pages} == {sum(len(page["records"]) for page in pages)}
    assert "nextRecordsUrl" not in answer
    return [[record["Name"] for record in page["records"]] for page in pages]


@pytest.mark.parametrize(
    ("asked", "lengths"),
    [(200, [200, 200, 50]), (10, [200, 200, 50]), (225, [225, 225]), (9_999, [450]), (2_000, [450])],
)
def test_pages_have_the_size_asked_for_within_bounds(sandbox: SandboxApp, asked: int, lengths: list[int]) -> None:
    _seed(sandbox, 450)
    pages = _pages(sandbox, "SELECT Name FROM Account ORDER BY Name", asked)
    assert [len(page) for page in pages] == lengths
    assert [name for page in pages for name in page] == [f"{number:04}" for number in range(450)]


def test_a_page_has_2000_records_unless_asked(sandbox: SandboxApp) -> None:
    _seed(sandbox, 2_001)
    answer = sandbox.query("SELECT Id FROM Account").get_json()
    assert (answer["totalSize"], len(answer["records"])) == (2_001, 2_000)
    assert answer["nextRecordsUrl"].endswith("-2000")


def test_pages_see_the_moment_of_their_query(sandbox: SandboxApp) -> None:
    _seed(sandbox, 250)
    text = "SELECT Id, Name FROM Account ORDER BY Name"
    first = sandbox.query(text, headers={"Sforce-Query-Options": "batchSize=200"}).get_json()
    with sandbox.org.edit(sandbox.org.admin) as edit:
        edit.update("Account", [{"Id": first["records"][0]["Id"], "Name": "zz"}])
        edit.insert("Account", [{"Name": "9999"}])
        edit.delete([record["Id"] for record in first["records"]][1:])
    for _ in range(2):
        second = sandbox.get(first["nextRecordsUrl"]).get_json()
        assert [record["Name"] for record in second["records"]] == [f"{number:04}" for number in range(200, 250)]


def test_a_locator_is_its_user_s_for_two_days(sandbox: SandboxApp, other_user: str) -> None:
    _seed(sandbox, 201)
    answer = sandbox.query("SELECT Id FROM Account", headers={"Sforce-Query-Options": "batchSize=200"})
    path = answer.get_json()["nextRecordsUrl"]
    assert code_of(sandbox.get(path, by=other_user)) == (400, "INVALID_QUERY_LOCATOR")
    assert code_of(sandbox.get(f"{path}9")) == (400, "INVALID_QUERY_LOCATOR")
    assert code_of(sandbox.get("query/01gwrong-200")) == (400, "INVALID_QUERY_LOCATOR")
    sandbox.org.clock.advance(timedelta(days=2) - timedelta(minutes=1))
    assert sandbox.get(path).status_code == 200
    sandbox.org.clock.advance(timedelta(minutes=2))
    assert code_of(sandbox.get(path)) == (400, "INVALID_QUERY_LOCATOR")


def test_query_all_finds_what_lies_in_the_bin(sandbox: SandboxApp) -> None:
    gone = sandbox.create("Account", Name="Gone")
    sandbox.create("Account", Name="Here")
    assert sandbox.ask("DELETE", f"sobjects/Account/{gone}").status_code == 204
    text = "SELECT Name, IsDeleted FROM Account ORDER BY Name"
    assert sandbox.names(text) == ["Here"]
    assert sandbox.names(text, resource="queryAll") == ["Gone", "Here"]


# -- rows --


def test_a_row_s_life(sandbox: SandboxApp) -> None:
    account = sandbox.create("Account", Name="Acme", NumberOfEmployees=3)
    path = f"sobjects/Account/{account}"
    assert sandbox.get(path).get_json()["NumberOfEmployees"] == 3
    assert sandbox.patch(path, {"Name": "Acme II", "NumberOfEmployees": None}).status_code == 204
    answer = sandbox.get(f"{path}?fields=Name,NumberOfEmployees").get_json()
    assert answer == {
        "attributes": {"type": "Account", "url": f"{BASE}/{path}"},
        "Name": "Acme II",
        "NumberOfEmployees": None,
    }
    assert sandbox.get(f"sobjects/account/{account[:15]}").get_json()["Id"] == account
    assert sandbox.ask("DELETE", path).status_code == 204
    for answer in (sandbox.get(path), sandbox.patch(path, {"Name": "x"}), sandbox.ask("DELETE", path)):
        assert code_of(answer) == (404, "ENTITY_IS_DELETED")


def test_a_new_row_s_place_is_told(sandbox: SandboxApp) -> None:
    answer = sandbox.post("sobjects/account", {"Name": "Acme"})
    assert answer.headers["Location"] == f"{BASE}/sobjects/Account/{answer.get_json()['id']}"
    assert sandbox.get(answer.headers["Location"]).get_json()["Name"] == "Acme"


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("POST", "sobjects/Account", {}, (400, "REQUIRED_FIELD_MISSING")),
        ("POST", "sobjects/Account", {"Name": "a", "Foo": 1}, (400, "INVALID_FIELD")),
        ("POST", "sobjects/Foo", {"Name": "a"}, (404, "NOT_FOUND")),
        ("POST", "sobjects/Account", ["Name"], (400, "JSON_PARSER_ERROR")),
        ("GET", "sobjects/Account/001", None, (400, "MALFORMED_ID")),
        ("GET", "sobjects/Account/0015e0000000999AAA", None, (404, "NOT_FOUND")),
        ("GET", "sobjects/Foo/0015e0000000999AAA", None, (404, "NOT_FOUND")),
        ("DELETE", "sobjects/Contact/0015e0000000999AAA", None, (404, "NOT_FOUND")),
        ("PATCH", "sobjects/Contact/0015e0000000999AAA", {"LastName": "x"}, (404, "NOT_FOUND")),
        ("GET", "sobjects/Foo/Code__c/1", None, (404, "NOT_FOUND")),
        ("PATCH", "sobjects/Account/xyz", {"Name": "a"}, (400, "MALFORMED_ID")),
        ("DELETE", "sobjects/Account/xyz", None, (400, "MALFORMED_ID")),
        ("GET", "sobjects/Account/Foo__c/1", None, (404, "NOT_FOUND")),
        ("GET", "sobjects/Account/Name/a", None, (400, "INVALID_FIELD")),
    ],
)
def test_row_refused(sandbox: SandboxApp, method: str, path: str, body: object, refusal: tuple[int, str]) -> None:
    assert code_of(sandbox.ask(method, path, json=body)) == refusal


def test_body_that_is_no_json(sandbox: SandboxApp) -> None:
    assert code_of(sandbox.ask("POST", "sobjects/Account", data=b"{")) == (400, "JSON_PARSER_ERROR")


def test_rows_by_external_id(sandbox: SandboxApp) -> None:
    sandbox.org.add_field("Account", new_field("Code__c", "string", length=40, external_id=True))
    path = "sobjects/Account/Code__c/a%2Fb"
    made = sandbox.patch(path, {"Name": "First"})
    assert made.status_code == 201
    assert made.get_json() == {"id": made.get_json()["id"], "success": True, "errors": [], "created": True}
    changed = sandbox.patch(path, {"Name": "Second"})
    assert (changed.status_code, changed.get_json()["created"]) == (200, False)
    assert sandbox.get(path).get_json()["Name"] == "Second"
    assert sandbox.names("SELECT Name FROM Account") == ["Second"]
    assert code_of(sandbox.patch(path, {"Id": made.get_json()["id"]})) == (400, "INVALID_FIELD")
    sandbox.create("Account", Name="Twin", Code__c="a/b")
    assert sandbox.get(path).status_code == 300
    assert len(sandbox.get(path).get_json()) == 2
    assert sandbox.get("sobjects/Account/Code__c/none").status_code == 404


def test_delete_by_external_id(sandbox: SandboxApp) -> None:
    sandbox.org.add_field("Account", new_field("Code__c", "string", length=40, external_id=True))
    sandbox.create("Account", Name="Acme", Code__c="1")
    assert sandbox.ask("DELETE", "sobjects/Account/Code__c/1").status_code == 204
    assert sandbox.names("SELECT Name FROM Account") == []


# -- objects --


def test_describe_is_only_given_again_when_it_changed(sandbox: SandboxApp) -> None:
    path = "sobjects/Account/describe"
    first = sandbox.get(path)
    known = {"If-Modified-Since": first.headers["Last-Modified"]}
    again = sandbox.get(path, headers=known)
    assert (again.status_code, again.data) == (304, b"")
    sandbox.org.clock.advance(timedelta(seconds=2))
    sandbox.org.add_field("Account", new_field("New__c", "string"))
    changed = sandbox.get(path, headers=known)
    assert changed.status_code == 200
    assert "New__c" in [field["name"] for field in changed.get_json()["fields"]]


def test_describe_of_everything_and_of_nothing(sandbox: SandboxApp) -> None:
    names = [one["name"] for one in sandbox.get("sobjects").get_json()["sobjects"]]
    assert {"Account", "Contact", "Opportunity", "Task", "User"} <= set(names)
    assert sandbox.get("sobjects/Account").get_json()["objectDescribe"]["keyPrefix"] == "001"
    for path in ("sobjects/Foo", "sobjects/Foo/describe"):
        assert code_of(sandbox.get(path)) == (404, "NOT_FOUND")


def test_what_a_profile_may_not_read_is_not_there(sandbox: SandboxApp) -> None:
    profile = sandbox.org.admin.profile_id
    sandbox.org.security.set_field(profile, "Account", "Phone", read=False, edit=False)
    assert code_of(sandbox.query("SELECT Phone FROM Account")) == (400, "INVALID_FIELD")
    sandbox.org.security.set_object(profile, "Lead", read=False, create=False, edit=False, delete=False)
    assert code_of(sandbox.query("SELECT Id FROM Lead")) == (400, "INVALID_TYPE")
