"""One request for an access token: what token servers may answer instead, and what credentials cannot be used."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retinue.clock import SystemClock
from retinue.errors import CredentialError, JobError, RateLimited, TransientError
from servants.email import token_request
from servants.email.oauth import Grant
from tests.support.bad_caldav_server import Reply, Request, bad_server
from tests.support.hand_clock import HandClock
from tests.support.runtime import captured_logs

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)

REFUSALS: list[tuple[Reply, type[JobError], str]] = [
    (Reply(400, b'{"error": "invalid_grant"}'), CredentialError, r"no longer lets Retinue in \(status 400, invalid_gr"),
    (
        Reply(400, b'{"error": "invalid_grant", "error_description": "AADSTS700082: expired for ada@example.org"}'),
        CredentialError,
        "invalid_grant AADSTS700082",
    ),
    (Reply(401, b'{"error": "invalid_client"}'), CredentialError, "invalid_client.* its token_url, client_id"),
    (Reply(400, b'{"error": "invalid_scope"}'), CredentialError, "invalid_scope"),
    (Reply(200, b'{"error": "invalid_grant"}'), CredentialError, "invalid_grant"),
    (Reply(404, b"<html>"), CredentialError, "status 404, no reason given"),
    (Reply(302, headers={"Location": "http://127.0.0.1:1/steal"}), CredentialError, "status 302"),
    (Reply(400, b'{"error": "temporarily_unavailable"}'), TransientError, "temporarily_unavailable"),
    (Reply(500), TransientError, "status 500"),
    (Reply(503), TransientError, "status 503"),
    (Reply(200, b"<html>the hotel's Wi-Fi</html>"), TransientError, "status 200, no reason given"),
    (Reply(200, b"[1]"), TransientError, "status 200"),
    (Reply(200, b'{"access_token": 7}'), TransientError, "status 200"),
    (Reply(200, b"[" * 60_000), TransientError, "status 200"),
    (Reply(200, b" " * 70_000), TransientError, "has no end"),
    (Reply(200, b'{"access_token": "x"}', then="cut"), TransientError, "the connection failed"),
    (Reply(200, b'{"access_token": "x"}', then="hang"), TransientError, "no answer within the time allowed"),
    (Reply(200, b'{"access_token": "x"}', then="drip"), TransientError, "has no end"),
    (Reply(429, headers={"Retry-After": "90"}), RateLimited, "gives no access tokens until"),
    (Reply(503, headers={"Retry-After": "90"}), RateLimited, "gives no access tokens until"),
]


def grant(url: str, **changes: Any) -> Grant:
    values = {
        "access_token": "secret-access",
        "refresh_token": "secret-refresh",
        "expires_at": None,
        "token_url": url,
        "client_id": "retinue",
        "client_secret": "secret-client",
    }
    return Grant(**(values | changes))


@pytest.mark.parametrize(("reply", "error", "words"), REFUSALS)
def test_what_a_token_endpoint_says_instead(
    reply: Reply, error: type[JobError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_request, "READ_SECONDS", 0.5)
    monkeypatch.setattr(token_request, "ANSWER_SECONDS", 0.2)
    with (
        captured_logs() as logs,
        bad_server(reply) as server,
        pytest.raises(error, match=words) as raised,
    ):
        token_request.ask(grant(server.url), clock=SystemClock())
    assert len(server.requests) == 1
    assert "secret-" not in f"{raised.value!r} {raised.value} {logs.stream.getvalue()}"
    assert "ada@example.org" not in str(raised.value)


def test_a_wait_that_a_token_endpoint_asks_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with bad_server(Reply(429, headers={"Retry-After": "90"})) as server, pytest.raises(RateLimited) as raised:
        token_request.ask(grant(server.url), clock=HandClock(NOW))
    assert raised.value.reset_at == NOW + timedelta(seconds=90)


def test_nobody_there() -> None:
    with bad_server(Reply()) as server:
        url = server.url
    with pytest.raises(TransientError, match="the connection failed"):
        token_request.ask(grant(url), clock=HandClock(NOW))


@pytest.mark.parametrize(
    ("expires_in", "stored"),
    [
        (3600, "2026-11-21T10:00:00+00:00"),
        ("3600", "2026-11-21T10:00:00+00:00"),
        (10**30, "2027-11-22T09:00:00+00:00"),
        (-5, None),
        ("soon", None),
        (float("inf"), None),
        (None, None),
    ],
)
def test_how_long_a_token_lives(expires_in: Any, stored: str | None) -> None:
    body = json.dumps({"access_token": "fresh", "expires_in": expires_in}).encode()
    with bad_server(Reply(200, body)) as server:
        made = token_request.ask(grant(server.url), clock=HandClock(NOW))
    assert made == {"access_token": "fresh"} | ({"expires_at": stored} if stored else {})


def test_a_client_without_a_secret_sends_none() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply(200, b'{"access_token": "fresh"}')

    with bad_server(answer) as server:
        token_request.ask(grant(server.url, client_secret=""), clock=HandClock(NOW))
    assert seen[0].body == "grant_type=refresh_token&refresh_token=secret-refresh&client_id=retinue"
    assert "Authorization" not in seen[0].headers


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_token": "", "refresh_token": ""}, "has no access_token and no refresh_token"),
        ({"token_url": ""}, "has no token_url to renew"),
        ({"client_id": "", "token_url": ""}, "has no token_url and no client_id"),
        ({"token_url": "http://login.example/token"}, "https://"),
        ({"token_url": "https://ada:pw@login.example/token"}, "https://"),
        ({"token_url": "https://[/token"}, "https://"),
        ({"token_url": "https:///token"}, "https://"),
        ({"expires_at": "tomorrow"}, "is no time with a zone"),
        ({"expires_at": "2026-01-31T12:00:00"}, "is no time with a zone"),
        ({"access_token": "a\nb"}, "access_token of the mail connection is no plain text"),
        ({"refresh_token": 7}, "refresh_token of the mail connection is no plain text"),
    ],
)
def test_credentials_that_cannot_be_used(changes: dict[str, Any], words: str) -> None:
    whole = {"access_token": "secret-1", "refresh_token": "secret-2", "token_url": "https://x/", "client_id": "c"}
    with pytest.raises(CredentialError, match=words) as raised:
        Grant.from_credentials(whole | changes)
    assert "secret-" not in str(raised.value)
    assert "pw@" not in str(raised.value)


def test_nothing_secret_shows_in_a_grant() -> None:
    assert "secret-" not in repr(grant("https://login.example/token"))
