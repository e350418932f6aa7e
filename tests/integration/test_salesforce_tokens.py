"""Access tokens of an org: renewed by one process alone, and kept before anybody uses them."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.keys import generate_key
from infra.postgres.connections import NewConnection, add_connection, open_connection
from infra.postgres.vault import APPLICATION_NAME, Vault
from infra.secrets import Keyring
from retinue.connection import Connection
from retinue.errors import PermanentError, SettingsRefused
from servants.salesforce.client import errors
from servants.salesforce.client.auth import Token, Tokens
from tests.support.factories import add_account
from tests.support.hand_clock import HandClock
from tests.support.postgres import OWN_CONNECTIONS
from tests.support.race import together, wait_until
from tests.support.runtime import captured_logs
from tests.support.salesforce_renewer import Renewer
from tests.support.salesforce_server import CLIENT_ID, USERNAME, Answer, SalesforceServer, salesforce_server

KEY = generate_key()
KEYRING = Keyring(KEY)


@dataclass
class Org:
    """A connection to a scripted org, kept in a real database."""

    sql: psycopg.Connection
    url: str
    server: SalesforceServer
    id: int

    @property
    def stored(self) -> dict[str, str]:
        return dict(open_connection(self.sql, KEYRING, self.id).credentials)

    def connection(self) -> Connection:
        """As a servant opens it."""
        return replace(open_connection(self.sql, KEYRING, self.id), keeper=Vault(self.url, KEYRING))

    def store(self, credentials: dict[str, str]) -> None:
        Vault(self.url, KEYRING).renew(self.id, lambda _stored: credentials)

    def waiting(self) -> bool:
        """Whether a process waits for another one's renewal."""
        query = f"SELECT count(*) {OWN_CONNECTIONS} AND wait_event_type = 'Lock'".encode()
        return self.sql.execute(query, (APPLICATION_NAME,)).fetchone() == (1,)


@pytest.fixture
def server() -> Iterator[SalesforceServer]:
    with salesforce_server() as made:
        made.script("GET .*/limits", Answer(200, {}))
        yield made


@pytest.fixture
def org(sql: psycopg.Connection, database_url: str, server: SalesforceServer) -> Org:
    config = {"login_url": server.url, "client_id": CLIENT_ID, "username": USERNAME}
    credentials = server.credentials() | {"client_secret": "the-client-secret"}
    new = NewConnection(
        account_id=add_account(sql), provider="salesforce", name="org", config=config, credentials=credentials
    )
    return Org(sql, database_url, server, add_connection(sql, KEYRING, new))


@pytest.fixture
def two(org: Org) -> Iterator[tuple[Renewer, Renewer]]:
    with closing(Renewer(org.url, org.id, KEY)) as one, closing(Renewer(org.url, org.id, KEY)) as other:
        yield one, other


def test_a_good_token_is_used_as_it_is(org: Org) -> None:
    token = Tokens(org.connection()).token()
    assert token == Token(org.stored["access_token"], org.server.url)
    assert token.value not in repr(token)
    assert org.server.grants == []


def test_a_refused_one_is_renewed_and_everything_kept(org: Org) -> None:
    before = org.stored
    tokens = Tokens(org.connection())
    fresh = tokens.renewed(tokens.token())
    assert org.stored == before | {"access_token": fresh.value, "refresh_token": org.stored["refresh_token"]}
    assert org.stored["refresh_token"] != before["refresh_token"]
    assert org.server.grants == [
        {
            "grant_type": "refresh_token",
            "refresh_token": before["refresh_token"],
            "client_id": CLIENT_ID,
            "client_secret": "the-client-secret",
        }
    ]
    assert tokens.token() == fresh


def test_a_refused_one_that_somebody_has_renewed_costs_no_request(org: Org) -> None:
    late, early = Tokens(org.connection()), Tokens(org.connection())
    refused = late.token()
    assert late.renewed(refused) == early.renewed(refused)
    assert len(org.server.grants) == 1


def test_one_whose_end_is_told_is_renewed_before_it(org: Org) -> None:
    org.server.expires_in = 7200
    clock = HandClock()
    tokens = Tokens(org.connection(), clock=clock)
    first = tokens.renewed(tokens.token())
    assert org.stored["expires_at"] == (clock.now() + timedelta(hours=2)).isoformat()
    clock.advance(7100)
    assert tokens.token() == first
    clock.advance(60)
    assert tokens.token() != first


def test_threads_share_one_renewal(org: Org) -> None:
    tokens = Tokens(org.connection())
    refused = tokens.token()
    assert len(set(together([lambda: tokens.renewed(refused)] * 4))) == 1
    assert len(org.server.grants) == 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("tries", [25, pytest.param(200, marks=pytest.mark.proof)])
def test_two_processes_renew_one_rotating_token_again_and_again(
    org: Org, two: tuple[Renewer, Renewer], tries: int
) -> None:
    """In half of the tries the second comes while the first still asks; in the others with the token from before it."""
    draw = random.Random(20261121)  # noqa: S311 - an order of events, no secret
    waited = 0
    for number in range(tries):
        first, second = draw.sample(two, 2)
        assert (first.take("open"), second.take("open")) == ("opened", "opened")
        org.server.end_sessions()
        if draw.random() < 0.5:
            asked_and_waited_for(org, first, second)
            waited += 1
        else:
            assert (first.take("call"), second.take("call")) == ("called", "called")
        assert len(org.server.grants) == number + 1
        assert not org.server.family_revoked
    assert len({grant["refresh_token"] for grant in org.server.grants}) == tries
    print(  # noqa: T201 - what the proof is run for
        f"\n{tries} tries of two processes with one rotating token, {waited} with the second at the door of the first: "
        f"{len(org.server.grants)} renewals, no token used twice, no family revoked."
    )


def asked_and_waited_for(org: Org, first: Renewer, second: Renewer) -> None:
    """The second finds its token refused while the org still thinks about the first one's request."""
    org.server.token_gate.clear()
    org.server.token_asked.clear()
    first.begin("call")
    assert org.server.token_asked.wait(20)
    second.begin("call")
    wait_until(org.waiting, "the second process does not wait")
    org.server.token_gate.set()
    assert (first.ended(), second.ended()) == ("called", "called")


def test_a_process_that_dies_before_it_stores_blocks_nobody_and_is_explained(org: Org) -> None:
    with closing(Renewer(org.url, org.id, KEY, dies=True)) as dying:
        dying.take("open")
        org.server.end_sessions()
        assert dying.take("call") == ""
    assert dying.process.returncode == -signal.SIGKILL
    tokens = Tokens(org.connection())
    with pytest.raises(errors.AccessRevoked, match="a renewal was cut off before the new token could be kept"):
        tokens.renewed(tokens.token())


def test_a_refusal_stores_nothing(org: Org) -> None:
    before = org.stored
    org.server.token_refusal = Answer(400, {"error": "invalid_grant", "error_description": "inactive user"})
    tokens = Tokens(org.connection())
    with pytest.raises(errors.UserInactive):
        tokens.renewed(tokens.token())
    assert org.stored == before


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>Maintenance</html>", {"Content-Type": "text/html"}),
        Answer(302, b"", {"Location": "https://elsewhere.example/"}),
        Answer(200, {"access_token": "x"}),
    ],
)
def test_what_answers_without_a_token_may_pass(org: Org, answer: Answer) -> None:
    org.server.token_refusal = answer
    tokens = Tokens(org.connection())
    with pytest.raises(errors.UnexpectedAnswer):
        tokens.renewed(tokens.token())


def test_a_token_for_an_unsafe_address_is_not_kept(org: Org) -> None:
    org.server.token_refusal = Answer(200, {"access_token": "x", "instance_url": "http://elsewhere.example"})
    tokens = Tokens(org.connection())
    with pytest.raises(SettingsRefused, match="instance_url"):
        tokens.renewed(tokens.token())
    assert org.stored["instance_url"] == org.server.url


@pytest.mark.parametrize("address", [{}, {"instance_url": "http://elsewhere.example"}])
def test_a_refresh_token_that_rotated_is_kept_whatever_stands_beside_it(org: Org, address: dict[str, str]) -> None:
    before = org.stored
    answer = {"access_token": "x", "refresh_token": "the next one"} | address
    org.server.token_refusal = Answer(200, answer)
    tokens = Tokens(org.connection())
    with pytest.raises((SettingsRefused, errors.UnexpectedAnswer)):
        tokens.renewed(tokens.token())
    assert org.stored == before | {"refresh_token": "the next one"}


def test_a_key_signs_in_without_any_token(org: Org) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    org.server.public_key = public.decode()
    org.store({"private_key": pem})
    token = Tokens(org.connection()).token()
    assert org.stored == {"private_key": pem, "access_token": token.value, "instance_url": org.server.url}
    assert "refresh_token" not in org.server.grants[0]


@pytest.mark.parametrize("pem", ["nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_not_repeated(org: Org, pem: str) -> None:
    org.store({"private_key": pem})
    with pytest.raises(PermanentError, match="give an RSA key in PEM") as told:
        Tokens(org.connection()).token()
    assert "AAAA" not in told.value.message


def test_a_renewal_is_logged_without_its_tokens(org: Org) -> None:
    with captured_logs() as logs:
        tokens = Tokens(org.connection())
        tokens.renewed(tokens.token())
        (line,) = logs.all("access_token_renewed")
        said = logs.stream.getvalue()
    assert (line["connection"], line["host"]) == (org.id, "127.0.0.1")
    assert not [value for name, value in org.stored.items() if "token" in name and value in said]
