"""What is said from the greeting to being signed in, and what a server is believed then."""

from __future__ import annotations

from base64 import b64encode

import pytest

from retinue.errors import CredentialError, SettingsRefused
from servants.email.imap import dialogues
from servants.email.imap.faults import UnexpectedReply
from servants.email.sign_in import SignIn, Tls
from tests.support.imap_play import ANN, Play, able, capability, script, signed_in


def test_signing_in_to_a_plain_server() -> None:
    play = signed_in({"CAPABILITY": capability("")})
    assert play.sent == [b"CAPABILITY", b'LOGIN "ann" "hunter2"', b"CAPABILITY"]
    assert play.protocol.capabilities == {"IMAP4REV1"}


def test_a_server_that_tells_what_it_can_do_is_not_asked() -> None:
    play = signed_in(
        {"LOGIN": "<tag> OK [CAPABILITY IMAP4rev1 ID QRESYNC] in\r\n", "ID": '* ID ("name" "Dovecot")\r\n<tag> OK\r\n'},
        greeting="* OK [CAPABILITY IMAP4rev1 SASL-IR] ready\r\n",
    )
    assert play.sent == [b'LOGIN "ann" "hunter2"', b'ID ("name" "Retinue")']
    assert play.protocol.capabilities == {"IMAP4REV1", "ID", "QRESYNC"}
    assert play.protocol.server_id == {"name": "Dovecot"}


def test_a_server_that_refuses_id_is_used_all_the_same() -> None:
    play = able("ID", {"ID": "<tag> BAD what?\r\n"})
    assert play.protocol.server_id == {}


def test_preauth_needs_no_sign_in() -> None:
    play = signed_in({"CAPABILITY": capability("")}, greeting="* PREAUTH hello\r\n")
    assert play.sent == [b"CAPABILITY"]


def test_a_server_for_utf8_only_is_told_that_it_may_speak_it() -> None:
    play = able("UTF8=ONLY ENABLE", {"ENABLE": "* ENABLED UTF8=ACCEPT\r\n<tag> OK\r\n"})
    assert play.sent[-1] == b"ENABLE UTF8=ACCEPT"
    assert play.protocol.names_in_utf8


STARTTLS = SignIn("mail.example", "ann", password="hunter2", tls=Tls.STARTTLS)


def test_starttls_comes_before_everything_and_what_was_said_before_it_is_forgotten() -> None:
    injected = (
        "<tag> OK begin\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n* OK [ALERT] read evil.example\r\n* BYE\r\n* LI"
    )
    play = signed_in(
        {"STARTTLS": injected, "CAPABILITY": capability("AUTH=PLAIN")},
        STARTTLS,
        greeting="* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n",
    )
    assert play.secured == 1
    assert play.sent == [b"STARTTLS", b"CAPABILITY", b'LOGIN "ann" "hunter2"', b"CAPABILITY"]
    assert play.protocol.alerts == []
    assert play.protocol.bye is None


def test_without_starttls_no_password_is_sent() -> None:
    play = Play(script({"CAPABILITY": capability("")}))
    with pytest.raises(
        SettingsRefused, match=r"offers no STARTTLS; set tls to 'tls' .*`retinue connections set ID --tls tls`"
    ):
        play.carry_out(dialogues.sign_in_to(play.protocol, STARTTLS))
    assert play.sent == [b"CAPABILITY"]


def test_preauth_cannot_keep_tls_away() -> None:
    play = Play(script({}), greeting=b"* PREAUTH hello\r\n")
    with pytest.raises(UnexpectedReply, match="before TLS began"):
        play.carry_out(dialogues.sign_in_to(play.protocol, STARTTLS))
    assert play.sent == []


@pytest.mark.parametrize("greeting", [b"* 1 EXISTS\r\n", b"R1 OK\r\n", b"* NO\r\n", b"+ hi\r\n", b"220 smtp\r\n"])
def test_what_is_no_greeting_is_no_imap(greeting: bytes) -> None:
    play = Play(script({}), greeting=greeting)
    with pytest.raises(UnexpectedReply):
        play.carry_out(dialogues.sign_in_to(play.protocol, ANN))


PLAIN = b64encode("\0änn\0hünter2".encode())


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("AUTH=PLAIN SASL-IR", [b"AUTHENTICATE PLAIN " + PLAIN]),
        ("AUTH=PLAIN", [b"AUTHENTICATE PLAIN", PLAIN]),
        ("LITERAL+", [b"LOGIN {4+}", "änn {8+}".encode(), "hünter2".encode()]),
        ("", [b"LOGIN {4}", "änn {8}".encode(), "hünter2".encode()]),
    ],
)
def test_a_password_beyond_ascii(words: str, sent: list[bytes]) -> None:
    def answer(line: bytes) -> bytes:
        if line == b"CAPABILITY":
            return capability(words).encode()
        if line.endswith(b"+}") or (line.startswith("änn ".encode()) and words):
            return b""
        return b"+\r\n" if line.endswith(b"}") or line == b"AUTHENTICATE PLAIN" else b"<tag> OK [CAPABILITY X] in\r\n"

    play = Play(answer)
    play.carry_out(dialogues.sign_in_to(play.protocol, SignIn("mail.example", "änn", password="hünter2")))
    assert play.sent[1:] == sent


def test_where_login_is_disabled_plain_is_used() -> None:
    play = able("LOGINDISABLED AUTH=PLAIN SASL-IR")
    assert play.sent[1] == b"AUTHENTICATE PLAIN " + b64encode(b"\0ann\0hunter2")


@pytest.mark.parametrize(
    ("sign_in", "advice"),
    [
        (ANN, "takes no passwords; sign in with an access token"),
        (SignIn("mail.example", "ann", access_token=lambda: "tok"), "takes no access tokens"),
    ],
)
def test_a_server_that_takes_another_kind_of_sign_in_is_told_of(sign_in: SignIn, advice: str) -> None:
    with pytest.raises(SettingsRefused, match=advice):
        signed_in({"CAPABILITY": capability("LOGINDISABLED AUTH=OAUTHBEARER")}, sign_in)


def test_a_refused_token_is_a_credential_error() -> None:
    sign_in = SignIn("mail.example", "ann", access_token=lambda: "tok")
    challenge = b64encode(b'{"status":"400"}').decode()
    answers = {
        "CAPABILITY": capability("AUTH=XOAUTH2 SASL-IR"),
        "AUTHENTICATE": f"+ {challenge}\r\n",
        "": "<tag> NO [AUTHENTICATIONFAILED] Invalid credentials\r\n",
    }
    with pytest.raises(CredentialError):
        signed_in(answers, sign_in)


def test_a_refused_plain_sign_in_is_given_up_when_the_server_asks_for_more() -> None:
    answers = {
        "CAPABILITY": capability("LOGINDISABLED AUTH=PLAIN SASL-IR"),
        "AUTHENTICATE": "+ \r\n",
        "*": "<tag> BAD cancelled\r\n",
    }
    with pytest.raises(CredentialError):
        signed_in(answers)


def test_a_server_of_the_second_revision_alone_can_do_what_that_means() -> None:
    play = signed_in(
        {"CAPABILITY": "* CAPABILITY IMAP4rev2\r\n<tag> OK\r\n", "LIST": '* LIST () "/" "&Ü"\r\n<tag> OK\r\n'}
    )
    (folder,) = play.carry_out(dialogues.list_folders(play.protocol, {}))
    assert folder.name == "&Ü"
    assert play.sent[-1].startswith(b'LIST "" "*" RETURN (SPECIAL-USE STATUS (')
    play.carry_out(dialogues.search(play.protocol, ()))
    assert play.sent[-1] == b"UID SEARCH RETURN (ALL) ALL"


def test_a_server_of_both_revisions_is_one_of_the_first() -> None:
    play = signed_in({"CAPABILITY": capability("IMAP4rev2")})
    play.carry_out(dialogues.search(play.protocol, ()))
    assert play.sent[-1] == b"UID SEARCH ALL"
    assert not play.protocol.names_in_utf8


def test_alerts_and_warnings_are_kept_and_few() -> None:
    play = able("", {})
    for number in range(9):
        play.protocol.receive(b"* OK [ALERT] read %d\r\n* BAD odd %d\r\n" % (number, number))
    assert play.protocol.alerts == [f"read {number}" for number in range(4, 9)]
    assert play.protocol.warning == "odd 8"
