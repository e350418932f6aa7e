"""One connection's protocol, without I/O: commands in, bytes out; bytes in, replies out.

protocol.begin([command, …])          # several at once are answered in any order
send(protocol.take_outgoing())
while not protocol.done:
    protocol.receive(read())          # may make new bytes to send
    send(protocol.take_outgoing())
replies = protocol.take_replies()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from servants.email.imap.commands import Command
from servants.email.imap.faults import UnexpectedReply
from servants.email.imap.lexer import LITERAL_BYTES, REPLY_BYTES, Lexer
from servants.email.imap.parser import parse
from servants.email.imap.responses import (
    Capability,
    Continuation,
    Enabled,
    Exists,
    Expunge,
    Fetch,
    Listing,
    MailboxStatus,
    Response,
    Rights,
    Search,
    ServerId,
    Status,
    Vanished,
)

#: Of warnings and alerts only the latest are kept.
_KEPT_TEXTS = 5


#: What IMAP4rev2 means, of what we use, without its being listed (RFC 9051 §E).
_REV2 = frozenset({"ENABLE", "ESEARCH", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "SASL-IR", "SPECIAL-USE"})


def _is_rev2_alone(capabilities: frozenset[str]) -> bool:
    """A server of both revisions is one of the first until the second is enabled (RFC 9051 §A.1)."""
    return "IMAP4REV2" in capabilities and "IMAP4REV1" not in capabilities


@dataclass(slots=True)
class Reply:
    """What came between commands and their end. Of a number that came more than once the last one is right."""

    #: The answers to the commands, in the commands' order.
    ends: list[Status] = field(default_factory=list)
    fetched: list[Fetch] = field(default_factory=list)
    vanished: list[Vanished] = field(default_factory=list)
    found: list[Search] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    statuses: list[MailboxStatus] = field(default_factory=list)
    rights: list[Rights] = field(default_factory=list)
    #: Response codes of untagged OK, with what followed them: UIDVALIDITY, HIGHESTMODSEQ, NOMODSEQ …
    codes: dict[str, str] = field(default_factory=dict)
    exists: int | None = None
    expunged: int = 0
    #: The server waits for more than the command had: in IDLE it began to listen.
    continued: bool = False

    @property
    def end(self) -> Status:
        """The answer to the only command, or the last one's."""
        return self.ends[-1]

    @property
    def changed(self) -> bool:
        """Whether anything happened to the mailbox."""
        return bool(self.fetched or self.vanished or self.expunged or self.exists is not None)


@dataclass(slots=True)
class _Pending:
    tag: str
    pieces: list[bytes]
    challenges: list[bytes]


class Protocol:
    """The client's side of one connection."""

    def __init__(self) -> None:
        self.capabilities: frozenset[str] = frozenset()
        #: How often the server told them.
        self.capability_news = 0
        self.enabled: frozenset[str] = frozenset()
        self.server_id: dict[str, str] = {}
        self.greeting: Status | None = None
        #: Why the server ended the connection; set once it said so.
        self.bye: Status | None = None
        #: What the server wants people to read (RFC 9051 §7.1, ALERT), and its latest untagged NO or BAD.
        self.alerts: list[str] = []
        self.warning = ""
        self.commands = 0
        self.reply = Reply()
        self._lexer = Lexer()
        self._outgoing = bytearray()
        self._pending: list[_Pending] = []
        self._ends: dict[str, Status] = {}

    @property
    def done(self) -> bool:
        """Whether every command was answered, and before the first one whether the server greeted."""
        if self.greeting is None:
            return False
        return len(self._ends) == len(self._pending)

    @property
    def names_in_utf8(self) -> bool:
        """RFC 6855 §3, RFC 9051 §A.1."""
        return "UTF8=ACCEPT" in self.enabled or _is_rev2_alone(self.capabilities)

    def begin(self, commands: Sequence[Command]) -> None:
        """Send these; several only where none of them has to wait for the server in its midst."""
        self._lexer.allow(
            literal_bytes=max(command.literal_bytes for command in commands),
            reply_bytes=max(command.reply_bytes for command in commands),
        )
        self.reply, self._ends = Reply(), {}
        self._pending = [self._started(command) for command in commands]

    def _started(self, command: Command) -> _Pending:
        self.commands += 1
        tag = f"R{self.commands}"
        first, *others = command.pieces(tag, self.capabilities)
        self._outgoing += first
        return _Pending(tag, others, list(command.challenges))

    def say(self, data: bytes) -> None:
        """Send what belongs to no command: DONE, which ends IDLE."""
        self._outgoing += data

    def renew_allowance(self) -> None:
        """Let the reply that is coming in go on: IDLE has no end of its own."""
        self._lexer.allow(literal_bytes=LITERAL_BYTES, reply_bytes=REPLY_BYTES)

    def receive(self, data: bytes) -> None:
        """Take in what arrived.

        Raises:
            UnexpectedReply: it is not IMAP.
            ReplyTooLarge: it is more than was asked for.
        """
        self._lexer.feed(data)
        while (raw := self._lexer.next()) is not None:
            if raw != [b""]:  # an empty line too many, which some servers send
                self._take(parse(raw))

    def take_outgoing(self) -> bytes:
        """What to send now."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def take_reply(self) -> Reply:
        """The reply to all commands that were begun."""
        reply, self.reply = self.reply, Reply()
        reply.ends = [self._ends[pending.tag] for pending in self._pending]
        self._pending, self._ends = [], {}
        return reply

    def take_changes(self) -> Reply:
        """What came so far, while a command goes on."""
        reply, self.reply = self.reply, Reply()
        return reply

    def secured(self) -> None:
        """TLS begins: what was received or learnt before may be anybody's (RFC 9051 §6.2.1)."""
        self._lexer.drop()
        self.capabilities = self.enabled = frozenset()
        self.server_id, self.alerts, self.warning, self.bye = {}, [], "", None
        self.reply = Reply()

    def _take(self, response: Response) -> None:
        if isinstance(response, Status):
            self._take_status(response)
        elif self.greeting is None:
            raise UnexpectedReply("no greeting")
        elif isinstance(response, Continuation):
            self._go_on()
        elif isinstance(response, Capability | Enabled | ServerId):
            self._take_knowledge(response)
        else:
            self._take_data(self.reply, response)

    def _take_data(self, reply: Reply, response: Response) -> None:
        match response:
            case Fetch():
                reply.fetched.append(response)
            case Vanished():
                reply.vanished.append(response)
            case Search():
                reply.found.append(response)
            case Listing():
                reply.listings.append(response)
            case MailboxStatus():
                reply.statuses.append(response)
            case Rights():
                reply.rights.append(response)
            case Exists(messages):
                reply.exists = messages
            case Expunge():
                reply.expunged += 1

    def _take_knowledge(self, response: Capability | Enabled | ServerId) -> None:
        match response:
            case Capability(names):
                self._learn(names)
            case Enabled(names):
                self.enabled |= names
            case ServerId(fields):
                self.server_id = dict(fields)

    def _take_status(self, status: Status) -> None:
        if status.code == "CAPABILITY":
            self._learn(frozenset(status.argument.upper().split()))
        elif status.code == "ALERT":
            self.alerts = [*self.alerts, status.text][-_KEPT_TEXTS:]
        if self.greeting is None:
            self._greet(status)
        elif status.tag is not None:
            self._end(status)
        elif status.condition == "BYE":
            self.bye = status
        elif status.condition == "OK":
            self._take_code(status)
        else:
            self.warning = status.text

    def _learn(self, capabilities: frozenset[str]) -> None:
        self.capabilities = capabilities | _REV2 if _is_rev2_alone(capabilities) else capabilities
        self.capability_news += 1

    def _greet(self, status: Status) -> None:
        if status.tag is not None or status.condition not in ("OK", "PREAUTH", "BYE"):
            raise UnexpectedReply("no greeting")
        self.greeting = status
        if status.condition == "BYE":
            self.bye = status

    def _end(self, status: Status) -> None:
        if status.tag not in {pending.tag for pending in self._pending}:
            raise UnexpectedReply("an answer to a command that nobody gave")
        self._ends[status.tag] = status

    def _take_code(self, status: Status) -> None:
        if status.code == "CLOSED":
            # RFC 7162 §3.2.11: what came before was of the mailbox that was open until now.
            self.reply = Reply()
        elif status.code is not None:
            self.reply.codes[status.code] = status.argument

    def _go_on(self) -> None:
        for pending in self._pending:
            if pending.tag in self._ends:
                continue
            if pending.pieces:
                self._outgoing += pending.pieces.pop(0)
            elif pending.challenges:
                self._outgoing += pending.challenges.pop(0) if len(pending.challenges) > 1 else pending.challenges[0]
            else:
                self.reply.continued = True
            return
        raise UnexpectedReply("a request to go on where nothing was begun")
