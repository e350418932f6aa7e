"""The demo companies' mail: what lies in their mailboxes from the start, and how it reaches the IMAP server."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from infra.local.demo_accounts import DEMO_ACCOUNTS
from retinue.errors import RetinueError

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 10

#: By the name of a mailbox: the end of the name of the file with its messages, `demo_mailboxes/<user>_<end>.mbox`.
FOLDERS: Mapping[str, str] = {"INBOX": "inbox", "Sent": "sent", "Projects": "projects"}

#: The line before each message of an mbox file (RFC 4155), with the moment when it arrived.
_SEPARATOR = re.compile(rb"^From \S+ (.{24})\n", re.MULTILINE)

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


class MailServerRefused(RetinueError):
    """The demo's IMAP server did not do what it was asked."""


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """A message with CRLF at the ends of its lines, and when it arrived."""

    text: bytes
    arrived: datetime

    @property
    def message_id(self) -> str:
        return message_ids(self.text)[0]


def demo_messages(user: str, folder: str) -> list[DemoMessage]:
    """What lies in this mailbox from the start."""
    text = (files("infra.local") / "demo_mailboxes" / f"{user}_{FOLDERS[folder]}.mbox").read_bytes()
    parts = _SEPARATOR.split(text)
    return [
        DemoMessage(letter.rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n", _moment(when))
        for when, letter in zip(parts[1::2], parts[2::2], strict=True)
    ]


def message_ids(text: bytes) -> list[str]:
    """The Message-IDs in header lines."""
    return [found.decode("ascii", "replace") for found in _MESSAGE_ID.findall(text)]


def seed(port: int, passwords: Mapping[str, str]) -> int:
    """Make every demo mailbox and message that the server lacks; how many messages were added.

    Nothing that exists is changed, so it can be run at every start.

    Raises:
        OSError, imaplib.IMAP4.error, MailServerRefused: the server cannot be reached or refused a request.
    """
    added = 0
    for account in DEMO_ACCOUNTS:
        with signed_in(port, account.user, passwords[account.user]) as client:
            there = {identity for folder in FOLDERS for identity in _present(client, folder)}
            for folder in FOLDERS:
                new = [message for message in demo_messages(account.user, folder) if message.message_id not in there]
                for message in new:
                    append(client, folder, message)
                added += len(new)
    return added


@contextmanager
def signed_in(port: int, user: str, password: str) -> Iterator[imaplib.IMAP4]:
    """A client of the demo's server."""
    with imaplib.IMAP4(HOST, port, timeout=TIMEOUT_SECONDS) as client:
        client.login(user, password)
        yield client


def append(client: imaplib.IMAP4, folder: str, message: DemoMessage) -> None:
    """Put a message into a mailbox."""
    arrived = imaplib.Time2Internaldate(message.arrived)
    accepted(client.append(folder, "", arrived, message.text))


def accepted(answer: tuple[str, list[Any]]) -> list[Any]:
    """What a command returned.

    Raises:
        MailServerRefused: it was refused.
    """
    status, lines = answer
    if status != "OK":
        raise MailServerRefused(f"The demo's IMAP server answered {status}: {lines!r}")
    return lines


def _present(client: imaplib.IMAP4, folder: str) -> list[str]:
    """The Message-IDs in a mailbox, which is made when it is missing."""
    if folder != "INBOX" and not any(accepted(client.list('""', folder))):
        accepted(client.create(folder))
    if int(accepted(client.select(folder, readonly=True))[0]) == 0:
        return []
    lines = accepted(client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
    return [identity for line in lines if isinstance(line, tuple) for identity in message_ids(line[1])]


def _moment(text: bytes) -> datetime:
    return datetime.strptime(text.decode(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
