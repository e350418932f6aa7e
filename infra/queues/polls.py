"""Ends long polls from outside.

A receive waits up to 20 seconds in a socket that no botocore call can reach, and closing a client closes only idle
connections. A poll that is left alone is worse than late: a message it still brings is hidden from everyone else until
its visibility timeout. So the connections that receives wait on are known here, and can be cut.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class PollEnded(CancelledError):
    """This long poll was ended from our side: the one error that botocore neither wraps nor retries."""


class LongPolls:
    """The long polls of one client."""

    def __init__(self, client: SQSClient) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, Any] = {}
        self._ended = False
        # The client offers no way to its sockets; this is where its connection pools get their class from.
        pools = client._endpoint.http_session._pool_classes_by_scheme  # type: ignore[attr-defined]  # not public
        pools["http"] = _watched(AWSHTTPConnectionPool, self)
        pools["https"] = _watched(AWSHTTPSConnectionPool, self)

    @contextmanager
    def poll(self) -> Iterator[None]:
        """What this thread asks inside can be ended.

        Raises:
            PollEnded: it was, or all are.
        """
        thread = threading.get_ident()
        with self._lock:
            self._raise_if_ended()
            self._waiting[thread] = None
        try:
            yield
        finally:
            with self._lock:
                del self._waiting[thread]

    def end(self) -> None:
        """End those that wait and all to come."""
        with self._lock:
            self._ended = True
            for connection in self._waiting.values():
                if connection is not None:
                    _cut(connection.sock)

    def asked(self, connection: Any) -> None:
        """This thread has sent its request, and is about to wait for the answer."""
        self._note(connection)

    def answered(self) -> None:
        """The answer begins: the connection may soon serve another thread."""
        self._note(None)

    def raise_if_unwanted(self) -> None:
        """Raise `PollEnded` in a thread whose poll was ended."""
        with self._lock:
            if threading.get_ident() in self._waiting:
                self._raise_if_ended()

    def _note(self, connection: Any) -> None:
        thread = threading.get_ident()
        with self._lock:
            if thread in self._waiting:
                self._raise_if_ended()
                self._waiting[thread] = connection

    def _raise_if_ended(self) -> None:
        if self._ended:
            raise PollEnded


def _watched(pool: Any, polls: LongPolls) -> Any:
    """The pool's class with connections that tell `polls` what they do."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]  # a base that is only known here
        def request(self, *args: Any, **kwargs: Any) -> Any:
            promise = super().request(*args, **kwargs)
            polls.asked(self)
            return promise

        def getresponse(self, *args: Any, **kwargs: Any) -> Any:
            try:
                response = super().getresponse(*args, **kwargs)
            except Exception:
                polls.raise_if_unwanted()
                raise
            polls.answered()
            return response

    return type("WatchedPool", (pool,), {"ConnectionCls": Connection})


def _cut(sock: Any) -> None:
    # Through a second descriptor of the same connection: that of TLS would take itself apart under its reader.
    with suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as same:  # it may have ended meanwhile
        same.shutdown(socket.SHUT_RDWR)
