"""What can go wrong between us and a CalDAV server, as the framework's errors with a sentence for the operator.

No message holds a password: addresses are shown without their user part and query.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import requests

from retinue.errors import CredentialError, JobError, PermanentError, RateLimited, TransientError
from servants.web import shown, without_user

#: How long to stay away from a server that names no time of its own, in seconds.
DEFAULT_RETRY_AFTER_SECONDS = 60

#: The longest wait believed; a server that asks for more is asked again after this many seconds.
MAX_RETRY_AFTER_SECONDS = 24 * 3600


class UnexpectedReply(TransientError):
    """The server answered with something other than CalDAV; a maintenance page passes, so it is retried."""


class ServerFailed(TransientError):
    """The server failed to answer this request (5xx)."""


class TooMuchAsked(ServerFailed):
    """The server will not give that much in one reply (507; RFC 6578 §3.6, RFC 5323 §5.17)."""

    provider_failed = False


class ListingStuck(UnexpectedReply):
    """The server cuts a listing short again and again, and its sync tokens lead nowhere."""


class SyncTokenExpired(TransientError):
    """The server no longer knows our sync token: the calendar is to be listed in full."""

    provider_failed = False


class ReplyTooLarge(PermanentError):
    """The server's reply is larger than Retinue reads."""


class Missing(PermanentError):
    """Nothing is at this address (404 or 410)."""


class Denied(PermanentError):
    """This user may not do this here (403)."""


class Refused(PermanentError):
    """The server refuses the request for a reason of its own (another 4xx)."""


class SuspiciousEmptiness(TransientError):
    """A calendar that held many events suddenly lists none; the next listing decides."""

    provider_failed = False


def resolve(base: str, reference: str) -> str:
    """A reference in a reply from `base` (an href, a Location) as a whole address.

    Raises:
        UnexpectedReply: it makes no address.
    """
    try:
        return without_user(urljoin(base, reference))
    except ValueError:
        raise UnexpectedReply(f"{shown(base)} refers to {reference[:100]!r}, which is no address.") from None


def status_fault(method: str, url: str, reply: requests.Response, *, now: datetime) -> JobError:
    """The error that stands for this reply's status; `now` is aware and dates its Retry-After."""
    status, said = reply.status_code, f"{method} {shown(url)} answered {reply.status_code}"
    if status == requests.codes.too_many_requests or (status == 503 and "Retry-After" in reply.headers):
        reset_at = retry_after(reply.headers.get("Retry-After"), now=now)
        return RateLimited(f"{said}: the server wants no requests until {reset_at:%H:%M:%S} UTC.", reset_at=reset_at)
    if status == requests.codes.unauthorized:
        return CredentialError(f"{said}: the sign-in was refused. {_sign_in_advice(reply)}")
    if status == requests.codes.forbidden:
        return Denied(f"{said}: this user may not read it.")
    if status in (requests.codes.not_found, requests.codes.gone):
        return Missing(f"{said}: nothing is there; check the address.")
    if status == requests.codes.insufficient_storage:
        return TooMuchAsked(f"{said}: the server will not give that much at once.")
    if status == requests.codes.not_implemented:
        return Refused(f"{said}: the server does not offer this.")
    if status >= 500 or status in (requests.codes.request_timeout, requests.codes.too_early):
        return ServerFailed(f"{said}: the server failed; its own log knows why.")
    if status >= 400:
        return Refused(f"{said}: the server does not accept this request.")
    kind = reply.headers.get("Content-Type", "no content type").partition(";")[0]
    return UnexpectedReply(
        f"{said} with {kind}; expected 207 with a CalDAV multistatus. Is this the address of a CalDAV server?"
    )


def retry_after(header: str | None, *, now: datetime) -> datetime:
    """The moment a Retry-After header names (RFC 9110 §10.2.3: seconds or a date), no earlier than now."""
    return min(max(_named_moment(header, now), now), now + timedelta(seconds=MAX_RETRY_AFTER_SECONDS))


def _named_moment(header: str | None, now: datetime) -> datetime:
    value = (header or "").strip()
    try:
        if value.isdecimal():
            return now + timedelta(seconds=min(int(value), MAX_RETRY_AFTER_SECONDS))
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return now + timedelta(seconds=DEFAULT_RETRY_AFTER_SECONDS)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sign_in_advice(reply: requests.Response) -> str:
    challenge = reply.headers.get("WWW-Authenticate", "").lower()
    if challenge and "basic" not in challenge:
        return f"The server does not offer Basic sign-in, the only kind supported, but {challenge.split()[0]!r}."
    return "Check the user name and password; many providers want an app password here."
