"""The REST client against a scripted org: what is sent, what is read, what is tried again, what is passed on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from servants.salesforce.client import errors
from servants.salesforce.client.http import URI_AND_HEADERS, Limits
from tests.support.salesforce_caller import Desk, desk, made
from tests.support.salesforce_server import Answer, SalesforceServer, org, refusal

__all__ = ["made", "org"]

QUERY = "SELECT Id, Name FROM Account"
FIELD = {"name": "Amount", "type": "currency", "label": "Amount", "precision": 18, "scale": 2, "referenceTo": []}
ACCOUNT = {
    "name": "Account", "label": "Account", "keyPrefix": "001",
    "custom": False, "queryable": True, "replicateable": True,
    "fields": [FIELD, {"name": "BillingAddress", "type": "address", "label": "Address"},
               {"name": "BillingCity", "type": "string", "label": "City", "compoundFieldName": "BillingAddress"},
               {"name": "Name", "type": "string", "label": "Name", "compoundFieldName": "Name"}],
}  # fmt: skip


def selecting(count: int) -> str:
    names = ",".join(f"Field_{number:04}__c" for number in range(count))
    return f"SELECT {names} FROM Account"  # noqa: S608 - no database reads it


def rows(*ids: str, total: int | None = None, following: str | None = None) -> Answer:
    records = [
        {"attributes": {"type": "Account"}, "Id": one, "Owner": {"attributes": {}, "Name": "Ada"}} for one in ids
    ]
    more = {"nextRecordsUrl": following} if following else {}
    return Answer(200, {"totalSize": total or len(ids), "done": following is None, "records": records} | more)


def test_rows_come_without_what_tells_their_place(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/query", rows("001a"))
    page = made.client.rest.query(QUERY, batch_size=500)
    assert (page.rows, page.total, page.next) == ([{"Id": "001a", "Owner": {"Name": "Ada"}}], 1, None)
    (asked,) = org.asked
    assert asked.path == f"/services/data/v62.0/query?q={QUERY}"
    assert asked.headers["Sforce-Query-Options"] == "batchSize=500"
    assert asked.headers["Authorization"] == f"Bearer {made.drawer.stored['access_token']}"


def test_all_rows_are_another_resource(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/queryAll", rows("001a"))
    assert made.client.rest.query(QUERY, all_rows=True).total == 1


def test_pages_follow_their_locators(made: Desk, org: SalesforceServer) -> None:
    org.script(r"GET .*/query\?", rows("a", "b", total=3, following="/services/data/v62.0/query/01g-2000"))
    org.script("GET .*/query/01g-2000", rows("c", total=3))
    assert [row["Id"] for page in made.client.rest.pages(QUERY) for row in page.rows] == ["a", "b", "c"]


def test_a_row_too_few_is_noticed(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/query", rows("a", total=2))
    with pytest.raises(errors.RowsMissing, match="announced 2 rows, and 1 came"):
        list(made.client.rest.pages(QUERY))


def test_a_locator_goes_nowhere_but_to_the_api(made: Desk, org: SalesforceServer) -> None:
    with pytest.raises(errors.LocatorExpired):
        made.client.rest.next_page("@elsewhere.example/services/data/")
    assert org.asked == []


def test_soql_reaches_the_org_letter_by_letter(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/query", rows())
    soql = "SELECT Id FROM A WHERE N = 'a+b & 100% ü?#' AND M >= 2026-11-21T10:00:00Z AND (T IN ('x','y'))"
    made.client.rest.query(soql)
    assert org.asked[0].path.partition("?q=")[2] == soql


def test_a_query_that_does_not_fit_is_not_sent(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/query", rows())
    wide = selecting(1000)
    assert not made.client.rest.fits(wide)
    with pytest.raises(errors.QueryTooLong):
        made.client.rest.query(wide)
    narrow = selecting(930)
    assert made.client.rest.fits(narrow)
    made.client.rest.query(narrow)
    (asked,) = org.asked
    assert len(asked.path) + sum(len(f"{name}: {value}\r\n") for name, value in asked.headers.items()) < URI_AND_HEADERS


def test_an_object_is_described_once_until_it_changes(made: Desk, org: SalesforceServer) -> None:
    stamp = "Sat, 21 Nov 2026 10:00:00 GMT"
    org.script("GET .*describe", Answer(200, ACCOUNT, {"Last-Modified": stamp}), Answer(304))
    described = made.client.rest.describe("Account")
    assert described is not None
    assert described.last_modified == stamp
    amount, address, city, name = described.fields
    assert (amount.type, amount.scale, amount.in_bulk) == ("currency", 2, True)
    assert (address.is_compound, address.in_bulk) == (True, False)
    assert (city.compound_of, name.compound_of) == ("BillingAddress", None)
    assert made.client.rest.describe("Account", since=stamp) is None
    assert org.asked[1].headers["If-Modified-Since"] == stamp


def test_what_changed_and_what_was_deleted_in_a_time(made: Desk, org: SalesforceServer) -> None:
    covered = {"latestDateCovered": "2026-11-21T10:00:00.000+0000"}
    org.script("GET .*/updated/", Answer(200, {"ids": ["001a"]} | covered))
    gone = {"id": "001b", "deletedDate": "2026-11-21T09:59:00.000+0000"}
    earliest = {"earliestDateAvailable": "2026-11-10T00:00:00.000Z"}
    org.script("GET .*/deleted/", Answer(200, {"deletedRecords": [gone]} | covered | earliest))
    start, end = datetime(2026, 11, 21, 9, tzinfo=UTC), datetime(2026, 11, 21, 10, tzinfo=UTC)

    updated = made.client.rest.updated("Account", start, end)
    assert (updated.ids, updated.latest_date_covered) == (["001a"], end)
    deleted = made.client.rest.deleted("Account", start, end)
    assert [(row.id, row.deleted_at) for row in deleted.rows] == [("001b", datetime(2026, 11, 21, 9, 59, tzinfo=UTC))]
    assert deleted.earliest_date_available == datetime(2026, 11, 10, tzinfo=UTC)
    assert org.asked[1].path.endswith("/deleted/?start=2026-11-21T09:00:00Z&end=2026-11-21T10:00:00Z")


def test_the_orgs_limits(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/limits", Answer(200, {"DailyApiRequests": {"Max": 15000, "Remaining": 14998}, "Odd": {}}))
    limits = made.client.rest.limits()
    assert (limits["DailyApiRequests"].used, list(limits)) == (2, ["DailyApiRequests"])


def test_each_answer_is_learned_from_and_no_call_takes_of_the_reserve(made: Desk, org: SalesforceServer) -> None:
    org.script(
        "GET .*/limits", Answer(200, {}), refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    )
    made.client.rest.limits()
    with pytest.raises(errors.DailyLimitReached):
        made.client.rest.limits()
    first, second = made.ledger.learned
    assert (first.status, first.usage, first.body) == (200, "api-usage=1/15000", "")
    assert (second.status, second.usage) == (403, "api-usage=2/15000")
    assert "TotalRequests" in second.body
    assert made.ledger.urgent == {False}


def test_the_orgs_clock_and_the_calls_so_far(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/limits", Answer(503), Answer(200, {}))
    assert (made.client.rest.server_now, made.client.rest.calls) == (None, 0)
    made.client.rest.limits()
    assert made.client.rest.calls == 2
    now = made.client.rest.server_now
    assert now is not None
    assert abs((datetime.now(UTC) - now).total_seconds()) < 60


@pytest.mark.parametrize("status", [406, 420, 500, 502, 503, 504])
def test_a_passing_status_is_tried_again(made: Desk, org: SalesforceServer, status: int) -> None:
    org.script("GET .*/limits", Answer(status, b"<html>sorry</html>"), Answer(status), Answer(200, {}))
    assert made.client.rest.limits() == {}
    assert made.pauses == [1.0, 4.0]


def test_one_that_does_not_pass_is_transient(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/limits", refusal(503, "SERVER_UNAVAILABLE"))
    with pytest.raises(
        errors.ServiceFailed, match=r"answered 503 SERVER_UNAVAILABLE: Salesforce cannot answer"
    ) as told:
        made.client.rest.limits()
    assert told.value.code == "SERVER_UNAVAILABLE"
    assert len(org.asked) == 3
    assert all(isinstance(error, errors.ServiceFailed) for error in made.ledger.ended)


def test_a_cut_answer_is_asked_for_again(made: Desk, org: SalesforceServer) -> None:
    whole = {"DailyApiRequests": {"Max": 5, "Remaining": 5}}
    org.script("GET .*/limits", Answer(200, whole, cut_after=20), Answer(200, whole))
    assert made.client.rest.limits()["DailyApiRequests"].max == 5
    assert len(org.asked) == 2


def test_429_is_left_alone_until_the_time_it_names(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/limits", Answer(429, headers={"Retry-After": "120"}))
    with pytest.raises(errors.Throttled) as told:
        made.client.rest.limits()
    assert (told.value.reset_at - made.clock.now()).total_seconds() == 120
    assert len(org.asked) == 1


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[1, 2", b""])
def test_a_page_for_people_is_no_data(made: Desk, org: SalesforceServer, body: bytes) -> None:
    org.script("GET .*/query", Answer(200, body, {"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(errors.UnexpectedAnswer):
        made.client.rest.query(QUERY)


def test_an_answer_without_an_end_is_given_up(org: SalesforceServer) -> None:
    org.script("GET .*/limits", Answer(200, b" " * 4096))
    with (
        desk(org, limits=Limits(reply_bytes=1024)) as made,
        pytest.raises(errors.UnexpectedAnswer, match="1,024 bytes"),
    ):
        made.client.rest.limits()


def test_a_cancelled_job_reads_no_further(org: SalesforceServer) -> None:
    from retinue.connection import Connection
    from retinue.errors import JobCancelled
    from servants.salesforce.client import open_client

    def cancelled() -> None:
        raise JobCancelled

    org.script("GET .*/limits", Answer(200, {}))
    config = {"login_url": org.url, "client_id": "retinue-app"}
    connection = Connection(1, 1, "salesforce", "org", config, org.credentials())
    with open_client(connection, stop_if_cancelled=cancelled) as client, pytest.raises(JobCancelled):
        client.rest.limits()


def test_an_ended_session_is_renewed_without_a_refusal(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/limits", Answer(200, {}))
    before = dict(made.drawer.stored)
    org.end_sessions()
    made.client.rest.limits()
    made.client.rest.limits()
    assert made.drawer.stored["access_token"] != before["access_token"]
    assert made.drawer.stored["refresh_token"] != before["refresh_token"]
    assert len(org.grants) == 1
    assert [type(error).__name__ for error in made.ledger.ended] == ["_TokenRefused", "NoneType", "NoneType"]


def test_a_fresh_token_that_is_refused_is_an_incident(made: Desk, org: SalesforceServer) -> None:
    org.script(
        "GET .*/limits", refusal(401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
    )
    with pytest.raises(errors.SessionRefused, match=r"a new access token was refused, too\. Does the app ask"):
        made.client.rest.limits()
    assert len(org.grants) == 1


def test_an_org_that_has_moved_is_found_by_a_new_token(made: Desk, org: SalesforceServer) -> None:
    moved = Answer(302, b"", {"Location": "https://other.example/"})
    org.script("GET .*/limits", moved, Answer(200, {}), moved)
    assert made.client.rest.limits() == {}
    with pytest.raises(errors.UnexpectedAnswer, match="at another address"):
        made.client.rest.limits()


def test_no_token_shows_in_what_is_told(made: Desk, org: SalesforceServer) -> None:
    org.script("GET .*/query", refusal(400, "DUPLICATE_VALUE", "value found: secret@person.example"))
    with pytest.raises(errors.RowRefused) as told:
        made.client.rest.query(QUERY)
    assert "secret" not in told.value.message
    assert made.drawer.stored["access_token"] not in f"{told.value.message}{made.client!r}"
