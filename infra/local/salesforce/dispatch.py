"""Requests within a request: each goes to the resource it names, with the session and count of the outer one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app

from infra.local.salesforce.admission import DATA, VERSIONS
from infra.local.salesforce.errors import SalesforceError, not_found
from infra.local.salesforce.request import Caller, set_caller

_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})


@dataclass(frozen=True)
class Inner:
    """A request within another; `url` begins with /services/data/."""

    method: str
    url: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of an inner request; the body is parsed JSON, or None where there is none."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def succeeded(self) -> bool:
        return self.status < 400


def answered(by: Caller, inner: Inner) -> Answer:
    """Perform an inner request."""
    try:
        return _shown(_performed(by, inner))
    except SalesforceError as error:
        return Answer(error.status, error.json(), {})


def _performed(by: Caller, inner: Inner) -> Response:
    if inner.method not in _METHODS:
        raise SalesforceError(400, "JSON_PARSER_ERROR", f"Unknown method: {inner.method}")
    version = inner.url.removeprefix(DATA).partition("/")[0]
    if not inner.url.startswith(DATA) or version not in VERSIONS:
        raise not_found()
    parts = urlsplit(inner.url)
    with current_app.test_request_context(
        parts.path,
        query_string=parts.query,
        method=inner.method,
        data=b"" if inner.body is None else json.dumps(inner.body).encode(),
        content_type="application/json",
        headers=inner.headers,
    ) as context:
        set_caller(context.request.environ, Caller(by.org, by.user, version))
        try:
            return current_app.make_response(current_app.preprocess_request() or current_app.dispatch_request())
        except Exception as error:  # noqa: BLE001 - the application's own handlers tell the client
            return current_app.make_response(current_app.handle_user_exception(error))


def _shown(response: Response) -> Answer:
    text = response.get_data(as_text=True)
    headers = {name: value for name, value in response.headers.items() if name == "Location"}
    return Answer(response.status_code, json.loads(text) if text else None, headers)
