"""What compares a mail server with the database finds every kind of difference."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.support.letters import Letters
from tests.support.mail_snapshot import Content, Folder, Placed, Snapshot, decoded, differences, quoted


def snapshot(first: str = "a", second: str = "b") -> Snapshot:
    """Two messages of these names, the first of which lies in both mailboxes."""
    messages = {first: Content("1@x", "One", "text one", 10), second: Content("2@x", "Two", "text two", 20)}
    inbox = Folder(7, {1: Placed(("\\Seen",), first), 2: Placed((), second)})
    return Snapshot({"INBOX": inbox, "Work": Folder(8, {5: Placed((), first)})}, messages)


def with_folder(name: str, folder: Folder) -> Snapshot:
    there = snapshot("1", "2")
    return replace(there, folders={**there.folders, name: folder})


def placed(**changes: Placed) -> Folder:
    known = {1: Placed(("\\Seen",), "1"), 2: Placed((), "2")}
    return Folder(7, {**known, **{int(uid[1:]): place for uid, place in changes.items()}})


def test_equal_mailboxes_have_no_differences_whatever_their_rows_are_called() -> None:
    assert differences(snapshot(), snapshot("1", "2")) == []


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (
            replace(snapshot("1", "2"), folders={"INBOX": snapshot("1", "2").folders["INBOX"]}),
            "only on the server: Work",
        ),
        (with_folder("Old", Folder(9, {})), "only in the database: Old"),
        (with_folder("Work", Folder(9, {5: Placed((), "1")})), "UIDVALIDITY 8 on the server, 9 in the database"),
        (with_folder("Work", Folder(8, {})), "UIDs [5] are missing"),
        (with_folder("INBOX", placed(u3=Placed((), "2"))), "UIDs [3] are gone from the server"),
        (with_folder("INBOX", placed(u2=Placed(("\\Seen",), "2"))), "UID 2 has () on the server"),
        (with_folder("Work", Folder(8, {5: Placed((), "2")})), "elsewhere the same one is 1"),
        (with_folder("INBOX", placed(u2=Placed((), "1"))), "one row stands for several messages"),
    ],
)
def test_each_difference_is_told(stored: Snapshot, complaint: str) -> None:
    assert any(complaint in found for found in differences(snapshot(), stored)), differences(snapshot(), stored)


def test_another_text_and_a_message_too_many_are_told() -> None:
    there = snapshot("1", "2")
    other = replace(there, messages={**there.messages, "1": replace(there.messages["1"], text="other")})
    assert "text='other'" in differences(snapshot(), other)[0]
    more = replace(there, messages={**there.messages, "3": there.messages["1"]})
    assert differences(snapshot(), more) == ["message 3 lies nowhere"]


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("Plain", '"Plain"'),
        ("A & B", '"A &- B"'),
        ("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),  # RFC 3501 §5.1.3
        ("Lists/Ünïcode ✉", '"Lists/&ANw-n&AO8-code &Jwk-"'),
    ],
)
def test_names_of_mailboxes(name: str, encoded: str) -> None:
    assert quoted(name) == encoded
    assert decoded(encoded.strip('"')) == name


def test_a_seed_gives_the_same_letters_again_all_of_them_different() -> None:
    first, second = (Letters(random.Random(3)) for _ in range(2))  # noqa: S311 - a test
    drawn = [first.draw() for _ in range(50)]
    assert drawn == [second.draw() for _ in range(50)]
    assert len({letter.split(b"\r\n\r\n", 1)[0] for letter in drawn}) == 50
    assert all(b"\n" not in letter.replace(b"\r\n", b"") for letter in drawn)
