"""One request for tokens at `/services/oauth2/token`, and what its answer says.

Salesforce, "OAuth 2.0 JWT Bearer Flow", "OAuth 2.0 Refresh Token Flow", "OAuth 2.0 Web Server Flow" and "OAuth 2.0
Error Codes". Such requests count for none of the org's limits on API calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from infra.organizations import ORGANIZATION, is_another, organization_of
from retinue.clock import Clock
from retinue.errors import JobError, PermanentError, SettingsRefused, TransientError
from servants.salesforce.client import errors
from servants.salesforce.client.errors import Told
from servants.salesforce.client.grant_faults import grant_fault
from servants.salesforce.client.refusals import told
from servants.salesforce.client.sign_in import SIGN_IN_ANEW, SignIn, check_instance
from servants.web import network_fault

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path

CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 5, 15, 30
ANSWER_BYTES = 64 * 1024
CHUNK_BYTES = 4096

#: How long an assertion holds; Salesforce takes no more than three minutes.
ASSERTION_LIFE = timedelta(minutes=2)

_IDENTITY = re.compile(r"/id/(00D[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?)/[0-9A-Za-z]+$")

#: The longest life of a token that is believed.
MAX_LIFE_SECONDS = 366 * 86_400


class Answer(NamedTuple):
    """A whole answer; `content` is its JSON object, empty where it has none."""

    status: int
    headers: Mapping[str, str]
    content: Mapping[str, Any]
    said: Told


def ask(sign_in: SignIn, *, clock: Clock) -> dict[str, str]:
    """A new access token, by the sign-in's flow: what of the stored credentials it changes; see `check_granted`.

    Raises:
        CredentialError, PermissionWithdrawn: what was allowed is not accepted (any more); no retry helps.
        RateLimited, TransientError: Salesforce gives none for now.
        PermanentError: the private key cannot be used.
    """
    form = _jwt_form(sign_in, clock) if sign_in.flow == "jwt" else _refresh_form(sign_in)
    return exchange(sign_in.login_url, form, clock=clock)


def exchange(login_url: str, form: Mapping[str, str], *, clock: Clock) -> dict[str, str]:
    """The credentials that this form is changed for, with the ID of the org; raises what `ask` does.

    They are not yet to be used: see `check_granted`.
    """
    answer = _post(f"{login_url}{TOKEN_PATH}", form, clock)
    token, instance = answer.content.get("access_token"), answer.content.get("instance_url")
    if answer.status != requests.codes.ok or not isinstance(token, str) or not token.isprintable() or not token:
        raise _fault(urlsplit(login_url).hostname or "", answer, clock.now())
    made = {"access_token": token} | _expiry(answer.content.get("expires_in"), clock.now())
    made |= {"instance_url": instance.rstrip("/")} if isinstance(instance, str) else {}
    made |= _organization(answer.content.get("id"))
    # With rotation on, Salesforce has withdrawn the one that was used, and takes its use for a theft.
    rotated = answer.content.get("refresh_token")
    return made | ({"refresh_token": rotated} if isinstance(rotated, str) and rotated else {})


def check_granted(granted: Mapping[str, str], *, login_url: str) -> None:
    """Look where an access token is to be used.

    Apart from `exchange`, because a rotated refresh token is to be kept whatever stands beside it.

    Raises:
        UnexpectedAnswer: nothing is said of it.
        SettingsRefused: the token may not be sent there.
    """
    if "instance_url" not in granted:
        host = urlsplit(login_url).hostname or ""
        raise errors.UnexpectedAnswer(f"{host} gave an access token, but no address to use it at.")
    check_instance(granted["instance_url"], login_url=login_url)


def check_same(config: Mapping[str, Any], stored: Mapping[str, str], granted: Mapping[str, str]) -> None:
    """Look whether what was granted is for the org that the connection is to: records of two would mix.

    Raises:
        SettingsRefused: it is for another one.
    """
    kept, other = organization_of(config, stored), organization_of(granted)
    if is_another(kept, other):
        raise SettingsRefused(
            f"Salesforce let Retinue into the org {other}, and this connection is to the org {kept}: nothing is read "
            f"there. {SIGN_IN_ANEW}"
        )


def _organization(identity_url: Any) -> dict[str, str]:
    """The org's ID out of the address that names who has signed in ("Identity URLs")."""
    found = _IDENTITY.search(identity_url) if isinstance(identity_url, str) else None
    return {ORGANIZATION: found[1]} if found else {}


def _refresh_form(sign_in: SignIn) -> dict[str, str]:
    form = {"grant_type": "refresh_token", "refresh_token": sign_in.refresh_token, "client_id": sign_in.client_id}
    return form | ({"client_secret": sign_in.client_secret} if sign_in.client_secret else {})


def _jwt_form(sign_in: SignIn, clock: Clock) -> dict[str, str]:
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion(sign_in, clock.now())}


def assertion(sign_in: SignIn, now: datetime) -> str:
    """What is signed with the private key: who asks, for whom, at whom, until when.

    Raises:
        PermanentError: the key cannot be used.
    """
    # Only a process that signs in with a key pays for the cryptography.
    import jwt

    claims = {
        "iss": sign_in.client_id,
        "sub": sign_in.username,
        "aud": sign_in.audience,
        "exp": int((now + ASSERTION_LIFE).timestamp()),
    }
    try:
        return jwt.encode(claims, sign_in.private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        # Without its cause: the key may stand there.
        raise PermanentError(
            f"The private_key cannot be used ({type(error).__name__}): give an RSA key in PEM without a passphrase."
        ) from None


def _post(url: str, form: Mapping[str, str], clock: Clock) -> Answer:
    try:
        with requests.post(
            url,
            data=form,
            headers={"Accept": "application/json", "User-Agent": "Retinue"},
            # Keeps a .netrc of this machine out of it.
            auth=lambda request: request,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            # The secrets go to the address that was given and to no other.
            allow_redirects=False,
            stream=True,
        ) as reply:
            body = _body(reply, clock)
            return Answer(reply.status_code, reply.headers, _object(body), told(body))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise network_fault("POST", url, error) from error


def _body(reply: requests.Response, clock: Clock) -> bytes:
    body, deadline = b"", clock.monotonic() + ANSWER_SECONDS
    # read1 returns what has arrived, so that a server which drips bytes meets the deadline.
    while chunk := reply.raw.read1(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > ANSWER_BYTES or clock.monotonic() > deadline:
            raise TransientError(f"The answer of {urlsplit(reply.url).hostname} for an access token has no end.")
    return body


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _expiry(seconds: Any, now: datetime) -> dict[str, str]:
    """`expires_in` as a moment where it is told; else the token is good until it is refused."""
    try:
        life = min(int(seconds), MAX_LIFE_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return {}
    return {"expires_at": (now + timedelta(seconds=life)).isoformat(timespec="seconds")} if life > 0 else {}


def _fault(host: str, answer: Answer, now: datetime) -> JobError:
    if answer.status == requests.codes.ok or 300 <= answer.status < 400:
        return errors.UnexpectedAnswer(
            f"{host} answered {answer.status} with a page and no access token: maintenance, or no address "
            "that people sign in to Salesforce at."
        )
    return grant_fault(host, answer.status, answer.said, headers=answer.headers, now=now)
