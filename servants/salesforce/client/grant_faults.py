"""Why Salesforce gives no tokens: one code for many reasons, told apart by the text that comes with it.

Salesforce, "OAuth 2.0 Error Codes". The texts are not repeated to people, who get a sentence on what to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from retinue.errors import JobError
from servants.salesforce.client import errors
from servants.salesforce.client.errors import Told
from servants.salesforce.client.refusals import fault
from servants.salesforce.client.sign_in import SIGN_IN_ANEW


class Reason(NamedTuple):
    """Which errors it explains, by code and words of the text, and the sentence on them."""

    codes: frozenset[str]
    words: re.Pattern[str]
    kind: type[JobError]
    advice: str


def _reason(codes: str, words: str, kind: type[JobError], advice: str) -> Reason:
    return Reason(frozenset(codes.split()), re.compile(words, re.IGNORECASE), kind, advice)


_APP_CODES = "app_not_found OAUTH_EC_APP_NOT_FOUND OAUTH_APP_BLOCKED OAUTH_EC_APP_BLOCKED"
_ACCESS_CODES = "invalid_app_access OAUTH_APP_ACCESS_DENIED"

#: The first that fits counts.
REASONS: tuple[Reason, ...] = (
    _reason(
        _APP_CODES,
        "",
        errors.AppRemoved,
        "the app was removed from the customer's org, or is blocked there. Have an admin install it again or unblock "
        f"it (Setup, Connected Apps OAuth Usage), then sign in anew. {SIGN_IN_ANEW}",
    ),
    _reason(
        "invalid_grant",
        "app(lication)? (is )?not (found|installed)|external client app is not installed",
        errors.AppRemoved,
        "the app was removed from the customer's org. Have an admin install it again, then sign in anew. "
        f"{SIGN_IN_ANEW}",
    ),
    _reason(
        "invalid_grant invalid_request",
        "hasn't approved|not approved|not admin approved",
        errors.NotApproved,
        "the user has not approved the app. Have an admin set Permitted Users to pre-authorized and give the user a "
        "profile or permission set of the app, or sign in once by the web flow.",
    ),
    _reason(
        _ACCESS_CODES,
        "",
        errors.NotApproved,
        "this user may not use the app. Have an admin give the user a profile or permission set of the app (Setup, "
        "Manage Connected Apps).",
    ),
    _reason(
        "inactive_user invalid_grant",
        "^inactive user|user (is )?(not active|inactive)|user.{0,20}(frozen|locked)",
        errors.UserInactive,
        "the user that Retinue signs in as is not active, or is locked or frozen. Have an admin mend that, or sign in "
        "as another.",
    ),
    _reason(
        "inactive_org",
        "",
        errors.UserInactive,
        "the org is locked, closed or suspended. The customer has to ask Salesforce.",
    ),
    _reason(
        "invalid_grant",
        "ip restricted|login hours|invalid login (ip|hours)",
        errors.ApiDenied,
        "the user may not sign in from this address or at this time. Have an admin relax the login IP ranges or hours.",
    ),
    _reason(
        "invalid_grant",
        "audience",
        errors.SignInMisconfigured,
        "the audience is not right: it is https://login.salesforce.com, https://test.salesforce.com for a sandbox, or "
        "the address of the customer's site.",
    ),
    _reason(
        "invalid_grant",
        "assertion",
        errors.SignInMisconfigured,
        "the signed assertion is not accepted. Does the app hold the certificate of this key, is the username right, "
        "and is the clock of this machine?",
    ),
    _reason(
        "invalid_client invalid_client_id invalid_client_credentials",
        "",
        errors.SignInMisconfigured,
        "the app's consumer key or secret is not right, or the app was deleted where it was made.",
    ),
    _reason(
        "unsupported_grant_type unauthorized_client redirect_uri_mismatch redirect_uri_missing invalid_scope",
        "",
        errors.SignInMisconfigured,
        "the app does not allow this way to sign in: look at its OAuth settings (flows, callback URL, scopes).",
    ),
    _reason(
        "invalid_grant",
        "",
        errors.AccessRevoked,
        "the customer withdrew the permission or changed the password, it lay unused for too long, an older refresh "
        "token was used again, or a renewal was cut off before the new token could be kept. "
        f"{SIGN_IN_ANEW}",
    ),
)

#: Errors that pass by themselves, some of which come with a status of 400.
PASSING = frozenset({"server_error", "temporarily_unavailable", "service_unavailable", "unknown_error"})


def grant_fault(host: str, status: int, said: Told, *, headers: Mapping[str, str], now: datetime) -> JobError:
    """The error that this refusal of tokens stands for; `now` is aware and dates a Retry-After."""
    where = f"{host}, asked for an access token,"
    if "login rate" in said.text.lower() or said.code == "rate_limit_exceeded":
        return fault(where, 429, said, headers=headers, now=now)
    if status >= 500 or status in (408, 425, 429) or said.code in PASSING:
        return fault(where, max(status, 500) if status != 429 else status, said, headers=headers, now=now)
    for reason in REASONS:
        if said.code in reason.codes and reason.words.search(said.text):
            return _made(reason.kind, f"{where} answered {status} {said.code}: {reason.advice}", said)
    named = said.code or "and gave no reason"
    return _made(
        errors.SignInMisconfigured,
        f"{where} answered {status} {named}: its login_url, client_id or key is not, or no longer, right. "
        f"{SIGN_IN_ANEW}",
        said,
    )


def _made(kind: type[JobError], message: str, said: Told) -> JobError:
    error = kind(message)
    if isinstance(error, errors.Coded):
        error.code = said.code
    return error
