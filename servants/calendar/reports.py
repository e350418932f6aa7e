"""What changed in a calendar (RFC 6578 sync-collection, or a list of etags), and the text of its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from servants.calendar.client import DavClient
from servants.calendar.discovery import RemoteCalendar
from servants.calendar.faults import ReplyTooLarge, UnexpectedReply, resolve
from servants.calendar.multistatus import BAD_REQUEST, CALDAV, DAV, INSUFFICIENT_STORAGE, NOT_FOUND, DavResponse
from servants.web import shown

_SYNC_COLLECTION = """<?xml version="1.0" encoding="utf-8"?>
<D:sync-collection xmlns:D="DAV:">
  <D:sync-token>{token}</D:sync-token>
  <D:sync-level>1</D:sync-level>
  <D:prop><D:getetag/></D:prop>
</D:sync-collection>"""

_ETAGS = """<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>"""

_MULTIGET = """<?xml version="1.0" encoding="utf-8"?>
<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:prop><D:getetag/><C:calendar-data/></D:prop>
  {hrefs}
</C:calendar-multiget>"""


@dataclass(frozen=True, slots=True)
class Changes:
    """Members that are new or different, with their etags (empty where the server gives none), and those that are gone.

    `complete` says that `etags` lists every member, so that what it lacks is gone.
    """

    etags: Mapping[str, str]
    removed: frozenset[str] = frozenset()
    sync_token: str | None = None
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """One member's iCalendar text as it was at `etag`."""

    href: str
    etag: str
    text: str


@dataclass(frozen=True, slots=True)
class Bodies:
    """What a fetch brought. `unreadable` says why others did not come; members deleted meanwhile are in neither."""

    found: list[Body] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def changes_since(dav: DavClient, calendar: RemoteCalendar, token: str) -> Iterator[Changes]:
    """Pages of what changed since `token`; each page's own token covers it and all before it.

    Raises:
        SyncTokenExpired: list the calendar in full instead.
    """
    seen = {token}
    while True:
        page, truncated = _sync_collection(dav, calendar.url, token)
        yield page
        if not truncated:
            return
        if page.sync_token is None or page.sync_token in seen:
            raise UnexpectedReply(f"REPORT {shown(calendar.url)}: the server cuts its reply short and never moves on.")
        token = page.sync_token
        seen.add(token)


def full_listing(dav: DavClient, calendar: RemoteCalendar) -> Changes:
    """Every member of the calendar; with a sync token where the server can do that."""
    if not calendar.can_sync:
        return _list_etags(dav, calendar.url)
    etags: dict[str, str] = {}
    token = None
    for page in changes_since(dav, calendar, ""):
        etags.update(page.etags)
        token = page.sync_token
    return Changes(etags, sync_token=token, complete=True)


def fetch(dav: DavClient, calendar_url: str, hrefs: Sequence[str]) -> Bodies:
    """The text of these members, by calendar-multiget (RFC 4791 §7.9), in halves where the reply is too large."""
    try:
        return _multiget(dav, calendar_url, hrefs)
    except ReplyTooLarge as error:
        if len(hrefs) == 1:
            return Bodies(unreadable={hrefs[0]: error.message})
    middle = len(hrefs) // 2
    first, second = fetch(dav, calendar_url, hrefs[:middle]), fetch(dav, calendar_url, hrefs[middle:])
    return Bodies(first.found + second.found, first.unreadable | second.unreadable)


def _sync_collection(dav: DavClient, url: str, token: str) -> tuple[Changes, bool]:
    etags: dict[str, str] = {}
    removed: set[str] = set()
    truncated = False
    with dav.report(url, _SYNC_COLLECTION.format(token=escape(token)), depth=0) as reply:
        for response in reply:
            # RFC 6578 §3.6: the reply was cut short; its token leads to the rest.
            truncated |= response.status == INSUFFICIENT_STORAGE
            href = _member(url, response)
            if href is None:
                continue
            if response.status == NOT_FOUND:
                removed.add(href)
            elif response.status < BAD_REQUEST:
                etags[href] = response.text(f"{DAV}getetag") or ""
    return Changes(etags, frozenset(removed), reply.sync_token), truncated


def _list_etags(dav: DavClient, url: str) -> Changes:
    with dav.propfind(url, _ETAGS, depth=1) as (_, reply):
        members = {_member(url, response): response.text(f"{DAV}getetag") or "" for response in reply}
    return Changes({href: etag for href, etag in members.items() if href is not None}, complete=True)


def _multiget(dav: DavClient, url: str, hrefs: Sequence[str]) -> Bodies:
    # Servers differ in how they escape an href, even from one report to the next.
    wanted = {unquote(href): href for href in hrefs}
    bodies = Bodies()
    elements = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    with dav.report(url, _MULTIGET.format(hrefs=elements)) as reply:
        for response in reply:
            href = wanted.pop(unquote(_path(url, response)), None)
            if href is not None:
                _sort_in(bodies, href, response)
    bodies.unreadable.update(dict.fromkeys(wanted.values(), "the server left it out of its reply"))
    return bodies


def _sort_in(bodies: Bodies, href: str, response: DavResponse) -> None:
    data = response.properties.get(f"{CALDAV}calendar-data")
    if data is not None:
        bodies.found.append(Body(href, response.text(f"{DAV}getetag") or "", data.text))
    elif response.status != NOT_FOUND:
        bodies.unreadable[href] = f"the server answered {response.status} without calendar data"


def _member(url: str, response: DavResponse) -> str | None:
    """The path of a member of the collection; None for the collection itself and for collections in it."""
    path = _path(url, response)
    return None if path.endswith("/") or unquote(path) == unquote(urlsplit(url).path).rstrip("/") else path


def _path(url: str, response: DavResponse) -> str:
    return urlsplit(resolve(url, response.href)).path
