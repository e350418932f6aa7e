"""From a server's listing to the rows of its mailboxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from servants.email.folders import FolderPlan, is_suspicious, plan_folders
from servants.email.mailboxes import StoredMailbox
from servants.email.quirks import QUIRKS, Abilities, abilities_of, known_quirks
from servants.email.values import RemoteFolder
from tests.unit.test_mail_follow import ROW


def remote(
    name: str, validity: int | None = None, *, object_id: str | None = None, uid_next: int | None = 5
) -> RemoteFolder:
    return RemoteFolder(
        name=name,
        delimiter="/",
        role=None,
        selectable=True,
        object_id=object_id,
        uid_validity=validity,
        uid_next=uid_next,
    )


def row(number: int, name: str, validity: int | None = None, *, object_id: str | None = None) -> StoredMailbox:
    return dataclasses.replace(ROW, id=number, name=name, uid_validity=validity, object_id=object_id, uid_next=5)


def told(plan: FolderPlan) -> dict[str, object]:
    """The plan in a few words; what is empty left out."""
    words = {
        "same": {pair.remote.name: pair.row.id for pair in plan.same},
        "renamed": {pair.remote.name: pair.row.id for pair in plan.renamed},
        "reset": set(plan.reset),
        "guessed": set(plan.guessed),
        "gone": [one.id for one in plan.gone],
        "new": [one.name for one in plan.new],
    }
    return {word: value for word, value in words.items() if value}


@pytest.mark.parametrize(
    ("remotes", "rows", "expected"),
    [
        ([remote("A", 1)], [], {"new": ["A"]}),
        ([remote("A", 1), remote("A", 1)], [], {"new": ["A"]}),
        ([], [row(1, "A", 1)], {"gone": [1]}),
        ([remote("A", 1)], [row(1, "A", 1)], {"same": {"A": 1}}),
        ([remote("A", None)], [row(1, "A", 1)], {"same": {"A": 1}}),
        # New UIDs are found out when the mailbox is followed.
        ([remote("A", 2)], [row(1, "A", 1)], {"same": {"A": 1}}),
        ([remote("B", 1)], [row(1, "A", 1)], {"renamed": {"B": 1}, "guessed": {1}}),
        ([remote("B", 1, uid_next=4)], [row(1, "A", 1)], {"gone": [1], "new": ["B"]}),
        ([remote("B", None)], [row(1, "A", None)], {"gone": [1], "new": ["B"]}),
        # A swap, and one whose old name is another folder's now.
        (
            [remote("A", 2), remote("B", 1)],
            [row(1, "A", 1), row(2, "B", 2)],
            {"renamed": {"A": 2, "B": 1}, "guessed": {1, 2}},
        ),
        ([remote("A", 9), remote("B", 1)], [row(1, "A", 1)], {"renamed": {"B": 1}, "guessed": {1}, "new": ["A"]}),
        # Numbers that several have tell nothing apart.
        ([remote("C", 1), remote("D", 1)], [row(1, "A", 1)], {"gone": [1], "new": ["C", "D"]}),
        ([remote("C", 1)], [row(1, "A", 1), row(2, "B", 1)], {"gone": [1, 2], "new": ["C"]}),
        (
            [remote("A", 1), remote("C", 1)],
            [row(1, "A", 1), row(2, "B", 1)],
            {"same": {"A": 1}, "gone": [2], "new": ["C"]},
        ),
        # MAILBOXID tells all of them apart.
        (
            [remote("B", 7, object_id="x"), remote("A", 7, object_id="y")],
            [row(1, "A", 7, object_id="x"), row(2, "B", 7, object_id="y")],
            {"renamed": {"B": 1, "A": 2}},
        ),
        ([remote("A", 1, object_id="y")], [row(1, "A", 1, object_id="x")], {"same": {"A": 1}, "reset": {1}}),
        (
            [remote("A", 1, object_id="y"), remote("B", 1, object_id="x")],
            [row(1, "A", 1, object_id="x")],
            {"renamed": {"B": 1}, "new": ["A"]},
        ),
    ],
)
def test_which_row_a_folder_has(
    remotes: Sequence[RemoteFolder], rows: Sequence[StoredMailbox], expected: dict[str, object]
) -> None:
    assert told(plan_folders(remotes, rows)) == expected


@pytest.mark.parametrize(
    ("remotes", "rows", "held", "suspicious"),
    [
        ([], [row(1, "INBOX")], 10, True),
        ([], [row(1, "Work")], 10, True),
        ([remote("Work")], [row(1, "INBOX"), row(2, "Work")], 10, True),
        ([], [row(1, "INBOX")], 9, False),
        ([remote("INBOX")], [row(1, "INBOX"), row(2, "Work")], 10, False),
    ],
)
def test_listings_that_are_too_empty(
    remotes: Sequence[RemoteFolder], rows: Sequence[StoredMailbox], held: int, suspicious: bool
) -> None:
    assert is_suspicious(remotes, rows, held=held) is suspicious


ALL_OF_IT = ("IMAP4REV1", "CONDSTORE", "QRESYNC")


@pytest.mark.parametrize(
    ("host", "capabilities", "server_id", "expected"),
    [
        ("mail.example", ALL_OF_IT, {}, Abilities(qresync=True, condstore=True)),
        ("mail.example", ("QRESYNC",), {}, Abilities(qresync=True, condstore=True)),
        ("mail.example", ("CONDSTORE",), {}, Abilities(qresync=False, condstore=True)),
        ("mail.example", (), {}, Abilities(qresync=False, condstore=False)),
        ("imap.mail.me.com", ALL_OF_IT, {}, Abilities(qresync=False, condstore=True)),
        ("mail.example", (*ALL_OF_IT, "X-SUN-IMAP"), {}, Abilities(qresync=False, condstore=True)),
        ("imap.gmail.com", ("CONDSTORE", "X-GM-EXT-1"), {}, Abilities(qresync=False, condstore=True)),
        (
            "mail.example",
            ("IMAP4REV1",),
            {"name": "Microsoft.Exchange.Imap4.Imap4Server"},
            Abilities(qresync=False, condstore=False, sizes=False),
        ),
        ("outlook.office365.com", (), {}, Abilities(qresync=False, condstore=False, sizes=False)),
        ("mail.example", ("CONDSTORE",), {"name": "SmarterMail"}, Abilities(qresync=False, condstore=False)),
        ("imap.mail.yahoo.com", ("XYMHIGHESTMODSEQ",), {}, Abilities(qresync=False, condstore=False)),
        ("mail.example", ALL_OF_IT, {"name": "Dovecot"}, Abilities(qresync=True, condstore=True)),
    ],
)
def test_what_may_be_relied_on(
    host: str, capabilities: tuple[str, ...], server_id: dict[str, str], expected: Abilities
) -> None:
    assert abilities_of(host, capabilities, server_id) == expected


def test_a_host_is_known_by_its_ending_alone() -> None:
    assert [quirk.server for quirk in known_quirks("p01-imap.mail.me.com", (), {})] == ["iCloud"]
    assert known_quirks("notmail.me.com.example", (), {}) == []
    assert known_quirks("xmail.me.com", (), {}) == []


def test_every_quirk_says_what_and_where_from() -> None:
    for quirk in QUIRKS:
        assert quirk.fact
        assert quirk.source.startswith("https://")
        assert quirk.names or quirk.capabilities or quirk.hosts
