"""What we say to a server: each command as a value, with how large its reply may be."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from servants.email.imap.lexer import LITERAL_BYTES, REPLY_BYTES
from servants.email.values import Position, UidSet

#: RFC 7162 §4 asks servers to take command lines of at least 8192 octets; the rest of the line stays below 300.
UID_SET_CHARACTERS = 7_800

#: RFC 7888 §5: with LITERAL- a literal that does not wait is at most this long.
_LITERAL_MINUS_BYTES = 4096

#: A line of flags, with forty keywords; and what a server may tell besides.
_FLAGS_BYTES = 1024
_SLACK_BYTES = 4 * 1024 * 1024

_QUOTABLE = re.compile(rb"[\x20-\x7e]*")
_CRITERION = re.compile(r"[\x20-\x7e]+")

_STATUS_NUMBERS = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN"


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument that is sent byte by byte."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command without its tag.

    `may_fail` leaves a refusal that concerns this command alone to who sent it. `challenges` are sent one by one where
    the server asks for more, the last one as often as it asks.
    """

    name: str
    arguments: tuple[bytes | Literal, ...] = field(default=(), repr=False)
    challenges: tuple[bytes, ...] = field(default=(), repr=False)
    may_fail: bool = False
    literal_bytes: int = LITERAL_BYTES
    reply_bytes: int = REPLY_BYTES

    def pieces(self, tag: str, capabilities: frozenset[str]) -> list[bytes]:
        """The bytes to send; before each piece but the first the server says that it may come."""
        pieces, line = [], f"{tag} {self.name}".encode()
        for argument in self.arguments:
            line += b" "
            if isinstance(argument, bytes):
                line += argument
            elif _need_not_wait(len(argument.data), capabilities):
                line += b"{%d+}\r\n%b" % (len(argument.data), argument.data)
            else:
                pieces.append(line + b"{%d}\r\n" % len(argument.data))
                line = argument.data
        return [*pieces, line + b"\r\n"]


def _need_not_wait(size: int, capabilities: frozenset[str]) -> bool:
    if "LITERAL+" in capabilities:
        return True
    return size <= _LITERAL_MINUS_BYTES and "LITERAL-" in capabilities


def string(value: bytes) -> bytes | Literal:
    """A string argument: quoted where it can be."""
    if _QUOTABLE.fullmatch(value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return Literal(value)


def login(username: str, password: str) -> Command:
    """Sign in with a password."""
    return Command(name="LOGIN", arguments=(string(username.encode()), string(password.encode())))


def authenticate_plain(username: str, password: str, *, at_once: bool) -> Command:
    """Sign in with a password of any characters (RFC 4616); `at_once` without waiting (SASL-IR, RFC 4959)."""
    return _authenticate("PLAIN", f"\0{username}\0{password}", at_once=at_once, afterwards=b"*\r\n")


def authenticate_xoauth2(username: str, token: str, *, at_once: bool) -> Command:
    """Sign in with an access token (https://developers.google.com/workspace/gmail/imap/xoauth2-protocol).

    A refusal comes as a challenge, which an empty line answers.
    """
    return _authenticate("XOAUTH2", f"user={username}\1auth=Bearer {token}\1\1", at_once=at_once, afterwards=b"\r\n")


def _authenticate(mechanism: str, secret: str, *, at_once: bool, afterwards: bytes) -> Command:
    encoded, word = b64encode(secret.encode()), mechanism.encode()
    if at_once:
        return Command(name="AUTHENTICATE", arguments=(word, encoded), challenges=(afterwards,))
    return Command(name="AUTHENTICATE", arguments=(word,), challenges=(encoded + b"\r\n", afterwards))


def plain(name: str, *arguments: str) -> Command:
    """A command of words alone: CAPABILITY, ENABLE, NOOP, LOGOUT."""
    return Command(name=name, arguments=tuple(argument.encode("ascii") for argument in arguments))


def identify(fields: Mapping[str, str]) -> Command:
    """ID (RFC 2971); some servers, as those of NetEase, open no mailbox before it."""
    words = " ".join(f'"{key}" "{value}"' for key, value in fields.items())
    return Command(name="ID", arguments=(f"({words})".encode(),), may_fail=True)


def list_all(capabilities: frozenset[str]) -> Command:
    """LIST of every mailbox: with special use and status where the server can (RFC 6154, RFC 5819)."""
    options = []
    if "SPECIAL-USE" in capabilities:
        options.append("SPECIAL-USE")
    if "LIST-STATUS" in capabilities:
        options.append(f"STATUS ({status_items(capabilities)})")
    pattern: tuple[bytes, ...] = (b'""', b'"*"')
    if options and "LIST-EXTENDED" in capabilities:
        pattern = (*pattern, f"RETURN ({' '.join(options)})".encode())
    return Command(name="LIST", arguments=pattern)


def list_one(raw_name: bytes) -> Command:
    """LIST of the mailbox with this name; the server may read `*` and `%` in it as patterns and list others, too."""
    return Command(name="LIST", arguments=(b'""', string(raw_name)))


def gives_status(capabilities: frozenset[str]) -> bool:
    """Whether `list_all` brings the status along."""
    return {"LIST-STATUS", "LIST-EXTENDED"} <= capabilities


def status_items(capabilities: frozenset[str]) -> str:
    """What to ask STATUS for."""
    items = [_STATUS_NUMBERS]
    if counts_changes(capabilities):
        items.append("HIGHESTMODSEQ")
    if "OBJECTID" in capabilities:
        items.append("MAILBOXID")
    return " ".join(items)


def counts_changes(capabilities: frozenset[str]) -> bool:
    """Whether the server has mod-sequences (RFC 7162); QRESYNC implies CONDSTORE."""
    return not capabilities.isdisjoint({"CONDSTORE", "QRESYNC"})


def status(raw_name: bytes, capabilities: frozenset[str]) -> Command:
    """STATUS of one mailbox; refused for one that cannot be opened, which tells nothing of the others."""
    items = f"({status_items(capabilities)})".encode()
    return Command(name="STATUS", arguments=(string(raw_name), items), may_fail=True)


def my_rights(raw_name: bytes) -> Command:
    """What this user may do with a mailbox (RFC 4314 §3.5)."""
    return Command(name="MYRIGHTS", arguments=(string(raw_name),), may_fail=True)


def examine(raw_name: bytes, *, known: Position | None, capabilities: frozenset[str]) -> Command:
    """Open a mailbox for reading; with `known`, which asks for QRESYNC to be enabled, the changes since then."""
    arguments: tuple[bytes | Literal, ...] = (string(raw_name),)
    if known is not None and known.highest_modseq > 0:
        arguments += (f"(QRESYNC ({known.uid_validity} {known.highest_modseq}))".encode(),)
    elif counts_changes(capabilities):
        arguments += (b"(CONDSTORE)",)
    return Command(name="EXAMINE", arguments=arguments)


def search(criteria: tuple[str, ...], *, extended: bool) -> Command:
    """UID SEARCH; `extended` asks for ranges (RFC 4731).

    Raises:
        ValueError: a criterion holds something other than printable ASCII.
    """
    bad = [criterion for criterion in criteria if not _CRITERION.fullmatch(criterion)]
    if bad:
        raise ValueError(f"criteria of SEARCH are printable ASCII, got {bad[0]!r}")
    returns = ("RETURN", "(ALL)") if extended else ()
    return plain("UID SEARCH", *returns, *(criteria or ("ALL",)))


def fetch(
    uids: str, items: str, *, literal_bytes: int = LITERAL_BYTES, reply_bytes: int = REPLY_BYTES, may_fail: bool = False
) -> Command:
    """UID FETCH; a literal of the reply is at most `literal_bytes`, the whole reply at most `reply_bytes`."""
    arguments = (uids.encode(), f"({items})".encode())
    return Command(
        name="UID FETCH", arguments=arguments, literal_bytes=literal_bytes, reply_bytes=reply_bytes, may_fail=may_fail
    )


def fetch_flags(
    uids: UidSet | None, *, with_modseq: bool, changed_since: int | None = None, vanished: bool = False
) -> Command:
    """UID FETCH of the flags of these messages, or of all.

    With `changed_since`, a mod-sequence, only what changed after it, and if asked for what vanished (RFC 7162).
    """
    items = "UID FLAGS MODSEQ" if with_modseq else "UID FLAGS"
    most = REPLY_BYTES if uids is None or vanished else min(REPLY_BYTES, _SLACK_BYTES + _FLAGS_BYTES * len(uids))
    command = fetch("1:*" if uids is None else str(uids), items, reply_bytes=most)
    if changed_since is None:
        return command
    modifier = f"(CHANGEDSINCE {changed_since}{' VANISHED' if vanished else ''})"
    return replace(command, arguments=(*command.arguments, modifier.encode()))


def split(uids: UidSet, *, messages: int | None = None) -> Iterator[UidSet]:
    """The set in pieces whose text fits a command line, each of at most so many messages."""
    ranges: list[tuple[int, int]] = []
    room = UID_SET_CHARACTERS
    for count, (low, high) in _cut(uids, messages or max(1, len(uids))):
        size = len(f"{low}:{high},")
        if ranges and (count == 0 or size > room):
            yield UidSet(tuple(ranges))
            ranges, room = [], UID_SET_CHARACTERS
        ranges.append((low, high))
        room -= size
    if ranges:
        yield UidSet(tuple(ranges))


def _cut(uids: UidSet, messages: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """The ranges, cut after every so many messages; with each, how many of its group come before it."""
    count = 0
    for low, high in uids.ranges:
        start = low
        while start <= high:
            end = min(high, start + messages - count - 1)
            yield count, (start, end)
            count = (count + end - start + 1) % messages
            start = end + 1


def idle() -> Command:
    """Listen for what happens (RFC 2177); ended by a line DONE."""
    return Command(name="IDLE")
