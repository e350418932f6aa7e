"""The way between a process and a server, through a proxy of ours, so that a test can cut it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

HOST = "127.0.0.1"
ANSWER_SECONDS = 10

#: Closing sends a reset instead of waiting for what is still under way.
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """A TCP proxy on a port of its own: it carries bytes both ways until it is cut or goes silent."""

    def __init__(self, target_port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.port = 0
        self._target_port = target_port
        self._loop = loop
        self._cut = False
        #: How many connections it took.
        self.accepted = 0
        #: How many more bytes may come from the server; None for as many as there are.
        self._left: int | None = None
        self._mends = False
        self._flowing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a free port."""
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Every connection breaks with a reset, and so does each new one."""
        self._ask(self._break())

    def cut_after(self, count: int, *, mends: bool = False) -> None:
        """Cut it once so many more bytes have come from the server, on whichever connection.

        With `mends` whoever connects again comes through.
        """
        self._ask(self._allow(count, mends))

    def silence(self) -> None:
        """Nothing arrives any more; neither side is told."""
        self._ask(self._hush())

    def heal(self) -> None:
        """What was sent in the silence arrives late; what was cut may connect again."""
        self._ask(self._resume())

    async def close(self) -> None:
        """Stop listening, and break what is open."""
        assert self._server is not None
        self._server.close()
        await self._break()

    async def _allow(self, count: int, mends: bool) -> None:
        self._left, self._mends = count, mends

    async def _break(self) -> None:
        self._cut = True
        self._flowing.set()
        for writer in list(self._writers):
            _reset(writer)

    async def _hush(self) -> None:
        self._flowing.clear()

    async def _resume(self) -> None:
        self._cut = False
        self._left = None
        self._flowing.set()

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = self._loop.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._writers.add(writer)
        try:
            if not self._cut:
                await self._flowing.wait()
                there, back = await asyncio.open_connection(HOST, self._target_port)
                ends.add(back)
                self._writers.add(back)
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer, counted=True))
        except OSError:
            return  # as if the server itself had refused
        finally:
            self._writers -= ends
            for end in ends:
                if not end.transport.is_closing():
                    _reset(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(self._allowed(data) if counted else data)
                await writer.drain()
                if self._left == 0:
                    await self._break()
                    if self._mends:
                        await self._resume()
        except OSError:
            _reset(writer)  # the other end learns of it as it would without a proxy
        except asyncio.CancelledError:
            _reset(writer)
            raise
        finally:
            writer.close()

    def _allowed(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        return data


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Switchboard:
    """Makes wires; all are served by one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wires: list[Wire] = []

    def wire(self, target_port: int) -> Wire:
        """A new way to a port on this machine."""
        made = Wire(target_port, self._loop)
        asyncio.run_coroutine_threadsafe(made.open(), self._loop).result(ANSWER_SECONDS)
        self._wires.append(made)
        return made

    def close(self) -> None:
        """Close every wire."""
        for wire in self._wires:
            asyncio.run_coroutine_threadsafe(wire.close(), self._loop).result(ANSWER_SECONDS)


@contextmanager
def switchboard() -> Iterator[Switchboard]:
    """A switchboard whose thread runs until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="switchboard", daemon=True)
    thread.start()
    made = Switchboard(loop)
    try:
        yield made
    finally:
        made.close()
        asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result(ANSWER_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(ANSWER_SECONDS)
        loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
