"""Dialogues that fetch headers and messages: many small ones by one command, a large one in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from servants.email.imap import commands
from servants.email.imap.commands import UID_SET_CHARACTERS, Command
from servants.email.imap.dialogues import Dialogue
from servants.email.imap.faults import REFUSALS, Refused, ReplyTooLarge
from servants.email.imap.limits import Limits
from servants.email.imap.protocol import Reply
from servants.email.imap.responses import Fetch
from servants.email.values import UidSet

#: So many fit a command line, however large they are.
_UIDS_OF_A_LINE = UID_SET_CHARACTERS // len("4294967295,")

#: What a reply holds besides the literals, for each message.
_LINE_BYTES = 4096

#: Servers that convert messages as they send them err in RFC822.SIZE, Exchange among them.
_SLACK_BYTES = 256 * 1024

#: A message that is asked for alone may be so large whatever was told: there are servers that do not know.
_ALONE_BYTES = 4 * 1024 * 1024

#: Up to this size a message that comes in pieces stays in memory.
_SPOOL_BYTES = 2 * 1024 * 1024

#: So many refusals in a row, before anything came, are the mailbox's and no message's.
_GIVE_UP_AFTER = 5

#: Of a larger message nothing is read: providers take none of a tenth of this.
_LARGEST_BYTES = 2 * 1024 * 1024 * 1024

#: All headers of one reply.
_HEADERS_BYTES = 32 * 1024 * 1024

_HEADER_ITEMS = "UID RFC822.SIZE INTERNALDATE FLAGS BODY.PEEK[HEADER]"


def headers_command(limits: Limits, *, with_modseq: bool) -> Callable[[UidSet], Command]:
    """How to ask for headers and all that goes with them."""
    items = _HEADER_ITEMS.replace("FLAGS", "FLAGS MODSEQ") if with_modseq else _HEADER_ITEMS
    return lambda uids: commands.fetch(
        str(uids), items, literal_bytes=limits.header_bytes, reply_bytes=_HEADERS_BYTES, may_fail=True
    )


def messages_command(sizes: Mapping[int, int]) -> Callable[[UidSet], Command]:
    """How to ask for whole messages of these sizes."""

    def command(uids: UidSet) -> Command:
        told = [sizes[uid] for uid in uids]
        least = _ALONE_BYTES if len(told) == 1 else 0
        return commands.fetch(
            str(uids),
            "UID BODY.PEEK[]",
            literal_bytes=max(least, _with_slack(max(told))),
            reply_bytes=max(least, _with_slack(sum(told))) + len(told) * _LINE_BYTES,
            may_fail=True,
        )

    return command


def _with_slack(size: int) -> int:
    return 2 * size + _SLACK_BYTES


def fetch_each(
    uids: UidSet, command: Callable[[UidSet], Command], refused: dict[int, str]
) -> Dialogue[dict[int, Fetch]]:
    """What the server tells of each of these messages. Messages that are gone are left out.

    Where it refuses them together, those that did not come are asked for one by one, and `refused` learns what it says
    of each that it keeps.

    Raises:
        Refused, NotUnderstood, NoSuchMailbox, Denied: it refuses the first ones, whichever they are.
    """
    reply = yield [command(uids)]
    fetched = merged(reply)
    if reply.end.condition == "OK" or reply.end.code == "EXPUNGEISSUED":
        return fetched
    troubles: dict[int, str] = {}
    for uid in uids:
        if uid not in fetched:
            yield from _fetch_one(uid, command, fetched, troubles)
    refused.update(troubles)
    return fetched


def _fetch_one(
    uid: int, command: Callable[[UidSet], Command], fetched: dict[int, Fetch], troubles: dict[int, str]
) -> Dialogue[None]:
    try:
        reply = yield [replace(command(UidSet(((uid, uid),))), may_fail=False)]
    except REFUSALS as refusal:
        troubles[uid] = refusal.message
        if not fetched and len(troubles) >= _GIVE_UP_AFTER:
            raise
    else:
        fetched.update(merged(reply))


def merged(reply: Reply) -> dict[int, Fetch]:
    """By UID what was told of each message; some servers tell it in several responses."""
    told: dict[int, Fetch] = {}
    for fetch in reply.fetched:
        if fetch.uid is None:
            continue
        earlier = told.get(fetch.uid)
        told[fetch.uid] = fetch if earlier is None else _together(earlier, fetch)
    return told


def _together(earlier: Fetch, later: Fetch) -> Fetch:
    return Fetch._make(old if new is None else new for old, new in zip(earlier, later, strict=True))


def fetch_in_pieces(uid: int, size: int, piece_bytes: int) -> Dialogue[BinaryIO | None]:
    """One message of about `size` bytes, at its beginning; None where it is gone.

    Raises:
        Refused: it is larger than any is read.
        ReplyTooLarge: it is far larger than the server said.
    """
    if size > _LARGEST_BYTES:
        raise Refused(f"a message of {size:,} bytes is not read: no more than {_LARGEST_BYTES:,} are.")
    # Never larger in memory than a piece; the receiver closes it.
    body = cast(BinaryIO, SpooledTemporaryFile(max_size=_SPOOL_BYTES))  # noqa: SIM115
    try:
        done = 0
        while True:
            piece = yield from _fetch_piece(uid, done, piece_bytes)
            if piece is None:
                body.close()
                return None
            body.write(piece)
            done += len(piece)
            if not piece or (len(piece) < piece_bytes and done >= size):
                body.seek(0)
                return body
            if done > _with_slack(size):
                raise ReplyTooLarge(f"a message said to have {size:,} bytes has more than {done:,}")
    except BaseException:
        body.close()
        raise


def _fetch_piece(uid: int, start: int, length: int) -> Dialogue[bytes | None]:
    """A piece of a message, empty beyond its end; None where the message is gone."""
    items = f"UID BODY.PEEK[]<{start}.{length}>"
    reply = yield [commands.fetch(str(uid), items, literal_bytes=length, reply_bytes=length + _SLACK_BYTES)]
    fetch = merged(reply).get(uid)
    return None if fetch is None or fetch.section is None else fetch.body or b""


def batches(uids: UidSet, sizes: Mapping[int, int], limits: Limits) -> Iterator[UidSet]:
    """The UIDs in groups that one command asks for; a message that comes in pieces stands alone."""
    group: list[int] = []
    room, most = limits.batch_bytes, min(limits.batch_messages, _UIDS_OF_A_LINE)
    for uid in uids:
        size = sizes[uid]
        if group and (size > room or len(group) == most or max(size, sizes[group[0]]) > limits.piece_bytes):
            yield UidSet.of(group)
            group, room = [], limits.batch_bytes
        group.append(uid)
        room -= size
    if group:
        yield UidSet.of(group)
