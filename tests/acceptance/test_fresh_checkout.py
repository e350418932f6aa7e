"""The first working day: a fresh copy of the repository, `make up`, real calendars, and nothing left at the end."""

from __future__ import annotations

import imaplib
import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.support.caldav_reader import Occasion, StoredObject, occasions, read_objects
from tests.support.family import is_alive, processes_of
from tests.support.product import STOP_SECONDS, Checkout, eventually
from tests.support.radicale_server import Hand
from tests.support.stored_calendars import stored_events, stored_objects

#: The first test of the run prepares the environment.
pytestmark = pytest.mark.timeout(420)

#: How long after the stack is ready every demo calendar is there.
FIRST_SYNC_SECONDS = 60

#: Less than a sync is apart from the next: it is the watch on the inbox that sees to it.
MAIL_SECONDS = 12

#: What a sync may take on a busy machine, on top of the time until it is due.
SLACK_SECONDS = 5.0

DEMO = {
    "Hollis & Vane Architects": "hollisvane",
    "Kestrel Freight": "kestrel",
    "Marlowe Dental Group": "marlowe",
}

TYPES = (
    "account.erase",
    "calendar.sync",
    "connection.remove",
    "email.backfill",
    "email.sync",
    "email.watch",
    "salesforce.backfill",
    "salesforce.formulas",
    "salesforce.reconcile",
    "salesforce.sync",
    "system.bulk",
    "system.echo",
    "system.sleep",
)

LETTER = b"From: ann@example.org\r\nMessage-ID: <acceptance@example.org>\r\nSubject: Today\r\n\r\nAt four.\r\n"

EVENT = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//somebody//else//EN\r
BEGIN:VEVENT\r
UID:{uid}\r
DTSTAMP:20260301T080000Z\r
DTSTART;TZID=Europe/Berlin:20260305T{hour:02}0000\r
DURATION:PT45M\r
SUMMARY:{summary}\r
END:VEVENT\r
END:VCALENDAR\r
"""

LATEST_OF_THE_DEMO = r"""
SELECT max(created_at) FROM calendar_objects
WHERE href ~ '^/(hollisvane|kestrel|marlowe)/' AND href !~ '/(demo-editor|acceptance)-[^/]*$'
"""


@pytest.fixture
def sql(stack: Checkout) -> Iterator[psycopg.Connection]:
    """The stack's database."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection


Sides = tuple[set[StoredObject], set[StoredObject], dict[str, list[Occasion]]]


def both_sides(stack: Checkout, sql: psycopg.Connection, account: str, user: str) -> Sides:
    """All objects on the server, all in the database, and the event rows there."""
    there = read_objects(stack.caldav_url, user, stack.caldav_passwords()[user])
    return there, stored_objects(sql, account), stored_events(sql, account)


def agree(sides: Sides) -> bool:
    there, here, events = sides
    return there == here and events == {one.href: occasions(one.lines) for one in there}


def demo_paths(sql: psycopg.Connection, account: str) -> list[str]:
    """The account's events that the demo's editor leaves alone."""
    return sorted(path for path in stored_events(sql, account) if "/demo-editor-" not in path)


def put(customer: requests.Session, url: str, text: str) -> None:
    reply = customer.put(url, data=text.encode(), headers={"Content-Type": "text/calendar"}, timeout=10)
    reply.raise_for_status()


def test_the_start_ends_with_an_address_and_a_sign_in_that_work(stack: Checkout) -> None:
    output = stack.up().output
    url = re.search(r"^Manager +(http://127\.0\.0\.1:\d+)$", output, re.MULTILINE)
    sign_in = re.search(r"^Sign in +(\w+) / (\S+)$", output, re.MULTILINE)
    assert url is not None
    assert sign_in is not None

    assert requests.get(f"{url[1]}/readyz", timeout=10).status_code == 200
    assert requests.get(f"{url[1]}/api/overview", timeout=10).status_code == 401
    overview = requests.get(f"{url[1]}/api/overview", auth=(sign_in[1], sign_in[2]), timeout=10)
    assert overview.status_code == 200
    assert {servant["type"] for servant in overview.json()["servants"]} >= {"calendar.sync", "system.echo"}


def test_the_demo_calendars_are_in_the_database_within_a_minute(stack: Checkout, sql: psycopg.Connection) -> None:
    for account, user in DEMO.items():
        # The demo's editor goes on meanwhile, so the two agree only from a sync to its next edit.
        there, _, _ = eventually(partial(both_sides, stack, sql, account, user), agree, seconds=60, what="agreement")
        assert len({one.calendar for one in there}) == 2
        assert len(there) >= 12
    latest = sql.execute(LATEST_OF_THE_DEMO).fetchone()
    assert latest is not None
    assert stack.ready_at is not None
    assert latest[0] - stack.ready_at <= timedelta(seconds=FIRST_SYNC_SECONDS)


def test_an_edit_a_delete_and_a_new_event_follow_within_one_interval(stack: Checkout, sql: psycopg.Connection) -> None:
    schedules = stack.json("schedules", "list")["schedules"]
    ours = ("Kestrel Freight", "calendar.sync")
    interval = next(line["every_seconds"] for line in schedules if (line["account_name"], line["type"]) == ours)
    edited, deleted, *_ = eventually(lambda: demo_paths(sql, "Kestrel Freight"), bool, seconds=60, what="first sync")
    (uid,) = {event.uid for event in stored_events(sql, "Kestrel Freight")[edited]}
    new = "/kestrel/dispatch/acceptance-new.ics"

    began = time.monotonic()
    with requests.Session() as customer:
        customer.auth = ("kestrel", stack.caldav_passwords()["kestrel"])
        put(customer, stack.caldav_url + edited, EVENT.format(uid=uid, hour=11, summary="Edited"))
        put(customer, stack.caldav_url + new, EVENT.format(uid="acceptance-new", hour=12, summary="New"))
        customer.delete(stack.caldav_url + deleted, timeout=10).raise_for_status()
    eventually(
        lambda: [stored_events(sql, "Kestrel Freight").get(path) for path in (edited, new, deleted)],
        lambda found: (
            found
            == [
                [Occasion(uid, "Edited", "2026-03-05T10:00:00+00:00")],
                [Occasion("acceptance-new", "New", "2026-03-05T11:00:00+00:00")],
                None,
            ]
        ),
        seconds=interval + SLACK_SECONDS,
        what="change",
    )
    assert time.monotonic() - began <= interval + SLACK_SECONDS


def test_new_mail_of_the_demo_arrives_at_once(stack: Checkout, sql: psycopg.Connection) -> None:
    query = "SELECT subject, body_text FROM mail_messages WHERE message_id LIKE %s"
    eventually(
        lambda: sql.execute(query, ("%recall-33@mail.example%",)).fetchall(), bool, seconds=60, what="first sync"
    )
    with imaplib.IMAP4("127.0.0.1", stack.ports["imap"], timeout=10) as customer:
        customer.login("marlowe", stack.imap_passwords()["marlowe"])
        assert customer.append("INBOX", "", "", LETTER)[0] == "OK"
    found = eventually(
        lambda: sql.execute(query, ("%acceptance@example.org%",)).fetchall(),
        bool,
        seconds=MAIL_SECONDS,
        what="message in the database",
    )
    assert [(subject, text.strip()) for subject, text in found] == [("Today", "At four.")]


def test_the_demo_org_is_in_the_database_and_equal(stack: Checkout) -> None:
    connections = stack.json("connections", "list")["connections"]
    (connection,) = (str(line["id"]) for line in connections if line["provider"] == "salesforce")

    def states() -> set[str]:
        return {line["state"] for line in stack.json("salesforce", "objects", connection)["objects"]}

    eventually(states, lambda found: found == {"live"}, seconds=90, what="history of the demo org")
    # Its salesperson goes on meanwhile, so the two agree only from a sync to the next change.
    checks = eventually(
        lambda: json.loads(stack.run("salesforce", "check", connection, "--json").out),
        lambda report: report["equal"],
        seconds=90,
        what="agreement",
    )
    assert checks["objects"]["Opportunity"]["rows"] > 0


def test_a_second_up_says_that_it_is_up_already(stack: Checkout) -> None:
    before = processes_of(stack.data)
    done = stack.make("up")
    assert done.status == 0, done
    assert "Retinue is up already." in done.out
    assert "`retinue down` stops everything." in done.out
    assert {process for process in before if is_alive(process)} == before
    assert stack.up().is_open


def test_status_shows_every_program(stack: Checkout) -> None:
    text = stack.say("status")
    programs = {line.split()[0]: line.split()[1] for line in text.splitlines() if "/logs/" in line}
    servants = [f"servant-{name.replace('.', '-')}" for name in TYPES]
    servers = ["postgres", "sqs", "caldav", "imap", "salesforce", "demo-editor", "demo-postman", "demo-salesperson"]
    assert programs == dict.fromkeys([*servants, *servers, "exits", "scheduler", "manager"], "running")
    assert f"Manager: http://127.0.0.1:{stack.ports['manager']}" in text
    assert stack.json("status")["up"] is True


def test_the_doctor_finds_everything_in_order(stack: Checkout) -> None:
    text = stack.say("doctor")
    assert {line.split()[0] for line in text.splitlines()} == {"ok"}, text
    names = {check["name"] for check in stack.json("doctor")["checks"]}
    assert names >= {"settings", "queues", "database", "migrations", "clock", "secret key", "schedulers", "servants"}


def test_jobs_are_listed_shown_and_explained(stack: Checkout) -> None:
    text = stack.say("jobs", "list", "--type", "calendar.sync", "--state", "completed")
    for account in DEMO:
        assert re.search(rf"^ *\d+ +calendar\.sync +\d+ {account} +completed", text, re.MULTILINE), text
    done = stack.json("jobs", "list", "--type", "calendar.sync", "--state", "completed")["jobs"][0]["id"]
    assert "Result" in stack.say("jobs", "show", done)
    assert re.search(rf"Job {done} is completed\.\n  Completed at .* after running for", stack.say("jobs", "why", done))

    later = stack.json("jobs", "enqueue", "system.echo", '{"message": "later"}', "--in", "1h")["id"]
    assert re.search(rf"Job {later} is pending\.\n  Scheduled for .* UTC\.", stack.say("jobs", "why", later))
    assert stack.say("jobs", "cancel", later) == f"Job {later} was cancelled.\n"


def test_servants_are_listed_with_what_they_do(stack: Checkout) -> None:
    job = stack.json("jobs", "enqueue", "system.sleep", '{"seconds": 30}')["id"]

    def sleeping() -> str:
        return stack.say("servants", "list", "--type", "system.sleep")

    text = eventually(sleeping, lambda said: f"{job} (" in said, seconds=20, what="sleeping servant")
    assert re.search(r"system\.sleep +\S+ pid \d+ +active +1/16 +\d+\.\d s ago +\d+\.\d MiB", text), text
    stack.say("jobs", "cancel", job)
    kinds = {line["type"]: line["state"] for line in stack.json("servants", "list")["servants"]}
    assert kinds == dict.fromkeys(TYPES, "active")


def test_two_commands_bring_in_an_account_of_ones_own(stack: Checkout, sql: psycopg.Connection) -> None:
    ada = add_caldav_user(stack.data / "caldav/users", stack.caldav_url, "ada")
    ada.make_calendar("plans")
    ada.put("plans/one.ics", EVENT.format(uid="ada-1", hour=8, summary="Difference engine"))

    said = stack.say("accounts", "add", "Lovelace & Co")
    added = stack.say(
        *("connections", "add", "caldav", "--account", "Lovelace & Co", "--url", ada.base_url),
        *("--username", "ada", "--password-stdin"),
        stdin=f"{ada.password}\n",
    )

    assert "(Lovelace & Co) was added." in said
    connection = re.search(r"Connection (\d+) was added; schedule \d+ syncs it", added)
    assert connection is not None
    arrived = eventually(lambda: stored_events(sql, "Lovelace & Co"), bool, seconds=2 * SLACK_SECONDS, what="events")
    assert list(arrived.values()) == [[Occasion("ada-1", "Difference engine", "2026-03-05T07:00:00+00:00")]]
    assert "All can be read: Plans holds 1." in stack.say("connections", "test", connection[1])
    assert ada.password not in stack.say("connections", "list")


def test_make_down_leaves_no_process(stack: Checkout) -> None:
    terminal = stack.up()
    before = everything(stack)

    done = stack.make("down")

    assert done.status == 0, done
    assert done.out.endswith("Everything is stopped.\n")
    assert terminal.close(seconds=STOP_SECONDS) == 0
    assert "the stack was stopped from elsewhere" in terminal.output
    assert_nothing_left(stack, before)
    assert stack.refusal("status", status=1) == f"Error: No stack is up in {stack.data}. `retinue up` starts one.\n"
    assert stack.make("down").out == f"Nothing runs in {stack.data}.\n"


def test_ctrl_c_leaves_no_process_and_the_next_start_finds_the_data(stack: Checkout) -> None:
    terminal = stack.up()
    before = everything(stack)
    accounts = stack.json("accounts", "list")

    terminal.interrupt()

    terminal.close(seconds=STOP_SECONDS)
    assert "Stopping; press Ctrl-C again to kill" in terminal.output
    assert "Traceback" not in terminal.output
    assert_nothing_left(stack, before)
    stack.up()
    assert stack.json("accounts", "list") == accounts


def everything(stack: Checkout) -> set[Any]:
    """All processes of the copy, those that `retinue status` knows among them."""
    found = processes_of(stack.home)
    known = {line["pid"] for line in stack.json("status")["programs"]}
    assert known < {process.pid for process in found}
    assert len(found) > len(known) + 5, "PostgreSQL's own processes, supervisord and make are missing"
    return found


def assert_nothing_left(stack: Checkout, before: set[Any]) -> None:
    assert [process for process in before if is_alive(process)] == []
    assert processes_of(stack.home) == set()
    for name, port in stack.ports.items():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something still listens on the port of {name}"


def add_caldav_user(users: Path, url: str, name: str) -> Hand:
    """One more user of the demo's CalDAV server, which reads its users' file again when that changes."""
    password = "a password with spaces"
    with users.open("a") as file:
        file.write(f"{name}:{password}\n")
    return Hand(url, name, password)
