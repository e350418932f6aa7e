"""A full read of one user's calendars over plain HTTP, with nothing of Retinue's in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import icalendar
import requests

_PROPFIND = """<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:displayname/></D:prop></D:propfind>"""

_NAMES = {"D": "DAV:", "C": "urn:ietf:params:xml:ns:caldav"}


@dataclass(frozen=True, order=True)
class StoredObject:
    """One calendar object, wherever it is kept: its calendar's name, its path, its text without line ends."""

    calendar: str
    href: str
    lines: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Occasion:
    """What matters of one VEVENT; `start` is a moment in UTC or a date, in ISO 8601."""

    uid: str
    summary: str
    start: str


def read_objects(base_url: str, username: str, password: str) -> set[StoredObject]:
    """Every object of every calendar of the user."""
    with requests.Session() as session:
        session.auth = (username, password)
        members = [
            (name, href, _get(session, urljoin(base_url, href)))
            for path, name in _calendars(session, f"{base_url}/{username}/")
            for href, _ in _members(session, urljoin(base_url, path))
        ]
    return {StoredObject(name, href, lines(text)) for name, href, text in members if text is not None}


def occasions(text: tuple[str, ...]) -> list[Occasion]:
    """The events in an object's text, sorted."""
    # icalendar's property values share no type.
    events: list[Any] = icalendar.Calendar.from_ical("\r\n".join(text)).walk("VEVENT")
    return sorted(
        Occasion(str(event["UID"]), str(event["SUMMARY"]), start_text(event["DTSTART"].dt)) for event in events
    )


def start_text(start: date) -> str:
    """A date, or a moment in UTC; the demo's calendars name no zone for times without one, so these are UTC too."""
    if not isinstance(start, datetime):
        return start.isoformat()
    return (start if start.tzinfo else start.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text, however they end: XML knows no carriage returns."""
    return tuple(text.replace("\r\n", "\n").rstrip("\n").split("\n"))


def _calendars(session: requests.Session, home: str) -> Iterator[tuple[str, str]]:
    for href, properties in _members(session, home):
        if properties.find("D:resourcetype/C:calendar", _NAMES) is not None:
            yield href, properties.findtext("D:displayname", "", _NAMES)


def _members(session: requests.Session, url: str) -> Iterator[tuple[str, ET.Element]]:
    """The path and the properties of everything in a collection."""
    headers = {"Depth": "1", "Content-Type": "application/xml"}
    reply = session.request("PROPFIND", url, data=_PROPFIND, headers=headers, timeout=10)
    reply.raise_for_status()
    for response in ET.fromstring(reply.content).iterfind("D:response", _NAMES):  # noqa: S314 - our own server's
        href = response.findtext("D:href", "", _NAMES)
        properties = response.find("D:propstat/D:prop", _NAMES)
        if properties is not None and urljoin(url, href) != url:
            yield href, properties


def _get(session: requests.Session, url: str) -> str | None:
    """The text, or None where it was deleted a moment ago."""
    reply = session.get(url, timeout=10)
    if reply.status_code == requests.codes.not_found:
        return None
    reply.raise_for_status()
    return reply.content.decode()
