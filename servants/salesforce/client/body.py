"""An answer's body as it arrives: bounded in size and time, and given up as soon as the job is cancelled."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import requests
import urllib3

from servants.salesforce.client.errors import ServiceFailed, UnexpectedAnswer
from servants.web import network_fault

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 64 * 1024


class Body(io.RawIOBase):
    """The decompressed bytes of an answer; wrap it in `io.BufferedReader` to read lines.

    `where` is the method and the address of the request.

    `look` is called before each read and raises to give up. Reading raises:
        ServiceFailed: the connection was cut.
        UnexpectedAnswer: there are more than `most_bytes`, or more than `line_bytes` without an end of line.
    """

    def __init__(
        self,
        where: str,
        response: requests.Response,
        *,
        look: Callable[[], None],
        most_bytes: int | None,
        line_bytes: int | None = None,
    ) -> None:
        self._where = where
        self._response = response
        self._look = look
        self._most = most_bytes
        self._most_of_line = line_bytes
        self._size = 0
        self._line = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._rest:
            self._rest = memoryview(self._receive())
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _receive(self) -> bytes:
        self._look()
        try:
            # read1 returns what has arrived, so that an answer which drips in is looked at.
            chunk: bytes = self._response.raw.read1(CHUNK_BYTES, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            method, _, address = self._where.partition(" ")
            raise ServiceFailed(network_fault(method, address, error).message) from error
        self._size += len(chunk)
        if self._most is not None and self._size > self._most:
            raise UnexpectedAnswer(f"{self._where} answered with more than {self._most:,} bytes.")
        if self._most_of_line is not None:
            self._measure_line(chunk, self._most_of_line)
        return chunk

    def _measure_line(self, chunk: bytes, most: int) -> None:
        """By what arrives, before anybody puts a line together in memory."""
        end = chunk.rfind(b"\n")
        self._line = self._line + len(chunk) if end < 0 else len(chunk) - end - 1
        if self._line > most:
            raise UnexpectedAnswer(f"{self._where} answered with a line of more than {most:,} bytes.")
