from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from pymap.backend.dict.mailbox import MailboxData
from pymap.concurrent import Subsystem
from pymap.context import subsystem
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement
from pymap.parsing.specials.flag import Seen

from infra.local.imap_store import Held, MailStore

LETTER = b"Subject: Lunch\r\n\r\nAt noon?\r\n"


async def opened(path: Path) -> tuple[MailStore, Held, MailboxData]:
    """A store as a new process opens it, and Ann's Work."""
    subsystem.set(Subsystem.for_asyncio())
    store = MailStore(path)
    held = await store.load(["ann"])
    mailboxes, _ = held["ann"]
    if not mailboxes._set:
        await mailboxes.add_mailbox("Work")
    return store, held, await mailboxes.get_mailbox("Work")


async def put(mailbox: MailboxData) -> int:
    when = datetime(2026, 11, 2, 9, tzinfo=UTC)
    return (await mailbox.append(AppendMessage(LETTER, when, frozenset({Seen})))).uid


async def texts(mailbox: MailboxData) -> dict[int, bytes]:
    loaded = [(message, await message.load_content(FetchRequirement.CONTENT)) async for message in mailbox.messages()]
    assert all(message.permanent_flags == {Seen} for message, _ in loaded)
    return {message.uid: bytes(content) for message, content in loaded}


def test_mail_and_its_numbers_are_as_they_were(tmp_path: Path) -> None:
    async def go() -> None:
        store, held, before = await opened(tmp_path / "mail.json")
        first = await put(before)
        await store.save(held, clean=True)
        _, _, after = await opened(tmp_path / "mail.json")
        assert (after.mailbox_id, after.uid_validity) == (before.mailbox_id, before.uid_validity)
        assert await texts(after) == {first: LETTER}
        assert await put(after) == first + 1

    asyncio.run(go())


def test_after_a_crash_no_number_is_given_a_second_time(tmp_path: Path) -> None:
    async def go() -> None:
        store, held, before = await opened(tmp_path / "mail.json")
        first = await put(before)
        await store.save(held)
        lost = await put(before)
        _, _, after = await opened(tmp_path / "mail.json")
        assert await texts(after) == {first: LETTER}
        assert await put(after) > lost + 1000

    asyncio.run(go())


def test_only_changes_are_written(tmp_path: Path) -> None:
    async def go() -> None:
        store, held, mailbox = await opened(tmp_path / "mail.json")
        await store.save(held)
        assert (tmp_path / "mail.json").stat().st_mode & 0o777 == 0o600
        (tmp_path / "mail.json").unlink()
        await store.save(held)
        assert not (tmp_path / "mail.json").exists()
        await mailbox.delete([await put(mailbox)])
        await store.save(held)
        assert (tmp_path / "mail.json").exists()

    asyncio.run(go())
