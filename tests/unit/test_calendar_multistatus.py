"""Multistatus documents, whatever the pieces they arrive in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.calendar.faults import ReplyTooLarge, UnexpectedReply
from servants.calendar.multistatus import CALDAV, DAV, DavResponse, Multistatus, has_precondition

DOCUMENT = b"""<?xml version="1.0" encoding="utf-8"?>
<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <!-- as servers do -->
  <response><href> /a%20b.ics </href>
    <propstat><prop><getetag>"1"</getetag><C:calendar-data>BEGIN:VCALENDAR
&lt;&#228;&gt;</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat>
    <propstat><prop><displayname/></prop><status>HTTP/1.1 404 Not Found</status></propstat>
  </response>
  <response><href>/gone.ics</href><status>HTTP/1.1 404 Not Found</status></response>
  <response><href>/</href><propstat><prop>
    <resourcetype><collection/><C:calendar/></resourcetype>
    <C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>
    <C:calendar-home-set><href>/one/</href><href>/two/</href></C:calendar-home-set>
    <displayname>  </displayname>
  </prop><status>HTTP/1.1 200 OK</status></propstat></response>
  <sync-token>token-2</sync-token>
</multistatus>"""


def read(*chunks: bytes) -> tuple[list[DavResponse], str | None]:
    reply = Multistatus(chunks, source="REPORT http://host/")
    return list(reply), reply.sync_token


def test_responses_with_their_properties() -> None:
    (member, gone, home), token = read(DOCUMENT)
    assert (member.href, member.status, member.text(f"{DAV}getetag")) == ("/a%20b.ics", 200, '"1"')
    assert member.properties[f"{CALDAV}calendar-data"].text == "BEGIN:VCALENDAR\n<ä>"
    assert f"{DAV}displayname" not in member.properties
    assert (gone.href, gone.status, gone.properties) == ("/gone.ics", 404, {})
    assert home.properties[f"{DAV}resourcetype"].elements == (f"{DAV}collection", f"{CALDAV}calendar")
    assert home.properties[f"{CALDAV}supported-calendar-component-set"].names == ("VEVENT",)
    assert home.properties[f"{CALDAV}calendar-home-set"].hrefs == ("/one/", "/two/")
    assert home.text(f"{DAV}displayname") is None
    assert token == "token-2"


@given(st.lists(st.integers(0, len(DOCUMENT)), max_size=8))
def test_any_pieces_give_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(DOCUMENT)]
    pieces = [DOCUMENT[start:end] for start, end in pairwise(places)]
    assert read(*pieces) == read(DOCUMENT)


@given(st.integers(0, len(DOCUMENT) - 1))
def test_a_document_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(UnexpectedReply, match="REPORT http://host/ answered 207 with a body that is not well-formed"):
        read(DOCUMENT[:length])


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        read(body)


def test_a_value_beyond_the_parsers_limit_is_too_large() -> None:
    opening = b'<multistatus xmlns="DAV:"><response><href>'
    with pytest.raises(ReplyTooLarge):
        read(opening, *[b"a" * 1_000_000] * 11, b"</href></response></multistatus>")


def test_a_document_with_too_many_levels_is_refused() -> None:
    with pytest.raises((UnexpectedReply, ReplyTooLarge)):
        read(b'<multistatus xmlns="DAV:">' + b"<response>" * 1000)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'<error xmlns="DAV:"><valid-sync-token/></error>', True),
        (b'<error xmlns="DAV:"><need-privileges/></error>', False),
        (b"<html>403</html>", False),
        (b"no xml", False),
        (b"", False),
    ],
)
def test_preconditions(body: bytes, named: bool) -> None:
    assert has_precondition(body, f"{DAV}valid-sync-token") is named


@pytest.mark.parametrize("code", ["²00", "20", "9" * 5000])
def test_a_status_that_is_none_is_no_fault_of_the_job(code: str) -> None:
    text = (
        f'<multistatus xmlns="DAV:"><response><href>/a</href><status>HTTP/1.1 {code}</status></response></multistatus>'
    )
    (response,) = Multistatus([text.encode()], source="REPORT https://host/")
    assert response.status == 200


def test_a_response_of_too_many_elements_is_refused_before_it_has_arrived() -> None:
    opening = b'<multistatus xmlns="DAV:"><response><propstat><prop><x>'
    with pytest.raises(ReplyTooLarge, match="more than 10,000 elements in one response"):
        read(opening + b"<a/>" * 10_000)


def test_any_number_of_responses_is_read() -> None:
    response = b"<response><href>/a</href><propstat><prop><getetag>1</getetag></prop></propstat></response>"
    found, _ = read(b'<multistatus xmlns="DAV:">' + response * 5_000 + b"</multistatus>")
    assert len(found) == 5_000
