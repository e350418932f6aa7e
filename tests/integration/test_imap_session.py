"""A session with real servers, Dovecot and Cyrus; what it should find is arranged by the standard library's client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retinue.errors import CredentialError
from servants.email.imap.faults import NoSuchMailbox
from servants.email.imap.limits import Limits
from servants.email.imap.names import encode_name
from servants.email.imap.session import ImapSession
from servants.email.sign_in import SignIn, Tls, trusting
from servants.email.values import Role, UidSet
from tests.support.cyrus_server import run_cyrus
from tests.support.dovecot_server import CONDSTORE, PLAIN, MailServer, dovecot, run_dovecot
from tests.support.imap_letters import RECEIVED, contents, expunge, fill, letter, session, sign_in
from tests.support.mail_server import LocalMailServer, MailUser

__all__ = ["dovecot"]


@pytest.fixture(scope="module", params=["all", "condstore", "plain", "cyrus"])
def server(request: pytest.FixtureRequest, dovecot: MailServer) -> Iterator[LocalMailServer]:
    """A server that can do all, one without QRESYNC and LIST-STATUS, one of 1996, and another maker's."""
    if request.param == "all":
        yield dovecot
    elif request.param == "cyrus":
        with run_cyrus() as cyrus:
            yield cyrus
    else:
        with run_dovecot(capability={"condstore": CONDSTORE, "plain": PLAIN}[request.param]) as lesser:
            yield lesser


Arranged = tuple[MailUser, list[bytes]]


@pytest.fixture
def arranged(server: LocalMailServer) -> Arranged:
    """A user with nine letters in INBOX, of which the third was expunged."""
    user, letters = server.user(), [letter(number) for number in range(1, 10)]
    with server.client(user) as client:
        fill(client, "INBOX", letters, "\\Seen $Work")
        expunge(client, "INBOX", "3")
    return user, letters


@pytest.mark.parametrize("mode", list(Tls))
def test_every_way_to_connect(dovecot: MailServer, mode: Tls) -> None:
    user = dovecot.user()
    port = dovecot.tls_port if mode is Tls.TLS else dovecot.port
    mine = sign_in(dovecot, user, tls=mode, port=port, trust=trusting(str(dovecot.ca_file)))
    with ImapSession.open(mine) as opened:
        assert opened.examine("INBOX").exists == 0
        assert "QRESYNC" in opened.capabilities
        assert opened.server_id["name"] == "Dovecot"


def test_an_access_token_signs_in_until_it_is_revoked(dovecot: MailServer) -> None:
    user = dovecot.user()
    token = dovecot.token(user)
    mine = SignIn(dovecot.host, user.name, access_token=lambda: token, tls=Tls.NONE, port=dovecot.port)
    with ImapSession.open(mine) as opened:
        assert opened.examine("INBOX").exists == 0
    dovecot.oauth.revoke(user.name)
    with pytest.raises(CredentialError, match="access token was refused") as caught, ImapSession.open(mine):
        pass
    assert token not in caught.value.message


def test_a_wrong_password(dovecot: MailServer) -> None:
    mine = sign_in(dovecot, dovecot.user(), password="wrong")
    with (
        pytest.raises(CredentialError, match=r"LOGIN at .* answered NO \[AUTHENTICATIONFAILED\]"),
        ImapSession.open(mine),
    ):
        pass


def test_names_and_passwords_with_odd_characters() -> None:
    with run_dovecot(settings="auth_username_chars =\nauth_username_format =") as server:
        for name in ("änn", 'quo"te', "back\\slash", "two words"):
            with session(server, server.user(name)) as opened:
                assert opened.examine("INBOX").exists == 0


def test_folders_with_their_roles_and_numbers(server: LocalMailServer) -> None:
    user, name = server.user(), "Bücher & Mehr"
    with server.client(user) as client:
        client.create(f'"{encode_name(name).decode()}"')
        for other in ("Projects/2026", "Sent", "Drafts", "Trash", "Spam"):
            client.create(other)
        fill(client, "INBOX", [letter(number) for number in range(1, 4)])
        fill(client, "INBOX", [letter(4)], "\\Seen")
    with session(server, user) as opened:
        before = opened.round_trips
        found = {folder.name: folder for folder in opened.folders()}
        asked = opened.round_trips - before
        assert opened.examine(name).exists == 0
    inbox = found["INBOX"]
    assert (inbox.role, inbox.messages, inbox.unseen, inbox.uid_next) == (Role.INBOX, 4, 3, 5)
    assert inbox.uid_validity
    assert {"Projects", "Projects/2026", name} <= found.keys()
    assert found["Projects"].delimiter == "/"
    capabilities = opened.capabilities
    assert bool(inbox.highest_modseq) == ("CONDSTORE" in capabilities)
    if "LIST-STATUS" in capabilities:
        assert asked == 1
    if isinstance(server, MailServer) and "LIST-STATUS" in capabilities:
        assert not found["Projects"].selectable
    if isinstance(server, MailServer) and "SPECIAL-USE" in capabilities:
        assert {folder.role for folder in found.values()} >= {Role.SENT, Role.DRAFTS, Role.TRASH, Role.JUNK}


def test_a_mailbox_that_is_not_there(server: LocalMailServer) -> None:
    with session(server, server.user()) as opened:
        with pytest.raises(NoSuchMailbox):
            opened.examine("Nowhere")
        assert opened.examine("INBOX").exists == 0


def test_what_opening_a_mailbox_tells(server: LocalMailServer, arranged: Arranged) -> None:
    with session(server, arranged[0]) as opened:
        selected = opened.examine("INBOX")
        assert (selected.exists, selected.uid_next) == (8, 10)
        assert (selected.vanished, selected.changed) == (None, None)
        assert (selected.highest_modseq is not None) == ("CONDSTORE" in opened.capabilities)


def test_uids_flags_headers_and_messages_are_what_was_put_there(server: LocalMailServer, arranged: Arranged) -> None:
    user, letters = arranged
    expected = {uid: letters[uid - 1] for uid in range(1, 10) if uid != 3}
    with session(server, user, limits=Limits(batch_messages=3)) as opened:
        selected = opened.examine("INBOX")
        assert opened.uids() == UidSet.of(expected)
        assert opened.uids("SEEN", "SINCE", "1-Nov-2026") == UidSet.of(expected)
        assert opened.uids("UNSEEN") == UidSet()
        lines, gone = opened.flags(None)
        assert {line.uid: line.flags for line in lines} == dict.fromkeys(expected, ("$Work", "\\Seen"))
        assert all((line.modseq is None) == (selected.highest_modseq is None) for line in lines)
        assert gone == UidSet()
        headers = {line.uid: line for line in opened.headers(UidSet(((1, 9),)))}
        assert {uid: line.header for uid, line in headers.items()} == {
            uid: text.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for uid, text in expected.items()
        }
        assert {uid: line.size for uid, line in headers.items()} == {uid: len(text) for uid, text in expected.items()}
        assert {line.received_at for line in headers.values()} == {RECEIVED}
        assert {line.flags for line in headers.values()} == {("$Work", "\\Seen")}
        assert contents(opened) == expected
        assert opened.refused == {}


def test_an_empty_mailbox(server: LocalMailServer) -> None:
    with session(server, server.user()) as opened:
        opened.examine("INBOX")
        assert opened.uids() == UidSet()
        assert opened.flags(None) == ([], UidSet())
        assert list(opened.headers(UidSet())) == []
        assert list(opened.messages(UidSet(), sizes={})) == []


def test_reading_marks_nothing_as_read(server: LocalMailServer) -> None:
    user = server.user()
    with server.client(user) as client:
        fill(client, "INBOX", [letter(1), letter(2, size=3000)])
    with session(server, user, limits=Limits(piece_bytes=1000)) as opened:
        opened.examine("INBOX")
        assert contents(opened) == {1: letter(1), 2: letter(2, size=3000)}
        assert [line.flags for line in opened.flags(None)[0]] == [(), ()]


@pytest.mark.parametrize("server", ["all", "condstore", "cyrus"], indirect=True)
def test_condstore_tells_changed_flags_and_esearch_what_is_left(server: LocalMailServer, arranged: Arranged) -> None:
    user, _ = arranged
    with session(server, user) as opened:
        before = opened.examine("INBOX").highest_modseq
        assert before is not None
        with server.client(user) as client:
            client.select("INBOX")
            client.uid("STORE", "8", "-FLAGS", "(\\Seen)")
        lines, gone = opened.flags(UidSet(((1, 9),)), changed_since=before)
        assert [(line.uid, line.flags) for line in lines] == [(8, ("$Work",))]
        assert gone == UidSet()
        assert opened.uids() == UidSet(((1, 2), (4, 9)))


def test_what_another_client_does_meanwhile_disturbs_nothing(server: LocalMailServer, arranged: Arranged) -> None:
    user, letters = arranged
    with session(server, user, limits=Limits(batch_messages=1)) as opened, server.client(user) as client:
        opened.enable_qresync()
        opened.examine("INBOX")
        sizes = {line.uid: line.size for line in opened.headers(opened.uids())}
        found = {}
        for message in opened.messages(UidSet.of(sizes), sizes=sizes):
            found[message.uid] = message.body.read()
            if message.uid == 1:
                expunge(client, "INBOX", "7")
                client.uid("STORE", "8", "FLAGS", "(\\Answered)")
                fill(client, "INBOX", [letter(10)])
        assert found == {uid: letters[uid - 1] for uid in (1, 2, 4, 5, 6, 8, 9)} | (
            {7: letters[6]} if 7 in found else {}
        )
        lines = {line.uid: line for line in opened.flags(None)[0]}
        assert lines[8].flags == ("\\Answered",)
        assert 10 in opened.uids()
        assert 7 not in opened.uids()
