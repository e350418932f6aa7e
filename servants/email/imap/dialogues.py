"""What is said to get something done, without I/O: generators that yield commands and are sent the replies.

The blocking session and the asynchronous one both carry them out. A refusal of a command that may not fail is thrown
into the generator, which may catch it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from enum import Enum
from typing import TypeVar

from retinue.errors import SettingsRefused
from servants.email.imap import commands
from servants.email.imap.commands import Command, Literal
from servants.email.imap.faults import NoSuchMailbox, Refused, UnexpectedReply
from servants.email.imap.fetch import MAX_MESSAGES, MAX_MODSEQ
from servants.email.imap.names import decode_name
from servants.email.imap.protocol import Protocol, Reply
from servants.email.imap.responses import Listing, MailboxStatus, Vanished
from servants.email.sign_in import SignIn, Tls
from servants.email.values import FlagLine, Position, RemoteFolder, Role, Selected, UidSet
from servants.mending import by_setting

T = TypeVar("T")


class Secure(Enum):
    """What a dialogue yields where TLS has to begin."""

    NOW = "now"


#: Yields commands to send at once, or asks for TLS; is sent the reply; returns what came of it.
Dialogue = Generator[Sequence[Command] | Secure, Reply, T]

#: STATUS commands that are sent without waiting for one another.
_PIPELINED = 25

_CLIENT = {"name": "Retinue"}

#: RFC 6154 §2; the others are what XLIST, its forerunner, called them.
_ROLES = {
    "\\sent": Role.SENT,
    "\\drafts": Role.DRAFTS,
    "\\trash": Role.TRASH,
    "\\junk": Role.JUNK,
    "\\spam": Role.JUNK,
    "\\archive": Role.ARCHIVE,
    "\\all": Role.ALL,
    "\\allmail": Role.ALL,
    "\\flagged": Role.FLAGGED,
    "\\starred": Role.FLAGGED,
}


def sign_in_to(protocol: Protocol, sign_in: SignIn) -> Dialogue[None]:
    """From the greeting to being signed in.

    Raises:
        SettingsRefused: the server offers no way to sign in as the connection says.
    """
    yield []  # the greeting
    if sign_in.tls is Tls.STARTTLS:
        yield from _secure(protocol, sign_in)
    if not protocol.capabilities:
        yield [commands.plain("CAPABILITY")]
    if protocol.greeting is None or protocol.greeting.condition != "PREAUTH":
        news = protocol.capability_news
        yield [_sign_in_command(protocol.capabilities, sign_in)]
        if protocol.capability_news == news:  # what a server can do may change with the sign-in
            yield [commands.plain("CAPABILITY")]
    if "ID" in protocol.capabilities:
        yield [commands.identify(_CLIENT)]
    if "UTF8=ONLY" in protocol.capabilities:
        yield [commands.plain("ENABLE", "UTF8=ACCEPT")]


def _secure(protocol: Protocol, sign_in: SignIn) -> Dialogue[None]:
    if protocol.greeting is not None and protocol.greeting.condition == "PREAUTH":
        # RFC 9051 §11.3: somebody in between may have sent it to keep TLS away.
        raise UnexpectedReply("it says that we are signed in before TLS began")
    if not protocol.capabilities:
        yield [commands.plain("CAPABILITY")]
    if "STARTTLS" not in protocol.capabilities:
        raise SettingsRefused(
            f"{sign_in.place} offers no STARTTLS; set tls to 'tls' if its port encrypts at once: "
            f"{by_setting('--tls tls')}."
        )
    yield [commands.plain("STARTTLS")]
    yield Secure.NOW
    yield [commands.plain("CAPABILITY")]


def _sign_in_command(capabilities: frozenset[str], sign_in: SignIn) -> Command:
    at_once, may_login = "SASL-IR" in capabilities, "LOGINDISABLED" not in capabilities
    if sign_in.access_token is not None:
        if "AUTH=XOAUTH2" not in capabilities:
            raise SettingsRefused(f"{sign_in.place} takes no access tokens (XOAUTH2); sign in with a password there.")
        return commands.authenticate_xoauth2(sign_in.username, sign_in.access_token(), at_once=at_once)
    username, password = sign_in.username, sign_in.password or ""
    if may_login and f"{username}{password}".isascii() and f"{username}{password}".isprintable():
        return commands.login(username, password)
    if "AUTH=PLAIN" in capabilities:
        return commands.authenticate_plain(username, password, at_once=at_once)
    if not may_login:
        raise SettingsRefused(f"{sign_in.place} takes no passwords; sign in with an access token there.")
    return commands.login(username, password)


def enable_qresync(protocol: Protocol) -> Dialogue[bool]:
    """Have the server tell what vanished; whether it will. One that does not confirm it is not believed."""
    if "QRESYNC" in protocol.capabilities and "QRESYNC" not in protocol.enabled:
        yield [commands.plain("ENABLE", "QRESYNC")]
    return "QRESYNC" in protocol.enabled


def list_folders(protocol: Protocol, raw_names: dict[str, bytes]) -> Dialogue[list[RemoteFolder]]:
    """All mailboxes with their status; `raw_names` learns how the server writes their names."""
    capabilities = _without_false_ids(protocol)
    reply = yield [commands.list_all(capabilities)]
    utf8 = protocol.names_in_utf8
    listings = {decode_name(listing.raw, utf8=utf8): listing for listing in reversed(reply.listings)}
    raw_names.update((name, listing.raw) for name, listing in listings.items())
    statuses = list(reply.statuses)
    if not commands.gives_status(capabilities):
        statuses += yield from _statuses(capabilities, [one.raw for one in listings.values() if _is_selectable(one)])
    told = {decode_name(status.raw, utf8=utf8): status for status in statuses}
    return [_folder(name, listings[name], told.get(name)) for name in sorted(listings)]


def _without_false_ids(protocol: Protocol) -> frozenset[str]:
    """What the server can do, without MAILBOXID where STATUS gives random bytes of memory for it: Cyrus 3.6.1 does.

    Those may hold parentheses, so that the whole reply could not be read.
    """
    is_cyrus = "cyrus" in protocol.server_id.get("name", "").lower()
    is_cyrus = is_cyrus or "ANNOTATE-EXPERIMENT-1" in protocol.capabilities  # where ID tells no name
    return protocol.capabilities - {"OBJECTID"} if is_cyrus else protocol.capabilities


def _statuses(capabilities: frozenset[str], raw_names: Sequence[bytes]) -> Dialogue[list[MailboxStatus]]:
    asked = [commands.status(raw, capabilities) for raw in raw_names]
    found = []
    for group in _together(asked):
        reply = yield group
        found += reply.statuses
    return found


def _together(asked: Iterable[Command]) -> Iterable[list[Command]]:
    """In groups that can be sent at once; what waits for the server in its midst goes alone."""
    group: list[Command] = []
    for command in asked:
        if any(isinstance(argument, Literal) for argument in command.arguments):
            yield [command]
            continue
        group.append(command)
        if len(group) == _PIPELINED:
            yield group
            group = []
    if group:
        yield group


def _is_selectable(listing: Listing) -> bool:
    return listing.attributes.isdisjoint({"\\noselect", "\\nonexistent"})


def _folder(name: str, listing: Listing, status: MailboxStatus | None) -> RemoteFolder:
    numbers = status.numbers if status else {}
    roles = (_ROLES[attribute] for attribute in sorted(listing.attributes) if attribute in _ROLES)
    return RemoteFolder(
        name=name,
        delimiter=None if listing.delimiter == "\0" else listing.delimiter,
        role=Role.INBOX if name == "INBOX" else next(roles, None),
        selectable=_is_selectable(listing),
        object_id=status.object_id if status else None,
        uid_validity=numbers.get("UIDVALIDITY"),
        uid_next=numbers.get("UIDNEXT"),
        # RFC 7162 §3.1.2.2: 0 says that the mailbox does not count changes.
        highest_modseq=numbers.get("HIGHESTMODSEQ") or None,
        messages=numbers.get("MESSAGES"),
        unseen=numbers.get("UNSEEN"),
    )


def examine(protocol: Protocol, raw_name: bytes, known: Position | None) -> Dialogue[Selected]:
    """Open a mailbox for reading, and hear what changed since `known` where QRESYNC is enabled.

    Raises:
        NoSuchMailbox: it is gone, as the server says, or as its list shows where it gives no reason.
        UnexpectedReply: the server did not tell the mailbox's UIDVALIDITY.
    """
    asked = known if "QRESYNC" in protocol.enabled else None
    try:
        reply = yield [commands.examine(raw_name, known=asked, capabilities=protocol.capabilities)]
    except Refused as refused:
        if (yield from _is_listed(raw_name)):
            raise
        raise NoSuchMailbox(f"{refused.message} There is no such mailbox.") from refused
    uid_validity, exists = _number(reply, "UIDVALIDITY"), reply.exists or 0
    if uid_validity is None:
        raise UnexpectedReply("it opened a mailbox without telling its UIDVALIDITY")
    if exists > MAX_MESSAGES:
        raise UnexpectedReply(f"it says that a mailbox holds {exists:,} messages")
    highest_modseq = None if "NOMODSEQ" in reply.codes else _number(reply, "HIGHESTMODSEQ")
    is_told = asked is not None and asked.highest_modseq > 0 and asked.uid_validity == uid_validity
    is_told = is_told and highest_modseq is not None
    return Selected(
        uid_validity=uid_validity,
        uid_next=_number(reply, "UIDNEXT"),
        exists=exists,
        highest_modseq=highest_modseq,
        vanished=all_of(reply.vanished) if is_told else None,
        changed=tuple(flag_lines(reply)) if is_told else None,
    )


def my_rights(raw_name: bytes) -> Dialogue[frozenset[str]]:
    """What this user may do with a mailbox, a letter for each right."""
    reply = yield [commands.my_rights(raw_name)]
    return reply.rights[-1].rights if reply.rights else frozenset()


def _is_listed(raw_name: bytes) -> Dialogue[bool]:
    reply = yield [commands.list_one(raw_name)]
    return any(listing.raw == raw_name and "\\nonexistent" not in listing.attributes for listing in reply.listings)


def _number(reply: Reply, code: str) -> int | None:
    text = reply.codes.get(code, "")
    number = int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
    return None if number is None or number > MAX_MODSEQ else number


def search(protocol: Protocol, criteria: tuple[str, ...]) -> Dialogue[UidSet]:
    """The UIDs that meet all criteria."""
    reply = yield [commands.search(criteria, extended="ESEARCH" in protocol.capabilities)]
    return UidSet.of_ranges(pair for found in reply.found for pair in found.uids.ranges)


def fetch_flags(command: Command) -> Dialogue[tuple[list[FlagLine], UidSet]]:
    """What one UID FETCH tells of flags, and which UIDs the server says are gone."""
    reply = yield [command]
    return flag_lines(reply), all_of(reply.vanished)


def flag_lines(reply: Reply) -> list[FlagLine]:
    """The last that was told of each message's flags. A message that vanished meanwhile is left out."""
    lines = {fetch.uid: line for fetch in reply.fetched if (line := fetch.flag_line)}
    for uid in all_of(one for one in reply.vanished if not one.earlier):
        lines.pop(uid, None)
    return list(lines.values())


def all_of(vanished: Iterable[Vanished]) -> UidSet:
    """All UIDs that are gone."""
    return UidSet.of_ranges(pair for one in vanished for pair in one.uids.ranges)
