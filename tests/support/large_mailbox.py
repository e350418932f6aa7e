"""A user's mailboxes with very many messages, put straight into the files that Dovecot keeps them in (Maildir)."""

from __future__ import annotations

import imaplib
import os
import pwd
import random
import time
from base64 import encodebytes
from collections.abc import Iterator
from pathlib import Path

from tests.support.mail_server import MailUser

#: The mailboxes by the names of their directories, and the share of the messages that each has.
SHARES = {"": 0.7, ".Archive": 0.2, ".Sent": 0.1}

#: Messages are spread over so many days before now, the oldest first.
DAYS = 900

_WORDS = ("plan", "offer", "call", "meeting", "invoice", "answer", "order", "contract", "question", "team", "week")


def fill(home: Path, user: MailUser, *, messages: int, seed: int = 1) -> int:
    """Make the messages, some 10 kB each on average; their bytes together."""
    rng = random.Random(seed)  # noqa: S311 - a test
    root = home / "mail" / user.name
    written = 0
    number = 0
    for directory, share in SHARES.items():
        box = _directory(root / directory)
        count = int(messages * share)
        for place in range(count):
            content = message(rng, number)
            moment = int(time.time() - DAYS * 86_400 * (1 - place / count))
            # The size in the name spares the server reading the file for it.
            path = box / f"{moment}.M{number:09}P1.host,S={len(content)},W={len(content)}:2,{'S' if place % 3 else ''}"
            path.write_bytes(content)
            os.utime(path, (moment, moment))
            written += len(content)
            number += 1
    _hand_over(root)
    return written


def _directory(box: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (box / name).mkdir(parents=True)
    return box / "cur"


def _hand_over(root: Path) -> None:
    if os.getuid() != 0:
        return
    owner = pwd.getpwnam("nobody")
    for directory, _, files in os.walk(root):
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        for name in files:
            os.chown(f"{directory}/{name}", owner.pw_uid, owner.pw_gid)


def message(rng: random.Random, number: int) -> bytes:
    """One as they usually are: plain, in HTML with or without the same in plain text, or with an attachment."""
    sender, receiver = rng.randrange(2000), rng.randrange(200)
    kind = rng.random()
    if kind < 0.45:
        content, body = "text/plain; charset=utf-8", text(rng, rng.randint(500, 8_000))
    elif kind < 0.8:
        content, body = 'multipart/alternative; boundary="=_part"', _alternative(rng)
    elif kind < 0.95:
        content, body = "text/html; charset=utf-8", _html(text(rng, rng.randint(3_000, 14_000)))
    else:
        content, body = 'multipart/mixed; boundary="=_part"', _with_attachment(rng)
    reply = f"In-Reply-To: <{number - 7}@mail.example.com>\r\n" if number > 7 and rng.random() < 0.4 else ""
    head = (
        f"Return-Path: <person{sender}@example{sender % 40}.com>\r\n"
        f"Received: from relay.example{sender % 40}.com by mx.example.com with ESMTPS id {rng.getrandbits(64):x};\r\n"
        f"\tMon, 2 Nov 2026 10:00:00 +0000\r\n"
        f"From: Person {sender} <person{sender}@example{sender % 40}.com>\r\n"
        f"To: Colleague {receiver} <colleague{receiver}@example.com>\r\n"
        f"Subject: {rng.choice(_WORDS).title()} {rng.choice(_WORDS)} {number}\r\n"
        f"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}@mail.example.com>\r\n{reply}"
        f"MIME-Version: 1.0\r\nContent-Type: {content}\r\n\r\n"
    )
    return (head + body).encode()


def text(rng: random.Random, size: int) -> str:
    """Lines of words, about so many characters."""
    return "\r\n".join(" ".join(rng.choices(_WORDS, k=11)) for _ in range(size // 70 + 1)) + "\r\n"


def _html(lines: str) -> str:
    rows = "".join(f"<p style='margin:0'>{line}</p>\r\n" for line in lines.split("\r\n"))
    return f"<html><body>\r\n{rows}</body></html>\r\n"


def _alternative(rng: random.Random) -> str:
    lines = text(rng, rng.randint(1_000, 8_000))
    return (
        f"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{lines}"
        f"--=_part\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{_html(lines)}--=_part--\r\n"
    )


def _with_attachment(rng: random.Random) -> str:
    encoded = encodebytes(rng.randbytes(rng.randint(20_000, 60_000))).decode().replace("\n", "\r\n")
    return (
        f"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text(rng, 1_000)}"
        f"--=_part\r\nContent-Type: application/pdf; name=offer.pdf\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; filename=offer.pdf\r\n\r\n{encoded}--=_part--\r\n"
    )


def read_plainly(client: imaplib.IMAP4, *, batch: int = 1) -> Iterator[int]:
    """The bytes of every message, all fetched by the standard library's client and thrown away.

    One after the other, as its documentation has it (https://docs.python.org/3/library/imaplib.html#imap4-example), or
    so many with each command.
    """
    for mailbox in ("INBOX", "Archive", "Sent"):
        client.select(mailbox, readonly=True)
        uids = client.uid("SEARCH", "ALL")[1][0].decode().split()
        for start in range(0, len(uids), batch):
            part = uids[start : start + batch]
            _, lines = client.uid("FETCH", f"{part[0]}:{part[-1]}", "(BODY.PEEK[])")
            yield from (len(line[1]) for line in lines if isinstance(line, tuple))
