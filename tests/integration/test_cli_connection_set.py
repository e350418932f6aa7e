"""`retinue connections set`: settings mended on the command line, against real servers."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.breakers import Attempt, connection_scope, list_breakers, record_failure
from infra.postgres.connections import open_connection
from infra.secrets import Keyring
from infra.settings import load_settings
from retinue.breaker import Breaker
from retinue.outcomes import Park
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.dovecot_server import MailServer, MailUser, dovecot
from tests.support.factories import add_servant, run_jobs, settle_one
from tests.support.radicale_server import RadicaleServer, run_radicale

__all__ = ["bare_environment", "dovecot", "retinue"]


@pytest.fixture(autouse=True)
def account(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")


def add_imap(retinue: CommandLine, user: MailUser, *options: object, host: str = "mail.invalid") -> int:
    add = ("connections", "add", "imap", "--account", "Ada", "--host", host, "--username", user.name, *options)
    identity: int = retinue.json(*add, "--password-stdin", stdin=f"{user.password}\n")["connection_id"]
    return identity


def add_caldav(retinue: CommandLine, url: str = "https://dav.invalid/", name: str = "work") -> int:
    add = ("connections", "add", "caldav", "--account", "Ada", "--url", url, "--username", "ada", "--name", name)
    identity: int = retinue.json(*add, "--password-stdin", stdin="hunter2\n")["connection_id"]
    return identity


def config_of(retinue: CommandLine, connection_id: int) -> dict[str, object]:
    lines = retinue.json("connections", "list")["connections"]
    (config,) = (line["config"] for line in lines if line["id"] == connection_id)
    return dict(config)


def test_a_mailbox_whose_server_was_wrong_is_mended_and_goes_on(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    user = dovecot.user()
    connection = add_imap(retinue, user)
    add_servant(sql, "email.sync")
    (held,) = run_jobs(sql, job_type="email.sync", lane=f"connection_id:{connection}")
    settle_one(sql, held, Park("the sign-in was refused"))

    said = retinue.say(
        "connections", "set", connection, "--host", dovecot.host, "--port", dovecot.port, "--tls", "none"
    )

    assert f"Connection {connection} was changed: host {dovecot.host}, port {dovecot.port}, tls none." in said
    assert "ok      permissions  INBOX can be read and holds 0." in said
    assert "Its parked email.sync jobs go on." in said
    assert config_of(retinue, connection) == {
        "host": dovecot.host, "port": dovecot.port, "tls": "none", "username": user.name,
    }  # fmt: skip
    keyring = Keyring.from_settings(load_settings(env_file=None))
    assert open_connection(sql, keyring, connection).credentials == {"password": user.password}


def test_an_open_breaker_closes_and_its_lanes_go_on(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    connection = add_imap(retinue, dovecot.user())
    add_servant(sql, "email.sync")
    (running,) = run_jobs(sql, job_type="email.sync", lane=f"connection_id:{connection}")
    retinue.say("lanes", "set", "email.sync", f"connection_id:{connection}", "--weight", 2)
    policy, attempt = Breaker(failures=1), Attempt(running.id, running.attempt)
    record_failure(sql, connection_scope(connection), policy, attempt=attempt, reason="nobody is there")
    assert [line.scope for line in list_breakers(sql)] == [connection_scope(connection)]
    assert sql.execute("SELECT kind FROM lane_holds").fetchall() == [("breaker",)]
    assert "breaker open: nobody is there" in retinue.say("connections", "list")

    where = ("--host", dovecot.host, "--port", dovecot.port, "--tls", "none")
    report = retinue.json("connections", "set", connection, *where)

    assert (report["ok"], report["resumed"], report["changed"]) == (True, ["email.sync"], ["host", "port", "tls"])
    assert list_breakers(sql) == []
    assert sql.execute("SELECT count(*) FROM lane_holds").fetchone() == (0,)


def test_a_watch_of_the_server_as_it_was_is_ended(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    connection, other = add_imap(retinue, dovecot.user()), add_imap(retinue, dovecot.user())
    add_servant(sql, "email.watch")
    for identity in (connection, other):
        run_jobs(sql, job_type="email.watch", lane=f"connection_id:{identity}")

    retinue.run("connections", "set", other, "--port", 143, "--tls", "starttls")
    retinue.run("connections", "set", connection, "--host", "127.0.0.1", "--port", 1)

    asked = sql.execute("SELECT lane FROM jobs WHERE cancel_requested_at IS NOT NULL").fetchall()
    assert asked == [(f"connection_id:{connection}",)]


def test_settings_are_kept_though_the_test_fails(retinue: CommandLine, dovecot: MailServer) -> None:
    connection = add_imap(retinue, dovecot.user())
    said = retinue.run("connections", "set", connection, "--port", 1, "--host", "127.0.0.1")
    assert said.exit_code == 1
    assert "failed  network " in said.stdout
    assert config_of(retinue, connection)["port"] == 1


def test_what_is_usual_counts_again(retinue: CommandLine, dovecot: MailServer) -> None:
    connection = add_imap(retinue, dovecot.user(), "--port", 1, "--ca-file", dovecot.ca_file)
    said = retinue.run("connections", "set", connection, "--port", "usual", "--ca-file", "usual")
    assert f"Connection {connection} was changed: ca-file usual, port usual." in said.stdout
    assert set(config_of(retinue, connection)) == {"host", "tls", "username"}


def test_a_calendar_gets_another_address_and_name(
    retinue: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    connection = add_caldav(retinue)
    with run_radicale(tmp_path_factory.mktemp("radicale")) as radicale:
        hand = sign_in(radicale)
        retinue.run("connections", "password", connection, "--password-stdin", stdin=f"{hand[1]}\n")
        change = ("--url", radicale.url, "--username", hand[0], "--name", "home")
        said = retinue.say("connections", "set", connection, *change)
    assert f"was changed: url {radicale.url}, username {hand[0]}, name home." in said
    (line,) = retinue.json("connections", "list")["connections"]
    assert (line["name"], line["config"]) == ("home", {"url": radicale.url, "username": hand[0]})


def sign_in(radicale: RadicaleServer) -> tuple[str, str]:
    hand = radicale.hand()
    hand.make_calendar("work")
    return hand.username, hand.password


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Say what is to be changed"),
        (("--url", "https://dav.example/"), "is for 'imap' and has no --url; it takes --host, --port"),
        (("--tls", "none"), "allowed on this machine alone"),
        (("--host", "imaps://mail.example"), "is no host name"),
        (("--port", "70000"), "70000 is not in the range"),
        (("--username", ""), "has no username"),
        (("--name", " "), "is no name"),
        (("--ca-file", "/nowhere/ca.pem"), "does not exist"),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    retinue: CommandLine, dovecot: MailServer, options: tuple[str, ...], words: str
) -> None:
    connection = add_imap(retinue, dovecot.user())
    before = retinue.json("connections", "list")
    assert words in retinue.refusal("connections", "set", connection, *options, exit_code=2)
    assert retinue.json("connections", "list") == before


def test_a_name_that_another_has_is_refused(retinue: CommandLine) -> None:
    add_caldav(retinue)
    other = add_caldav(retinue, name="other")
    said = retinue.refusal("connections", "set", other, "--name", "work", exit_code=1)
    assert "has a caldav connection named 'work' already" in said


def test_a_calendar_has_no_port(retinue: CommandLine) -> None:
    said = retinue.refusal("connections", "set", add_caldav(retinue), "--port", 443, exit_code=2)
    assert "is for 'caldav' and has no --port; it takes --url, --username and --name." in said


def test_there_is_no_such_connection(retinue: CommandLine) -> None:
    said = retinue.refusal("connections", "set", 4711, "--name", "x", exit_code=1)
    assert "There is no connection 4711" in said


def test_a_connection_of_an_accounts_own_page_keeps_its_reach(retinue: CommandLine, sql: psycopg.Connection) -> None:
    connection = add_caldav(retinue)
    sql.execute('UPDATE connections SET config = config || \'{"reach": "public"}\' WHERE id = %s', (connection,))
    said = retinue.run("connections", "set", connection, "--url", "https://127.0.0.1/")
    assert said.exit_code == 1
    assert "failed  name" in said.stdout
    assert "has an address that is not public" in said.stdout
    assert config_of(retinue, connection) == {"url": "https://127.0.0.1/", "username": "ada", "reach": "public"}
