"""A WebDAV multistatus reply (RFC 4918 §13), read as it arrives: memory holds one response at a time.

The text comes from a third party, so document types and their entities are refused, nothing is fetched, and libxml2's
own limits on depth and size stay on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

from servants.calendar.faults import ReplyTooLarge, UnexpectedReply

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
APPLE = "{http://apple.com/ns/ical/}"
CALENDARSERVER = "{http://calendarserver.org/ns/}"

OK = 200
NOT_FOUND = 404
SERVER_FAILED = 500
INSUFFICIENT_STORAGE = 507

#: How many elements one response may have; each is an object in memory, however small it is on the wire.
MAX_ELEMENTS = 10_000

#: How much is parsed before what came of it is looked at.
_PIECE_BYTES = 16 * 1024

_PARSER_OPTIONS = {"resolve_entities": False, "no_network": True, "huge_tree": False, "load_dtd": False}


@dataclass(frozen=True, slots=True)
class Property:
    """One property's value: its text, the hrefs and element names in it, and the `name` attributes of its children."""

    text: str
    hrefs: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DavResponse:
    """What a multistatus says about one href; `properties` holds those whose status is 200.

    Where the server failed to tell some property (5xx), that is the status of all.
    """

    href: str
    status: int
    properties: Mapping[str, Property]

    def text(self, name: str) -> str | None:
        """The property's text without the white space around it, or None where it is absent or empty."""
        found = self.properties.get(name)
        return found.text.strip() or None if found else None


class Multistatus:
    """The responses of one reply, to be iterated once; `sync_token` is known when that is done.

    `source` names the request in messages: `REPORT https://host/path`.

    Raises while iterating:
        UnexpectedReply: it is no XML, no multistatus, has a document type, or ends too early.
        ReplyTooLarge: one value is beyond libxml2's limit of 10 million characters, or one response has more than
            `MAX_ELEMENTS` elements.
    """

    def __init__(self, chunks: Iterable[bytes], *, source: str) -> None:
        self.sync_token: str | None = None
        self._chunks = chunks
        self._source = source
        self._elements = 0

    def __iter__(self) -> Iterator[DavResponse]:
        parser = etree.XMLPullParser(events=("start", "end"), **_PARSER_OPTIONS)
        try:
            for chunk in self._chunks:
                for start in range(0, len(chunk), _PIECE_BYTES):
                    parser.feed(chunk[start : start + _PIECE_BYTES])
                    yield from self._complete(parser)
            parser.close()
        except etree.XMLSyntaxError as error:
            raise self._syntax_fault(error) from None
        yield from self._complete(parser)

    def _complete(self, parser: Any) -> Iterator[DavResponse]:
        """The responses that have arrived whole; each is taken out of the tree, so that the tree stays small."""
        for event, element in parser.read_events():
            self._elements += event == "start"
            if self._elements > MAX_ELEMENTS:
                raise ReplyTooLarge(f"{self._source}: more than {MAX_ELEMENTS:,} elements in one response.")
            parent = element.getparent()
            if parent is None and event == "start":
                self._check_root(element)
            elif parent is not None and parent.getparent() is None and event == "end":
                if element.tag == f"{DAV}response":
                    yield _response(element)
                elif element.tag == f"{DAV}sync-token":
                    self.sync_token = (element.text or "").strip() or None
                parent.remove(element)
                self._elements = 0

    def _check_root(self, root: Any) -> None:
        name = etree.QName(root).localname
        if name.lower() == "html":
            raise self._unexpected("an HTML page")
        if root.getroottree().docinfo.internalDTD is not None:
            raise self._unexpected("a document type declaration, which is refused")
        if root.tag != f"{DAV}multistatus":
            raise self._unexpected(f"a document <{name}>")

    def _syntax_fault(self, error: Any) -> UnexpectedReply | ReplyTooLarge:
        if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
            return ReplyTooLarge(f"{self._source}: {error.msg}.")
        return self._unexpected(f"a body that is not well-formed XML ({error.msg})")

    def _unexpected(self, found: str) -> UnexpectedReply:
        return UnexpectedReply(f"{self._source} answered 207 with {found}; expected a CalDAV multistatus.")


def has_precondition(body: bytes, name: str) -> bool:
    """Whether an error reply (RFC 4918 §16) names this precondition, such as `{DAV:}valid-sync-token`."""
    try:
        root = etree.fromstring(body, etree.XMLParser(**_PARSER_OPTIONS))
    except etree.XMLSyntaxError:
        return False
    return root is not None and any(element.tag == name for element in root.iter())


def _response(element: Any) -> DavResponse:
    properties: dict[str, Property] = {}
    status = _status(element)
    for propstat in element.iterfind(f"{DAV}propstat"):
        found = _status(propstat)
        if found == OK:
            properties.update((child.tag, _property(child)) for child in propstat.iterfind(f"{DAV}prop/*"))
        elif found >= SERVER_FAILED:
            status = max(status, found)
    href = (element.findtext(f"{DAV}href") or "").strip()
    return DavResponse(href, status, properties)


def _property(element: Any) -> Property:
    nested = list(element.iterdescendants(tag=etree.Element))
    return Property(
        text=element.text or "",
        hrefs=tuple((child.text or "").strip() for child in nested if child.tag == f"{DAV}href"),
        elements=tuple(child.tag for child in nested),
        names=tuple(child.get("name") for child in nested if child.get("name")),
    )


def _status(element: Any) -> int:
    """The code of `<status>HTTP/1.1 404 Not Found</status>`; a response without one is about its properties: 200."""
    words = (element.findtext(f"{DAV}status") or "").split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() and len(words[1]) == 3 else OK
