"""Answers over HTTP whose status line and headers come in time, however slowly they drip, and from whom they may come.

A timeout of `requests` is for each byte that arrives, and so no limit to all of them.
"""

from __future__ import annotations

import socket
import time
from functools import partial, partialmethod
from http.client import HTTPResponse
from typing import Any, Protocol

import requests.adapters
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from infra.hosts import Reach
from servants.reach import connect


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


def _new_conn(connection: Any, *, reach: Reach) -> socket.socket:
    """In place of the method of `urllib3.connection.HTTPConnection`, which looks the name up and connects.

    TLS goes on to ask for a certificate of the name.
    """
    try:
        made = connect(connection._dns_host, connection.port, reach=reach, seconds=connection.timeout)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"Connection to {connection.host} timed out.") from error
    except (OSError, UnicodeError) as error:
        raise NewConnectionError(connection, f"Failed to establish a new connection: {error}") from error
    for option in connection.socket_options or ():
        made.setsockopt(*option)
    return made


class HeadInTime(requests.adapters.HTTPAdapter):
    """Sends requests; the status line and headers of each answer have to come within so many seconds.

    No connection leads beyond the reach; where that is not any, no proxy is used, for it looks names up by itself.

    Raises:
        SettingsRefused: one would.
    """

    def __init__(self, seconds: float, *, reach: Reach = Reach.ANY) -> None:
        super().__init__()
        self._seconds = seconds
        self._reach = reach

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        if self._reach is not Reach.ANY:
            options["proxies"] = {}
        return super().send(request, *arguments, **options)

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        if getattr(pool.ConnectionCls, "response_class", None) is HTTPResponse:
            within: dict[str, Any] = {"response_class": partial(_Response, seconds=self._seconds)}
            if self._reach is not Reach.ANY:
                within["_new_conn"] = partialmethod(_new_conn, reach=self._reach)
            pool.ConnectionCls = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), within)
        return pool
