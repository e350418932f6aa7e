"""Canaries: what is sensitive shows nowhere in an assumed session, and in no log line of anybody's work.

Logs are read whole, at their most talkative.
"""

from __future__ import annotations

import html
import imaplib
import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from infra.postgres.connect import Database
from infra.principal import MemberRole
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.email.sync import sync_email
from tests.support.calendar_job import CalendarAccount, account
from tests.support.dovecot_server import run_dovecot
from tests.support.mail_import import new_customer
from tests.support.manager_server import form_token, manager_app, signed_in
from tests.support.planted import plant, shared_id
from tests.support.principals import enter, member
from tests.support.radicale_server import Hand, hand_with_calendar, radicale
from tests.support.routes import routes
from tests.support.runtime import LogLines, captured_logs
from tests.support.salesforce_customer import org_customer

__all__ = ["account", "hand_with_calendar", "radicale", "retinue_database", "retinue_schema", "retinue_template"]

#: Where nothing is, or what no address can be.
BROKEN = [
    "/account/people/999999",
    "/account/people/x",
    "/account/people?after=%00",
    "/account/people?after=WyJhIl0",
    "/account/search?q=%25%27%22",
    "/account/search?q=" + "x" * 500,
    "/account/opportunities/1/none",
    "/account/contacts/999999/none",
    "/account/connections/999999",
    "/account/nowhere",
]

#: More pages than this lie nowhere below /account, with one of everything in it.
MOST_PAGES = 300


@pytest.fixture
def logs() -> Iterator[LogLines]:
    with captured_logs() as lines:
        yield lines


@pytest.fixture
def app(database: Database, sql: psycopg.Connection, logs: LogLines) -> Iterator[Flask]:
    for account_id in (7, 8):
        plant(sql, account_id)
    made = manager_app(database)
    yield made
    made.extensions["test_accounts"].close()


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    """The browser of somebody who has assumed the account 7."""
    client = signed_in(app)
    form = {"reason": "The sync fails.", "csrf_token": form_token(client)}
    assert client.post("/accounts/7/assume", data=form).status_code == 303
    return client


def crawl(client: FlaskClient) -> dict[str, TestResponse]:
    """Every page that links lead to, and those where something is wrong."""
    answers: dict[str, TestResponse] = {}
    ahead = deque(["/account", "/account/search?q=person", *BROKEN])
    while ahead:
        path = ahead.popleft()
        if path in answers:
            continue
        answers[path] = client.get(path)
        assert len(answers) < MOST_PAGES
        links = re.findall(r'(?:href|hx-get|src|action)="(/[^"#]*)"', answers[path].text)
        ahead += [html.unescape(link) for link in links if html.unescape(link).startswith("/account")]
    return answers


def whole(answer: TestResponse) -> str:
    """Status line, headers and body."""
    return f"{answer.status}\n{answer.headers}\n{answer.text}"


def test_whatever_an_assumed_session_opens_shows_no_canary_and_logs_none(operator: FlaskClient, logs: LogLines) -> None:
    answers = crawl(operator)
    opened = {path.partition("?")[0] for path in answers}
    assert {f"/account/people/{shared_id(7)}", f"/account/connections/{shared_id(7)}", "/account/visits"} <= opened
    assert [path for path, answer in answers.items() if answer.status_code >= 500] == []
    assert [path for path, answer in answers.items() if "canary" in whole(answer)] == []
    assert logs.all("request_served")
    assert "canary" not in logs.stream.getvalue()


def test_what_is_refused_to_an_assumed_session_shows_none_either(
    app: Flask, operator: FlaskClient, logs: LogLines
) -> None:
    token = form_token(operator)
    posts = [route for route in routes(app) if route.method == "POST" and route.endpoint.startswith("account.")]
    assert len(posts) > 10
    told = [(str(route), whole(operator.post(route.path(app, {}), data={"csrf_token": token}))) for route in posts]
    assert [name for name, answer in told if "canary" in answer] == []
    assert "canary" not in logs.stream.getvalue()


@pytest.mark.parametrize("role", MemberRole)
def test_what_people_of_the_account_see_stands_in_no_log_line(
    app: Flask, sql: psycopg.Connection, logs: LogLines, role: MemberRole
) -> None:
    client = enter(app.test_client(), member(sql, 7, role))
    pages = "".join(answer.text for answer in crawl(client).values())
    assert "canary-7" in pages
    assert "canary-8" not in pages
    assert logs.all("request_served")
    assert "canary" not in logs.stream.getvalue()


LETTER = """\
From: Canary Person <canary@people.example>
To: canary-to@people.example
Subject: canary subject
Message-ID: <canary-1@people.example>
Date: Sat, 21 Nov 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: {type}

canary body
"""


def test_mail_stands_in_no_log_line(retinue_database: RetinueDatabase, logs: LogLines) -> None:
    """Neither does what cannot be read as it should be."""
    with run_dovecot() as server, new_customer(retinue_database, server) as customer:
        customer.client.create("canary-folder")
        for kind in ("text/plain; charset=utf-8", "multipart/mixed; boundary=canary", "text/plain; charset=canary"):
            when = imaplib.Time2Internaldate(datetime.now(UTC) - timedelta(days=1))
            letter = LETTER.format(type=kind).encode()
            assert customer.client.append("INBOX", "", when, letter)[0] == "OK"
        assert customer.sync().state == "completed"
        customer.drain()
        subjects = retinue_database.sql.execute("SELECT subject FROM mail_messages").fetchall()
        assert subjects == [("canary subject",)] * 3
        # A password that is refused.
        customer.server.stop()
        customer.run(sync_email, {"connection_id": customer.connection_id})
    assert logs.stream.getvalue()
    assert "canary" not in logs.stream.getvalue()


EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20260101T000000Z
DTSTART:20261202T090000Z
SUMMARY:canary summary
DESCRIPTION:canary description
LOCATION:canary location
ORGANIZER;CN=Canary:mailto:canary@people.example
ATTENDEE;CN=Canary Two;PARTSTAT=ACCEPTED:mailto:canary-two@people.example
{more}
END:VEVENT
END:VCALENDAR
"""


def test_meetings_stand_in_no_log_line(
    account: CalendarAccount, hand: Hand, sql: psycopg.Connection, logs: LogLines
) -> None:
    """Neither do rules of theirs that nobody can follow."""
    hand.put("work/a.ics", EVENT.format(uid="a", more="RRULE:FREQ=WEEKLY;COUNT=3"))
    hand.put("work/b.ics", EVENT.format(uid="b", more="RRULE:FREQ=DAILY;BYSETPOS=1"))
    account.sync()
    assert sql.execute("SELECT DISTINCT summary FROM calendar_events").fetchall() == [("canary summary",)]
    assert "canary" not in logs.stream.getvalue()
    assert "canary" not in str(account.anomalies)


def test_records_stand_in_no_log_line(retinue_database: RetinueDatabase, logs: LogLines, tmp_path: Path) -> None:
    with org_customer(retinue_database, tmp_path) as customer:
        contact = {"LastName": "canary", "Email": "canary@people.example", "Phone": "canary"}
        customer.org.control.insert("Contact", [contact])
        customer.onboard("Contact", "Opportunity")
        assert [row["LastName"] for row in customer.stored("Contact").values()] == ["canary"]
    assert logs.stream.getvalue()
    assert "canary" not in logs.stream.getvalue()
