"""One user's blocking conversation with one IMAP server.

The `imaplib` of the standard library is not used: it reads literals of any size, knows no QRESYNC, and leaves parsing
to its callers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BytesIO
from typing import Self, TypeVar

from retinue.clock import Clock, SystemClock
from retinue.connection import Call, uncounted
from retinue.errors import JobError
from servants.email.imap import commands, dialogues
from servants.email.imap.commands import Command
from servants.email.imap.dialogues import Dialogue, Secure
from servants.email.imap.faults import REFUSALS, ConnectionLost, Trouble
from servants.email.imap.fetching import batches, fetch_each, fetch_in_pieces, headers_command, messages_command
from servants.email.imap.limits import Limits
from servants.email.imap.names import encode_name
from servants.email.imap.protocol import Protocol, Reply
from servants.email.imap.refusals import check, quoted, refusal, said
from servants.email.imap.wire import FAREWELL_SECONDS, Wire
from servants.email.sign_in import SignIn
from servants.email.values import FlagLine, HeaderLine, MessageLine, Position, RemoteFolder, Selected, UidSet

T = TypeVar("T")


class ImapSession:
    """A session; made by `open`, signed in. Not shared between threads.

    After an error other than one of `faults.REFUSALS` the connection is closed, and whatever else is asked raises
    `ConnectionLost`.

    Every method raises:
        CredentialError, RateLimited, TransientError, PermanentError: see `servants.email.imap.faults`.
    """

    def __init__(
        self,
        sign_in: SignIn,
        *,
        limits: Limits,
        clock: Clock,
        stop_if_cancelled: Callable[[], None],
        call: Callable[[], AbstractContextManager[Call]],
    ) -> None:
        self.sign_in = sign_in
        #: UIDs that the server would not hand over, and what it said of each.
        self.refused: dict[int, str] = {}
        self._limits, self._clock, self._call = limits, clock, call
        self._stop_if_cancelled = stop_if_cancelled
        self._protocol = Protocol()
        self._raw_names: dict[str, bytes] = {}
        self._selected: Selected | None = None
        #: What is being asked, for errors.
        self._said = said([], sign_in)
        self._wire: Wire | None = None

    @classmethod
    @contextmanager
    def open(
        cls,
        sign_in: SignIn,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        stop_if_cancelled: Callable[[], None] = lambda: None,
        call: Callable[[], AbstractContextManager[Call]] = uncounted,
    ) -> Iterator[Self]:
        """Connect and sign in; with `with`, at whose end it signs out.

        `stop_if_cancelled` is called while a reply is waited for, at least once a second, and may raise. `call` stands
        around connecting and signing in, and around each command from sending it to the end of its reply.
        """
        clock, limits = clock or SystemClock(), limits or Limits()
        session = cls(sign_in, limits=limits, clock=clock, stop_if_cancelled=stop_if_cancelled, call=call)
        try:
            session._sign_in()
            yield session
            session.logout()
        finally:
            session._close()

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server can do, in capitals."""
        return self._protocol.capabilities

    @property
    def server_id(self) -> Mapping[str, str]:
        """What the server says it is (RFC 2971); the keys in small letters; empty where it does not tell."""
        return self._protocol.server_id

    @property
    def alerts(self) -> Sequence[str]:
        """The latest of what the server wants people to read."""
        return self._protocol.alerts

    @property
    def round_trips(self) -> int:
        """How many commands were sent."""
        return self._protocol.commands

    def enable_qresync(self) -> bool:
        """Have the server tell what vanished (RFC 7162); whether it confirmed that it will."""
        return self._carry_out(dialogues.enable_qresync(self._protocol))

    def folders(self) -> list[RemoteFolder]:
        """All mailboxes by name, with what STATUS tells of them: in one round trip where the server can."""
        return self._carry_out(dialogues.list_folders(self._protocol, self._raw_names))

    def examine(self, name: str, *, known: Position | None = None) -> Selected:
        """Open a mailbox for reading; all that follows is about it.

        With `known`, and QRESYNC enabled, it tells what changed since then. What happens to the mailbox later on is
        told again when it is opened with the position that this call returned.

        Raises:
            NoSuchMailbox: it is gone.
            Denied: this user may not read it, or it is damaged.
        """
        self._selected = None
        self._selected = self._carry_out(dialogues.examine(self._protocol, self._raw_name(name), known))
        return self._selected

    def rights(self, name: str) -> frozenset[str]:
        """What this user may do with a mailbox, a letter for each right (RFC 4314 §2.1); for servers with ACL.

        Raises:
            Refused, NoSuchMailbox, Denied: the server does not tell.
        """
        return self._carry_out(dialogues.my_rights(self._raw_name(name)))

    def flags(
        self, uids: UidSet | None, *, changed_since: int | None = None, vanished: bool = False
    ) -> tuple[list[FlagLine], UidSet]:
        """The flags of these messages, or of all, and the UIDs that are gone as far as the server says.

        With `changed_since`, a mod-sequence, only what changed after it; with `vanished` too, for which QRESYNC has to
        be enabled, all that are gone since. A line takes some 300 bytes of memory: ask for a large mailbox in windows.
        """
        lines: list[FlagLine] = []
        gone: list[tuple[int, int]] = []
        for part in [None] if uids is None else commands.split(uids):
            command = commands.fetch_flags(
                part, with_modseq=self._counts_changes, changed_since=changed_since, vanished=vanished
            )
            some, some_gone = self._carry_out(dialogues.fetch_flags(command))
            lines += some
            gone += some_gone.ranges
        return lines, UidSet.of_ranges(gone)

    def uids(self, *criteria: str) -> UidSet:
        """The UIDs of the messages that meet all criteria of SEARCH (RFC 9051 §6.4.4); without any, of all messages.

        Raises:
            ValueError: a criterion holds something other than printable ASCII.
        """
        return self._carry_out(dialogues.search(self._protocol, criteria))

    def headers(self, uids: UidSet) -> Iterator[HeaderLine]:
        """The headers of these messages, `batch_messages` by a command.

        Those that are gone are left out, and those that the server refuses are put into `refused`.
        """
        command = headers_command(self._limits, with_modseq=self._counts_changes)
        for part in commands.split(uids, messages=self._limits.batch_messages):
            fetched = self._carry_out(fetch_each(part, command, self.refused))
            for uid in part:
                if (fetch := fetched.get(uid)) is not None and fetch.body is not None:
                    yield HeaderLine(
                        uid, fetch.size or 0, fetch.received_at, fetch.flags or (), fetch.modseq, fetch.body
                    )

    def messages(self, uids: UidSet, *, sizes: Mapping[int, int]) -> Iterator[MessageLine]:
        """These messages in rising order; the receiver closes each body.

        `sizes` are those that `headers` told, of all of them. Those that are gone are left out, and those that the
        server refuses are put into `refused`. Other things may be asked between two messages.
        """
        command = messages_command(sizes)
        for part in batches(uids, sizes, self._limits):
            first = part.ranges[0][0]
            if sizes[first] > self._limits.piece_bytes:
                yield from self._large_message(first, sizes[first])
                continue
            fetched = self._carry_out(fetch_each(part, command, self.refused))
            for uid in part:
                if (fetch := fetched.pop(uid, None)) is not None and fetch.body is not None:
                    yield MessageLine(uid, BytesIO(fetch.body))

    def logout(self) -> None:
        """Say goodbye and close the connection; may be called again."""
        if self._wire is not None:
            self._wire.hurry()
            # A server that does not say goodbye changes nothing any more.
            with suppress(JobError):
                self._talk([commands.plain("LOGOUT")], within=FAREWELL_SECONDS)
        self._close()

    def _raw_name(self, name: str) -> bytes:
        return self._raw_names.get(name) or encode_name(name, utf8=self._protocol.names_in_utf8)

    @property
    def _counts_changes(self) -> bool:
        """Whether the open mailbox has mod-sequences."""
        return self._selected is not None and self._selected.highest_modseq is not None

    def _large_message(self, uid: int, size: int) -> Iterator[MessageLine]:
        try:
            body = self._carry_out(fetch_in_pieces(uid, size, self._limits.piece_bytes))
        except REFUSALS as refusal:
            self.refused[uid] = refusal.message
            return
        if body is not None:
            yield MessageLine(uid, body)

    def _sign_in(self) -> None:
        with self._call():
            try:
                self._wire = Wire(
                    self.sign_in, limits=self._limits, clock=self._clock, stop_if_cancelled=self._stop_if_cancelled
                )
            except Trouble as trouble:
                raise trouble.at(self._said) from trouble
            self._carry_out(dialogues.sign_in_to(self._protocol, self.sign_in), call=uncounted)

    def _carry_out(self, dialogue: Dialogue[T], *, call: Callable[[], AbstractContextManager[Call]] | None = None) -> T:
        """Say what the dialogue says, and tell it what comes; what it returns."""
        try:
            step = next(dialogue)
            while True:
                try:
                    reply = self._secure() if step is Secure.NOW else self._exchange(step, call or self._call)
                except REFUSALS as refused:
                    step = dialogue.throw(refused)
                else:
                    step = dialogue.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        except Trouble as trouble:
            self._close()
            raise trouble.at(self._said) from trouble
        except REFUSALS:
            raise
        except BaseException:
            self._close()
            raise

    def _exchange(self, asked: Sequence[Command], call: Callable[[], AbstractContextManager[Call]]) -> Reply:
        self._said = said(asked, self.sign_in)
        with call():
            try:
                reply = self._talk(asked, within=self._limits.reply_seconds)
            except Trouble as trouble:
                raise trouble.at(self._said, quoted(self._protocol.warning, self.sign_in)) from trouble
            check(asked, reply, self.sign_in, now=self._clock.now())
            return reply

    def _talk(self, asked: Sequence[Command], *, within: float) -> Reply:
        """Send these and read until all are answered; the greeting answers none."""
        if self._wire is None:
            raise ConnectionLost("the connection is closed already")
        protocol, deadline = self._protocol, self._clock.monotonic() + within
        if asked:
            protocol.begin(asked)
        while True:
            if data := protocol.take_outgoing():
                self._wire.send(data)
            if protocol.bye is not None and not (protocol.done and asked):
                raise refusal(self._said, protocol.bye, self.sign_in, signing_in=False, now=self._clock.now())
            if protocol.done:
                return protocol.take_reply()
            protocol.receive(self._wire.receive(deadline))

    def _secure(self) -> Reply:
        if self._wire is None:
            raise ConnectionLost("the connection is closed already")
        self._protocol.secured()
        self._wire.secure()
        return Reply()

    def _close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
