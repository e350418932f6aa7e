"""What the embedded IMAP server holds, kept in one file across restarts.

pymap's mailboxes in memory are exact and its mailboxes on disk are not (a copied message loses its text, and line ends
change), so the former are written down here whenever they have changed. They have no way in for a mailbox's own
numbers: those attributes are pymap's private ones, hence the narrow range of versions that Retinue depends on.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet, Message
from pymap.mime import MessageContent
from pymap.parsing.specials import FetchRequirement, ObjectId
from pymap.parsing.specials.flag import Flag

#: What pymap keeps for each user.
Held = dict[str, tuple[MailboxSet, FilterSet]]

INBOX = "INBOX"

#: How far numbering jumps after a crash: a message that was not written down any more must not share its UID.
_CRASH_GAP = 10_000


class MailStore:
    """The file, and what was last written to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: object = None

    async def load(self, users: Iterable[str]) -> Held:
        """The mailboxes of these users as they were written last, empty where they are new."""
        kept: dict[str, Any] = {"clean": True, "users": {}}
        if self._path.exists():
            kept = json.loads(self._path.read_text("utf-8"))
        gap = 0 if kept["clean"] else _CRASH_GAP
        return {user: (await _mailboxes(kept["users"].get(user, {}), gap), FilterSet()) for user in users}

    async def save(self, held: Held, *, clean: bool = False) -> None:
        """Write everything down if anything changed; `clean` says that nothing will change any more."""
        state = (clean, _state(held))
        if state == self._written:
            return
        users = {user: await _kept(mailboxes) for user, (mailboxes, _) in held.items()}
        self._write({"clean": clean, "users": users})
        self._written = state

    def _write(self, kept: Mapping[str, Any]) -> None:
        draft = self._path.with_suffix(".new")
        with open(draft, "w", encoding="utf-8", opener=_private) as file:
            json.dump(kept, file)
        draft.replace(self._path)


def _state(held: Held) -> tuple[object, ...]:
    """Something that is another one after every change."""
    return tuple(
        (user, name, mailbox.uid_validity, mailbox._mod_sequences.highest)
        for user, (mailboxes, _) in held.items()
        for name, mailbox in _all(mailboxes).items()
    )


def _all(mailboxes: MailboxSet) -> dict[str, MailboxData]:
    return {INBOX: mailboxes._inbox, **mailboxes._set}


async def _kept(mailboxes: MailboxSet) -> dict[str, Any]:
    return {name: await _kept_mailbox(mailbox) for name, mailbox in _all(mailboxes).items()}


async def _kept_mailbox(mailbox: MailboxData) -> dict[str, Any]:
    return {
        "id": mailbox.mailbox_id.value.decode(),
        "uid_validity": mailbox.uid_validity,
        "last_uid": mailbox._max_uid,
        "messages": [await _kept_message(message) async for message in mailbox.messages()],
    }


async def _kept_message(message: Message) -> dict[str, Any]:
    content = await message.load_content(FetchRequirement.CONTENT)
    return {
        "uid": message.uid,
        "arrived": message.internal_date.isoformat(),
        "flags": sorted(str(flag) for flag in message.permanent_flags),
        "recent": message.recent,
        "email_id": message.email_id.value.decode(),
        "thread_id": message.thread_id.value.decode(),
        "text": b64encode(bytes(content)).decode("ascii"),
    }


async def _mailboxes(kept: Mapping[str, Any], gap: int) -> MailboxSet:
    mailboxes = MailboxSet()
    for name, values in kept.items():
        if name != INBOX:
            await mailboxes.add_mailbox(name)
        _restore(await mailboxes.get_mailbox(name), values, gap)
    return mailboxes


def _restore(mailbox: MailboxData, kept: Mapping[str, Any], gap: int) -> None:
    mailbox._mailbox_id = ObjectId(kept["id"].encode())
    mailbox._uid_validity = kept["uid_validity"]
    mailbox._max_uid = kept["last_uid"] + gap
    mailbox._messages = {values["uid"]: _message(values) for values in kept["messages"]}
    mailbox._mod_sequences.update(mailbox._messages)


def _message(kept: Mapping[str, Any]) -> Message:
    return Message(
        kept["uid"],
        datetime.fromisoformat(kept["arrived"]),
        [Flag(flag.encode()) for flag in kept["flags"]],
        email_id=ObjectId(kept["email_id"].encode()),
        thread_id=ObjectId(kept["thread_id"].encode()),
        recent=kept["recent"],
        content=MessageContent.parse(b64decode(kept["text"])),
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
