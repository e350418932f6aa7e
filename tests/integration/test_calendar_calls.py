"""Each CalDAV request is one counted call, and what its answer says of limits is passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from retinue.connection import Call
from retinue.errors import RateLimited
from servants.calendar.client import DavClient, SignIn
from servants.calendar.discovery import PROPERTIES
from tests.support.bad_caldav_server import Reply, Request, bad_server, multistatus, response


class Counted:
    """Calls as a servant counts them: those under way, and what was learned."""

    def __init__(self) -> None:
        self.begun = self.under_way = 0
        self.learned: list[tuple[int | None, str | None]] = []

    @contextmanager
    def __call__(self) -> Iterator[Call]:
        self.begun += 1
        self.under_way += 1
        try:
            yield self
        finally:
            self.under_way -= 1

    def learn(self, headers: Mapping[str, str] | None = None, *, status: int | None = None, body: str = "") -> None:
        self.learned.append((status, (headers or {}).get("Retry-After")))


def test_a_redirect_and_its_target_are_two_calls_and_last_as_long_as_their_reply() -> None:
    def answer(request: Request) -> Reply:
        return Reply(302, headers={"Location": "/dav/"}) if request.path == "/" else multistatus(response("/dav/"))

    calls = Counted()
    with (
        bad_server(answer) as server,
        DavClient(SignIn(server.url, "ann", "secret"), call=calls) as dav,
        dav.propfind(server.url, PROPERTIES) as (_, reply),
    ):
        assert calls.under_way == 1
        assert len(list(reply)) == 1
    assert (calls.begun, calls.under_way) == (2, 0)
    assert calls.learned == [(302, None), (207, None)]


def test_a_refusal_is_learned_from() -> None:
    calls = Counted()
    with (
        bad_server(Reply(429, headers={"Retry-After": "90"})) as server,
        DavClient(SignIn(server.url, "ann", "secret"), call=calls) as dav,
        pytest.raises(RateLimited),
        dav.propfind(server.url, PROPERTIES),
    ):
        pytest.fail("the answer was taken for a reply")
    assert calls.learned == [(429, "90")]
    assert calls.under_way == 0
