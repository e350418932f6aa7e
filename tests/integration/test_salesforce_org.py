"""The client against the sandbox org: what is read, and every error of Salesforce's, with what becomes of the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.local.salesforce.control_client import NewApp
from retinue.errors import JobError
from retinue.outcomes import Fail, Outcome, Park, Retry, Snooze
from retinue.settlement import outcome_of
from servants.salesforce.client import Salesforce, errors
from servants.salesforce.client.http import Limits
from tests.support.hand_clock import HandClock
from tests.support.salesforce_caller import Ledger
from tests.support.salesforce_org import client_of, connection_to, key_pair
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org

ACCOUNTS = "SELECT Id, Name FROM Account"
BY_KEY = "app-by-key"
KEYS = key_pair()
Ask = Callable[[Salesforce], Any]
Arrange = Callable[[SandboxOrg], None]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as org:
        org.control.seed("Account", 4500)
        org.control.set_app(NewApp(BY_KEY, "By key", certificate=KEYS.public, preauthorized=True))
        org.control.approve(BY_KEY, USER.username)
        yield org


@pytest.fixture
def org(running: SandboxOrg) -> Iterator[SandboxOrg]:
    """The org, in which everything is well again after each test."""
    yield running
    running.control.clear_faults()
    running.control.set_app_state(APP.client_id, "installed")
    running.control.set_active(USER.username, active=True)
    running.control.allow_system(USER.username, "api_enabled", on=True)
    running.control.set_limit("DailyBulkV2QueryJobs", 10_000)


def count(client: Salesforce) -> int:
    return client.rest.count("SELECT COUNT() FROM Account")


def told(ask: Ask, client: Salesforce) -> tuple[JobError, Outcome]:
    """The error that this request ends in, and what becomes of its job."""
    with pytest.raises(JobError) as caught:
        ask(client)
    assert isinstance(caught.value, errors.Coded)
    return caught.value, outcome_of(caught.value)


def test_rows_by_rest_and_by_bulk_are_the_same(org: SandboxOrg) -> None:
    truth = {row["Id"]: row["Name"] for row in org.control.rows("Account")}
    with client_of(connection_to(org)) as client:
        by_rest = {row["Id"]: row["Name"] for page in client.rest.pages(ACCOUNTS, all_rows=True) for row in page.rows}
        job = client.bulk.wait(client.bulk.create(ACCOUNTS).id)
        pages = client.bulk.pages(job, max_records=2000)
        by_bulk = {row[0]: row[1] for page in pages for row in page.rows}
        client.bulk.delete(job.id)
        assert job.records == len(truth)
    assert by_rest == by_bulk == truth


def test_what_is_known_costs_a_call_and_no_description(org: SandboxOrg) -> None:
    with client_of(connection_to(org)) as client:
        known = client.rest.describe("Account")
        assert known is not None
        assert client.rest.describe("Account", since=known.last_modified) is None
        assert client.rest.calls == 2
        org.control.clock_forward(seconds=5)
        org.control.add_field("Account", "Added__c", "string", length=80)
        changed = client.rest.describe("Account", since=known.last_modified)
        assert changed is not None
        assert changed.field("Added__c") is not None


def test_what_changed_and_what_was_deleted(org: SandboxOrg) -> None:
    (kept, gone) = org.control.insert("Account", [{"Name": "kept"}, {"Name": "gone"}])
    org.control.delete([str(gone.id)])
    now = org.control.clock_forward(minutes=5)
    with client_of(connection_to(org)) as client:
        deleted = client.rest.deleted("Account", now - timedelta(hours=1), now)
        assert [row.id for row in deleted.rows] == [gone.id]
        assert kept.id in client.rest.updated("Account", now - timedelta(hours=1), now).ids
        with pytest.raises(errors.WindowTooOld):
            client.rest.deleted("Account", now - timedelta(days=16), now)


def test_calls_tell_how_many_are_left(org: SandboxOrg) -> None:
    ledger = Ledger()
    with client_of(connection_to(org, ledger=ledger)) as client:
        count(client)
        count(client)
    usage = [learned.usage for learned in ledger.learned]
    first, second = [int(one.removeprefix("api-usage=").removesuffix("/15000")) for one in usage if one is not None]
    assert second == first + 1


# -- sign-in


def test_a_key_signs_in(org: SandboxOrg) -> None:
    clock = HandClock(org.control.now())
    with client_of(
        connection_to(org, {"private_key": KEYS.private}, config={"client_id": BY_KEY}), clock=clock
    ) as client:
        assert client.rest.identity().username == USER.username


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"audience": "https://elsewhere.example"}, errors.SignInMisconfigured),
        ({"username": "nobody@customer.example"}, errors.NotApproved),
        ({"client_id": "unknown"}, errors.SignInMisconfigured),
    ],
)
def test_a_key_that_does_not(org: SandboxOrg, config: dict[str, str], kind: type[JobError]) -> None:
    clock = HandClock(org.control.now())
    with client_of(
        connection_to(org, {"private_key": KEYS.private}, config={"client_id": BY_KEY} | config), clock=clock
    ) as client:
        error, outcome = told(count, client)
    assert isinstance(error, kind)
    assert isinstance(outcome, Park)


def test_another_key_is_not_accepted(org: SandboxOrg) -> None:
    clock = HandClock(org.control.now())
    with client_of(
        connection_to(org, {"private_key": key_pair().private}, config={"client_id": BY_KEY}), clock=clock
    ) as client:
        error, _ = told(count, client)
    assert isinstance(error, errors.SignInMisconfigured)
    assert "certificate of this key" in str(error)


def test_sessions_end_and_nobody_notices(org: SandboxOrg) -> None:
    with client_of(connection_to(org)) as client:
        for _ in range(5):
            count(client)
            org.control.clock_forward(hours=3)
        count(client)
    assert org.control.revoked_families() == 0


def uninstall(org: SandboxOrg) -> None:
    org.control.set_app_state(APP.client_id, "uninstalled")


def block(org: SandboxOrg) -> None:
    org.control.set_app_state(APP.client_id, "blocked")


def deactivate(org: SandboxOrg) -> None:
    org.control.set_active(USER.username, active=False)


def revoke(org: SandboxOrg) -> None:
    org.control.revoke(USER.username)


def without_api(org: SandboxOrg) -> None:
    org.control.allow_system(USER.username, "api_enabled", on=False)


@pytest.mark.parametrize(
    ("happens", "kind", "incident"),
    [
        (uninstall, errors.AppRemoved, "credential"),
        (block, errors.AppRemoved, "credential"),
        (deactivate, errors.UserInactive, "credential"),
        (revoke, errors.AccessRevoked, "credential"),
        (without_api, errors.ApiDenied, "permission"),
    ],
)
def test_what_a_person_has_to_mend(org: SandboxOrg, happens: Arrange, kind: type[JobError], incident: str) -> None:
    """Told apart, and each with what to do; nothing is asked for again and again."""
    with client_of(connection_to(org)) as client:
        count(client)
        happens(org)
        org.control.end_sessions()
        before = org.control.usage().calls
        error, outcome = told(count, client)
        assert org.control.usage().calls - before <= 2
    assert type(error) is kind
    assert isinstance(outcome, Park)
    assert outcome.incident == incident


# -- limits


def test_the_days_calls_are_spent(org: SandboxOrg) -> None:
    with client_of(connection_to(org)) as client:
        count(client)
        org.control.use("DailyApiRequests", 15_000)
        error, outcome = told(count, client)
        assert type(error) is errors.DailyLimitReached
        assert isinstance(outcome, Snooze)
        org.control.clock_forward(hours=25)
        assert count(client) > 0


def test_no_bulk_jobs_are_left(org: SandboxOrg) -> None:
    org.control.set_limit("DailyBulkV2QueryJobs", 0)
    with client_of(connection_to(org)) as client:
        error, outcome = told(lambda client: client.bulk.create(ACCOUNTS), client)
        assert type(error) is errors.BulkPoolEmpty
        assert isinstance(outcome, Retry)
        assert count(client) > 0


# -- answers on demand


def refused(status: int, code: str, message: str = "") -> Arrange:
    return lambda org: org.control.error("GET /services/data", status, code, message, times=5)


def fault(kind: Any, **about: Any) -> Arrange:
    return lambda org: org.control.fault("GET /services/data", kind=kind, times=5, **about)


@pytest.mark.parametrize(
    ("happens", "kind", "outcome"),
    [
        (refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), errors.DailyLimitReached, Snooze),
        (
            refused(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
            errors.ConcurrencyReached,
            Snooze,
        ),
        (fault("answer", status=429), errors.Throttled, Snooze),
        (fault("answer", status=503, headers={"Retry-After": "9"}), errors.Throttled, Snooze),
        (fault("answer", status=406), errors.ServiceFailed, Retry),
        (fault("answer", status=420), errors.ServiceFailed, Retry),
        (fault("answer", status=500), errors.ServiceFailed, Retry),
        (fault("answer", status=502), errors.ServiceFailed, Retry),
        (refused(503, "SERVER_UNAVAILABLE"), errors.ServiceFailed, Retry),
        (refused(500, "UNKNOWN_EXCEPTION"), errors.ServiceFailed, Retry),
        (fault("cut"), errors.ServiceFailed, Retry),
        (fault("slow", seconds=3), errors.ServiceFailed, Retry),
        (fault("garbage"), errors.UnexpectedAnswer, Retry),
        (fault("login_page"), errors.UnexpectedAnswer, Retry),
        (refused(400, "UNABLE_TO_LOCK_ROW"), errors.RowLocked, Retry),
        (refused(400, "QUERY_TIMEOUT"), errors.QueryTooSlow, Retry),
        (refused(401, "INVALID_SESSION_ID"), errors.SessionRefused, Park),
        (refused(403, "TXN_SECURITY_METERING_ERROR"), errors.ApiDenied, Park),
        (refused(403, "API_DISABLED_FOR_ORG"), errors.ApiDenied, Park),
        (refused(403, "INSUFFICIENT_ACCESS"), errors.ObjectDenied, Fail),
        (refused(400, "EXCEEDED_ID_LIMIT"), errors.TooManyIds, Fail),
        (refused(400, "INVALID_QUERY_FILTER_OPERATOR"), errors.QueryRefused, Fail),
        (refused(414, "URI_TOO_LONG"), errors.QueryTooLong, Fail),
    ],
)
def test_what_becomes_of_a_job(org: SandboxOrg, happens: Arrange, kind: type[JobError], outcome: type[Outcome]) -> None:
    with client_of(connection_to(org), limits=Limits(read_seconds=1)) as client:
        count(client)
        happens(org)
        error, became = told(count, client)
        assert type(error) is kind
        assert isinstance(became, outcome)
        org.control.clear_faults()
        assert count(client) > 0


# -- queries


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda client: client.rest.query("SELECT Nothing__c FROM Account"), errors.FieldMissing),
        (lambda client: client.rest.query("SELECT Id FROM Nothing__c"), errors.ObjectMissing),
        (lambda client: client.rest.query("SELECT FROM WHERE"), errors.QueryRefused),
        (lambda client: client.rest.describe("Nothing__c"), errors.ObjectMissing),
        (lambda client: client.bulk.create("SELECT Nothing__c FROM Account"), errors.FieldMissing),
        (lambda client: client.bulk.create("SELECT BillingAddress FROM Account"), errors.BulkUnsupported),
        (lambda client: client.bulk.state("7500000000000000AA"), errors.BulkJobGone),
    ],
)
def test_what_cannot_be_asked(org: SandboxOrg, ask: Ask, kind: type[JobError]) -> None:
    with client_of(connection_to(org)) as client:
        error, outcome = told(ask, client)
    assert type(error) is kind
    assert isinstance(outcome, Fail)


def test_a_field_that_is_taken_away_is_named(org: SandboxOrg) -> None:
    org.control.add_field("Account", "Secret__c", "string", length=80)
    with client_of(connection_to(org)) as client:
        client.rest.query("SELECT Id, Secret__c FROM Account")
        org.control.allow(USER.username, "Account", "Secret__c", read=False)
        error, _ = told(lambda client: client.rest.query("SELECT Id, Secret__c FROM Account"), client)
    assert isinstance(error, errors.FieldMissing)
    assert (error.object, error.field) == ("Account", "Secret__c")


def test_the_rest_of_a_query_is_kept_for_two_days(org: SandboxOrg) -> None:
    with client_of(connection_to(org)) as client:
        page = client.rest.query(ACCOUNTS)
        assert page.next is not None
        org.control.clock_forward(days=3)
        error, outcome = told(lambda client: client.rest.next_page(page.next or ""), client)
    assert type(error) is errors.LocatorExpired
    assert isinstance(outcome, Retry)


def test_bulk_results_are_kept_for_seven_days(org: SandboxOrg) -> None:
    with client_of(connection_to(org)) as client:
        job = client.bulk.wait(client.bulk.create(ACCOUNTS).id)
        org.control.clock_forward(days=8)
        with pytest.raises(errors.BulkJobGone):
            next(client.bulk.pages(job))


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Retried more than fifteen times", errors.QueryTooSlow),
        ("InternalServerError: something", errors.BulkJobFailed),
    ],
)
def test_a_bulk_job_that_fails(org: SandboxOrg, message: str, kind: type[JobError]) -> None:
    org.control.fail_bulk_job(message)
    with client_of(connection_to(org)) as client:
        job = client.bulk.create(ACCOUNTS)
        error, outcome = told(lambda client: client.bulk.wait(job.id), client)
    assert type(error) is kind
    assert isinstance(outcome, Retry)


def test_a_bulk_page_that_is_cut_is_read_again(org: SandboxOrg) -> None:
    with client_of(connection_to(org)) as client:
        job = client.bulk.wait(client.bulk.create(ACCOUNTS).id)
        org.control.fault("GET .*/results", kind="cut")
        with pytest.raises((errors.ServiceFailed, errors.RowsMissing)), client.bulk.page(job.id) as page:
            list(page.rows)
        with client.bulk.page(job.id) as page:
            assert len(list(page.rows)) == page.count == job.records
