"""From an address to the calendars behind it (RFC 6764 §6, RFC 5397, RFC 4791 §6.2.1).

The address may be the server's, a principal's, a calendar home's or one calendar's; the last gives that calendar alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from infra.postgres.texts import storable
from retinue.errors import PermanentError, PermissionWithdrawn
from servants.calendar.client import DavClient
from servants.calendar.faults import Denied, Missing, Refused, ServerFailed, resolve
from servants.calendar.multistatus import APPLE, CALDAV, CALENDARSERVER, DAV, SERVER_FAILED, DavResponse
from servants.web import shown

WELL_KNOWN = "/.well-known/caldav"

PROPERTIES = """<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/"
            xmlns:S="http://calendarserver.org/ns/">
  <D:prop>
    <D:resourcetype/><D:displayname/><D:current-user-principal/><D:sync-token/><D:supported-report-set/>
    <C:calendar-home-set/><C:supported-calendar-component-set/><C:calendar-timezone/>
    <A:calendar-color/><S:getctag/>
  </D:prop>
</D:propfind>"""


@dataclass(frozen=True, slots=True)
class RemoteCalendar:
    """A calendar as its server describes it. `url` ends in a slash; `timezone` is what times without a zone mean."""

    url: str
    name: str
    color: str | None
    timezone: str | None
    sync_token: str | None
    ctag: str | None
    can_sync: bool


def find_calendars(dav: DavClient) -> list[RemoteCalendar]:
    """All event calendars behind the client's address.

    Raises:
        CredentialError: the sign-in is refused, there or on the way.
        PermissionWithdrawn: this user may read nothing at the address.
        PermanentError: no CalDAV service is there.
    """
    try:
        return _calendars_from(dav)
    except Denied as error:
        raise PermissionWithdrawn(f"{error.message} Check the address's path, or what the user may do.") from error


def _calendars_from(dav: DavClient) -> list[RemoteCalendar]:
    for url, answer in _entrances(dav):
        if _is_calendar(answer):
            return [_calendar(url, answer)]
        homes = _homes(url, answer) or _homes_of_principal(dav, url, answer)
        if homes:
            # By address, because two homes, or a careless server, may name one calendar twice.
            return list({calendar.url: calendar for home in homes for calendar in _listed(dav, home)}.values())
    raise PermanentError(
        f"No calendars found at {shown(dav.sign_in.url)}: it names neither a principal nor a calendar home. "
        "Give the address that the provider documents for CalDAV."
    )


def _entrances(dav: DavClient) -> Iterator[tuple[str, DavResponse]]:
    """The address itself, then the server's well-known one; addresses that hold nothing are passed over."""
    for url in (dav.sign_in.url, resolve(dav.sign_in.url, WELL_KNOWN)):
        try:
            found = _describe(dav, url)
        except (Missing, Refused):
            continue
        if found:
            yield found


def _describe(dav: DavClient, url: str) -> tuple[str, DavResponse] | None:
    with dav.propfind(url, PROPERTIES) as (answered, reply):
        responses = list(reply)
    return (answered, responses[0]) if responses else None


def _homes(url: str, answer: DavResponse) -> list[str]:
    found = answer.properties.get(f"{CALDAV}calendar-home-set")
    return [resolve(url, href) for href in found.hrefs] if found else []


def _homes_of_principal(dav: DavClient, url: str, answer: DavResponse) -> list[str]:
    principal = answer.properties.get(f"{DAV}current-user-principal")
    if principal is None or not principal.hrefs:
        return []
    found = _describe(dav, resolve(url, principal.hrefs[0]))
    return _homes(*found) if found else []


def _listed(dav: DavClient, home: str) -> list[RemoteCalendar]:
    with dav.propfind(home, PROPERTIES, depth=1) as (answered, reply):
        responses = list(reply)
    for response in responses:
        # What is not listed counts as deleted, so a listing with holes is none.
        if response.status >= SERVER_FAILED:
            raise ServerFailed(f"PROPFIND {shown(home)}: the server failed to list all that is there.")
    return [_calendar(resolve(answered, response.href), response) for response in responses if _is_calendar(response)]


def _is_calendar(response: DavResponse) -> bool:
    """Whether it is a calendar that may hold events; one that names no components may hold any (RFC 4791 §5.2.3)."""
    kind = response.properties.get(f"{DAV}resourcetype")
    components = response.properties.get(f"{CALDAV}supported-calendar-component-set")
    is_calendar = kind is not None and f"{CALDAV}calendar" in kind.elements
    return is_calendar and (components is None or "VEVENT" in components.names)


def _calendar(url: str, response: DavResponse) -> RemoteCalendar:
    reports = response.properties.get(f"{DAV}supported-report-set")
    url = url if url.endswith("/") else f"{url}/"
    return RemoteCalendar(
        url=url,
        # A path may have any byte in it, escaped.
        name=response.text(f"{DAV}displayname") or storable(unquote(_last_segment(url))),
        color=response.text(f"{APPLE}calendar-color"),
        timezone=_zone_name(response.text(f"{CALDAV}calendar-timezone")),
        sync_token=response.text(f"{DAV}sync-token"),
        ctag=response.text(f"{CALENDARSERVER}getctag"),
        can_sync=reports is not None and f"{DAV}sync-collection" in reports.elements,
    )


def _last_segment(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def _zone_name(definition: str | None) -> str | None:
    """The TZID in a `calendar-timezone` property, which is a whole VCALENDAR (RFC 4791 §5.2.2)."""
    if definition is None:
        return None
    lines = (line.strip() for line in definition.splitlines())
    return next((line.removeprefix("TZID:") for line in lines if line.startswith("TZID:")), None)
