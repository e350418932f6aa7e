"""A large mailbox: its first reading beside a plain fetch of the same bytes, and what a sync costs afterwards."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection
from infra.postgres.mail_connections import add_imap_connection
from tests.support.dovecot_server import MailServer, run_dovecot
from tests.support.fleet import Fleet, fleet
from tests.support.large_mailbox import fill, read_plainly
from tests.support.mail_server import MailUser

MESSAGES = int(os.environ.get("MESSAGES", "100000"))

#: As many messages as a page of the sync.
BATCH = 200

#: So rare that only the syncs of the test run.
RARELY = timedelta(hours=6)

#: By the name of the process: what it performs. Two processes share the history: one keeps one core busy.
SERVANTS = {"sync": "email.sync", "backfill-0": "email.backfill", "backfill-1": "email.backfill"}

_DONE = "SELECT count(*) FROM imports WHERE finished_at IS NOT NULL"
_RECENT = "SELECT extract(epoch FROM recent_at - started_at) FROM imports"
_STORED = "SELECT count(*) FROM mail_messages WHERE deleted_at IS NULL"
_RESULT = "SELECT state::text, result FROM job_history WHERE id = %s"


@dataclass
class LargeMailbox:
    """A full mailbox, a stack that reads it, and what that took."""

    server: MailServer
    user: MailUser
    fleet: Fleet
    size: int

    def fetch_plainly(self, *, batch: int = 1) -> float:
        """Seconds that the standard library's client takes for all bytes."""
        self.server.administer("index", "-u", self.user.name, "*")
        began = time.monotonic()
        with self.server.client(self.user) as client:
            assert sum(read_plainly(client, batch=batch)) == self.size
        return time.monotonic() - began

    def read(self) -> float:
        """Connect the mailbox and wait until everything is in; the seconds until the history was."""
        for name, job_type in SERVANTS.items():
            self.fleet.start_servant(name, job_type)
        self.fleet.wait(lambda: self.fleet.number("SELECT count(*) FROM servants") == len(SERVANTS), "the servants")
        self._connect()
        began = time.monotonic()
        self.fleet.start_scheduler()
        # Each look costs both of them a new connection, and the processor is shared with what is measured.
        self.fleet.wait(self._is_read, "the history", 3000, every=0.5)
        taken = time.monotonic() - began
        self.fleet.wait(lambda: self.fleet.number(_DONE) == 1, "the comparison", 600)
        return taken

    def _is_read(self) -> bool:
        return self.fleet.number("SELECT count(*) FROM job_groups WHERE finished_at IS NOT NULL") == 1

    def _connect(self) -> None:
        with psycopg.connect(self.fleet.machine.url) as sql:
            new = NewConnection(
                account_id=add_account(sql, "acme").id,
                provider="imap",
                name="main",
                config={
                    "host": self.server.host,
                    "port": self.server.port,
                    "username": self.user.name,
                    "tls": "none",
                },
                credentials={"password": self.user.password},
            )
            add_imap_connection(sql, self.fleet.keyring(), new, every=RARELY)

    def sync(self) -> dict[str, int]:
        """One more sync; what it did, and how many bytes the server sent it."""
        sent = self._sent()
        (job,) = self.fleet.enqueue({"connection_id": 1}, job_type="email.sync")
        self.fleet.wait(lambda: self.fleet.rows(_RESULT, job), "the sync", 600)
        ((state, result),) = self.fleet.rows(_RESULT, job)
        assert state == "completed"
        assert isinstance(result, dict)
        self.fleet.wait(lambda: self._sent() > sent, "the server's account of the session")
        return {**result, "bytes": self._sent() - sent}

    def _sent(self) -> int:
        """Bytes that the server has sent in sessions that ended."""
        return sum(int(found) for found in re.findall(r"out=(\d+)", self.server.log()))

    def peak(self, name: str) -> float:
        """The most memory that a process has had so far, in MB (proc(5), VmHWM)."""
        status = Path(f"/proc/{self.fleet.machine.processes[name].pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def large_mailbox(messages: int) -> Iterator[LargeMailbox]:
    with ExitStack() as stack:
        server = stack.enter_context(run_dovecot(format="maildir"))
        made = stack.enter_context(fleet(RETINUE_LEASE_SECONDS="60"))
        user = server.user()
        yield LargeMailbox(server, user, made, fill(server.home, user, messages=messages))


def change(mailbox: LargeMailbox) -> None:
    """Ten changes: five flags, three new messages, two that go."""
    with mailbox.server.client(mailbox.user) as client:
        client.select("INBOX")
        client.uid("STORE", "1:5", "+FLAGS", "(\\Flagged)")
        client.uid("STORE", "6:7", "+FLAGS", "(\\Deleted)")
        client.expunge()
        for number in range(3):
            text = f"From: a@example.com\r\nMessage-ID: <new-{number}@x>\r\n\r\nHello.\r\n"
            assert client.append("INBOX", "", "", text.encode())[0] == "OK"


def check_that_little_is_asked(mailbox: LargeMailbox) -> tuple[dict[str, int], dict[str, int]]:
    """What a sync costs that finds nothing changed, and one that finds ten changes."""
    unchanged = mailbox.sync()
    assert unchanged["round_trips"] <= 5 * unchanged["mailboxes"]
    assert (unchanged["created"], unchanged["placed"], unchanged["gone"], unchanged["reflagged"]) == (0, 0, 0, 0)
    change(mailbox)
    changed = mailbox.sync()
    assert (changed["created"], changed["placed"], changed["gone"], changed["reflagged"]) == (3, 3, 2, 5)
    # What the ten are told in, and the listing of the folders.
    assert changed["bytes"] - unchanged["bytes"] < 5_000
    return unchanged, changed


@pytest.mark.timeout(240)
def test_a_mailbox_of_a_thousand_messages() -> None:
    with large_mailbox(1000) as mailbox:
        mailbox.fetch_plainly()
        mailbox.read()
        assert mailbox.fleet.number(_STORED) == 1000
        check_that_little_is_asked(mailbox)


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_a_mailbox_of_a_hundred_thousand_messages() -> None:
    with large_mailbox(MESSAGES) as mailbox:
        tell(f"{MESSAGES:,} messages, {mailbox.size / 1e6:,.0f} MB.")
        together = mailbox.fetch_plainly(batch=BATCH)
        plain = mailbox.fetch_plainly()
        tell(f"imaplib, {BATCH} messages with each command: {told(together)}.")
        tell(f"imaplib, one message after the other: {told(plain)}.")
        taken = mailbox.read()
        peaks = {name: mailbox.peak(name) for name in SERVANTS}
        tell(f"First reading: {told(taken)}; {plain / taken:.2f} and {together / taken:.2f} of these rates.")
        recent = float(str(mailbox.fleet.rows(_RECENT)[0][0]))
        tell(f"The recent weeks were there after {recent:.1f} s.")
        tell("Most memory: " + ", ".join(f"{name} {peak:.0f} MB" for name, peak in peaks.items()) + ".")
        assert mailbox.fleet.number(_STORED) == MESSAGES
        unchanged, changed = check_that_little_is_asked(mailbox)
        for name, counts in (("Nothing changed", unchanged), ("Ten changes", changed)):
            tell(
                f"{name}: {counts['round_trips']} round trips over {counts['mailboxes']} folders, "
                f"{counts['bytes']:,} bytes from the server."
            )
    assert max(peaks.values()) < 200, peaks
    assert plain / taken >= 0.5


def told(taken: float) -> str:
    return f"{taken:.0f} s, {MESSAGES / taken:,.0f} messages/s"


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the proof's output is its purpose
