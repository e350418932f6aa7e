"""New mail in a watched mailbox is in PostgreSQL within two seconds, however many mailboxes one process watches."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psutil
import psycopg
import pytest

from bench.processes import cpu_seconds, pss
from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection
from infra.postgres.mail_connections import add_imap_connection
from tests.support.dovecot_server import run_dovecot
from tests.support.fleet import Fleet, fleet
from tests.support.mail_server import LocalMailServer, MailUser

MAILBOXES = int(os.environ.get("MAILBOXES", "500"))
MAILS = int(os.environ.get("MAILS", "20"))

#: So rare that no schedule brings the mail: only the watch does.
RARELY = timedelta(hours=6)

SECONDS = 2.0
MEBIBYTES = 120

#: Beyond 128 sessions Linux lets a user's processes hear of no more changes of files, and Dovecot looks by itself.
SETTINGS = "mailbox_idle_check_interval = 1s"

_ARRIVED = "SELECT count(*) FROM mail_messages WHERE message_id = %s AND deleted_at IS NULL"
_IMPORTED = "SELECT count(*) FROM imports WHERE finished_at IS NOT NULL"
_AT_WORK = "SELECT count(*) FROM jobs WHERE type <> 'email.watch' AND state <> 'pending'"


@contextmanager
def watched(mailboxes: int) -> Iterator[tuple[Fleet, LocalMailServer, list[MailUser]]]:
    """A stack that has read so many mailboxes once and now listens to all of them, over TLS."""
    with ExitStack() as stack:
        server = stack.enter_context(run_dovecot(settings=SETTINGS))
        made = stack.enter_context(fleet(RETINUE_LOG_LEVEL="debug", RETINUE_LEASE_SECONDS="30"))
        users = [server.user() for _ in range(mailboxes)]
        connect(made, server, users)
        made.start_scheduler()
        for name, job_type in (("sync", "email.sync"), ("backfill", "email.backfill"), ("watch", "email.watch")):
            made.start_servant(name, job_type)
        made.wait(lambda: made.log("watch").count('"idle_begun"') >= mailboxes, "every mailbox watched", 600)
        made.wait(lambda: made.number(_IMPORTED) == mailboxes, "every mailbox read", 600)
        made.wait(lambda: made.number(_AT_WORK) == 0, "an idle stack", 60)
        yield made, server, users


def connect(made: Fleet, server: LocalMailServer, users: list[MailUser]) -> None:
    """A connection with its schedules for each user."""
    with psycopg.connect(made.machine.url) as sql:
        account_id = add_account(sql, "acme").id
        for user in users:
            config = {"host": server.host, "port": server.tls_port, "ca_file": str(server.ca_file)}
            new = NewConnection(
                account_id=account_id,
                provider="imap",
                name=user.name,
                config={**config, "username": user.name},
                credentials={"password": user.password},
            )
            add_imap_connection(sql, made.keyring(), new, every=RARELY)


def latencies(made: Fleet, server: LocalMailServer, users: list[MailUser], *, mails: int) -> list[float]:
    """Seconds from a mail's being delivered until it is stored, one mail after the other."""
    rng = random.Random(7)  # noqa: S311 - a test
    taken = []
    with psycopg.connect(made.machine.url, autocommit=True) as sql:
        for number in range(mails):
            message_id = f"push-{number}@example.com"
            deliver(server, rng.choice(users), message_id)
            delivered = time.monotonic()
            while sql.execute(_ARRIVED, (message_id,)).fetchone() != (1,):
                assert time.monotonic() - delivered < 30, f"{message_id} did not arrive\n{made.log('watch')[-2000:]}"
                time.sleep(0.005)  # what other processes write gives no signal to wait on
            taken.append(time.monotonic() - delivered)
    return taken


def deliver(server: LocalMailServer, user: MailUser, message_id: str) -> None:
    text = f"From: a@example.com\r\nMessage-ID: <{message_id}>\r\nSubject: News\r\n\r\nHi.\r\n"
    with server.client(user) as client:
        assert client.append("INBOX", "", "", text.encode())[0] == "OK"


@pytest.mark.timeout(180)
def test_new_mail_is_stored_within_seconds() -> None:
    with watched(5) as (made, server, users):
        taken = latencies(made, server, users, mails=5)
    assert statistics.median(taken) < SECONDS, taken


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_new_mail_among_hundreds_of_watched_mailboxes() -> None:
    with watched(MAILBOXES) as (made, server, users):
        process = psutil.Process(made.machine.processes["watch"].pid)
        memory = pss(process)
        rest = cpu_seconds([process])
        began = time.monotonic()
        taken = sorted(latencies(made, server, users, mails=MAILS))
        share = (cpu_seconds([process]) - rest) / (time.monotonic() - began)
    tell(
        f"{MAILBOXES} mailboxes watched over TLS by one process of {memory:.0f} MB, which takes {share:.1%} of a core; "
        f"{MAILS} mails were stored {statistics.median(taken):.2f} s after their delivery (median; "
        f"fastest {taken[0]:.2f} s, slowest {taken[-1]:.2f} s)."
    )
    assert taken[-1] < SECONDS, taken
    assert memory < MEBIBYTES


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the proof's output is its purpose
