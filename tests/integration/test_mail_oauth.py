"""Access tokens: renewed in time or when refused, by one process alone, and kept before anybody needs them again."""

from __future__ import annotations

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
from retinue.connection import Connection
from retinue.errors import CredentialError
from servants.email.oauth import AccessTokens
from tests.support.factories import add_account
from tests.support.hand_clock import HandClock
from tests.support.postgres import OWN_CONNECTIONS
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
        query = f"SELECT count(*) {OWN_CONNECTIONS} AND wait_event_type = 'Lock'".encode()
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


def test_an_access_token_alone_is_used_until_it_ends(mailbox: Mailbox) -> None:
    alone = {"access_token": "x", "expires_at": (NOW + timedelta(hours=1)).isoformat()}
    Vault(mailbox.url, KEYRING).renew(mailbox.id, lambda _stored: alone)
    assert mailbox.tokens().token() == "x"
    with pytest.raises(CredentialError, match=r"there is no refresh token.*connections password ID --oauth"):
        mailbox.tokens(NOW + timedelta(hours=1)).token()


def test_a_renewal_is_logged_without_its_tokens(mailbox: Mailbox) -> None:
    with captured_logs() as logs:
        mailbox.tokens(NOW + timedelta(hours=2)).token()
        (line,) = logs.all("access_token_renewed")
        told = logs.stream.getvalue()
    assert (line["connection"], line["host"]) == (mailbox.id, "127.0.0.1")
    assert not [value for name, value in mailbox.stored.items() if "token" in name and value in told]
