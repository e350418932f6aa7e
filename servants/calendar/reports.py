"""What changed in a calendar (RFC 6578 sync-collection, or a list of etags), and the text of its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from servants.calendar.addresses import is_too_long, one_form
from servants.calendar.client import DavClient
from servants.calendar.discovery import RemoteCalendar
from servants.calendar.faults import ListingStuck, ReplyTooLarge, TooMuchAsked, resolve
from servants.calendar.multistatus import (
    CALDAV,
    DAV,
    INSUFFICIENT_STORAGE,
    NOT_FOUND,
    SERVER_FAILED,
    DavResponse,
)
from servants.web import shown

_SYNC_COLLECTION = """<?xml version="1.0" encoding="utf-8"?>
<D:sync-collection xmlns:D="DAV:">
  <D:sync-token>{token}</D:sync-token>
  <D:sync-level>1</D:sync-level>{limit}
  <D:prop><D:getetag/></D:prop>
</D:sync-collection>"""

_LIMIT = "<D:limit><D:nresults>{count}</D:nresults></D:limit>"

_BETWEEN = """<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:prop><D:getetag/></D:prop>
  <C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
    <C:time-range start="{first:%Y%m%d}T000000Z" end="{end:%Y%m%d}T000000Z"/>
  </C:comp-filter></C:comp-filter></C:filter>
</C:calendar-query>"""

_ETAGS = """<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>"""

_MULTIGET = """<?xml version="1.0" encoding="utf-8"?>
<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:prop><D:getetag/><C:calendar-data/></D:prop>
  {hrefs}
</C:calendar-multiget>"""


#: How many members one sync-collection may bring, tried one after the other where a server calls it too much.
PAGE_LIMITS = (None, 500, 50)

#: How many replies in a row, each cut short, may bring nothing new.
MAX_STALE_PAGES = 3


@dataclass(frozen=True, slots=True)
class Changes:
    """Members that are new or different, with their etags (empty where the server gives none), and those that are gone.

    `complete` says that `etags` lists every member, so that what it lacks is gone. `left_out` has the members whose
    path is too long to be held.
    """

    etags: Mapping[str, str]
    removed: frozenset[str] = frozenset()
    sync_token: str | None = None
    complete: bool = False
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Body:
    """One member's iCalendar text as it was at `etag`."""

    href: str
    etag: str
    text: str


@dataclass(frozen=True, slots=True)
class Bodies:
    """What a fetch brought.

    `unreadable` says why others did not come, `waiting` which of them are worth asking for again; members deleted
    meanwhile are in none.
    """

    found: list[Body] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    def __or__(self, other: Bodies) -> Bodies:
        return Bodies(self.found + other.found, self.unreadable | other.unreadable, self.waiting | other.waiting)


def changes_since(dav: DavClient, calendar: RemoteCalendar, token: str) -> Iterator[Changes]:
    """Pages of what changed since `token`, of everything where it is empty; each page's token covers it and all before.

    Raises:
        SyncTokenExpired: list the calendar in full instead.
        TooMuchAsked: even a few members are too many for the server.
        ListingStuck: the server does not come to an end.
    """
    seen: dict[str, str] = {}
    tokens = {token}
    stale = 0
    while True:
        page, truncated = _page(dav, calendar.url, token)
        yield page
        if not truncated:
            return
        stale = 0 if _is_news(page, seen) else stale + 1
        if page.sync_token is None or page.sync_token in tokens or stale > MAX_STALE_PAGES:
            raise ListingStuck(f"REPORT {shown(calendar.url)}: the server cuts its reply short and never moves on.")
        token = page.sync_token
        tokens.add(token)


def _is_news(page: Changes, seen: dict[str, str]) -> bool:
    """Whether a page tells something that the pages before it did not; a page removed counts as an etag of its own."""
    told = {**page.etags, **dict.fromkeys(page.removed, "removed")}
    fresh = any(seen.get(href) != etag for href, etag in told.items())
    seen.update(told)
    return fresh


def full_listing(dav: DavClient, calendar: RemoteCalendar) -> Changes:
    """Every member of the calendar; with a sync token where the server can do that."""
    if not calendar.can_sync:
        return list_etags(dav, calendar)
    etags: dict[str, str] = {}
    left_out: set[str] = set()
    token = None
    for page in changes_since(dav, calendar, ""):
        etags.update(page.etags)
        left_out |= page.left_out
        token = page.sync_token
    return Changes(etags, sync_token=token, complete=True, left_out=frozenset(left_out))


def list_etags(dav: DavClient, calendar: RemoteCalendar) -> Changes:
    """Every member by a plain listing; not complete where the server cuts it short.

    The token is that of the calendar's discovery: what changed since then is told again.
    """
    cut = False
    etags: dict[str, str] = {}
    with dav.propfind(calendar.url, _ETAGS, depth=1) as (_, reply):
        for response in reply:
            href = _member(calendar.url, response)
            if href is not None:
                etags[href] = response.text(f"{DAV}getetag") or ""
            cut |= response.status == INSUFFICIENT_STORAGE
    token = calendar.sync_token if calendar.can_sync else None
    etags, left_out = _sorted_out(etags)
    return Changes(etags, sync_token=token, complete=not cut, left_out=left_out)


def members_between(dav: DavClient, calendar: RemoteCalendar, first: date, end: date) -> Changes:
    """The members with an instance from `first` to before `end`, in UTC (RFC 4791 §7.8, §9.9)."""
    with dav.report(calendar.url, _BETWEEN.format(first=first, end=end), depth=1) as reply:
        members = {_member(calendar.url, response): response.text(f"{DAV}getetag") or "" for response in reply}
    etags, left_out = _sorted_out({href: etag for href, etag in members.items() if href is not None})
    return Changes(etags, left_out=left_out)


def fetch(dav: DavClient, calendar_url: str, hrefs: Sequence[str]) -> Bodies:
    """The text of these members, by calendar-multiget (RFC 4791 §7.9), in halves where the reply is too large.

    Members that a reply leaves out are asked for again as long as that brings any.
    """
    bodies = more = _in_halves(dav, calendar_url, hrefs)
    while more.waiting and more.found:
        more = _in_halves(dav, calendar_url, sorted(more.waiting))
        settled = {href: reason for href, reason in bodies.unreadable.items() if href not in bodies.waiting}
        bodies = Bodies(bodies.found + more.found, settled | more.unreadable, more.waiting)
    return bodies


def _in_halves(dav: DavClient, calendar_url: str, hrefs: Sequence[str]) -> Bodies:
    try:
        return _multiget(dav, calendar_url, hrefs)
    except (ReplyTooLarge, TooMuchAsked) as error:
        if len(hrefs) == 1:
            return Bodies(unreadable={hrefs[0]: error.message})
    middle = len(hrefs) // 2
    return _in_halves(dav, calendar_url, hrefs[:middle]) | _in_halves(dav, calendar_url, hrefs[middle:])


def _page(dav: DavClient, url: str, token: str) -> tuple[Changes, bool]:
    """One reply and whether it was cut short; asked for in smaller parts where the whole is too much."""
    for limit in PAGE_LIMITS:
        try:
            return _sync_collection(dav, url, token, limit)
        except TooMuchAsked:
            if limit == PAGE_LIMITS[-1]:
                raise
    raise AssertionError("PAGE_LIMITS is empty")


def _sync_collection(dav: DavClient, url: str, token: str, limit: int | None) -> tuple[Changes, bool]:
    etags: dict[str, str] = {}
    removed: set[str] = set()
    truncated = False
    asked = _SYNC_COLLECTION.format(token=escape(token), limit="" if limit is None else _LIMIT.format(count=limit))
    with dav.report(url, asked, depth=0) as reply:
        for response in reply:
            # RFC 6578 §3.6: the reply was cut short; its token leads to the rest.
            truncated |= response.status == INSUFFICIENT_STORAGE
            href = _member(url, response)
            if href is None:
                continue
            if response.status == NOT_FOUND:
                removed.add(href)
            else:
                # A member that the server cannot tell about is there all the same.
                etags[href] = response.text(f"{DAV}getetag") or ""
    etags, left_out = _sorted_out(etags)
    return Changes(etags, frozenset(removed), reply.sync_token, left_out=left_out), truncated


def _multiget(dav: DavClient, url: str, hrefs: Sequence[str]) -> Bodies:
    # Servers differ in how they escape an href, even from one report to the next.
    wanted = {one_form(href): href for href in hrefs}
    bodies = Bodies()
    elements = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    with dav.report(url, _MULTIGET.format(hrefs=elements)) as reply:
        for response in reply:
            href = wanted.pop(_path(url, response), None)
            if href is not None:
                _sort_in(bodies, href, response)
    bodies.unreadable.update(dict.fromkeys(wanted.values(), "the server left it out of its reply"))
    bodies.waiting.update(wanted.values())
    return bodies


def _sort_in(bodies: Bodies, href: str, response: DavResponse) -> None:
    data = response.properties.get(f"{CALDAV}calendar-data")
    if data is not None:
        bodies.found.append(Body(href, response.text(f"{DAV}getetag") or "", data.text))
    elif response.status != NOT_FOUND:
        bodies.unreadable[href] = f"the server answered {response.status} without calendar data"
        if response.status >= SERVER_FAILED:
            bodies.waiting.add(href)


def _member(url: str, response: DavResponse) -> str | None:
    """The path of a member of the collection; None for the collection itself and for collections in it."""
    path = _path(url, response)
    return None if path.endswith("/") or path == one_form(urlsplit(url).path).rstrip("/") else path


def _path(url: str, response: DavResponse) -> str:
    return one_form(urlsplit(resolve(url, response.href)).path)


def _sorted_out(etags: dict[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """The etags of members that can be held, and the paths of the others."""
    left_out = frozenset(filter(is_too_long, etags))
    return {href: etag for href, etag in etags.items() if href not in left_out}, left_out
