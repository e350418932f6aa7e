"""Gives every request an ID, binds it to the log lines written meanwhile, and logs the request."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from infra.logs import bind_context, get_logger

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-ID"

#: Where the request's ID stands in the WSGI environment.
ENVIRONMENT_KEY = "retinue.request"

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")

# Asked every few seconds by machines and open pages: of no interest unless it fails.
_ROUTINE_PATHS = ("/healthz", "/readyz", "/static/", "/assets/", "/live")

log = get_logger(__name__)


class AccessLog:
    """WSGI middleware: takes the caller's request ID where it is a sane one, else makes one, and returns it."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        request_id = environ[ENVIRONMENT_KEY] = _request_id(environ)
        answered = ["500"]

        def start(status, headers, exc_info=None):  # type: ignore[no-untyped-def] # typed by whoever calls it
            answered[0] = status
            return start_response(status, [*headers, (HEADER, request_id)], exc_info)

        with bind_context(request=request_id):
            body = self._application(environ, start)
            _log_request(environ, int(answered[0][:3]), time.perf_counter() - started)
            return body


def _request_id(environ: WSGIEnvironment) -> str:
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def _log_request(environ: WSGIEnvironment, status: int, seconds: float) -> None:
    tell = log.debug if _is_routine(environ) and status < 400 else log.info
    tell(
        "request_served",
        method=environ["REQUEST_METHOD"],
        path=_path(environ),
        status=status,
        seconds=round(seconds, 4),
        client=environ.get("REMOTE_ADDR"),
    )


def _is_routine(environ: WSGIEnvironment) -> bool:
    return environ["PATH_INFO"].startswith(_ROUTINE_PATHS) or "HTTP_RETINUE_REFRESH" in environ


def _path(environ: WSGIEnvironment) -> str:
    """The path as it was sent, so that nothing in it can pose as a line of the log. WSGI decodes it as Latin-1."""
    return quote(environ["PATH_INFO"].encode("latin-1"))[:200]
