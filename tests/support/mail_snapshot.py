"""What lies in all mailboxes of a user: read from the server by the standard library's client, and from the database.

Nothing of Retinue's is in the reading of the server. Both sides are compared by `differences`.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import imaplib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage, MIMEPart
from typing import Any

import psycopg

#: Header lines that servers rewrite as flags change, with the lines that go on with them.
_REWRITTEN = re.compile(rb"(?im)^(?:Status|X-Status|X-Keywords|X-UID|X-Mozilla-[^:]*):[^\n]*\n(?:[ \t][^\n]*\n)*")

_LISTED = re.compile(rb'\((?P<attributes>[^)]*)\) (?:NIL|"(?P<delimiter>[^"]*)") (?P<name>.*)')


@dataclass(frozen=True)
class Content:
    """What a message says; subject and text with one space between their words."""

    message_id: str | None
    subject: str
    text: str
    size: int


@dataclass(frozen=True)
class Placed:
    """A message under a UID; `message` names it within its snapshot."""

    flags: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Folder:
    """One mailbox."""

    uid_validity: int
    placed: Mapping[int, Placed]


@dataclass(frozen=True)
class Snapshot:
    """All mailboxes by name, and all messages in them."""

    folders: Mapping[str, Folder]
    messages: Mapping[str, Content]


def remote_snapshot(client: imaplib.IMAP4) -> Snapshot:
    """Read everything that the user of a signed-in client has."""
    messages: dict[str, Content] = {}
    folders: dict[str, Folder] = {}
    for name in selectable_folders(client):
        done(client.select(quoted(name), readonly=True))
        validity = int(client.response("UIDVALIDITY")[1][0])
        placed = {uid: Placed(flags, key) for uid, flags, key in _fetch_all(client, messages)}
        folders[name] = Folder(validity, placed)
    return Snapshot(folders, messages)


def selectable_folders(client: imaplib.IMAP4) -> list[str]:
    """The names of all mailboxes that can be opened."""
    found = []
    for line in done(client.list()):
        if line is None:
            continue  # there are none
        text = line[0].partition(b"{")[0] + b'"' + line[1] + b'"' if isinstance(line, tuple) else line
        if (match := _LISTED.fullmatch(text)) is None:
            continue  # what follows a name that came as a literal
        if not re.search(rb"(?i)\\(Noselect|NonExistent)", match["attributes"]):
            found.append(decoded(match["name"].strip(b'"').decode("ascii")))
    return found


def _fetch_all(client: imaplib.IMAP4, messages: dict[str, Content]) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Every message of the open mailbox: its UID, its flags and its name in `messages`, to which it is added."""
    lines = done(client.uid("FETCH", "1:*", "(FLAGS RFC822.SIZE BODY.PEEK[HEADER] BODY.PEEK[TEXT])"))
    for said, header, text in _fetched(lines):
        size = int(_found(rb"RFC822\.SIZE (\d+)", said))
        key = hashlib.sha256(_REWRITTEN.sub(b"", header) + b"%d" % size).hexdigest()
        messages.setdefault(key, _content(header, text, size))
        flags = {flag for flag in _found(rb"FLAGS \(([^)]*)\)", said).decode().split() if flag != "\\Recent"}
        yield int(_found(rb"UID (\d+)", said)), tuple(sorted(flags)), key


def _fetched(lines: list[Any]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """For each message all that stands outside its literals, its header and its text."""
    said, sections = b"", dict[bytes, bytes]()
    for line in lines:
        if line is None:
            continue  # the mailbox is empty
        words, literal = line if isinstance(line, tuple) else (line, None)
        said += words
        if literal is not None:
            sections[_found(rb".*BODY\[(\w+)\]", words)] = literal
        elif said.rstrip().endswith(b")") and len(sections) == 2:
            yield said, sections[b"HEADER"], sections[b"TEXT"]
            said, sections = b"", {}


def _found(pattern: bytes, text: bytes) -> bytes:
    match = re.search(pattern, text, re.DOTALL)
    assert match is not None, (pattern, text)
    return match[1]


def _content(header: bytes, text: bytes, size: int) -> Content:
    message = email.message_from_bytes(header + text, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain", "html"))
    said = _text(body) if body is not None else ""
    if body is not None and body.get_content_subtype() == "html":
        said = re.sub(r"<[^>]*>", " ", said)
    return Content(_bare(message["Message-ID"]), words(message["Subject"] or ""), words(said), size)


def _text(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except LookupError:  # a charset that nobody knows
        return bytes(part.get_payload(decode=True)).decode("ascii", "replace")


def stored_snapshot(sql: psycopg.Connection, connection_id: int) -> Snapshot:
    """What the database holds of a connection's mailboxes, deleted rows aside."""
    folders = {
        row[0]: (row[1], row[2])
        for row in sql.execute(
            "SELECT id, name, uid_validity FROM mailboxes"
            " WHERE connection_id = %s AND deleted_at IS NULL AND selectable",
            (connection_id,),
        )
    }
    placed: dict[int, dict[int, Placed]] = {mailbox: {} for mailbox in folders}
    query = "SELECT mailbox_id, uid, flags, message_id FROM placements WHERE mailbox_id = ANY(%s)"
    for mailbox, uid, flags, message in sql.execute(query, (list(folders),)):
        placed[mailbox][uid] = Placed(tuple(sorted(flags)), str(message))
    return Snapshot(
        {name: Folder(validity, placed[mailbox]) for mailbox, (name, validity) in folders.items()},
        _stored_messages(sql, connection_id),
    )


def _stored_messages(sql: psycopg.Connection, connection_id: int) -> dict[str, Content]:
    query = (
        "SELECT id, message_id, subject, body_text, size FROM mail_messages"
        " WHERE connection_id = %s AND deleted_at IS NULL"
    )
    return {
        str(identity): Content(_bare(message_id), words(subject or ""), words(text or ""), size)
        for identity, message_id, subject, text, size in sql.execute(query, (connection_id,))
    }


def differences(remote: Snapshot, stored: Snapshot) -> list[str]:
    """Every way in which the database is not what the server is; empty when they are equal."""
    found = [f"only on the server: {name}" for name in remote.folders.keys() - stored.folders.keys()]
    found += [f"only in the database: {name}" for name in stored.folders.keys() - remote.folders.keys()]
    rows: dict[str, str] = {}
    for name in sorted(remote.folders.keys() & stored.folders.keys()):
        found += [f"{name}: {fault}" for fault in _in_folder(remote.folders[name], stored.folders[name], rows)]
    found += [
        f"message {rows[key]}: {content} on the server, {stored.messages[rows[key]]} in the database"
        for key, content in remote.messages.items()
        if key in rows and rows[key] in stored.messages and stored.messages[rows[key]] != content
    ]
    found += [f"message {row} lies nowhere" for row in stored.messages.keys() - rows.values()]
    if len(set(rows.values())) != len(rows):
        found.append("one row stands for several messages")
    return found


def _in_folder(remote: Folder, stored: Folder, rows: dict[str, str]) -> Iterator[str]:
    """Faults of one mailbox; `rows` is filled with the row that stands for each of the server's messages."""
    if remote.uid_validity != stored.uid_validity:
        yield f"UIDVALIDITY {remote.uid_validity} on the server, {stored.uid_validity} in the database"
    if missing := sorted(remote.placed.keys() - stored.placed.keys()):
        yield f"UIDs {missing} are missing"
    if surplus := sorted(stored.placed.keys() - remote.placed.keys()):
        yield f"UIDs {surplus} are gone from the server"
    for uid in sorted(remote.placed.keys() & stored.placed.keys()):
        there, here = remote.placed[uid], stored.placed[uid]
        if there.flags != here.flags:
            yield f"UID {uid} has {there.flags} on the server, {here.flags} in the database"
        if rows.setdefault(there.message, here.message) != here.message:
            yield f"UID {uid} is message {here.message}, elsewhere the same one is {rows[there.message]}"


def words(text: str) -> str:
    """A text with one space between its words, as layout is nobody's business here."""
    return " ".join(text.split())


def _bare(message_id: str | None) -> str | None:
    return None if message_id is None else message_id.strip().strip("<>")


def done(answer: tuple[str, list[Any]]) -> list[Any]:
    """What a command returned; fails when the server refused it."""
    status, lines = answer
    assert status == "OK", (status, lines)
    return lines


def quoted(name: str) -> str:
    """A mailbox's name as a command's argument: modified UTF-7 (RFC 3501 §5.1.3) in quotes."""
    text = re.sub(r"&|[^\x20-\x7e]+", lambda found: _shifted(found[0]), name)
    return f'"{text}"'


def _shifted(text: str) -> str:
    if text == "&":
        return "&-"
    encoded = base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{encoded}-"


def decoded(name: str) -> str:
    """The name that modified UTF-7 stands for."""
    return re.sub(r"&([^-]*)-", lambda found: _unshifted(found[1]), name)


def _unshifted(text: str) -> str:
    if not text:
        return "&"
    return base64.b64decode(text.replace(",", "/") + "=" * (-len(text) % 4)).decode("utf-16-be")
