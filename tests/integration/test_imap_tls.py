"""TLS with mail servers: certificates, STARTTLS, and what is slipped in before it begins."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from retinue.errors import SettingsRefused
from servants.email.imap.faults import CertificateRefused, TlsFailed, UnexpectedReply
from servants.email.imap.session import ImapSession
from servants.email.sign_in import Tls, trusting
from servants.email.values import UidSet
from tests.support import certificates
from tests.support.bad_imap_server import Answer, Reply, bad_imap_server, server_context
from tests.support.imap_sessions import QUICK, sign_in


def test_waiting_in_several_steps_loses_nothing_of_tls(tmp_path: Path) -> None:
    issued = certificates.issue(tmp_path, "valid")
    looks, is_late = itertools.count(), threading.Event()

    def look() -> None:
        if next(looks) > 12:
            is_late.set()

    late = Reply(b"* SEARCH 1\r\n<tag> OK\r\n")
    script: Mapping[str, Answer] = {"UID SEARCH": lambda _: late if is_late.wait(20) else None}
    with bad_imap_server(script, tls=server_context(issued.chain, issued.key)) as server:
        mine = sign_in(server.port, tls=Tls.TLS, trust=trusting(str(issued.ca_file)))
        with ImapSession.open(mine, stop_if_cancelled=look) as opened:
            opened.examine("INBOX")
            assert opened.uids() == UidSet(((1, 1),))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "expired; its operator has to renew it"),
        ("self-signed", "its operator has to install one of a known authority"),
        ("other-name", "Connect by the name that it was issued for"),
    ],
)
@pytest.mark.parametrize("mode", [Tls.TLS, Tls.STARTTLS])
def test_a_certificate_that_cannot_be_trusted(tmp_path: Path, kind: certificates.Kind, words: str, mode: Tls) -> None:
    issued = certificates.issue(tmp_path, kind)
    capability = "IMAP4rev1 STARTTLS" if mode is Tls.STARTTLS else "IMAP4rev1"
    trust = trusting(str(issued.ca_file))
    with (
        bad_imap_server(tls=server_context(issued.chain, issued.key), capability=capability) as server,
        pytest.raises(CertificateRefused) as caught,
    ):
        ImapSession.open(sign_in(server.port, tls=mode, trust=trust), limits=QUICK).__enter__()
    assert words in caught.value.message
    assert "LOGIN" not in server.names


def test_a_server_without_tls_where_it_should_begin_at_once() -> None:
    with (
        bad_imap_server() as server,
        pytest.raises(TlsFailed, match=r"nothing speaks TLS at port .*try tls 'starttls'"),
    ):
        ImapSession.open(sign_in(server.port, tls=Tls.TLS), limits=QUICK).__enter__()


def test_a_server_without_starttls_gets_no_password() -> None:
    with bad_imap_server() as server, pytest.raises(SettingsRefused, match="offers no STARTTLS"):
        ImapSession.open(sign_in(server.port, tls=Tls.STARTTLS), limits=QUICK).__enter__()
    assert server.names == ["CAPABILITY"]


@pytest.mark.parametrize("injected", [b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n", b"* BYE\r\nR3 OK\r\n", b"* LI"])
def test_what_is_slipped_in_before_tls_is_dropped(tmp_path: Path, injected: bytes) -> None:
    issued = certificates.issue(tmp_path, "valid")
    tls, trust = server_context(issued.chain, issued.key), trusting(str(issued.ca_file))
    script = {"STARTTLS": Reply(b"<tag> OK Begin\r\n" + injected)}
    with bad_imap_server(script, tls=tls, capability="IMAP4rev1 STARTTLS AUTH=PLAIN") as server:
        if injected.startswith(b"* BYE"):
            with pytest.raises(UnexpectedReply, match="nobody gave"):
                ImapSession.open(sign_in(server.port, tls=Tls.STARTTLS, trust=trust), limits=QUICK).__enter__()
            return
        with ImapSession.open(sign_in(server.port, tls=Tls.STARTTLS, trust=trust), limits=QUICK) as opened:
            assert opened.capabilities == {"IMAP4REV1", "STARTTLS", "AUTH=PLAIN"}
    assert "LOGIN" in server.names
