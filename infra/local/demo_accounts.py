"""The demo companies of the embedded stack, their calendars, and how these reach the CalDAV server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from xml.sax.saxutils import escape

import icalendar
import requests

TIMEOUT_SECONDS = 10

#: MKCALENDAR on something that is there already: RFC 4791 §5.3.1 and what servers really say.
_EXISTS = frozenset({405, 409})

#: `If-None-Match: *` on something that is there already, RFC 9110 §13.1.2.
_PRECONDITION_FAILED = 412


@dataclass(frozen=True, slots=True)
class DemoCalendar:
    """One calendar; its events are in `demo_calendars/<file>`."""

    slug: str
    name: str
    color: str
    file: str


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One company and its sign-in at the CalDAV server."""

    name: str
    user: str
    calendars: tuple[DemoCalendar, ...]


DEMO_ACCOUNTS: tuple[DemoAccount, ...] = (
    DemoAccount(
        "Hollis & Vane Architects",
        "hollisvane",
        (
            DemoCalendar("studio", "Studio", "#1B7F5C", "studio.ics"),
            DemoCalendar("site-visits", "Site visits", "#C2571A", "site_visits.ics"),
        ),
    ),
    DemoAccount(
        "Kestrel Freight",
        "kestrel",
        (
            DemoCalendar("dispatch", "Dispatch", "#2B5FB3", "dispatch.ics"),
            DemoCalendar("sales", "Sales", "#8A3FA0", "sales.ics"),
        ),
    ),
    DemoAccount(
        "Marlowe Dental Group",
        "marlowe",
        (
            DemoCalendar("front-desk", "Front desk", "#A8324A", "front_desk.ics"),
            DemoCalendar("holidays", "Practice holidays", "#6B7280", "holidays.ics"),
        ),
    ),
)


def calendar_url(base_url: str, user: str, slug: str) -> str:
    """Where the server at `base_url` keeps this calendar."""
    return f"{base_url.rstrip('/')}/{user}/{slug}/"


def seed(base_url: str, passwords: Mapping[str, str]) -> int:
    """Make every demo calendar and event that the server lacks; how many events were added.

    Nothing that exists is changed, so it can be run at every start.

    Raises:
        requests.RequestException: the server cannot be reached or refused a request.
    """
    added = 0
    for account in DEMO_ACCOUNTS:
        with requests.Session() as session:
            session.auth = (account.user, passwords[account.user])
            for calendar in account.calendars:
                added += _seed_calendar(session, calendar_url(base_url, account.user, calendar.slug), calendar)
    return added


def split_events(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Each UID of an iCalendar file with the text of its own resource: master, overrides and the zones they use."""
    whole = icalendar.Calendar.from_ical(text)
    zones = {str(zone["TZID"]): zone for zone in whole.walk("VTIMEZONE")}
    by_uid: dict[str, list[icalendar.Component]] = {}
    for event in whole.walk("VEVENT"):
        by_uid.setdefault(str(event["UID"]), []).append(event)
    for uid, events in by_uid.items():
        yield uid, _resource(events, zones)


def _resource(events: list[icalendar.Component], zones: Mapping[str, icalendar.Component]) -> bytes:
    one = icalendar.Calendar()
    one.add("PRODID", "-//Retinue//Demo calendars//EN")
    one.add("VERSION", "2.0")
    used = {parameters["TZID"] for event in events for parameters in _parameters(event) if "TZID" in parameters}
    for tzid in sorted(used & zones.keys()):
        one.add_component(zones[tzid])
    for event in events:
        one.add_component(event)
    return bytes(one.to_ical(sorted=False))


def _parameters(event: icalendar.Component) -> Iterator[Mapping[str, str]]:
    for _, value in event.property_items(recursive=False):
        yield getattr(value, "params", {})


def _seed_calendar(session: requests.Session, url: str, calendar: DemoCalendar) -> int:
    reply = session.request("MKCALENDAR", url, data=_mkcalendar(calendar), timeout=TIMEOUT_SECONDS)
    if reply.status_code not in _EXISTS:
        reply.raise_for_status()
    text = (files("infra.local") / "demo_calendars" / calendar.file).read_bytes()
    return sum(_put_new(session, f"{url}{uid}.ics", body) for uid, body in split_events(text))


def _mkcalendar(calendar: DemoCalendar) -> bytes:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/">
  <D:set><D:prop>
    <D:displayname>{escape(calendar.name)}</D:displayname>
    <A:calendar-color>{escape(calendar.color)}</A:calendar-color>
    <C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>
  </D:prop></D:set>
</C:mkcalendar>""".encode()


def _put_new(session: requests.Session, url: str, body: bytes) -> bool:
    headers = {"Content-Type": "text/calendar; charset=utf-8", "If-None-Match": "*"}
    reply = session.put(url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
    if reply.status_code == _PRECONDITION_FAILED:
        return False
    reply.raise_for_status()
    return True
