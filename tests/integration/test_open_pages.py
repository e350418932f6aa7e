"""Many open pages: what they cost the manager, and how soon each shows that a servant changed its state.

PAGES pages stay open for SECONDS seconds while the heartbeats of SERVANTS servants go on.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest

from infra.passwords import hash_password
from infra.postgres import people
from infra.roles import Role
from manager.live.hub import MAX_OF_ONE
from tests.support.manager_process import manager_process
from tests.support.manager_server import PASSWORD, token_in
from tests.support.overview_rows import add_fleet, add_past, current_job

PAGES = int(os.environ.get("PAGES", "200"))
SERVANTS = int(os.environ.get("SERVANTS", "200"))
SECONDS = float(os.environ.get("SECONDS", "60"))
CHANGES = 10

#: What a manager may hold, however many pages are open.
MAX_CONNECTIONS = 8

PATHS = ("/", "/servants")


class Person:
    """Somebody who has signed in and opens pages."""

    def __init__(self, address: str, name: str) -> None:
        self.host = address.removeprefix("http://")
        self.cookie = ""
        page = self._ask("GET", "/sign-in")
        self._ask("POST", "/sign-in", urlencode({"user": name, "password": PASSWORD, "csrf_token": token_in(page)}))

    def stream_of(self, path: str) -> str:
        """The address of the stream that the page at `path` opens."""
        page = self._ask("GET", path)
        regions = dict.fromkeys(unescape(token) for token in re.findall(r'data-live="([^"]+)"', page))
        return "/live?" + urlencode([("r", region) for region in regions])

    def listen(self, stream: str) -> socket.socket:
        """A socket on which the stream comes."""
        host, port = self.host.split(":")
        connected = socket.create_connection((host, int(port)), timeout=30)
        # Nothing but the stream follows the headers then.
        head = f"GET {stream} HTTP/1.0\r\nHost: {self.host}\r\nCookie: {self.cookie}\r\n"
        connected.sendall(f"{head}Accept-Encoding: deflate\r\n\r\n".encode())
        return connected

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        connection = HTTPConnection(self.host, timeout=30)
        headers = {"Cookie": self.cookie}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        assert answer.status in (200, 303), (path, answer.status)
        if cookie := answer.headers["Set-Cookie"]:
            self.cookie = cookie.partition(";")[0]
        text = answer.read().decode()
        connection.close()
        return text


class Page:
    """One open stream, read as a browser does."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self._head = b""
        self._inflate = zlib.decompressobj()
        self._rest = b""

    def take(self) -> tuple[int, bytes]:
        """How many bytes have come, and what they tell, after the last few of before."""
        part = self.stream.recv(1 << 20)
        assert part, "the stream has ended"
        told = self._rest + self._inflate.decompress(self._body(part))
        self._rest = told[-32:]
        return len(part), told

    def _body(self, part: bytes) -> bytes:
        if self._head.endswith(b"\r\n\r\n"):
            return part
        head, end, body = (self._head + part).partition(b"\r\n\r\n")
        self._head = head + end
        assert not end or b"Content-Encoding: deflate" in head, head
        return body


class Pages:
    """Open streams, read by one thread; tells when the last of them has shown something."""

    def __init__(self, streams: list[socket.socket]) -> None:
        self._pages = [Page(stream) for stream in streams]
        self._selector = selectors.DefaultSelector()
        for page in self._pages:
            page.stream.setblocking(False)
            self._selector.register(page.stream, selectors.EVENT_READ, page)
        self._wanted = b""
        self._seen: dict[Page, float] = {}
        self._all_seen = threading.Event()
        self._done = threading.Event()
        self.received = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def watch_for(self, wanted: str) -> None:
        self._seen, self._wanted = {}, wanted.encode()
        self._all_seen.clear()

    def last_seen(self, seconds: float) -> float:
        """When the last page has shown it, on the clock of `time.monotonic`."""
        assert self._all_seen.wait(seconds), f"{len(self._seen)} of {len(self._pages)} pages have shown it"
        return max(self._seen.values())

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._selector.close()
        for page in self._pages:
            page.stream.close()

    def _read(self) -> None:
        while not self._done.is_set():
            for key, _ in self._selector.select(0.2):
                self._take(key.data)

    def _take(self, page: Page) -> None:
        length, told = page.take()
        self.received += length
        if self._wanted and self._wanted in told:
            self._seen.setdefault(page, time.monotonic())
            if len(self._seen) == len(self._pages):
                self._all_seen.set()


@contextmanager
def heartbeats(database_url: str) -> Iterator[None]:
    """Every servant beats once in five seconds, each at its own moment, and has something new to say."""
    done = threading.Event()
    beaten = threading.Thread(target=_beat, args=(database_url, done), daemon=True)
    beaten.start()
    try:
        yield
    finally:
        done.set()
        beaten.join()


def _beat(database_url: str, done: threading.Event) -> None:
    with psycopg.connect(database_url, autocommit=True) as sql:
        turn = 0
        while not done.wait(0.1):
            turn += 1
            sql.execute(
                "UPDATE servants SET heartbeat_at = now(), busy = (busy + id) %% slots,"
                " current_jobs = jsonb_set(current_jobs, '{0,done}', to_jsonb(%(turn)s::int))"
                " WHERE id %% 50 = %(turn)s %% 50 AND state = 'active' AND host = 'farm'",
                {"turn": turn},
            )


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections(sql: psycopg.Connection) -> int:
    found = sql.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'retinue-%'"
    ).fetchone()
    assert found is not None
    return int(found[0])


def add_farm(sql: psycopg.Connection, count: int) -> None:
    sql.execute(
        "INSERT INTO servants (type, host, pid, version, slots, busy, current_jobs)"
        " SELECT 'email.sync', 'farm', n, '1', 16, 1, %s FROM generate_series(1, %s) AS n",
        (psycopg.types.json.Jsonb([current_job(1, done=1, total=500)]), count),
    )


@dataclass(frozen=True)
class Load:
    """So many pages stay open for so long, while so many servants beat."""

    pages: int
    servants: int
    seconds: float
    changes: int


@dataclass(frozen=True)
class Figures:
    """What that took: of a core, at most so many connections, and how long each change took to be on all pages."""

    share: float
    connections: int
    bytes_a_second: float
    delays: list[float]


def measure(database_url: str, sql: psycopg.Connection, log: Path, load: Load) -> Figures:
    """Hold the pages open before a manager of their own."""
    add_fleet(sql)
    add_past(sql, days=1)
    add_farm(sql, load.servants)
    with log.open("w") as lines, manager_process(database_url, log=lines) as (process, address):
        opened = [stream for name in add_people(sql, load.pages) for stream in open_pages(Person(address, name))]
        with closing(Pages(opened)) as pages, heartbeats(database_url):
            cpu, received, started = cpu_seconds(process.pid), pages.received, time.monotonic()
            delays, held = [], set()
            for number in range(load.changes):
                until = started + load.seconds * (number + 1) / load.changes
                while time.monotonic() < until:
                    held.add(connections(sql))
                    time.sleep(0.5)  # the load goes on meanwhile
                delays.append(delay_of_change(sql, pages, number))
            elapsed = time.monotonic() - started
            share = (cpu_seconds(process.pid) - cpu) / elapsed
            rate = (pages.received - received) / elapsed
    return Figures(share, max(held), rate, sorted(delays))


def add_people(sql: psycopg.Connection, pages: int) -> list[str]:
    """As many as it takes to open so many pages."""
    names = [f"person {number}" for number in range(pages // MAX_OF_ONE)]
    for name in names:
        people.add_person(sql, name, Role.OPERATOR, password_hash=hash_password(PASSWORD, name=name))
    return names


def open_pages(person: Person) -> Iterator[socket.socket]:
    """All that one person may have open."""
    streams = [person.stream_of(path) for path in PATHS]
    for number in range(MAX_OF_ONE):
        yield person.listen(streams[number % len(streams)])


@pytest.mark.timeout(300)
def test_many_open_pages_hold_few_connections_and_all_show_a_change(
    database_url: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    figures = measure(database_url, sql, tmp_path / "log", Load(pages=40, servants=10, seconds=2, changes=2))
    assert figures.connections <= MAX_CONNECTIONS


def test_pages_that_were_left_take_nobody_s_stream(database_url: str, sql: psycopg.Connection, tmp_path: Path) -> None:
    (name,) = add_people(sql, MAX_OF_ONE)
    with (tmp_path / "log").open("w") as log, manager_process(database_url, log=log) as (_, address):
        person = Person(address, name)
        for _ in range(3):
            opened = list(open_pages(person))
            assert [status_of(stream) for stream in opened] == [200] * MAX_OF_ONE
            for stream in opened:
                stream.close()
        kept = list(open_pages(person))
        assert [status_of(stream) for stream in kept] == [200] * MAX_OF_ONE
        one_more = person.listen(person.stream_of("/"))
        assert status_of(one_more) == 503
        for stream in [*kept, one_more]:
            stream.close()


def status_of(stream: socket.socket) -> int:
    """Of the answer that begins on it."""
    head = b""
    while b"\r\n" not in head:
        head += stream.recv(1)
    return int(head.split()[1])


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_open_pages_cost_little_and_show_a_change_within_a_second(
    database_url: str, sql: psycopg.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = measure(database_url, sql, tmp_path / "log", Load(PAGES, SERVANTS, SECONDS, CHANGES))
    with capsys.disabled():
        print(  # noqa: T201 - the figures are its purpose
            f"\n{PAGES} pages, {SERVANTS} servants: {found.share:.1%} of a core, {found.connections} connections,"
            f" {found.bytes_a_second / 1000:.0f} kB/s; a change was on all pages after"
            f" {found.delays[len(found.delays) // 2]:.2f} s, at the longest {found.delays[-1]:.2f} s"
        )
    assert found.share < 0.10
    assert found.connections <= MAX_CONNECTIONS
    assert found.delays[-1] < 1


def delay_of_change(sql: psycopg.Connection, pages: Pages, number: int) -> float:
    """How long after a servant is lost the last page shows that it is; its host tells that change from others."""
    servant = sql.execute(
        "SELECT id FROM servants WHERE host = 'farm' AND state = 'active' ORDER BY id LIMIT 1"
    ).fetchone()
    assert servant is not None
    pages.watch_for(f"lost-{number}-host")
    changed = time.monotonic()
    sql.execute(
        "UPDATE servants SET state = 'lost', heartbeat_at = now() - interval '40 s', host = %s WHERE id = %s",
        (f"lost-{number}-host", servant[0]),
    )
    delay = pages.last_seen(20) - changed
    # The overview shows the most urgent ones only: this one makes room for the next.
    sql.execute("UPDATE servants SET state = 'stopped' WHERE id = %s", servant)
    return delay
