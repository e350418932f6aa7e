"""Each refusal of Salesforce: what becomes of the job, and a sentence that a person can act on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from retinue.errors import CredentialError, JobError, PermanentError, PermissionWithdrawn, RateLimited, TransientError
from servants.salesforce.client import errors
from servants.salesforce.client.errors import Told
from servants.salesforce.client.grant_faults import REASONS, grant_fault
from servants.salesforce.client.meanings import MEANINGS
from servants.salesforce.client.refusals import fault, is_pool, row_fault, told

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
WHERE = "GET acme.my.salesforce.com/services/data/v62.0/query"
HOST = "login.salesforce.com"
NO_COLUMN = (
    "\nSELECT Id, Old__c FROM Account WHERE Name = 'the value'\n           ^\nERROR at Row:1:Column:12\n"
    "No such column 'Old__c' on entity 'Account'. If you are attempting to use a custom field, append '__c'."
)


def refused(status: int, code: str, message: str = "", **headers: str) -> JobError:
    body = json.dumps([{"errorCode": code, "message": message}]).encode()
    return fault(WHERE, status, told(body), headers=headers, now=NOW)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (401, "INVALID_SESSION_ID", "Session expired or invalid", errors.SessionRefused, "scope api"),
        (403, "API_CURRENTLY_DISABLED", "", errors.ApiDenied, "API Enabled"),
        (403, "API_DISABLED_FOR_ORG", "", errors.ApiDenied, "edition"),
        (403, "TXN_SECURITY_METERING_ERROR", "", errors.ApiDenied, "transaction security policy"),
        (403, "INSUFFICIENT_ACCESS", "", errors.ObjectDenied, "may not do this"),
        (404, "NOT_FOUND", "", errors.ObjectMissing, "no such object"),
        (404, "OAUTH_EC_APP_NOT_FOUND", "", errors.AppRemoved, "install it again"),
        (400, "INVALID_TYPE", "sObject type 'Gone__c' is not supported.", errors.ObjectMissing, "for Gone__c"),
        (400, "INVALID_FIELD", NO_COLUMN, errors.FieldMissing, "for Account.Old__c"),
        (400, "MALFORMED_QUERY", "unexpected token: 'the value'", errors.QueryRefused, "fault of Retinue"),
        (400, "INVALID_QUERY_LOCATOR", "invalid query locator", errors.LocatorExpired, "no longer held"),
        (400, "QUERY_TIMEOUT", "", errors.QueryTooSlow, "smaller parts"),
        (500, "QUERY_TIMEOUT", "", errors.QueryTooSlow, "smaller parts"),
        (400, "EXCEEDED_ID_LIMIT", "", errors.TooManyIds, "in parts"),
        (400, "INVALID_REPLICATION_DATE", "startDate before replication window", errors.WindowTooOld, "in full"),
        (400, "LIMIT_EXCEEDED", "", errors.BulkPoolEmpty, "REST API is used"),
        (400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API.", errors.BulkUnsupported, "for X"),
        (400, "UNABLE_TO_LOCK_ROW", "", errors.RowLocked, "tried again"),
        (414, "URI_TOO_LONG", "", errors.QueryTooLong, "Bulk API"),
        (503, "SERVER_UNAVAILABLE", "", errors.ServiceFailed, "status.salesforce.com"),
        (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", errors.ServiceFailed, "for the moment"),
        (418, "SOMETHING_NEW", "", errors.RequestRefused, "answered 418 SOMETHING_NEW"),
    ],
)
def test_what_a_refusal_means(status: int, code: str, message: str, kind: type[JobError], words: str) -> None:
    error = refused(status, code, message)
    assert type(error) is kind
    assert words in error.message
    assert code in error.message
    assert getattr(error, "code", None) == code
    assert "the value" not in error.message


def test_the_field_that_is_gone_is_told() -> None:
    error = refused(400, "INVALID_FIELD", NO_COLUMN)
    assert isinstance(error, errors.FieldMissing)
    assert (error.object, error.field) == ("Account", "Old__c")


@pytest.mark.parametrize("status", [406, 408, 420, 425, 500, 502, 503, 504])
def test_statuses_without_a_word_that_pass(status: int) -> None:
    assert type(fault(WHERE, status, told(b"<html>"), headers={}, now=NOW)) is errors.ServiceFailed


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, errors.SessionRefused), (403, errors.ApiDenied), (404, errors.ObjectMissing), (431, errors.QueryTooLong),
     (302, errors.UnexpectedAnswer), (400, errors.RequestRefused)],
)  # fmt: skip
def test_statuses_without_a_word_that_do_not(status: int, kind: type[JobError]) -> None:
    assert type(fault(WHERE, status, Told(), headers={}, now=NOW)) is kind


@pytest.mark.parametrize(
    ("text", "kind", "wait"),
    [
        ("TotalRequests Limit exceeded.", errors.DailyLimitReached, timedelta(hours=1)),
        (
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            errors.ConcurrencyReached,
            timedelta(seconds=20),
        ),
        ("", errors.ConcurrencyReached, timedelta(seconds=20)),
    ],
)
def test_the_two_limits_of_one_code(text: str, kind: type[JobError], wait: timedelta) -> None:
    error = refused(403, "REQUEST_LIMIT_EXCEEDED", text)
    assert type(error) is kind
    assert isinstance(error, RateLimited)
    assert error.reset_at == NOW + wait
    assert f"{NOW + wait:%H:%M:%S} UTC" in error.message


def test_a_pool_of_the_bulk_api_is_no_limit_of_the_org() -> None:
    error = refused(403, "REQUEST_LIMIT_EXCEEDED", "DailyBulkV2QueryJobs Limit exceeded.")
    assert type(error) is errors.BulkPoolEmpty
    assert is_pool(Told("REQUEST_LIMIT_EXCEEDED", "DailyBulkV2QueryJobs Limit exceeded."))
    assert not is_pool(Told("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))


def test_what_the_bulk_api_does_not_offer_is_no_permission() -> None:
    error = refused(400, "FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query")
    assert type(error) is errors.BulkUnsupported
    assert type(refused(403, "FUNCTIONALITY_NOT_ENABLED")) is errors.ObjectDenied


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(429, {}, 60), (429, {"Retry-After": "7"}, 7), (503, {"Retry-After": "30"}, 30)],
)
def test_who_is_asked_to_wait_waits(status: int, headers: dict[str, str], seconds: int) -> None:
    error = fault(WHERE, status, Told(), headers=headers, now=NOW)
    assert isinstance(error, errors.Throttled)
    assert error.reset_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("code", "text", "kind", "words"),
    [
        (
            "invalid_grant",
            "expired access/refresh token",
            errors.AccessRevoked,
            "an older refresh token was used again",
        ),
        ("invalid_grant", "token validity expired", errors.AccessRevoked, "connections sign-in ID"),
        ("invalid_grant", "user hasn't approved this consumer", errors.NotApproved, "pre-authorized"),
        ("invalid_app_access", "user is not admin approved to access this app", errors.NotApproved, "permission set"),
        ("invalid_grant", "inactive user", errors.UserInactive, "not active"),
        ("inactive_user", "user is inactive", errors.UserInactive, "not active"),
        ("inactive_org", "", errors.UserInactive, "the org is locked"),
        ("invalid_grant", "ip restricted", errors.ApiDenied, "login IP ranges"),
        ("invalid_grant", "audience is invalid", errors.SignInMisconfigured, "https://test.salesforce.com"),
        ("invalid_grant", "invalid assertion", errors.SignInMisconfigured, "clock of this machine"),
        ("invalid_client", "invalid client credentials", errors.SignInMisconfigured, "consumer key"),
        ("invalid_client_id", "client identifier invalid", errors.SignInMisconfigured, "consumer key"),
        ("app_not_found", "External client app is not installed in this org", errors.AppRemoved, "removed from"),
        ("OAUTH_EC_APP_NOT_FOUND", "", errors.AppRemoved, "install it again"),
        ("invalid_grant", "app not found", errors.AppRemoved, "removed from"),
        ("unsupported_grant_type", "", errors.SignInMisconfigured, "callback URL"),
        ("something_new", "", errors.SignInMisconfigured, "something_new"),
        ("", "", errors.SignInMisconfigured, "gave no reason"),
    ],
)
def test_why_there_are_no_tokens(code: str, text: str, kind: type[JobError], words: str) -> None:
    error = grant_fault(HOST, 400, Told(code, text), headers={}, now=NOW)
    assert type(error) is kind
    assert isinstance(error, CredentialError)
    assert words in error.message
    assert error.message.startswith("login.salesforce.com, asked for an access token, answered 400")


@pytest.mark.parametrize(
    ("status", "said"),
    [(503, Told()), (400, Told("temporarily_unavailable")), (400, Told("unknown_error", "retry your request"))],
)
def test_a_login_server_in_trouble_is_no_refusal(status: int, said: Told) -> None:
    assert type(grant_fault(HOST, status, said, headers={}, now=NOW)) is errors.ServiceFailed


def test_too_many_logins_are_waited_for() -> None:
    error = grant_fault(HOST, 400, Told("invalid_grant", "login rate exceeded"), headers={}, now=NOW)
    assert isinstance(error, RateLimited)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"[1]", b"{", b'{"error": ["x"]}', b'"text"', b"[" * 100_000])
def test_bodies_that_say_nothing(body: bytes) -> None:
    assert told(body) == Told()


def test_a_code_that_is_none_is_not_repeated() -> None:
    assert told(b'[{"errorCode": "the value <b>", "message": "m"}]').code == ""


def test_rows_are_refused_by_themselves() -> None:
    locked = row_fault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", ())
    assert isinstance(locked, TransientError)
    assert not locked.provider_failed
    missing = row_fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [the value]", ("LastName",))
    assert type(missing) is errors.RowRefused
    assert "(LastName)" in missing.message
    assert "the value" not in missing.message
    assert type(row_fault("NEW_CODE", "")) is errors.RowRefused


def test_every_meaning_is_a_sentence() -> None:
    known = [(meaning.kind, meaning.advice) for meaning in MEANINGS.values()]
    for kind, advice in known + [(reason.kind, reason.advice) for reason in REASONS]:
        assert issubclass(kind, JobError)
        assert issubclass(kind, errors.Coded)
        assert advice.endswith((".", "?"))
    assert {meaning.kind for meaning in MEANINGS.values()} >= {
        errors.AppRemoved,
        errors.RowRefused,
        errors.LocatorExpired,
    }


def test_what_concerns_one_object_parks_nothing_and_is_no_failure_of_the_provider() -> None:
    for kind in (errors.ObjectMissing, errors.ObjectDenied, errors.FieldMissing, errors.WindowTooOld):
        assert issubclass(kind, PermanentError)
    for healthy in (errors.QueryTooSlow, errors.LocatorExpired, errors.RowsMissing, errors.BulkPoolEmpty):
        assert not healthy.provider_failed
    assert issubclass(errors.ApiDenied, PermissionWithdrawn)
