"""One user's conversation with one IMAP server in an event loop, for watching a mailbox (IDLE, RFC 2177)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Self, TypeVar

from retinue.clock import Clock, SystemClock
from servants.email.imap import commands, dialogues
from servants.email.imap.commands import Command
from servants.email.imap.dialogues import Dialogue, Secure
from servants.email.imap.faults import REFUSALS, ConnectionLost, NoAnswer, Trouble, UnexpectedReply
from servants.email.imap.limits import Limits
from servants.email.imap.names import encode_name
from servants.email.imap.protocol import Protocol, Reply
from servants.email.imap.refusals import check, refusal, said
from servants.email.imap.stream import Stream
from servants.email.sign_in import SignIn
from servants.email.values import Selected

T = TypeVar("T")

_IDLE = commands.idle()

#: How long to wait for the answers to DONE and LOGOUT when nobody needs them any more, in seconds.
_FAREWELL_SECONDS = 0.5


class AsyncImapSession:
    """A session; made by `open_async`, signed in. One task at a time uses it.

    Every method raises:
        CredentialError, RateLimited, TransientError, PermanentError: see `servants.email.imap.faults`. After a
        `Trouble` the connection is closed.
    """

    def __init__(self, sign_in: SignIn, *, limits: Limits, clock: Clock) -> None:
        self.sign_in = sign_in
        self._limits, self._clock = limits, clock
        self._protocol = Protocol()
        self._stream: Stream | None = None
        self._is_idling = False
        #: What is being asked, for errors.
        self._said = said([], sign_in)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, sign_in: SignIn, *, limits: Limits | None = None, clock: Clock | None = None
    ) -> AsyncIterator[Self]:
        """Connect and sign in; with `async with`, at whose end it signs out. That takes a second at most."""
        session = cls(sign_in, limits=limits or Limits(), clock=clock or SystemClock())
        try:
            await session._sign_in()
            yield session
        finally:
            await session.logout()

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server can do, in capitals."""
        return self._protocol.capabilities

    @property
    def server_id(self) -> dict[str, str]:
        """What the server says it is (RFC 2971); the keys in small letters."""
        return self._protocol.server_id

    async def examine(self, name: str) -> Selected:
        """Open a mailbox for reading.

        Raises:
            NoSuchMailbox: it is gone.
            Denied: this user may not read it, or it is damaged.
        """
        raw = encode_name(name, utf8=self._protocol.names_in_utf8)
        return await self._carry_out(dialogues.examine(self._protocol, raw, None))

    async def noop(self) -> bool:
        """Whether anything happened to the open mailbox since the last command."""
        return (await self._exchange([commands.plain("NOOP")])).changed

    async def begin_idle(self) -> None:
        """Have the server tell what happens from now on.

        Raises:
            NotUnderstood, Refused: it does not; the session goes on.
        """
        self._said = said([_IDLE], self.sign_in)
        protocol = self._protocol
        with self._closing_on_trouble():
            self._is_idling = True
            protocol.begin([_IDLE])
            await self._until(lambda: protocol.reply.continued or protocol.done, self._limits.read_seconds)
            if protocol.done:
                self._is_idling = False
                check([_IDLE], protocol.take_reply(), self.sign_in, now=self._clock.now())
                raise UnexpectedReply("it ended IDLE before it began")

    async def changed(self, within: float) -> bool:
        """Whether the server tells, within so many seconds, that anything happened; waits no longer than for that."""
        protocol = self._protocol
        with self._closing_on_trouble():
            try:
                await self._until(lambda: protocol.reply.changed or protocol.done, within)
            except NoAnswer:
                return False
            finally:
                protocol.renew_allowance()
            if protocol.done:
                raise ConnectionLost("the server ended IDLE by itself")
        protocol.take_changes()
        return True

    async def end_idle(self) -> bool:
        """Have it end; whether anything happened that `changed` has not told."""
        self._protocol.say(b"DONE\r\n")
        with self._closing_on_trouble():
            await self._until(lambda: self._protocol.done, self._limits.read_seconds)
        self._is_idling = False
        return self._protocol.take_reply().changed

    async def logout(self) -> None:
        """Say goodbye and close the connection; may be called again."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            stream.send((b"DONE\r\n" if self._is_idling else b"") + b"R0 LOGOUT\r\n")
            async with asyncio.timeout(_FAREWELL_SECONDS):
                while True:
                    await stream.receive(_FAREWELL_SECONDS)
        except (Trouble, TimeoutError):
            # It has closed the connection, or does not say goodbye, which changes nothing any more.
            pass
        finally:
            stream.close()

    async def _sign_in(self) -> None:
        with self._closing_on_trouble():
            self._stream = await Stream.connect(self.sign_in, limits=self._limits)
            await self._exchange([])
            await self._carry_out(dialogues.sign_in_to(self._protocol, self.sign_in))

    async def _carry_out(self, dialogue: Dialogue[T]) -> T:
        """As `servants.email.imap.session` does it."""
        try:
            step = next(dialogue)
            while True:
                try:
                    reply = await self._secure() if step is Secure.NOW else await self._exchange(step)
                except REFUSALS as refused:
                    step = dialogue.throw(refused)
                else:
                    step = dialogue.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _exchange(self, asked: Sequence[Command]) -> Reply:
        self._said = said(asked, self.sign_in)
        with self._closing_on_trouble():
            if asked:
                self._protocol.begin(asked)
            await self._until(lambda: self._protocol.done, self._limits.read_seconds)
            reply = self._protocol.take_reply()
        check(asked, reply, self.sign_in, now=self._clock.now())
        return reply

    async def _until(self, reached: Callable[[], bool], within: float) -> None:
        """Send what is to be sent, and read until it is so."""
        deadline = self._clock.monotonic() + within
        while True:
            if self._stream is None:
                raise ConnectionLost("the connection is closed already")
            self._stream.send(self._protocol.take_outgoing())
            if reached():
                return
            if self._protocol.bye is not None:
                now = self._clock.now()
                raise refusal(self._said, self._protocol.bye, self.sign_in, signing_in=False, now=now)
            self._protocol.receive(await self._stream.receive(max(0.0, deadline - self._clock.monotonic())))

    async def _secure(self) -> Reply:
        if self._stream is None:
            raise ConnectionLost("the connection is closed already")
        self._protocol.secured()
        await self._stream.secure()
        return Reply()

    @contextmanager
    def _closing_on_trouble(self) -> Iterator[None]:
        try:
            yield
        except Trouble as trouble:
            self._close()
            raise trouble.at(self._said) from trouble

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
