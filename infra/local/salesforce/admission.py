"""What holds for every request below /services/data/<version>: its size, version, session, permission and count."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, request

from infra.local.salesforce.errors import SalesforceError, not_found
from infra.local.salesforce.org import Org, OrgUser
from infra.local.salesforce.request import Caller, Sessions, has_caller, set_caller

DATA = "/services/data/"

#: The versions there are.
VERSIONS = tuple(f"v{number}.0" for number in range(50, 66))

#: "The limit for the total length of the URI and headers is 16,384 bytes" ("Headers", "Query").
MAX_HEAD_BYTES = 16_384

_CALL = "sandbox.call"


class Admission:
    """Lets requests in, counts them, and writes the count on their answers."""

    def __init__(self, org: Org, sessions: Sessions) -> None:
        self._org = org
        self._sessions = sessions

    def admit(self) -> Response | None:
        """Refuse what may not in; anything else has a caller from now on.

        Raises:
            SalesforceError: NOT_FOUND, INVALID_SESSION_ID, API_DISABLED_FOR_ORG, REQUEST_LIMIT_EXCEEDED.
        """
        version = _version()
        if not version or has_caller():
            return None
        if too_long := _too_long():
            return too_long
        if version not in VERSIONS:
            raise not_found()
        set_caller(request.environ, Caller(self._org, self._user(), version))
        call = self._org.usage.call(request.blueprint or "unknown")
        call.__enter__()
        request.environ[_CALL] = call
        return None

    def label(self, response: Response) -> Response:
        """Say how much of the day's calls is used, and what time it is in the org."""
        response.date = self._org.clock.now()
        if request.path.startswith(DATA.rstrip("/")):
            response.headers["Sforce-Limit-Info"] = self._org.usage.header()
        return response

    def release(self, error: BaseException | None = None) -> None:
        """The call is over."""
        call = request.environ.pop(_CALL, None)
        if call is not None:
            call.__exit__(None, None, None)

    def _user(self) -> OrgUser:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        user_id = self._sessions.user_id(token.strip()) if kind.lower() in {"bearer", "oauth"} else None
        if user_id is None or not (user := self._org.user(user_id)).active:
            raise SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if not self._org.security.allows(user.profile_id, "api_enabled"):
            raise SalesforceError(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
        return user


def _version() -> str:
    """What stands where the version does; nothing outside of the versions' resources."""
    return request.path.removeprefix(DATA).partition("/")[0] if request.path.startswith(DATA) else ""


def _too_long() -> Response | None:
    uri = len(quote(request.path)) + 1 + len(request.query_string)
    head = uri + sum(len(name) + len(value) + 4 for name, value in request.headers)
    if uri > MAX_HEAD_BYTES:
        return Response("<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", 414, mimetype="text/html")
    if head > MAX_HEAD_BYTES:
        text = "<h1>Bad Message 431</h1><pre>reason: Request Header Fields Too Large</pre>"
        return Response(text, 431, mimetype="text/html")
    return None
