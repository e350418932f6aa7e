"""Access tokens: renewed in time or when refused, by one process alone, and kept before anybody needs them again."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.keys import generate_key
from infra.postgres.connections import NewConnection, add_connection, open_connection
from infra.postgres.vault import APPLICATION_NAME, Vault
from infra.secrets import Keyring
from retinue.clock import SystemClock
from retinue.connection import Connection
from retinue.errors import CredentialError, JobError, PermanentError, RateLimited, TransientError
from servants.email import token_request
from servants.email.oauth import AccessTokens, Grant
from tests.support.bad_caldav_server import Reply, Request, bad_server
from tests.support.factories import add_account
from tests.support.hand_clock import HandClock
from tests.support.race import DEADLINE_SECONDS, wait_until
from tests.support.renewer import start_renewer
from tests.support.runtime import captured_logs
from tests.support.token_server import TokenServer, token_server

KEY = generate_key()
KEYRING = Keyring(KEY)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@dataclass
class Mailbox:
    """A connection that is signed in to with tokens of a real server, and kept in a real database."""

    sql: psycopg.Connection
    url: str
    server: TokenServer
    id: int

    @property
    def stored(self) -> dict[str, str]:
        return dict(open_connection(self.sql, KEYRING, self.id).credentials)

    @property
    def renewals(self) -> list[dict[str, str]]:
        return [form for path, form in self.server.requests if path == "/token"]

    def connection(self) -> Connection:
        """As a servant opens it."""
        return replace(open_connection(self.sql, KEYRING, self.id), keeper=Vault(self.url, KEYRING))

    def tokens(self, now: datetime = NOW) -> AccessTokens:
        return AccessTokens(self.connection(), clock=HandClock(now))


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server() as made:
        yield made


@pytest.fixture
def mailbox(sql: psycopg.Connection, database_url: str, server: TokenServer) -> Mailbox:
    """Its access token is good for an hour from `NOW`."""
    credentials = {
        "access_token": server.access_token("ada"),
        "refresh_token": server.refresh_token("ada"),
        "expires_at": (NOW + timedelta(hours=1)).isoformat(),
        "token_url": server.token_url,
        "client_id": "retinue",
        "client_secret": "the-client-secret",
        "scope": "mail.read offline_access",
    }
    new = NewConnection(
        account_id=add_account(sql), provider="imap", name="mail", config={"host": "mail"}, credentials=credentials
    )
    return Mailbox(sql, database_url, server, add_connection(sql, KEYRING, new))


def test_a_good_token_is_used_as_it_is(mailbox: Mailbox) -> None:
    assert mailbox.tokens().token() == mailbox.stored["access_token"]
    assert mailbox.renewals == []


def test_one_that_expires_soon_is_renewed_and_kept(mailbox: Mailbox) -> None:
    before = mailbox.stored
    later = NOW + timedelta(minutes=59, seconds=30)

    token = mailbox.tokens(later).token()

    assert token != before["access_token"]
    assert mailbox.stored == before | {
        "access_token": token,
        "expires_at": (later + timedelta(hours=1)).isoformat(),
    }
    assert mailbox.renewals == [
        {
            "grant_type": "refresh_token",
            "refresh_token": before["refresh_token"],
            "client_id": "retinue",
            "client_secret": "the-client-secret",
            "scope": "mail.read offline_access",
        }
    ]


def test_a_refused_one_is_renewed_before_its_time(mailbox: Mailbox) -> None:
    tokens = mailbox.tokens()
    refused = tokens.token()
    fresh = tokens.after(refused)
    assert fresh != refused
    assert mailbox.stored["access_token"] == fresh
    assert tokens.token() == fresh
    assert len(mailbox.renewals) == 1


def test_a_refused_one_that_somebody_has_renewed_costs_no_request(mailbox: Mailbox) -> None:
    late, early = mailbox.tokens(), mailbox.tokens()
    refused = late.token()
    assert late.after(refused) == early.after(refused)
    assert len(mailbox.renewals) == 1


def test_a_rotated_refresh_token_is_kept_and_used_next(mailbox: Mailbox) -> None:
    mailbox.server.rotates = True
    first = mailbox.stored["refresh_token"]
    for _ in range(3):
        tokens = mailbox.tokens()
        tokens.after(tokens.token())
    used = [form["refresh_token"] for form in mailbox.renewals]
    assert used[0] == first
    assert len({*used, mailbox.stored["refresh_token"]}) == 4


def test_a_provider_that_names_no_time_is_believed_until_it_refuses(mailbox: Mailbox) -> None:
    mailbox.server.expires_in = 0
    token = mailbox.tokens(NOW + timedelta(hours=2)).token()
    assert "expires_at" not in mailbox.stored
    assert mailbox.tokens(NOW + timedelta(days=300)).token() == token
    assert len(mailbox.renewals) == 1


def test_four_processes_renew_once(mailbox: Mailbox, sql: psycopg.Connection) -> None:
    """The clock of the processes is the machine's, by which the token expired long ago."""
    mailbox.server.rotates = True
    expire(mailbox)
    waiting = threading.Event()
    with holding(mailbox.server, until=waiting):
        processes = [start_renewer(mailbox.url, mailbox.id, KEY) for _ in range(4)]
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: sql.execute(query, (APPLICATION_NAME,)).fetchone() == (3,), "they do not wait")
        waiting.set()
        said = {process.communicate(timeout=DEADLINE_SECONDS)[0].strip() for process in processes}
    assert said == {mailbox.stored["access_token"]}
    assert len(mailbox.renewals) == 1


@pytest.mark.parametrize("rotates", [False, True])
def test_a_process_that_dies_before_it_stores_blocks_nobody(mailbox: Mailbox, rotates: bool) -> None:
    mailbox.server.rotates = rotates
    before = expire(mailbox)

    dead = start_renewer(mailbox.url, mailbox.id, KEY, dies=True)
    assert dead.communicate(timeout=DEADLINE_SECONDS)[0] == ""
    assert dead.returncode == -signal.SIGKILL

    assert mailbox.stored == before
    assert len(mailbox.renewals) == 1
    if rotates:
        # The provider has withdrawn the only refresh token that is stored, and gave the new one to a dead process.
        with pytest.raises(CredentialError, match="a renewal was cut off before the new token could be kept"):
            mailbox.tokens().token()
    else:
        assert mailbox.tokens().token() == mailbox.stored["access_token"] != before["access_token"]


def expire(mailbox: Mailbox) -> dict[str, str]:
    known = mailbox.stored | {"expires_at": "2026-01-01T00:00:00+00:00"}
    Vault(mailbox.url, KEYRING).renew(mailbox.id, lambda _stored: known)
    return known


@contextmanager
def holding(server: TokenServer, *, until: threading.Event) -> Iterator[None]:
    """The server answers when this is set."""
    answer = server.answer

    def late(path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        assert until.wait(DEADLINE_SECONDS)
        return answer(path, form)

    server.answer = late  # type: ignore[method-assign] # a server of this test alone
    yield
    del server.answer


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


def test_an_access_token_alone_is_used_until_it_ends(mailbox: Mailbox) -> None:
    alone = {"access_token": "x", "expires_at": (NOW + timedelta(hours=1)).isoformat()}
    Vault(mailbox.url, KEYRING).renew(mailbox.id, lambda _stored: alone)
    assert mailbox.tokens().token() == "x"
    with pytest.raises(CredentialError, match=r"there is no refresh token.*connections password ID --oauth"):
        mailbox.tokens(NOW + timedelta(hours=1)).token()


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
    with pytest.raises(PermanentError, match=words) as raised:
        Grant.from_credentials(whole | changes)
    assert "secret-" not in str(raised.value)
    assert "pw@" not in str(raised.value)


def test_nothing_secret_shows_in_a_grant() -> None:
    assert "secret-" not in repr(grant("https://login.example/token"))


def test_a_renewal_is_logged_without_its_tokens(mailbox: Mailbox) -> None:
    with captured_logs() as logs:
        mailbox.tokens(NOW + timedelta(hours=2)).token()
        (line,) = logs.all("access_token_renewed")
        told = logs.stream.getvalue()
    assert (line["connection"], line["host"]) == (mailbox.id, "127.0.0.1")
    assert not [value for name, value in mailbox.stored.items() if "token" in name and value in told]
