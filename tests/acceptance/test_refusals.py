"""What a user gets to read when something is wrong: one clear message from the real program, and an exit status."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.family import processes_of
from tests.support.postgres import DatabaseServer
from tests.support.product import Product, scratch

KEY = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#: Nobody listens there.
CLOSED = 1
NOWHERE = f"postgresql://retinue:s3cret-word@127.0.0.1:{CLOSED}/retinue"

BAD_INPUT = 2
UNREACHABLE = 69
MISCONFIGURED = 78


@pytest.fixture
def home() -> Iterator[Path]:
    with scratch() as directory:
        yield directory


@pytest.fixture
def bare(home: Path) -> Product:
    """Retinue in an empty directory, with no setting of its own."""
    return Product(home, Path(sys.executable).with_name("retinue"))


@pytest.fixture
def retinue(bare: Product, database_url: str) -> Product:
    """The same with an empty database at the newest schema."""
    bare.environment |= {
        "RETINUE_DATABASE_URL": database_url,
        "RETINUE_SECRET_KEY": KEY,
        "RETINUE_SQS_ENDPOINT_URL": f"http://127.0.0.1:{CLOSED}",
        "AWS_ACCESS_KEY_ID": "retinue",
        "AWS_SECRET_ACCESS_KEY": "retinue",
    }
    return bare


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which this test listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_an_unknown_type(retinue: Product) -> None:
    said = retinue.refusal("jobs", "enqueue", "calendar.sink", "{}", status=BAD_INPUT)
    assert said == (
        "Error: Unknown job type 'calendar.sink'. Did you mean 'calendar.sync'? "
        "Known types: account.erase, calendar.sync, connection.remove, email.backfill, email.sync, email.watch, "
        "salesforce.backfill, salesforce.formulas, salesforce.reconcile, salesforce.sync, system.bulk, system.echo, "
        "system.sleep.\n"
    )
    assert "'no.such'" in retinue.refusal("servant", "no.such", status=MISCONFIGURED)
    assert "'no.such'" in retinue.refusal("supervisor-config", status=BAD_INPUT, RETINUE_SERVANTS="no.such=1")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ('{"connection_id": "seven"}', ["calendar.sync", "connection_id", "integer"]),
        ('{"connection_id": 1, "colour": "red"}', ["calendar.sync", "colour"]),
        ("{connection_id: 1}", ["this is no JSON", "Quote it for the shell"]),
    ],
)
def test_a_payload_that_does_not_fit(retinue: Product, payload: str, words: list[str]) -> None:
    said = retinue.refusal("jobs", "enqueue", "calendar.sync", payload, status=BAD_INPUT)
    assert [word for word in words if word not in said] == [], said
    assert retinue.json("jobs", "list")["jobs"] == []


def test_a_key_that_is_none(retinue: Product) -> None:
    said = retinue.refusal("check-config", status=MISCONFIGURED, RETINUE_SECRET_KEY="k1:c2hvcnQ=")
    assert "RETINUE_SECRET_KEY" in said
    assert "32 bytes" in said
    assert "c2hvcnQ" not in said


def test_the_database_is_unreachable(retinue: Product) -> None:
    for command in (("jobs", "list", "--json"), ("migrate",)):
        said = retinue.refusal(*command, status=UNREACHABLE, RETINUE_DATABASE_URL=NOWHERE)
        assert f"The database 'retinue' at 127.0.0.1:{CLOSED} cannot be reached as user 'retinue'" in said
        assert "Connection refused" in said
        assert "is RETINUE_DATABASE_URL right?" in said
        assert "s3cret-word" not in said
    done = retinue.run("doctor", RETINUE_DATABASE_URL=NOWHERE)
    assert done.status == 1
    assert f"failed   database      The database 'retinue' at 127.0.0.1:{CLOSED} cannot be reached" in done.out


def test_the_database_refuses_the_password(retinue: Product, database_url: str) -> None:
    parts = urlsplit(database_url)
    wrong = parts._replace(netloc=f"retinue:wrong-word@{parts.hostname}:{parts.port}").geturl()
    said = retinue.refusal("jobs", "list", status=UNREACHABLE, RETINUE_DATABASE_URL=wrong)
    assert "password authentication failed" in said
    assert "wrong-word" not in said


def test_the_queue_is_unreachable(retinue: Product) -> None:
    done = retinue.run("doctor")
    assert done.status == 1
    (line,) = [line for line in done.out.splitlines() if line.split()[:2] == ["failed", "queues"]]
    assert f"http://127.0.0.1:{CLOSED}" in line
    assert "RETINUE_SQS_ENDPOINT_URL" in line
    assert "Traceback" not in done.err
    # What needs no queue goes on: the job waits in the database.
    assert retinue.json("jobs", "enqueue", "system.echo", '{"message": "later"}')["created"] is True


def test_a_migration_is_missing(retinue: Product, postgres: DatabaseServer) -> None:
    with postgres.fresh_database() as empty:
        for command in (("jobs", "list"), ("servant", "system.echo"), ("scheduler",)):
            said = retinue.refusal(*command, status=MISCONFIGURED, RETINUE_DATABASE_URL=empty)
            assert "A migration is missing: the database is at revision none" in said
            assert "Run `retinue migrate`." in said
        done = retinue.run("doctor", RETINUE_DATABASE_URL=empty)
        assert done.status == 1
        assert "failed   migrations    A migration is missing" in done.out


def test_the_database_is_newer_than_the_program(retinue: Product, sql: psycopg.Connection) -> None:
    sql.execute("UPDATE alembic_version SET version_num = '9999'")
    said = retinue.refusal("jobs", "list", status=MISCONFIGURED)
    assert "revision 9999, newer than" in said
    assert "Upgrade Retinue." in said


@pytest.mark.parametrize("server", ["manager", "postgres"])
def test_a_port_of_the_stack_is_taken(bare: Product, taken_port: int, server: str) -> None:
    said = bare.refusal("up", f"--{server}-port", taken_port, status=MISCONFIGURED)
    assert f"Port {taken_port} for {server} is taken by " in said
    assert f"(pid {os.getpid()})" in said
    assert said.endswith(": end that program or give another port\n")
    assert processes_of(bare.home) == set()


def test_the_managers_port_is_taken(retinue: Product, taken_port: int) -> None:
    said = retinue.refusal("manager", status=MISCONFIGURED, RETINUE_MANAGER_PORT=str(taken_port))
    assert f"The manager cannot listen on 127.0.0.1:{taken_port}: Address already in use." in said
    assert "RETINUE_MANAGER_PORT" in said


def test_a_connection_that_cannot_be_one(retinue: Product) -> None:
    retinue.say("accounts", "add", "Ada")
    add = ("connections", "add", "caldav", "--account", "Ada", "--username", "ada", "--password-stdin")
    said = retinue.refusal(*add, "--url", "ftp://calendars.example", status=BAD_INPUT, stdin="word\n")
    assert "'ftp://calendars.example' is no CalDAV address; expected https://host/path." in said
    said = retinue.refusal(*add, "--url", "https://calendars.example", status=BAD_INPUT)
    assert "There is no password on standard input." in said
    assert retinue.json("connections", "list")["connections"] == []
