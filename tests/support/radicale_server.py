"""A real CalDAV server for tests: Radicale in a process of its own, and an independent hand to change its calendars."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from infra.local.caldav_server import HOST
from infra.local.sign_ins import prepare_users

START_SECONDS = 20
STOP_SECONDS = 10
USERS = [f"tester{number}" for number in range(40)]

_MKCALENDAR = """<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>
<D:displayname>{name}</D:displayname>
<C:supported-calendar-component-set><C:comp name="{component}"/></C:supported-calendar-component-set>
</D:prop></D:set></C:mkcalendar>"""


_NAME = """<?xml version="1.0" encoding="utf-8"?>
<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:displayname>{name}</D:displayname></D:prop></D:set>
</D:propertyupdate>"""

_TIMEZONE = """<?xml version="1.0" encoding="utf-8"?>
<D:propertyupdate xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><C:calendar-timezone
>BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VTIMEZONE
TZID:{name}
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0000
TZOFFSETTO:+0000
END:STANDARD
END:VTIMEZONE
END:VCALENDAR
</C:calendar-timezone></D:prop></D:set></D:propertyupdate>"""


@dataclass(frozen=True)
class Hand:
    """A customer's own program: changes one user's calendars through plain HTTP, with nothing of Retinue's in it."""

    base_url: str
    username: str
    password: str = field(repr=False)

    def make_calendar(self, slug: str, *, component: str = "VEVENT") -> str:
        """Make a calendar; its URL."""
        self._request("MKCALENDAR", f"{slug}/", _MKCALENDAR.format(name=slug.title(), component=component))
        return f"{self.base_url}/{self.username}/{slug}/"

    def rename_calendar(self, slug: str, name: str) -> None:
        """Give a calendar another name to show."""
        self._request("PROPPATCH", f"{slug}/", _NAME.format(name=name))

    def set_timezone(self, slug: str, name: str) -> None:
        """Say what times without a zone mean in a calendar."""
        self._request("PROPPATCH", f"{slug}/", _TIMEZONE.format(name=name))

    def upload_calendar(self, slug: str, texts: Sequence[str]) -> None:
        """Make a calendar of these events at once, each at `UID.ics`, as Radicale allows: faster than one by one."""
        events = "".join(text[text.index("BEGIN:VEVENT") : text.index("END:VCALENDAR")] for text in texts)
        whole = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{events}END:VCALENDAR\n"
        self._request("PUT", f"{slug}/", whole, {"Content-Type": "text/calendar; charset=utf-8"})

    def put(self, path: str, text: str) -> None:
        """Create or replace `calendar/name.ics`."""
        self._request("PUT", path, text, {"Content-Type": "text/calendar; charset=utf-8"})

    def delete(self, path: str) -> None:
        """Delete `calendar/name.ics`, or a whole `calendar/`."""
        self._request("DELETE", path)

    def move(self, source: str, target: str) -> None:
        """Move an event to another calendar."""
        self._request("MOVE", source, headers={"Destination": f"{self.base_url}/{self.username}/{target}"})

    def _request(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> None:
        url = f"{self.base_url}/{self.username}/{path}"
        auth = (self.username, self.password)
        headers = headers or {"Content-Type": "application/xml"}
        reply = requests.request(method, url, data=body.encode(), headers=headers, auth=auth, timeout=10)
        reply.raise_for_status()


class RadicaleServer:
    """The process; every test takes a user of its own with `hand()`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self._passwords = prepare_users(data_dir, USERS)
        self._unused = iter(USERS)
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def hand(self) -> Hand:
        """A user nobody has used yet."""
        user = next(self._unused)
        return Hand(self.url, user, self._passwords[user])

    def age_sync_tokens(self) -> None:
        """Let every sync token be too old. Radicale goes by the times of their files when it makes the next one."""
        for path in self.data_dir.glob("**/.Radicale.cache/sync-token/*"):
            os.utime(path, (0, 0))

    def knows_sync_token(self, token: str) -> bool:
        """Whether it can tell what changed since then."""
        return any(self.data_dir.glob(f"**/.Radicale.cache/sync-token/{token.rpartition('/')[2]}"))

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "infra.local.caldav_server", "--port", str(self.port)]
        command += ["--data", str(self.data_dir)]
        process = subprocess.Popen(command)  # noqa: S603 - our own interpreter and arguments
        wait_for_port(self.port, process)
        return process


@contextmanager
def run_radicale(data_dir: Path) -> Iterator[RadicaleServer]:
    """A running server."""
    server = RadicaleServer(data_dir)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RadicaleServer]:
    """A server for all tests of a file."""
    with run_radicale(tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture
def hand(radicale: RadicaleServer) -> Hand:
    """A user without calendars."""
    return radicale.hand()


@pytest.fixture(name="hand")
def hand_with_calendar(radicale: RadicaleServer) -> Hand:
    """A user who has one calendar, `work`."""
    hand = radicale.hand()
    hand.make_calendar("work")
    return hand


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens on `port`; fail when `process` ends first or the time is up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)  # a listening socket gives no signal to wait on
    raise AssertionError(f"nothing listens on port {port}; the server's exit status is {process.poll()}")
