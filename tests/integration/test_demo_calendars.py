"""The embedded CalDAV server, its demo calendars, and the program that keeps editing them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.caldav_server import HOST, main
from infra.local.demo_accounts import DEMO_ACCOUNTS, seed
from infra.local.demo_editor import PLACES_PER_CALENDAR, DemoEditor
from infra.local.sign_ins import prepare_users, read_passwords, users_path
from retinue.clock import SystemClock
from servants.calendar.client import DavClient, SignIn
from servants.calendar.discovery import find_calendars
from servants.calendar.events import parse_object
from servants.calendar.reports import Body, fetch, full_listing
from tests.support.radicale_server import RadicaleServer, run_radicale


@pytest.fixture
def radicale(tmp_path: Path) -> Iterator[RadicaleServer]:
    with run_radicale(tmp_path / "caldav") as server:
        yield server


def bodies(server: RadicaleServer) -> list[Body]:
    """Everything in the demo calendars, as the sync itself would read it."""
    found: list[Body] = []
    passwords = read_passwords(server.data_dir)
    for account in DEMO_ACCOUNTS:
        with DavClient(SignIn(server.url, account.user, passwords[account.user])) as dav:
            for calendar in find_calendars(dav):
                found += fetch(dav, calendar.url, list(full_listing(dav, calendar).etags)).found
    return found


def test_seeding_twice_adds_nothing_the_second_time(radicale: RadicaleServer) -> None:
    passwords = read_passwords(radicale.data_dir)
    added = seed(radicale.url, passwords)
    assert added >= 40
    assert seed(radicale.url, passwords) == 0
    found = bodies(radicale)
    assert len(found) == added
    problems = [problem for problem in (parse_object(body.text).problem for body in found) if problem]
    assert problems == ["SEQUENCE cannot be read"]


def test_data_and_sign_ins_survive_a_restart(radicale: RadicaleServer) -> None:
    passwords = read_passwords(radicale.data_dir)
    added = seed(radicale.url, passwords)
    radicale.restart()
    assert read_passwords(radicale.data_dir) == passwords
    assert len(bodies(radicale)) == added


def test_sigterm_ends_the_server(radicale: RadicaleServer) -> None:
    assert radicale.stop() == 0


def test_a_port_that_is_taken_is_one_clear_line(
    radicale: RadicaleServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        status = main(["--port", str(radicale.port), "--data", str(tmp_path / "other")])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert status == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The CalDAV server cannot listen on {HOST}:{radicale.port}")


def test_passwords_are_the_owners_alone_and_stay(tmp_path: Path) -> None:
    first = prepare_users(tmp_path, ["ann"])
    assert users_path(tmp_path).stat().st_mode & 0o777 == 0o600
    second = prepare_users(tmp_path, ["ann", "bo"])
    assert second["ann"] == first["ann"]
    assert read_passwords(tmp_path) == second
    assert len(second["bo"]) >= 16


def editor(server: RadicaleServer, *, number: int = 1) -> DemoEditor:
    passwords = read_passwords(server.data_dir)
    return DemoEditor(server.url, passwords, rng=random.Random(number), clock=SystemClock())  # noqa: S311 - a test


def test_the_editor_creates_changes_and_deletes_within_its_bounds(radicale: RadicaleServer) -> None:
    added = seed(radicale.url, read_passwords(radicale.data_dir))
    one = editor(radicale)
    actions = Counter(one.edit().action for _ in range(120))
    assert set(actions) == {"created", "changed", "deleted"}
    found = bodies(radicale)
    assert len(found) == added + actions["created"] - actions["deleted"]
    calendars = sum(len(account.calendars) for account in DEMO_ACCOUNTS)
    assert actions["created"] - actions["deleted"] <= calendars * PLACES_PER_CALENDAR
    edited = [body for body in found if "demo-editor" in body.href]
    assert all(parse_object(body.text).problem is None for body in edited)


def test_the_same_seed_gives_the_same_edits(tmp_path: Path) -> None:
    edits = []
    for name in ("one", "two"):
        with run_radicale(tmp_path / name) as server:
            seed(server.url, read_passwords(server.data_dir))
            again = editor(server, number=7)
            edits.append([again.edit() for _ in range(10)])
    assert edits[0] == edits[1]


def test_the_program_goes_on_after_a_restart_of_the_server(radicale: RadicaleServer) -> None:
    seed(radicale.url, read_passwords(radicale.data_dir))
    command = [sys.executable, "-m", "infra.local.demo_editor", "--url", radicale.url, "--interval", "0.05"]
    command += ["--data", str(radicale.data_dir)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as program:  # noqa: S603 - our own
        try:
            assert program.stderr is not None
            lines = iter(program.stderr)
            next(line for line in lines if "calendar_edited" in line)
            radicale.stop()
            next(line for line in lines if "pass_failed" in line)
            radicale.restart()
            next(line for line in lines if "calendar_edited" in line)
        finally:
            program.terminate()
        assert program.wait(10) == 0


def test_the_program_without_sign_ins_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.local.demo_editor", "--url", "http://127.0.0.1:1", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - our own
    assert done.returncode == 1
    assert "start the CalDAV server with this --data first" in done.stderr
