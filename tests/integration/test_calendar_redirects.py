"""Where the password goes when a CalDAV server sends the client elsewhere without TLS."""

from __future__ import annotations

import pytest

from servants.calendar.client import DavClient, SignIn
from servants.calendar.faults import Refused
from tests.support.bad_caldav_server import Reply, bad_server, multistatus, response


def follow(url: str) -> None:
    with DavClient(SignIn(url, "ann", "secret")) as dav, dav.propfind(url, "") as (_, reply):
        list(reply)


def test_the_password_is_not_sent_to_another_port_of_the_same_host() -> None:
    with bad_server(multistatus(response("/"))) as other:
        moved = Reply(301, headers={"Location": other.url})
        with bad_server(moved) as server, pytest.raises(Refused, match="not sent there without TLS"):
            follow(server.url)
        assert other.requests == []


def test_a_port_that_cannot_be_one_is_refused() -> None:
    moved = Reply(301, headers={"Location": "http://127.0.0.1:99999/"})
    with bad_server(moved) as server, pytest.raises(Refused):
        follow(server.url)
