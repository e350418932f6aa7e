"""Faults on demand: requests that go wrong as they do in the world, between the caller and the org."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

#: What a session that was lost at a proxy is answered with: a page for people, with status 200.
LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Login | Salesforce</title></head>"
    b"<body><form action='/login' method='post'><input name='username'></form></body></html>"
)

_GARBAGE = b'{"totalSize": 3, "done": fal\xff\xfe'

KINDS = frozenset({"answer", "slow", "cut", "garbage", "login_page"})


@dataclass(frozen=True)
class Fault:
    """What is to happen to the next `times` requests whose `METHOD /path?query` the expression is found in.

    answer: `status` and `body` instead of the org's answer. slow: the org's answer after `seconds`. cut: the org's
    answer, broken off in the middle. garbage: bytes that are no JSON. login_page: a page of HTML with status 200.
    """

    match: str
    kind: str = "answer"
    times: int = 1
    status: int = 503
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"A fault is one of {', '.join(sorted(KINDS))}.")
        re.compile(self.match)


class Faults:
    """The faults that are still to happen, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> dict[str, int]:
        """How many requests went wrong so far, by kind of fault."""
        return dict(self._taken)

    @property
    def waiting(self) -> tuple[Fault, ...]:
        return tuple(self._waiting)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, request: str) -> Fault | None:
        """The fault that is to happen to this request, now spent on it, or None."""
        with self._lock:
            at = next((at for at, fault in enumerate(self._waiting) if re.search(fault.match, request)), None)
            if at is None:
                return None
            fault = self._waiting[at]
            self._waiting[at : at + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
            self._taken[fault.kind] += 1
            return fault


class FaultyApp:
    """A WSGI application whose requests go wrong as `faults` says. The org's own controls never do."""

    def __init__(self, app: WsgiApp, faults: Faults, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._app = app
        self._faults = faults
        self._pause = pause

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        fault = self._fault(environ)
        if fault is None:
            return self._app(environ, start_response)
        if fault.kind == "slow":
            self._pause(fault.seconds)
            return self._app(environ, start_response)
        if fault.kind == "cut":
            return _cut(self._app, environ, start_response)
        return _instead(fault, start_response)

    def _fault(self, environ: Environ) -> Fault | None:
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith("/sandbox/"):
            return None
        query = environ.get("QUERY_STRING")
        return self._faults.take(f"{environ['REQUEST_METHOD']} {path}" + (f"?{query}" if query else ""))


class CutOff(ConnectionError):
    """Raised to the web server while it sends, so that it drops the connection."""


def _instead(fault: Fault, start_response: StartResponse) -> list[bytes]:
    status, kind, body = {
        "answer": (fault.status, "application/json;charset=UTF-8", fault.body.encode()),
        "garbage": (200, "application/json;charset=UTF-8", _GARBAGE),
        "login_page": (200, "text/html;charset=UTF-8", LOGIN_PAGE),
    }[fault.kind]
    headers = {"Content-Type": kind, "Content-Length": str(len(body))} | fault.headers
    start_response(_status_line(status), list(headers.items()))
    return [body]


def _status_line(status: int) -> str:
    """420 is one of those that Salesforce answers with and that nobody registered."""
    known = {one.value: one.phrase for one in HTTPStatus}
    return f"{status} {known.get(status, 'Unknown')}"


def _cut(app: WsgiApp, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The first half of the answer under the headers of the whole, and then no more of it."""
    kept: list[Any] = []
    chunks = app(environ, lambda *given: kept.append(given))
    body = b"".join(chunks)
    closing = getattr(chunks, "close", None)
    if closing:
        closing()
    status, headers = kept[0][:2]
    said = [(name, value) for name, value in headers if name.lower() != "content-length"]
    start_response(status, [*said, ("Content-Length", str(len(body) + 1))])
    yield body[: len(body) // 2]
    raise CutOff("The answer was cut off on demand.")
