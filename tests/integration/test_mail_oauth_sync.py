"""`email.sync` over connections that are signed in to with OAuth: a real mail server, a real token server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from infra.postgres.connections import open_connection
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from tests.support.dovecot_server import MailServer, dovecot
from tests.support.mail_customer import customer_of
from tests.support.mail_server import MailUser

__all__ = ["dovecot", "retinue_database", "retinue_schema", "retinue_template"]


def tokens_of(server: MailServer, user: MailUser) -> dict[str, str]:
    return {
        "access_token": server.token(user),
        "refresh_token": server.oauth.refresh_token(user.name),
        "token_url": server.oauth.token_url,
        "client_id": "retinue",
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }


def deliver(server: MailServer, user: MailUser) -> None:
    with server.client(user) as client:
        assert client.append("INBOX", "", "", b"Subject: Lunch\r\n\r\nAt noon?\r\n")[0] == "OK"


def test_a_withdrawn_token_is_renewed_within_the_same_job(
    retinue_database: RetinueDatabase, dovecot: MailServer
) -> None:
    user = dovecot.user()
    granted = tokens_of(dovecot, user)
    customer = customer_of(retinue_database, granted, port=dovecot.port, username=user.name)
    assert customer.sync().state == "completed"
    dovecot.oauth.revoke(user.name)
    deliver(dovecot, user)

    ran = customer.sync()

    assert ran.state == "completed", ran.raised
    assert customer.stored() == {1: "Lunch"}
    kept = open_connection(retinue_database.sql, retinue_database.keyring, customer.connection_id).credentials
    assert kept["access_token"] != granted["access_token"]


def test_a_withdrawn_permission_is_an_incident_until_the_customer_signs_in_anew(
    retinue_database: RetinueDatabase, dovecot: MailServer
) -> None:
    user = dovecot.user()
    withdrawn = tokens_of(dovecot, user) | {"refresh_token": "worthless-token"}
    customer = customer_of(retinue_database, withdrawn, port=dovecot.port, username=user.name)
    dovecot.oauth.revoke(user.name)
    deliver(dovecot, user)

    ran = customer.sync()

    assert (ran.state, ran.reason) == ("pending", "snooze")
    (incident,) = customer.incidents
    assert "no longer lets Retinue in (status 400, invalid_grant)" in incident.reason
    assert "retinue connections password" in incident.reason
    customer.change(tokens_of(dovecot, user))
    assert customer.sync().state == "completed"
    assert customer.stored() == {1: "Lunch"}


def test_a_token_server_that_is_down_parks_nobody(retinue_database: RetinueDatabase, dovecot: MailServer) -> None:
    user = dovecot.user()
    old = tokens_of(dovecot, user) | {"expires_at": "2026-01-01T00:00:00Z"}
    customer = customer_of(retinue_database, old, port=dovecot.port, username=user.name)
    deliver(dovecot, user)
    dovecot.oauth.refusal = (500, {})
    try:
        ran = customer.sync()
    finally:
        dovecot.oauth.refusal = None
    assert (ran.state, ran.reason) == ("pending", "retry")
    assert "gave no access token (status 500" in str(ran.raised)
    assert customer.incidents == []
    assert customer.sync().state == "completed"
    assert customer.stored() == {1: "Lunch"}
