"""An IMAP server that misbehaves as told, on threads of the test's own process.

What it is not told anything about it answers as a plain IMAP4rev1 server (RFC 3501) with a few messages in INBOX.
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

HOST = "127.0.0.1"

#: The key under which a script says how the server greets.
GREETING = "greeting"

_FLOOD_BYTES = 65_536


@dataclass(frozen=True)
class Command:
    """What the client sent: `UID FETCH` and the like count as one name. Literals stand in `arguments` as they came."""

    tag: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """What to send; `<tag>` in it stands for the command's own.

    `then` is what happens to it: all of it is sent, it is sent and the connection closed, sent and nothing ever after,
    sent one byte at a time, or sent and followed by zeros for as long as the client reads.
    """

    text: bytes
    then: Literal["go on", "close", "hang", "drip", "flood"] = "go on"


@dataclass(frozen=True)
class Letter:
    """A message in INBOX."""

    uid: int
    text: bytes
    flags: str = ""


Answer = Reply | Sequence[Reply] | Callable[[Command], Reply | None]

LETTERS = tuple(
    Letter(uid, b"From: ada@example.org\r\nSubject: Letter %d\r\n\r\nDear all,\r\n%d\r\n" % (uid, uid))
    for uid in range(1, 4)
)

SILENCE = Reply(b"", then="hang")
HANG_UP = Reply(b"", then="close")
GARBAGE = Reply(bytes(range(256)) * 40 + b"\r\n")
WRONG_PASSWORD = Reply(b"<tag> NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")
OVER_QUOTA = Reply(b"<tag> NO [OVERQUOTA] Bandwidth limits exceeded\r\n")
THROTTLED = Reply(b"<tag> NO [THROTTLED] Try again later\r\n")
UNAVAILABLE = Reply(b"<tag> NO [UNAVAILABLE] Temporary failure\r\n")
TOO_MANY_CONNECTIONS = Reply(b"* BYE [LIMIT] Too many simultaneous connections\r\n", then="close")
CUT_OFF = Reply(b"* 1 FETCH (UID 1 BODY[] {100}\r\nhalf of", then="close")
HUGE_LITERAL = Reply(b"* 1 FETCH (UID 1 BODY[] {2147483648}\r\n", then="flood")
ENDLESS_LINE = Reply(b"* OK ", then="flood")


class BadImapServer(socketserver.ThreadingTCPServer):
    """Answers by `script`, and keeps the commands; `sent` counts the bytes of floods that clients took."""

    daemon_threads = True
    block_on_close = False
    host = HOST

    def __init__(
        self, script: Mapping[str, Answer], *, letters: Sequence[Letter], tls: ssl.SSLContext | None, capability: str
    ) -> None:
        super().__init__((HOST, 0), _Handler)
        self.script = dict(script)
        self.letters = {letter.uid: letter for letter in letters}
        self.tls = tls
        self.capability = capability
        self.commands: list[Command] = []
        self.connections = 0
        self.sent = 0
        self.released = threading.Event()
        self._said: dict[str, int] = {}

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def names(self) -> list[str]:
        """The names of all commands so far."""
        return [command.name for command in self.commands]

    def answer(self, command: Command) -> Reply:
        """The script's reply, or the polite one where it has none (any more)."""
        told = self.script.get(command.name)
        if isinstance(told, Reply):
            return told
        if callable(told):
            return told(command) or self._politely(command)
        turn = self._said.get(command.name, 0)
        self._said[command.name] = turn + 1
        return told[turn] if told is not None and turn < len(told) else self._politely(command)

    def _politely(self, command: Command) -> Reply:
        polite = _POLITE.get(command.name)
        if polite is None:
            return Reply(b"<tag> BAD Unknown command\r\n")
        return Reply(
            polite(self, command) + b"<tag> OK Done\r\n", then="close" if command.name == "LOGOUT" else "go on"
        )


@contextmanager
def bad_imap_server(
    script: Mapping[str, Answer] | None = None,
    *,
    letters: Sequence[Letter] = LETTERS,
    tls: ssl.SSLContext | None = None,
    capability: str = "IMAP4rev1",
) -> Iterator[BadImapServer]:
    """A running server. `script` says how commands are answered, by name: always so, in turn, or by a function.

    With `tls` it speaks TLS from the first byte, and does STARTTLS where `capability` names that.
    """
    server = BadImapServer(script or {}, letters=letters, tls=tls, capability=capability)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def server_context(chain: Path, key: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


class _Handler(socketserver.BaseRequestHandler):
    server: BadImapServer
    request: socket.socket

    def handle(self) -> None:
        self.server.connections += 1
        with contextlib.suppress(OSError):  # the client has gone, which is what some tests are about
            if self.server.tls is not None and "STARTTLS" not in self.server.capability:
                self._encrypt()
            self._converse()

    def finish(self) -> None:
        self.request.close()

    def _converse(self) -> None:
        greeting = self.server.script.get(GREETING, Reply(b"* OK Ready\r\n"))
        assert isinstance(greeting, Reply), "there is one greeting"
        going = self._send(greeting, "")
        lines = self.request.makefile("rb")
        while going and (command := self._read(lines)) is not None:
            self.server.commands.append(command)
            reply = self.server.answer(command)
            going = self._send(reply, command.tag)
            if command.name == "STARTTLS" and b" OK " in reply.text:
                self._encrypt()
                lines = self.request.makefile("rb")

    def _encrypt(self) -> None:
        assert self.server.tls is not None
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)

    def _read(self, lines: BinaryIO) -> Command | None:
        """The next command with its literals, None when the client has gone."""
        text = self._line(lines)
        if not text:
            return None
        tag, _, rest = text.decode("utf-8", "replace").strip().partition(" ")
        match = re.match(r"(UID \w+|\w+)\s*", rest, re.IGNORECASE)
        name = match[1].upper() if match else ""
        if name in _CONTINUED and (name == "IDLE" or " " not in rest.partition(" ")[2]):
            self.request.sendall(b"+ \r\n")
            lines.readline()
        return Command(tag, name, rest[match.end() :] if match else rest)

    def _line(self, lines: BinaryIO) -> bytes:
        text = lines.readline()
        while literal := re.search(rb"\{(\d+)(\+?)\}\r\n$", text):
            if not literal[2]:
                self.request.sendall(b"+ \r\n")
            text += lines.read(int(literal[1])) + lines.readline()
        return text

    def _send(self, reply: Reply, tag: str) -> bool:
        """Send it as it says; whether the conversation goes on."""
        text = reply.text.replace(b"<tag>", tag.encode())
        if reply.then == "drip":
            for position in range(len(text)):
                self.request.sendall(text[position : position + 1])
                if self.server.released.wait(0.05):
                    return False
            return True
        self.request.sendall(text)
        if reply.then == "hang":
            self.server.released.wait()
        elif reply.then == "flood":
            self._flood()
        return reply.then == "go on"

    def _flood(self) -> None:
        while not self.server.released.is_set():
            self.request.sendall(bytes(_FLOOD_BYTES))
            self.server.sent += _FLOOD_BYTES


#: Commands that the client goes on with after the server's `+`.
_CONTINUED = frozenset({"AUTHENTICATE", "IDLE"})


def _list(server: BadImapServer, command: Command) -> bytes:
    return b'* LIST (\\HasNoChildren) "/" INBOX\r\n'


def _status(server: BadImapServer, command: Command) -> bytes:
    count = len(server.letters)
    return f"* STATUS INBOX (MESSAGES {count} UIDNEXT {_uid_next(server)} UIDVALIDITY 1 UNSEEN {count})\r\n".encode()


def _select(server: BadImapServer, command: Command) -> bytes:
    return (
        f"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* {len(server.letters)} EXISTS\r\n* 0 RECENT\r\n"
        f"* OK [UIDVALIDITY 1] Valid\r\n* OK [UIDNEXT {_uid_next(server)}] Next\r\n"
    ).encode()


def _search(server: BadImapServer, command: Command) -> bytes:
    return f"* SEARCH {' '.join(str(uid) for uid in sorted(server.letters))}".rstrip().encode() + b"\r\n"


def _fetch(server: BadImapServer, command: Command) -> bytes:
    wanted, _, items = command.arguments.partition(" ")
    numbered = enumerate(sorted(server.letters), 1)
    return b"".join(
        b"* %d FETCH (UID %d%s)\r\n" % (number, uid, _items(server.letters[uid], items))
        for number, uid in numbered
        if _names(wanted, uid, server)
    )


def _items(letter: Letter, items: str) -> bytes:
    """What of a letter was asked for."""
    found = b""
    if "FLAGS" in items:
        found += f" FLAGS ({letter.flags})".encode()
    if "RFC822.SIZE" in items:
        found += f" RFC822.SIZE {len(letter.text)}".encode()
    if "INTERNALDATE" in items:
        found += b' INTERNALDATE "02-Nov-2026 09:00:00 +0000"'
    header = letter.text.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    for section, start, length in re.findall(r"BODY\.PEEK\[(HEADER|)\](?:<(\d+)\.(\d+)>)?", items):
        text = header if section else letter.text
        origin = f"<{start}>" if start else ""
        text = text[int(start) : int(start) + int(length)] if start else text
        found += f" BODY[{section}]{origin} {{{len(text)}}}\r\n".encode() + text
    return found


def _names(wanted: str, uid: int, server: BadImapServer) -> bool:
    """Whether a UID is in a sequence set (RFC 3501 §9)."""
    for part in wanted.replace("*", str(max(server.letters, default=0))).split(","):
        low, _, high = part.partition(":")
        ends = sorted((int(low), int(high or low)))
        if ends[0] <= uid <= ends[1]:
            return True
    return False


def _uid_next(server: BadImapServer) -> int:
    return max(server.letters, default=0) + 1


_POLITE: Mapping[str, Callable[[BadImapServer, Command], bytes]] = {
    "CAPABILITY": lambda server, _: f"* CAPABILITY {server.capability}\r\n".encode(),
    "LOGIN": lambda *_: b"",
    "AUTHENTICATE": lambda *_: b"",
    "STARTTLS": lambda *_: b"",
    "NOOP": lambda *_: b"",
    "IDLE": lambda *_: b"",
    "CLOSE": lambda *_: b"",
    "UNSELECT": lambda *_: b"",
    "LIST": _list,
    "STATUS": _status,
    "SELECT": _select,
    "EXAMINE": _select,
    "UID SEARCH": _search,
    "UID FETCH": _fetch,
    "LOGOUT": lambda *_: b"* BYE Bye\r\n",
}
