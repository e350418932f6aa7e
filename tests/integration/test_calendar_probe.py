"""`probe`: each thing that can be wrong with a connection is found at its own step, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from servants.calendar.client import Limits
from servants.calendar.probe import probe
from servants.probing import ProbeReport, ProbeStep
from tests.support.bad_caldav_server import Reply, bad_server, self_signed
from tests.support.radicale_server import Hand, free_port, hand, radicale

__all__ = ["hand", "radicale"]

STEPS = ["settings", "name", "network", "encryption", "sign-in", "calendars", "permissions"]


def tried(url: str, username: str = "ann", password: str = "secret-word", *, patience: float = 10) -> ProbeReport:  # noqa: S107 - made up
    limits = Limits(connect_seconds=2, read_seconds=patience)
    report = probe({"url": url, "username": username}, {"password": password}, limits=limits)
    assert [step.name for step in report.steps] == STEPS[: len(report.steps)]
    assert password not in repr(report)
    return report


def failed_step(report: ProbeReport) -> ProbeStep:
    assert not report.ok
    assert all(step.ok for step in report.steps[:-1])
    return report.steps[-1]


def test_a_good_connection_passes_every_step(hand: Hand) -> None:
    hand.make_calendar("work")
    hand.put(
        "work/a.ics",
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:a\nDTSTAMP:20260101T000000Z\n"
        "DTSTART:20260101T000000Z\nEND:VEVENT\nEND:VCALENDAR\n",
    )
    report = tried(hand.base_url, hand.username, hand.password)
    assert report.ok
    assert [step.name for step in report.steps] == STEPS
    assert report.steps[-1].message == "All can be read: Work holds 1."


def test_a_wrong_password(hand: Hand) -> None:
    step = failed_step(tried(hand.base_url, hand.username, "not-this-one"))
    assert (step.name, "Check the user name and password" in step.message) == ("sign-in", True)


def test_a_user_without_calendars(hand: Hand) -> None:
    step = failed_step(tried(hand.base_url, hand.username, hand.password))
    assert (step.name, "no event calendars" in step.message) == ("calendars", True)


@pytest.mark.parametrize(
    ("url", "name", "words"),
    [
        ("host", "settings", "is no CalDAV address"),
        ("http://dav.example/", "settings", "allowed on this machine alone"),
        ("https://nowhere.invalid/", "name", "cannot be resolved"),
        (f"https://{'x' * 70}.example/", "name", "cannot be resolved"),
    ],
)
def test_addresses_that_lead_nowhere(url: str, name: str, words: str) -> None:
    step = failed_step(tried(url))
    assert (step.name, words in step.message) == (name, True)


def test_a_port_where_nobody_listens() -> None:
    step = failed_step(tried(f"http://127.0.0.1:{free_port()}/"))
    assert (step.name, "does not accept connections on port" in step.message) == ("network", True)


def test_https_where_there_is_none() -> None:
    with bad_server(Reply()) as server:
        step = failed_step(tried(server.url.replace("http:", "https:")))
    assert (step.name, "does not speak TLS" in step.message) == ("encryption", True)


def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    with bad_server(Reply(), tls=self_signed(tmp_path)) as server:
        step = failed_step(tried(server.url.replace("http:", "https:")))
    assert (step.name, "is not trusted (self-signed certificate)" in step.message) == ("encryption", True)


@pytest.mark.parametrize(
    ("reply", "name", "words"),
    [
        (Reply(500), "sign-in", "the server failed"),
        (Reply(200, b"<html/>", {"Content-Type": "text/html"}), "sign-in", "Is this the address of a CalDAV server?"),
        (Reply(then="hang"), "sign-in", "no answer within the time allowed"),
        (Reply(404), "calendars", "No calendars found"),
    ],
)
def test_servers_that_are_no_good(reply: Reply, name: str, words: str) -> None:
    with bad_server(reply) as server:
        step = failed_step(tried(server.url, patience=0.5))
    assert (step.name, words in step.message) == (name, True)


def test_missing_settings_are_named() -> None:
    (step,) = probe({"url": "https://host/"}, {}).steps
    assert step == ProbeStep(
        "settings",
        False,
        "The CalDAV connection has no username and no password; add it by `retinue connections set ID --username …` "
        "and `retinue connections password ID`.",
    )
