"""One request for an access token (RFC 6749 §6), and what its answer says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from retinue.clock import Clock
from retinue.errors import CredentialError, JobError, RateLimited, TransientError
from retinue.limits import DEFAULT_WAIT_SECONDS, retry_after
from servants.email.oauth import SIGN_IN_ANEW, Grant
from servants.web import network_fault

CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 5, 15, 30
ANSWER_BYTES = 64 * 1024
CHUNK_BYTES = 4096

#: The longest life of a token that is believed.
MAX_LIFE_SECONDS = 366 * 86_400

#: Errors that pass by themselves (RFC 6749 §4.1.2.1), some of which come with a status of 400.
PASSING = frozenset({"server_error", "temporarily_unavailable"})

#: Said in place of an error that was not named.
NO_REASON = "no reason given"

_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
#: Microsoft names each cause by a number (Microsoft, "Microsoft Entra authentication and authorization error codes").
_MICROSOFT_CODE = re.compile(r"AADSTS\d{4,9}")


class Answer(NamedTuple):
    """A whole answer; `content` is its JSON object, empty where it has none."""

    status: int
    headers: Mapping[str, str]
    content: Mapping[str, Any]


def ask(grant: Grant, *, clock: Clock) -> dict[str, str]:
    """A new access token: what of the stored credentials it changes.

    Raises:
        CredentialError: the refresh token or the client is not accepted (any more); no retry helps.
        RateLimited, TransientError: the provider gives none for now.
    """
    answer = _post(grant, clock)
    token = answer.content.get("access_token")
    if answer.status != requests.codes.ok or not isinstance(token, str) or not token:
        raise _fault(grant, answer, clock.now())
    made = {"access_token": token} | _expiry(answer.content.get("expires_in"), clock.now())
    # A provider that rotates them has withdrawn the one that was used (RFC 6749 §6).
    rotated = answer.content.get("refresh_token")
    return made | ({"refresh_token": rotated} if isinstance(rotated, str) and rotated else {})


def _post(grant: Grant, clock: Clock) -> Answer:
    form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "client_id": grant.client_id}
    form |= {"client_secret": grant.client_secret} if grant.client_secret else {}
    form |= {"scope": grant.scope} if grant.scope else {}
    try:
        with requests.post(
            grant.token_url,
            data=form,
            headers={"Accept": "application/json", "User-Agent": "Retinue"},
            # Keeps a .netrc of this machine out of it.
            auth=lambda request: request,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            # The secrets go to the address that was given and to no other.
            allow_redirects=False,
            stream=True,
        ) as reply:
            return Answer(reply.status_code, reply.headers, _content(reply, clock))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise network_fault("POST", grant.token_url, error) from error


def _content(reply: requests.Response, clock: Clock) -> Mapping[str, Any]:
    body, deadline = b"", clock.monotonic() + ANSWER_SECONDS
    # read1 returns what has arrived, so that a server which drips bytes meets the deadline.
    while chunk := reply.raw.read1(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > ANSWER_BYTES or clock.monotonic() > deadline:
            raise TransientError(f"The answer of {urlsplit(reply.url).hostname} for an access token has no end.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _expiry(seconds: Any, now: datetime) -> dict[str, str]:
    """`expires_in` as a moment; some providers write the number as text. Without one it is good until it is refused."""
    try:
        life = min(int(seconds), MAX_LIFE_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return {}
    return {"expires_at": (now + timedelta(seconds=life)).isoformat(timespec="seconds")} if life > 0 else {}


def _fault(grant: Grant, answer: Answer, now: datetime) -> JobError:
    host, code = urlsplit(grant.token_url).hostname, _code(answer.content)
    said = f"status {answer.status}, {code}"
    if answer.status == requests.codes.too_many_requests or (answer.status == 503 and "Retry-After" in answer.headers):
        until = retry_after(answer.headers.get("Retry-After"), now=now) or now + timedelta(seconds=DEFAULT_WAIT_SECONDS)
        return RateLimited(f"{host} gives no access tokens until {until:%H:%M:%S} UTC.", reset_at=until)
    if _passes(answer.status, code):
        return TransientError(f"{host} gave no access token ({said}).")
    if code.startswith("invalid_grant"):
        return CredentialError(
            f"{host} no longer lets Retinue in ({said}): the customer withdrew the permission or changed the password, "
            f"it lay unused for too long, or a renewal was cut off before the new token could be kept. {SIGN_IN_ANEW}"
        )
    return CredentialError(
        f"{host} refuses to renew the access token ({said}): its token_url, client_id, client_secret or scope is not, "
        f"or no longer, right. {SIGN_IN_ANEW}"
    )


def _passes(status: int, code: str) -> bool:
    """Whether to try again: the server failed, or what answered with 200 was not the token endpoint."""
    return status >= 500 or status in (408, 425) or code in PASSING or (status == 200 and code == NO_REASON)


def _code(content: Mapping[str, Any]) -> str:
    """The error's name (RFC 6749 §5.2), and Microsoft's number for it; never the text beside them."""
    error, told = content.get("error"), content.get("error_description")
    name = error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else NO_REASON
    number = _MICROSOFT_CODE.search(told) if isinstance(told, str) else None
    return f"{name} {number[0]}" if number else name
