"""Connections made on an account's own pages lead to no server that the internet does not reach, whatever it is called.

Addresses of this machine stand for public ones where a test says so: what is not on it cannot be asked anything here.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from infra.hosts import Reach
from retinue.connection import Connection
from retinue.errors import JobError, SettingsRefused
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants import reach as reaching
from servants.calendar import probe as calendar_probe
from servants.calendar.client import DavClient
from servants.calendar.client import SignIn as DavSignIn
from servants.calendar.discovery import PROPERTIES, find_calendars
from servants.email import probe as mail_probe
from servants.email.imap.aio import AsyncImapSession
from servants.email.imap.faults import CertificateRefused
from servants.email.imap.session import ImapSession
from servants.email.sign_in import SignIn, Tls, trusting
from servants.probing import ProbeReport
from tests.support import certificates
from tests.support.bad_caldav_server import Reply, bad_server, multistatus, response
from tests.support.bad_imap_server import bad_imap_server, server_context
from tests.support.dovecot_server import dovecot
from tests.support.mail_customer import customer_of
from tests.support.mail_server import LocalMailServer
from tests.support.names import Listener, Names
from tests.support.radicale_server import Hand, RadicaleServer, hand, radicale
from tests.support.wires import switchboard

__all__ = ["dovecot", "hand", "radicale", "retinue_database", "retinue_schema", "retinue_template"]

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
WORDS = "has an address that is not public"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def here_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 127.0.0.1 were an address of the internet, and no other were."""
    monkeypatch.setattr(reaching, "is_public", lambda address: address == HERE)


def mail(host: str, port: int, within: Reach = Reach.PUBLIC, **more: Any) -> SignIn:
    return SignIn(host, "ann", **{"password": "secret-word", "tls": Tls.TLS, "port": port, "reach": within, **more})


def open_mail(sign_in: SignIn) -> None:
    with ImapSession.open(sign_in):
        pass


def open_mail_in_loop(sign_in: SignIn) -> None:
    async def whole() -> None:
        async with AsyncImapSession.open(sign_in):
            pass

    asyncio.run(whole())


def ask_calendars(url: str, within: Reach = Reach.PUBLIC, *, user: str = "ann", password: str = "secret-word") -> str:  # noqa: S107 - made up
    with DavClient(DavSignIn(url, user, password, within)) as dav, dav.propfind(url, PROPERTIES) as (answered, reply):
        list(reply)
        return answered


OPENINGS = [open_mail, open_mail_in_loop]


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_mail_server_on_this_machine_is_not_connected_to(dovecot: LocalMailServer, opening: Any) -> None:
    user = dovecot.user()
    with switchboard() as board:
        wire = board.wire(dovecot.port)
        given: dict[str, Any] = {
            "tls": Tls.STARTTLS,
            "password": user.password,
            "trust": trusting(str(dovecot.ca_file)),
        }
        with pytest.raises(SettingsRefused, match=WORDS) as refused:
            opening(mail(HERE, wire.port, **given))
        assert "retinue connections add" in refused.value.message
        sign_in = SignIn(HERE, user.name, password=user.password, tls=Tls.NONE, port=wire.port)
        opening(sign_in)
        # Whoever came first was taken first.
        assert wire.accepted == 1


def test_a_calendar_server_on_this_machine_is_not_connected_to(radicale: RadicaleServer, hand: Hand) -> None:
    with switchboard() as board:
        wire = board.wire(radicale.port)
        url = f"http://{HERE}:{wire.port}/"
        with pytest.raises(SettingsRefused, match=WORDS):
            ask_calendars(url, user=hand.username, password=hand.password)
        assert ask_calendars(url, Reach.ANY, user=hand.username, password=hand.password) == url
        assert wire.accepted == 1


def test_a_sync_that_is_kept_out_opens_an_incident_of_the_settings(
    retinue_database: RetinueDatabase, dovecot: LocalMailServer
) -> None:
    user = dovecot.user()
    customer = customer_of(
        retinue_database, {"password": user.password}, username=user.name, port=dovecot.port, reach="public"
    )
    ran = customer.sync()
    assert isinstance(ran.raised, SettingsRefused)
    (incident,) = customer.incidents
    assert (incident.kind, WORDS in incident.reason) == ("settings", True)
    assert dovecot.last_line_of(user) == ""

    customer.change(reach=None)
    assert customer.sync().state == "completed"
    assert customer.incidents == []


def tried_mail(host: str, port: int, tls: str = "tls") -> ProbeReport:
    config = {"host": host, "username": "ann", "port": port, "tls": tls, "reach": "public"}
    return mail_probe.probe(Connection(7, 1, "imap", "mail", config, {"password": "secret-word"}))


def tried_calendars(host: str, port: int) -> ProbeReport:
    config = {"url": f"https://{host}:{port}/", "username": "ann", "reach": "public"}
    return calendar_probe.probe(config, {"password": "secret-word"})


PROBES = [tried_mail, tried_calendars]


@pytest.mark.parametrize("tried", PROBES)
def test_a_trial_tells_nothing_of_what_is_inside(names: Names, tried: Any) -> None:
    with Listener(HERE) as listener:
        names.set("db.corp.example", [HERE])
        there = tried("db.corp.example", listener.port)
        nothing = tried("db.corp.example", 1)
        assert not listener.visited
    assert [(step.name, step.ok) for step in there.steps] == [("settings", True), ("name", False)]
    assert there.steps[-1] == nothing.steps[-1], "whether anything listens there is not told"
    assert WORDS in there.steps[-1].message
    assert HERE not in there.steps[-1].message


@pytest.mark.parametrize("tried", PROBES)
@pytest.mark.usefixtures("here_is_public")
def test_a_name_that_is_another_by_the_next_step_of_a_trial(names: Names, tried: Any) -> None:
    with Listener(ELSEWHERE) as listener:
        names.set("mail.example", [HERE], [ELSEWHERE])
        report = tried("mail.example", listener.port)
        assert not listener.visited
    assert [(step.name, step.ok) for step in report.steps] == [("settings", True), ("name", True), ("network", False)]
    assert WORDS in report.steps[-1].message


@pytest.mark.parametrize("mode", ["tls", "starttls"])
@pytest.mark.usefixtures("here_is_public")
def test_a_name_that_is_another_once_it_was_connected_to(names: Names, mode: str) -> None:
    with Listener(HERE) as good, Listener(ELSEWHERE, good.port) as inside:
        names.set("mail.example", [HERE], [HERE], [ELSEWHERE])
        report = tried_mail("mail.example", good.port, mode)
        assert (good.visited, inside.visited) == (True, False)
    assert [step.name for step in report.steps if not step.ok] == ["encryption"]
    assert WORDS in report.steps[-1].message


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize(
    "addresses", [[HERE], ["8.8.8.8", "169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"], ["2001:4860::1", "fd00::1"]]
)
def test_one_address_inside_keeps_the_whole_name_out(names: Names, opening: Any, addresses: list[str]) -> None:
    names.set("mail.example", addresses)
    with pytest.raises(SettingsRefused, match=f"mail.example {WORDS}"):
        opening(mail("mail.example", 993))
    with pytest.raises(SettingsRefused, match=f"mail.example {WORDS}"):
        ask_calendars("https://mail.example/")


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.usefixtures("here_is_public")
def test_what_was_looked_at_is_what_is_connected_to(names: Names, opening: Any, tmp_path: Path) -> None:
    """Whoever owns a name may give another address the next time: there is none."""
    issued = certificates.issue(tmp_path)
    trust = trusting(str(issued.ca_file))
    with (
        bad_imap_server(tls=server_context(issued.chain, issued.key)) as server,
        Listener(ELSEWHERE, server.port) as inside,
    ):
        names.set("localhost", [HERE], [ELSEWHERE])
        opening(mail("localhost", server.port, trust=trust))
        assert (names.asked.count("localhost"), server.connections, inside.visited) == (1, 1, False)
        with pytest.raises(SettingsRefused, match=WORDS):
            opening(mail("localhost", server.port, trust=trust))
        assert not inside.visited


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.usefixtures("here_is_public")
def test_a_certificate_is_asked_of_the_name_and_not_of_its_address(names: Names, opening: Any, tmp_path: Path) -> None:
    issued = certificates.issue(tmp_path)
    trust = trusting(str(issued.ca_file))
    names.set("mail.example", [HERE])
    with bad_imap_server(tls=server_context(issued.chain, issued.key)) as server:
        with pytest.raises(CertificateRefused, match="Connect by the name"):
            opening(mail("mail.example", server.port, trust=trust))
        assert server.names == []


@pytest.mark.usefixtures("here_is_public")
def test_calendars_are_read_from_the_address_that_was_looked_at(
    names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = certificates.issue(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(issued.ca_file))
    names.set("localhost", [HERE], [ELSEWHERE])
    names.set("dav.example", [HERE])
    tls = server_context(issued.chain, issued.key)
    with bad_server(multistatus(response("/")), tls=tls) as server, Listener(ELSEWHERE, server.server_port) as inside:
        url = f"https://localhost:{server.server_port}/"
        assert ask_calendars(url) == url
        assert names.asked == ["localhost"]
        with pytest.raises(SettingsRefused, match=WORDS):
            ask_calendars(url)
        with pytest.raises(JobError, match="TLS handshake failed"):
            ask_calendars(f"https://dav.example:{server.server_port}/")
        assert (len(server.requests), inside.visited) == (1, False)


@pytest.mark.usefixtures("here_is_public")
def test_a_redirect_leads_to_no_server_inside() -> None:
    with Listener(ELSEWHERE) as inside:
        moved = Reply(301, headers={"Location": f"https://{ELSEWHERE}:{inside.port}/latest/meta-data/"})
        with bad_server(moved) as server, pytest.raises(SettingsRefused, match=f"{ELSEWHERE} {WORDS}"):
            ask_calendars(server.url)
        assert (len(server.requests), inside.visited) == (1, False)


@pytest.mark.usefixtures("here_is_public")
def test_what_a_server_names_as_its_calendars_is_not_asked_inside() -> None:
    with Listener(ELSEWHERE) as inside:
        there = f"https://{ELSEWHERE}:{inside.port}/"
        named = f"<D:current-user-principal><D:href>{there}</D:href></D:current-user-principal>"
        with bad_server(multistatus(response("/", properties=named))) as server:
            sign_in = DavSignIn(server.url, "ann", "secret-word", Reach.PUBLIC)
            with DavClient(sign_in) as dav, pytest.raises(SettingsRefused, match=f"{ELSEWHERE} {WORDS}"):
                find_calendars(dav)
        assert not inside.visited


@pytest.mark.usefixtures("here_is_public")
def test_no_proxy_looks_the_name_up_instead(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener(HERE) as proxy, bad_server(multistatus(response("/"))) as server:
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://{HERE}:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert ask_calendars(server.url) == server.url
        names.set("dav.example", [ELSEWHERE])
        with pytest.raises(SettingsRefused, match=WORDS):
            ask_calendars("https://dav.example/")
        assert not proxy.visited


@pytest.mark.usefixtures("here_is_public")
def test_a_public_server_that_is_away_is_told_as_ever() -> None:
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(JobError, match="the connection failed") as failed:
        ask_calendars(f"http://{HERE}:{port}/")
    assert not isinstance(failed.value, SettingsRefused)
    for opening in OPENINGS:
        with pytest.raises(JobError, match=r"(?i)connection (refused|failed)"):
            opening(mail(HERE, port))


@pytest.mark.parametrize("reach", ["Public", "", 7, ["public"]])
def test_another_word_is_not_taken_for_none(reach: Any) -> None:
    with pytest.raises(SettingsRefused, match="has reach"):
        SignIn.from_settings({"host": "a.example", "username": "a", "reach": reach}, {"password": "b"})
    with pytest.raises(SettingsRefused, match="has reach"):
        DavSignIn.from_settings({"url": "https://a.example", "username": "a", "reach": reach}, {"password": "b"})
