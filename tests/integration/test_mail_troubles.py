"""`email.sync` and everything that can go wrong with a mail server: a typed error, an incident or a retry as fits, a
sentence that says what to do, and when it is over all mail is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.postgres.connections import open_connection
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email import server as servers
from servants.email.connecting import open_session
from servants.email.imap.limits import Limits
from tests.support.bad_imap_server import (
    CUT_OFF,
    ENDLESS_LINE,
    GARBAGE,
    GREETING,
    HANG_UP,
    HUGE_LITERAL,
    OVER_QUOTA,
    SILENCE,
    THROTTLED,
    TOO_MANY_CONNECTIONS,
    UNAVAILABLE,
    WRONG_PASSWORD,
    Answer,
    BadImapServer,
    Command,
    Letter,
    Reply,
    bad_imap_server,
    server_context,
)
from tests.support.certificates import Kind, issue
from tests.support.mail_customer import Customer, customer_of

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]

#: What a client may take of a flood before it has had enough: what the sockets of both sides hold on their way.
FLOOD_BYTES = 32 * 1024 * 1024

#: Messages of one commit.
PAGE = 200


def letters(first: int, last: int) -> dict[int, Letter]:
    return {
        uid: Letter(uid, b"From: ada@example.org\r\nSubject: Letter %d\r\n\r\nDear all,\r\n%d\r\n" % (uid, uid))
        for uid in range(first, last + 1)
    }


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that say nothing are left soon."""
    limits = Limits(connect_seconds=5, read_seconds=1, reply_seconds=2)
    monkeypatch.setattr(servers, "open_session", partial(open_session, limits=limits))


@pytest.fixture
def server() -> Iterator[BadImapServer]:
    with bad_imap_server() as running:
        yield running


@pytest.fixture
def customer(retinue_database: RetinueDatabase, server: BadImapServer) -> Customer:
    """Three letters are synced."""
    made = customer_of(retinue_database, port=server.port)
    assert made.sync().state == "completed"
    assert made.stored() == subjects(server)
    return made


def subjects(server: BadImapServer) -> dict[int, str]:
    return {uid: f"Letter {uid}" for uid in server.letters}


def arrive(server: BadImapServer, last: int = 5) -> None:
    server.letters.update(letters(4, last))


TROUBLES: list[tuple[Mapping[str, Answer], str, str, str]] = [
    # what the server does, what becomes of the job, the kind of error, the words
    ({"LOGIN": WRONG_PASSWORD}, "incident", "CredentialError", "Check the user name and password"),
    ({"LOGIN": Reply(b"<tag> NO [AUTHORIZATIONFAILED] No\r\n")}, "incident", "PermissionWithdrawn", "may not use IMAP"),
    (
        {"LOGIN": Reply(b"<tag> NO [PRIVACYREQUIRED] No\r\n")},
        "incident",
        "SettingsRefused",
        "the server wants encryption",
    ),
    ({"LOGIN": OVER_QUOTA}, "limit", "BudgetExhausted", "the server wants no more until"),
    ({"LOGIN": THROTTLED}, "limit", "BudgetExhausted", "the server wants no more until"),
    ({"LOGIN": UNAVAILABLE}, "retry", "ServerFailed", "cannot do it for the moment"),
    ({"LOGIN": HANG_UP}, "retry", "ConnectionLost", "closed the connection"),
    ({"LOGIN": SILENCE}, "retry", "NoAnswer", "within the time allowed"),
    ({"LOGIN": HUGE_LITERAL}, "retry", "ReplyTooLarge", "it announces 2,147,483,648 bytes"),
    ({GREETING: GARBAGE}, "retry", "UnexpectedReply", "no IMAP"),
    ({GREETING: HANG_UP}, "retry", "ConnectionLost", "closed the connection"),
    ({GREETING: SILENCE}, "retry", "NoAnswer", "within the time allowed"),
    ({GREETING: TOO_MANY_CONNECTIONS}, "limit", "BudgetExhausted", "the server wants no more until"),
    ({"LIST": CUT_OFF}, "retry", "ConnectionLost", "closed the connection"),
    ({"LIST": GARBAGE}, "retry", "UnexpectedReply", "no IMAP"),
    ({"LIST": ENDLESS_LINE}, "retry", "ReplyTooLarge", "a line is longer than"),
    ({"LIST": OVER_QUOTA}, "limit", "BudgetExhausted", "the server wants no more until"),
    ({"EXAMINE": HANG_UP}, "retry", "ConnectionLost", "closed the connection"),
    ({"EXAMINE": OVER_QUOTA}, "limit", "BudgetExhausted", "the server wants no more until"),
    ({"UID FETCH": CUT_OFF}, "retry", "ConnectionLost", "closed the connection"),
    ({"UID FETCH": GARBAGE}, "retry", "UnexpectedReply", "no IMAP"),
    ({"UID FETCH": HUGE_LITERAL}, "retry", "ReplyTooLarge", "it announces 2,147,483,648 bytes"),
    ({"UID FETCH": SILENCE}, "retry", "NoAnswer", "within the time allowed"),
    ({"UID FETCH": THROTTLED}, "limit", "BudgetExhausted", "the server wants no more until"),
]


@pytest.mark.parametrize(
    ("script", "fate", "kind", "words"), TROUBLES, ids=[f"{next(iter(case[0]))}-{case[2]}" for case in TROUBLES]
)
def test_trouble_is_told_and_nothing_is_lost(
    customer: Customer, server: BadImapServer, script: Mapping[str, Answer], fate: str, kind: str, words: str
) -> None:
    arrive(server)
    server.script.update(script)

    ran = customer.sync()

    assert type(ran.raised).__name__ == kind, ran.raised
    told = customer.incidents[0].reason if fate == "incident" else str(ran.raised)
    assert words in told
    assert "127.0.0.1" in told, "it names the server"
    assert "secret-word" not in told
    assert (ran.state, ran.reason) == ("pending", "retry" if fate == "retry" else "snooze")
    assert [incident.reason for incident in customer.incidents] == ([told] if fate == "incident" else [])
    assert {uid: subject for uid, subject in subjects(server).items() if uid <= 3}.items() <= customer.stored().items()
    assert server.sent < FLOOD_BYTES

    server.script.clear()
    customer.forget_waits()
    if fate == "incident":
        customer.change()
    assert customer.sync().state == "completed"
    assert customer.stored() == subjects(server)
    assert customer.incidents == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"host": ""}, "has no host"),
        ({"host": "imap://mail.example"}, "is no host name"),
        ({"host": "mail.example"}, "has tls 'none'"),
        ({"tls": "ssl"}, "has tls 'ssl'"),
        ({"port": 0}, "has port '0'"),
        ({"ca_file": "/nowhere/ca.pem"}, "has ca_file"),
    ],
)
def test_settings_that_cannot_be_used_open_an_incident_until_they_are_mended(
    customer: Customer, server: BadImapServer, config: Mapping[str, Any], words: str
) -> None:
    good = open_connection(customer.database.sql, customer.database.keyring, customer.connection_id).config
    customer.change(**config)

    ran = customer.sync()

    assert (ran.state, ran.reason) == ("pending", "snooze")
    (incident,) = customer.incidents
    assert incident.kind == "settings"
    assert words in incident.reason
    customer.change(**{"ca_file": None, **good})
    assert customer.sync().state == "completed"


def test_tokens_that_cannot_be_used_open_an_incident(customer: Customer) -> None:
    customer.change({"refresh_token": "secret-word"})
    assert customer.sync().state == "pending"
    (incident,) = customer.incidents
    assert incident.kind == "credential"
    assert "has no token_url and no client_id" in incident.reason


@pytest.mark.parametrize("reply", [CUT_OFF, GARBAGE, HUGE_LITERAL, OVER_QUOTA, UNAVAILABLE])
def test_what_was_committed_before_the_trouble_is_not_fetched_again(
    retinue_database: RetinueDatabase, server: BadImapServer, reply: Reply
) -> None:
    server.letters = letters(1, 2 * PAGE)
    customer = customer_of(retinue_database, port=server.port)
    server.script["UID FETCH"] = lambda command: reply if customer.stored() else None

    assert customer.sync().state == "pending"
    first = customer.stored()
    assert PAGE <= len(first) < 2 * PAGE

    server.script.clear()
    customer.forget_waits()
    server.commands.clear()
    assert customer.sync().state == "completed"
    assert customer.stored() == subjects(server)
    assert not uids_of_bodies(server.commands) & first.keys()


def uids_of_bodies(commands: list[Command]) -> set[int]:
    from servants.email.values import UidSet

    fetches = [
        command.arguments for command in commands if command.name == "UID FETCH" and "BODY.PEEK[]" in command.arguments
    ]
    return {uid for text in fetches for uid in UidSet.parse(text.partition(" ")[0])}


def test_one_message_that_breaks_the_connection_holds_up_no_other(customer: Customer, server: BadImapServer) -> None:
    arrive(server, 9)

    def breaks(command: Command) -> Reply | None:
        wanted = command.arguments.partition(" ")[0]
        hit = "BODY.PEEK[]" in command.arguments and 7 in uids_of_bodies([command]) and wanted
        return HUGE_LITERAL if hit else None

    server.script["UID FETCH"] = breaks
    ran = customer.sync()

    assert ran.state == "completed", ran.raised
    assert customer.stored().keys() == subjects(server).keys() - {7}
    assert [anomaly.name for anomaly in ran.anomalies] == ["message_unfetchable"]
    server.script.clear()
    customer.database.sql.execute("UPDATE mailboxes SET unfetchable = '{}', compared_at = NULL")
    assert customer.sync().state == "completed"
    assert customer.stored() == subjects(server)


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "other-name", "self-signed"])
def test_a_bad_certificate_is_retried_and_nothing_is_sent_to_it(
    retinue_database: RetinueDatabase, tmp_path: Path, kind: Kind
) -> None:
    bad, good = issue(tmp_path, kind), issue(tmp_path)
    customer = customer_of(retinue_database, tls="tls")
    with bad_imap_server(tls=server_context(bad.chain, bad.key)) as server:
        customer.change(port=server.port, ca_file=str(bad.ca_file))
        ran = customer.sync()
        assert server.names == []
    assert (ran.state, ran.reason) == ("pending", "retry")
    assert type(ran.raised).__name__ == "CertificateRefused"
    assert "127.0.0.1" in str(ran.raised)
    assert "certificate" in str(ran.raised)
    assert customer.incidents == []

    with bad_imap_server(tls=server_context(good.chain, good.key)) as server:
        customer.change(port=server.port, ca_file=str(good.ca_file))
        customer.forget_waits()
        assert customer.sync().state == "completed"
        assert customer.stored() == subjects(server)


def test_a_server_that_keeps_breaking_off_is_left_alone_for_a_while(customer: Customer, server: BadImapServer) -> None:
    server.script["LIST"] = CUT_OFF
    for _ in range(3):
        assert type(customer.sync().raised).__name__ == "ConnectionLost"
    before = server.connections

    ran = customer.sync()

    assert type(ran.raised).__name__ == "LaneBlocked"
    assert server.connections == before
    server.script.clear()
    customer.forget_waits()
    assert customer.sync().state == "completed"
