"""Answers over HTTP whose status line and headers come in time, however slowly they drip.

A timeout of `requests` is for each byte that arrives, and so no limit to all of them.
"""

from __future__ import annotations

import time
from functools import partial
from http.client import HTTPResponse
from typing import Any, Protocol

import requests.adapters


class _File(Protocol):
    """What `http.client` reads an answer from: a buffered reader."""

    def peek(self, size: int = 0, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class _Lines:
    """The lines of a file until a moment, on the clock of `time.monotonic`."""

    def __init__(self, file: _File, until: float) -> None:
        self._file, self._until = file, until

    def readline(self, limit: int) -> bytes:
        """The next line, or so many bytes of it.

        Raises:
            TimeoutError: the time is up.
        """
        line = b""
        while not line.endswith(b"\n") and len(line) < limit:
            # It receives once where nothing is left of what came before.
            ready = self._file.peek(1)[: limit - len(line)]
            if time.monotonic() > self._until:
                raise TimeoutError("the headers take too long")
            if not ready:
                break
            line += self._file.read(ready.find(b"\n") + 1 or len(ready))
        return line

    def close(self) -> None:
        self._file.close()


class _Response(HTTPResponse):
    """An answer whose status line and headers have so many seconds."""

    def __init__(self, *arguments: Any, seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._until = time.monotonic() + seconds

    def begin(self) -> None:
        file: Any = self.fp
        self.fp = _Lines(file, self._until)  # type: ignore[assignment] # all that the head of an answer is read with
        try:
            super().begin()
        finally:
            # What is no answer has closed it already.
            if self.fp is not None:
                self.fp = file


class HeadInTime(requests.adapters.HTTPAdapter):
    """Sends requests; the status line and headers of each answer have to come within so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        if getattr(pool.ConnectionCls, "response_class", None) is HTTPResponse:
            within = {"response_class": partial(_Response, seconds=self._seconds)}
            pool.ConnectionCls = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), within)
        return pool
