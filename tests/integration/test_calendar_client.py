"""Requests to CalDAV servers that misbehave: every failure is one clear error, and none of them names the password."""

from __future__ import annotations

import gzip
import re
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retinue.errors import (
    CredentialError,
    JobCancelled,
    JobError,
    PermanentError,
    PermissionWithdrawn,
    RateLimited,
    SettingsRefused,
    TransientError,
)
from servants.calendar.client import DavClient, Limits, SignIn
from servants.calendar.discovery import PROPERTIES, find_calendars
from servants.calendar.faults import ReplyTooLarge, ServerFailed, SyncTokenExpired, UnexpectedReply
from servants.calendar.multistatus import DavResponse
from tests.support.bad_caldav_server import Reply, Request, bad_server, multistatus, response, self_signed
from tests.support.radicale_server import free_port

PASSWORD = "correct-horse"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>&c;</D:href></D:response></D:multistatus>"""
LEAK = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/hostname">]>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>&leak;</D:href></D:response></D:multistatus>"""


class FixedClock:
    """Noon, and as much time as there was."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def ask(url: str, *, limits: Limits | None = None, stop: Callable[[], None] = lambda: None) -> list[DavResponse]:
    limits = limits or Limits(connect_seconds=2, read_seconds=2)
    sign_in = SignIn(url, "ann", PASSWORD)
    with (
        DavClient(sign_in, limits=limits, clock=FixedClock(), stop_if_cancelled=stop) as dav,
        dav.propfind(url, PROPERTIES) as (_, reply),
    ):
        return list(reply)


def failure(answer: Callable[[Request], Reply] | Reply, *, limits: Limits | None = None) -> JobError:
    with bad_server(answer) as server, pytest.raises(JobError) as caught:
        ask(server.url, limits=limits)
    assert PASSWORD not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(401), CredentialError, "answered 401: the sign-in was refused"),
        (Reply(401, headers={"WWW-Authenticate": 'Digest realm="x"'}), CredentialError, "does not offer Basic"),
        (Reply(403), PermanentError, "answered 403: this user may not read it"),
        (Reply(404), PermanentError, "answered 404: nothing is there"),
        (Reply(410), PermanentError, "answered 410: nothing is there"),
        (Reply(400), PermanentError, "answered 400: the server does not accept"),
        (Reply(500), ServerFailed, "answered 500: the server failed"),
        (Reply(503), ServerFailed, "answered 503: the server failed"),
        (Reply(408), TransientError, "answered 408"),
        (
            Reply(200, b"<html>hi", {"Content-Type": "text/html; charset=x"}),
            UnexpectedReply,
            "answered 200 with text/html",
        ),
        (Reply(207, b"<html><body/></html>"), UnexpectedReply, "with an HTML page"),
        (Reply(207, b"<!DOCTYPE html><html>"), UnexpectedReply, "with an HTML page"),
        (Reply(207, b"Welcome!"), UnexpectedReply, "not well-formed XML"),
        (Reply(207, b""), UnexpectedReply, "not well-formed XML"),
        (Reply(207, b'{"error": 1}'), UnexpectedReply, "not well-formed XML"),
        (Reply(207, b"<feed/>"), UnexpectedReply, "a document <feed>"),
        (Reply(207, BOMB), UnexpectedReply, "a document type declaration, which is refused"),
        (Reply(207, LEAK), UnexpectedReply, "a document type declaration, which is refused"),
        (Reply(207, multistatus(response("/a")).body[:-9]), UnexpectedReply, "not well-formed XML"),
        (Reply(207, multistatus(response("/a")).body, then="cut"), TransientError, "connection failed|not well-formed"),
        (Reply(207, b"not gzip", {"Content-Encoding": "gzip"}), TransientError, "connection failed"),
    ],
)
def test_a_bad_answer_is_one_clear_error(reply: Reply, kind: type[JobError], words: str) -> None:
    error = failure(reply)
    assert isinstance(error, kind)
    assert re.search(rf"^PROPFIND http://127\.0\.0\.1:\d+/.*({words})", error.message)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Sat, 21 Nov 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Sat, 21 Nov 2020 12:05:00 GMT", timedelta(0)),
        ("99999999999999999999", timedelta(days=1)),
        ("soon", timedelta(seconds=60)),
        ("", timedelta(seconds=60)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_names_its_reset(status: int, header: str, wait: timedelta) -> None:
    error = failure(Reply(status, headers={"Retry-After": header}))
    assert isinstance(error, RateLimited)
    assert error.reset_at == NOW + wait


def test_429_without_retry_after_waits_a_minute() -> None:
    error = failure(Reply(429))
    assert isinstance(error, RateLimited)
    assert error.reset_at == NOW + timedelta(seconds=60)


def test_a_server_that_says_nothing_times_out() -> None:
    error = failure(Reply(then="hang"), limits=Limits(connect_seconds=1, read_seconds=0.2))
    assert isinstance(error, TransientError)
    assert "no answer within the time allowed" in error.message


def test_a_server_that_drips_meets_the_deadline() -> None:
    body = multistatus(*(response(f"/{number}") for number in range(50))).body
    with bad_server(Reply(body=body, then="drip")) as server:
        dav = DavClient(SignIn(server.url, "ann", PASSWORD), limits=Limits(reply_seconds=0.2))
        with dav, dav.propfind(server.url, "") as (_, reply), pytest.raises(TransientError, match="no whole answer in"):
            list(reply)


def test_headers_that_drip_meet_the_deadline() -> None:
    error = failure(Reply(then="drip head"), limits=Limits(read_seconds=5, reply_seconds=0.3))
    assert isinstance(error, TransientError)
    assert "no answer within the time allowed" in error.message


def test_a_reply_beyond_the_limit_is_not_read_to_its_end() -> None:
    body = multistatus(*(response(f"/{number}") for number in range(10_000))).body
    error = failure(Reply(body=body), limits=Limits(reply_bytes=100_000))
    assert isinstance(error, ReplyTooLarge)
    assert "more than 100,000 bytes" in error.message


def test_a_compressed_reply_counts_by_what_it_unpacks_to() -> None:
    bomb = gzip.compress(b"<D:multistatus xmlns:D='DAV:'>" + b" " * 5_000_000)
    error = failure(Reply(body=bomb, headers={"Content-Encoding": "gzip"}), limits=Limits(reply_bytes=1_000_000))
    assert isinstance(error, ReplyTooLarge)


def test_a_compressed_reply_is_read() -> None:
    body = gzip.compress(multistatus(response("/a")).body)
    with bad_server(Reply(body=body, headers={"Content-Encoding": "gzip"})) as server:
        assert [found.href for found in ask(server.url)] == ["/a"]


def test_a_cancelled_job_stops_reading() -> None:
    def stop() -> None:
        raise JobCancelled("a person cancelled it")

    with bad_server(multistatus(response("/a"))) as server, pytest.raises(JobCancelled):
        ask(server.url, stop=stop)


def test_nobody_listening_is_transient() -> None:
    with pytest.raises(TransientError, match=r"the connection failed .*refused"):
        ask(f"http://127.0.0.1:{free_port()}/")


def test_a_name_that_does_not_exist_is_transient() -> None:
    with pytest.raises(TransientError, match="the connection failed"):
        ask("https://nowhere.invalid/")


def test_plain_http_where_tls_is_expected_is_transient() -> None:
    with bad_server(Reply()) as server, pytest.raises(TransientError, match="the TLS handshake failed"):
        ask(server.url.replace("http:", "https:"))


def test_a_certificate_nobody_vouches_for_is_transient_and_gets_no_password(tmp_path: Path) -> None:
    with bad_server(Reply(), tls=self_signed(tmp_path)) as server:
        with pytest.raises(TransientError, match=r"the TLS handshake failed \(.*self-signed certificate"):
            ask(server.url.replace("http:", "https:"))
        assert server.requests == []


def test_a_server_that_hangs_up_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with pytest.raises(TransientError, match="the connection failed"):
            ask(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        hanging_up.join()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/", "is no CalDAV address"),
        ("host.example", "is no CalDAV address"),
        ("https://", "is no CalDAV address"),
        ("http://[::1", "is no CalDAV address"),
        ("http://host:99999/", "is no CalDAV address"),
        ("https://ann:secret@host/", "apart from the address 'https://host/'"),
        ("https://exa mple/", "is no CalDAV address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str, words: str) -> None:
    with pytest.raises(SettingsRefused, match=words) as caught:
        ask(url)
    assert "secret" not in str(caught.value)


def test_redirects_keep_method_body_and_sign_in() -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/":
            return Reply(302, headers={"Location": "/dav/"})
        return multistatus(response("/dav/"))

    with bad_server(answer) as server:
        assert ask(server.url)[0].href == "/dav/"
    first, second = server.requests
    assert (second.method, second.path, second.body) == ("PROPFIND", "/dav/", first.body)
    assert second.headers["Authorization"] == first.headers["Authorization"]
    assert second.headers["Depth"] == "0"


def test_redirects_in_a_circle_end() -> None:
    error = failure(Reply(301, headers={"Location": "/"}))
    assert isinstance(error, PermanentError)
    assert "more than 5 redirects" in error.message


def test_the_password_is_not_sent_to_another_host_without_tls() -> None:
    error = failure(Reply(301, headers={"Location": "http://localhost:1/steal"}))
    assert isinstance(error, PermanentError)
    assert "not sent there without TLS" in error.message


def test_a_redirect_to_no_address_is_an_unexpected_reply() -> None:
    assert isinstance(failure(Reply(301, headers={"Location": "http://[::1"})), UnexpectedReply)


def test_a_password_beyond_latin_1_is_sent_as_utf_8() -> None:
    with bad_server(multistatus(response("/a"))) as server:
        dav = DavClient(SignIn(server.url, "ann", "пароль"))
        with dav, dav.propfind(server.url, "") as (_, reply):
            list(reply)
    assert server.requests[0].headers["Authorization"] == "Basic YW5uOtC/0LDRgNC+0LvRjA=="


def test_the_password_is_in_no_repr() -> None:
    assert PASSWORD not in repr(SignIn("https://host/", "ann", PASSWORD))


@pytest.mark.parametrize("status", [403, 409, 412])
def test_the_precondition_says_that_a_token_expired(status: int) -> None:
    body = b'<?xml version="1.0"?><D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>'
    assert isinstance(failure(Reply(status, body)), SyncTokenExpired)


def discover(url: str) -> None:
    with DavClient(SignIn(url, "ann", PASSWORD)) as dav:
        find_calendars(dav)


def test_discovery_refused_with_403_is_a_matter_of_permission() -> None:
    with bad_server(Reply(403)) as server, pytest.raises(PermissionWithdrawn, match=r"answered 403.*address's path"):
        discover(server.url)


def test_no_caldav_at_all_is_permanent_and_says_where_it_looked() -> None:
    with bad_server(Reply(404)) as server, pytest.raises(PermanentError, match="No calendars found at http://127"):
        discover(server.url)
    assert [request.path for request in server.requests] == ["/", "/.well-known/caldav"]
