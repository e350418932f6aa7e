"""A connection to a mail server in an event loop that costs next to nothing while nobody speaks.

TLS runs over OpenSSL's memory buffers and not over asyncio's own transport, which keeps a quarter of a megabyte for
each connection: hundreds of mailboxes are watched by one process.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import cast

from servants.email.imap.faults import ConnectionLost, network_trouble
from servants.email.imap.limits import Limits
from servants.email.sign_in import SignIn, Tls, trusting
from servants.reach import connect_protocol

#: A server that sends faster than it is listened to has to wait beyond so many bytes.
_UNREAD_BYTES = 128 * 1024

#: One read out of TLS; a record holds no more.
_RECORD_BYTES = 16 * 1024

#: A peer that is gone is noticed after some four minutes of silence (tcp(7)); many firewalls forget one after five.
_KEEPALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}


class _Receiver(asyncio.Protocol):
    """What arrived and was not read yet."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.is_over = False
        self._error: Exception | None = None
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        if sum(map(len, self._parts)) > _UNREAD_BYTES:
            self.transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over, self._error = True, exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        """What arrived since the last read; waits for something.

        Raises:
            ConnectionLost: the connection broke, or the server closed it.
        """
        if not self._parts and not self.is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._parts:
            data, self._parts = b"".join(self._parts), []
            self.transport.resume_reading()
            return data
        if self._error is not None:
            raise ConnectionLost(f"the connection failed ({getattr(self._error, 'strerror', None) or self._error})")
        raise ConnectionLost("the server closed the connection")


class _Tls:
    """TLS over a receiver."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def shake_hands(self, receiver: _Receiver) -> None:
        while True:
            try:
                self._object.do_handshake()
                return
            except ssl.SSLWantReadError:
                # It is the server's turn: what was prepared is sent below, and its answer waited for.
                pass
            finally:
                # Also, where it fails, what tells the other side why.
                if self._outgoing.pending:
                    receiver.transport.write(self._outgoing.read())
            self._incoming.write(await receiver.read())

    def opened(self, data: bytes) -> bytes:
        """The text of what arrived; nothing where a record is not whole yet.

        Raises:
            ConnectionLost: the server ended TLS.
        """
        self._incoming.write(data)
        parts = []
        try:
            while part := self._object.read(_RECORD_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts)
        except ssl.SSLZeroReturnError:
            # The server said goodbye, as it does after a BYE that may have come with it: that is handed on first.
            pass
        if parts:
            return b"".join(parts)
        raise ConnectionLost("the server closed the connection")

    def sealed(self, text: bytes) -> bytes:
        """What to send for it."""
        self._object.write(text)
        return self._outgoing.read()


class Stream:
    """A connected socket in the running event loop; made by `connect`."""

    def __init__(self, sign_in: SignIn, receiver: _Receiver, limits: Limits) -> None:
        self._sign_in, self._receiver, self._limits = sign_in, receiver, limits
        self._tls: _Tls | None = None

    @classmethod
    async def connect(cls, sign_in: SignIn, *, limits: Limits) -> Stream:
        """Connect, with TLS where it begins at once.

        Raises:
            SettingsRefused: the server is beyond the connection's reach.
            Trouble: there is no connection to be had.
        """
        try:
            async with asyncio.timeout(limits.connect_seconds):
                transport, receiver = await connect_protocol(_Receiver, sign_in.host, sign_in.port, reach=sign_in.reach)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label of the name that IDNA forbids
            raise network_trouble(error, sign_in) from error
        _keep_alive(transport.get_extra_info("socket"))
        stream = cls(sign_in, receiver, limits)
        if sign_in.tls is Tls.TLS:
            await stream.secure()
        return stream

    async def secure(self) -> None:
        """Begin TLS.

        Raises:
            CertificateRefused: the server's certificate cannot be trusted.
            Trouble: it failed otherwise.
        """
        try:
            self._tls = _Tls(self._sign_in.trust or trusting(), self._sign_in.host)
            async with asyncio.timeout(self._limits.connect_seconds):
                await self._tls.shake_hands(self._receiver)
        except (OSError, ValueError) as error:
            self.close()
            raise network_trouble(error, self._sign_in) from error
        except BaseException:
            self.close()
            raise

    def send(self, data: bytes) -> None:
        """Send all of it, soon: commands are short."""
        if data:
            self._receiver.transport.write(data if self._tls is None else self._tls.sealed(data))

    async def receive(self, within: float) -> bytes:
        """What arrives next, within so many seconds.

        Raises:
            ConnectionLost: the connection broke, or the server closed it.
            NoAnswer: nothing came in time.
        """
        data = b""
        try:
            async with asyncio.timeout(within):
                while not data:
                    data = await self._receiver.read()
                    data = data if self._tls is None else self._tls.opened(data)
        except OSError as error:
            raise network_trouble(error, self._sign_in) from error
        return data

    @property
    def is_open(self) -> bool:
        return not (self._receiver.is_over or self._receiver.transport.is_closing())

    def close(self) -> None:
        """Close the connection at once; may be called again."""
        self._receiver.transport.abort()


def _keep_alive(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
