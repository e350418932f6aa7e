"""What is said to list, open and search mailboxes, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from retinue.errors import JobError, PermanentError
from servants.email.imap import commands, dialogues
from servants.email.imap.faults import Denied, NoSuchMailbox, Refused, UnexpectedReply
from servants.email.values import FlagLine, Position, RemoteFolder, Role, UidSet
from tests.support.imap_play import ANN, Play, able, capability


@pytest.mark.parametrize(
    ("words", "confirmed", "believed"),
    [
        ("QRESYNC ENABLE", "* ENABLED QRESYNC\r\n", True),
        ("QRESYNC ENABLE", "", False),
        ("QRESYNC ENABLE", "* ENABLED CONDSTORE\r\n", False),
        ("CONDSTORE", "* ENABLED QRESYNC\r\n", False),
    ],
)
def test_qresync_is_believed_when_it_is_offered_and_confirmed(words: str, confirmed: str, believed: bool) -> None:
    play = able(words, {"ENABLE": f"{confirmed}<tag> OK\r\n"})
    assert play.carry_out(dialogues.enable_qresync(play.protocol)) is believed
    assert (b"ENABLE QRESYNC" in play.sent) == ("QRESYNC" in words)


LISTED = (
    '* LIST (\\HasChildren) "/" inbox\r\n'
    '* LIST (\\Noselect) "/" "Work"\r\n'
    '* LIST (\\Sent \\Archive) "/" "Entw&APw-rfe"\r\n'
    '* LIST () "/" "Q&A"\r\n'
)


def test_folders_come_with_their_status_in_one_round_trip_where_the_server_can() -> None:
    statuses = (
        "* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 UNSEEN 1 HIGHESTMODSEQ 55 MAILBOXID (F1))\r\n"
        '* STATUS "Entw&APw-rfe" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 UNSEEN 0 HIGHESTMODSEQ 0)\r\n'
    )
    play = able("LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE OBJECTID", {"LIST": f"{LISTED}{statuses}<tag> OK\r\n"})
    raw_names: dict[str, bytes] = {}
    before = play.protocol.commands
    folders = play.carry_out(dialogues.list_folders(play.protocol, raw_names))
    assert play.protocol.commands == before + 1
    assert folders == [
        RemoteFolder(
            name="Entwürfe", delimiter="/", role=Role.ARCHIVE, selectable=True,
            uid_validity=8, uid_next=1, highest_modseq=None, messages=0, unseen=0,
        ),
        RemoteFolder(
            name="INBOX", delimiter="/", role=Role.INBOX, selectable=True, object_id="F1",
            uid_validity=7, uid_next=9, highest_modseq=55, messages=3, unseen=1,
        ),
        RemoteFolder(name="Q&A", delimiter="/", role=None, selectable=True),
        RemoteFolder(name="Work", delimiter="/", role=None, selectable=False),
    ]  # fmt: skip
    assert raw_names == {"INBOX": b"inbox", "Work": b"Work", "Entwürfe": b"Entw&APw-rfe", "Q&A": b"Q&A"}


def test_elsewhere_each_is_asked_for_at_once_and_one_that_cannot_be_opened_has_no_numbers() -> None:
    answers = {
        "LIST": f"{LISTED}<tag> OK\r\n",
        'STATUS "inbox"': "* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 UNSEEN 1)\r\n<tag> OK\r\n",
        'STATUS "Q&A"': "<tag> NO [NOPERM] no\r\n",
    }
    play = able("", answers)
    folders = {folder.name: folder for folder in play.carry_out(dialogues.list_folders(play.protocol, {}))}
    assert sorted(play.sent[-3:]) == [
        b'STATUS "Entw&APw-rfe" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)',
        b'STATUS "Q&A" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)',
        b'STATUS "inbox" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)',
    ]
    assert (folders["INBOX"].uid_next, folders["Q&A"].uid_next, folders["Work"].uid_next) == (9, None, None)


@pytest.mark.parametrize("words", ["ID OBJECTID LIST-EXTENDED LIST-STATUS", "ANNOTATE-EXPERIMENT-1 OBJECTID"])
def test_cyrus_is_not_asked_for_ids_that_it_makes_up(words: str) -> None:
    play = able(words, {"ID": '* ID ("name" "Cyrus IMAPD")\r\n<tag> OK\r\n', "LIST": f"{LISTED}<tag> OK\r\n"})
    play.carry_out(dialogues.list_folders(play.protocol, {}))
    assert not any(b"MAILBOXID" in line for line in play.sent)
    assert any(b"UIDVALIDITY" in line for line in play.sent)


def test_a_name_that_must_be_sent_as_a_literal_waits_for_the_server() -> None:
    def answer(line: bytes) -> bytes:
        if line.startswith(b"LIST"):
            return b'* LIST () "/" a\r\n* LIST () "/" {2}\r\n\xff\xfe\r\n* LIST () "/" b\r\n<tag> OK\r\n'
        return b"+ go\r\n" if line.endswith(b"}") else b"OK"

    play = Play(lambda line: capability("").encode() if line == b"CAPABILITY" else answer(line))
    play.carry_out(dialogues.sign_in_to(play.protocol, ANN))
    folders = play.carry_out(dialogues.list_folders(play.protocol, {}))
    assert [folder.name for folder in folders] == ["a", "b", "ÿþ"]


OPENED = (
    "* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\n* OK [HIGHESTMODSEQ 55] x\r\n"
)


def qresync(answers: Mapping[str, str]) -> Play:
    play = able("QRESYNC ENABLE", {"ENABLE": "* ENABLED QRESYNC\r\n<tag> OK\r\n", **answers})
    play.carry_out(dialogues.enable_qresync(play.protocol))
    return play


def test_a_mailbox_opened_for_the_first_time() -> None:
    play = able("CONDSTORE", {"EXAMINE": f"{OPENED}<tag> OK [READ-ONLY]\r\n"})
    selected = play.carry_out(dialogues.examine(play.protocol, b"INBOX", None))
    assert (selected.uid_validity, selected.uid_next, selected.exists, selected.highest_modseq) == (7, 9, 3, 55)
    assert (selected.vanished, selected.changed) == (None, None)


def test_qresync_tells_what_changed_and_what_is_of_the_mailbox_before_is_left_out() -> None:
    told = (
        "* VANISHED 1\r\n* 99 EXISTS\r\n* 1 FETCH (UID 1 FLAGS ())\r\n* OK [CLOSED] old\r\n"
        f"{OPENED}* VANISHED (EARLIER) 4:5,8\r\n"
        "* 1 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (50))\r\n"
        "* 2 FETCH (UID 3 FLAGS () MODSEQ (51))\r\n"
        "* VANISHED 3\r\n<tag> OK\r\n"
    )
    play = qresync({"EXAMINE": told})
    selected = play.carry_out(dialogues.examine(play.protocol, b"x", Position(7, 40)))
    assert play.sent[-1] == b'EXAMINE "x" (QRESYNC (7 40))'
    assert selected.exists == 3
    assert selected.vanished == UidSet(((3, 5), (8, 8)))
    assert selected.changed == (FlagLine(2, ("\\Seen",), 50),)


@pytest.mark.parametrize(
    ("opened", "known"),
    [(OPENED, Position(6, 40)), (OPENED, Position(7, 0)), (OPENED + "* OK [NOMODSEQ] x\r\n", Position(7, 40))],
)
def test_where_the_server_cannot_tell_what_changed_nothing_is_made_up(opened: str, known: Position) -> None:
    play = qresync({"EXAMINE": f"{opened}<tag> OK\r\n"})
    selected = play.carry_out(dialogues.examine(play.protocol, b"x", known))
    assert (selected.vanished, selected.changed) == (None, None)
    assert selected.highest_modseq == (None if "NOMODSEQ" in opened else 55)


def test_a_mailbox_without_uidvalidity_cannot_be_followed() -> None:
    play = able("", {"EXAMINE": "* 3 EXISTS\r\n<tag> OK\r\n"})
    with pytest.raises(UnexpectedReply, match="UIDVALIDITY"):
        play.carry_out(dialogues.examine(play.protocol, b"x", None))


@pytest.mark.parametrize("number", [2**63, 10**18 * 9999])
def test_numbers_that_count_nothing_are_not_believed(number: int) -> None:
    opened = f"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT {number}] x\r\n* OK [HIGHESTMODSEQ {number}] x\r\n"
    play = able("CONDSTORE", {"EXAMINE": f"{opened}<tag> OK\r\n"})
    selected = play.carry_out(dialogues.examine(play.protocol, b"x", None))
    assert (selected.uid_validity, selected.uid_next, selected.highest_modseq) == (7, None, None)


def test_a_mailbox_of_more_messages_than_there_can_be_is_not_opened() -> None:
    play = able("", {"EXAMINE": f"* {2**31} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n<tag> OK\r\n"})
    with pytest.raises(UnexpectedReply, match="2,147,483,648 messages"):
        play.carry_out(dialogues.examine(play.protocol, b"x", None))


@pytest.mark.parametrize(("code", "kind"), [("NONEXISTENT", NoSuchMailbox), ("NOPERM", Denied)])
def test_a_mailbox_that_cannot_be_opened(code: str, kind: type[PermanentError]) -> None:
    play = able("", {"EXAMINE": f"<tag> NO [{code}] no\r\n"})
    with pytest.raises(kind):
        play.carry_out(dialogues.examine(play.protocol, b"x", None))


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        ("", NoSuchMailbox),
        ('* LIST (\\NonExistent) "/" a\r\n', NoSuchMailbox),
        ('* LIST () "/" ab\r\n', NoSuchMailbox),
        ('* LIST () "/" a\r\n', Refused),
    ],
)
def test_a_mailbox_refused_without_a_reason_is_looked_for(listed: str, kind: type[JobError]) -> None:
    play = able("", {"EXAMINE": "<tag> NO Gibt es nicht\r\n", "LIST": f"{listed}<tag> OK\r\n"})
    with pytest.raises(kind, match="Gibt es nicht"):
        play.carry_out(dialogues.examine(play.protocol, b"a", None))
    assert play.sent[-1] == b'LIST "" "a"'


@pytest.mark.parametrize(
    ("words", "sent", "told"),
    [
        ("ESEARCH", b"UID SEARCH RETURN (ALL) ALL", '* ESEARCH (TAG "R4") UID ALL 1:3,9\r\n'),
        ("", b"UID SEARCH ALL", "* SEARCH 9 1\r\n* SEARCH 2 3\r\n"),
    ],
)
def test_search(words: str, sent: bytes, told: str) -> None:
    play = able(words, {"UID SEARCH": f"{told}<tag> OK\r\n"})
    assert play.carry_out(dialogues.search(play.protocol, ())) == UidSet(((1, 3), (9, 9)))
    assert play.sent[-1] == sent


def test_of_what_was_told_twice_the_last_counts_and_what_vanished_meanwhile_has_no_flags() -> None:
    told = (
        "* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (UID 3 MODSEQ (9))\r\n"
        "* VANISHED (EARLIER) 7\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 4 FETCH (UID 4 FLAGS ())\r\n* VANISHED 4\r\n"
    )
    play = able("", {"UID FETCH": f"{told}<tag> OK\r\n"})
    lines, gone = play.carry_out(dialogues.fetch_flags(commands.fetch_flags(None, with_modseq=False)))
    assert lines == [FlagLine(1, ("\\Seen",))]
    assert gone == UidSet(((4, 4), (7, 7)))


def test_a_request_to_go_on_that_nobody_awaits_is_an_error() -> None:
    play = able("", {"UID SEARCH": "+ go on\r\n<tag> OK\r\n"})
    reply = play.carry_out(dialogues.search(play.protocol, ()))
    assert reply == UidSet()
    with pytest.raises(UnexpectedReply, match="nothing was begun"):
        play.protocol.receive(b"+ go on\r\n")


def test_an_answer_to_a_command_that_was_not_given_is_an_error() -> None:
    play = able("", {})
    with pytest.raises(UnexpectedReply, match="nobody gave"):
        play.protocol.receive(b"R99 OK\r\n")
