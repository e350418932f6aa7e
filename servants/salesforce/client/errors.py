"""What can go wrong between us and Salesforce, as the framework's errors.

Each carries `code`, Salesforce's own name of what happened ("" where it gave none). Messages name places, objects and
fields, never tokens, addresses of records or what stands in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from retinue.errors import CredentialError, PermanentError, PermissionWithdrawn, RateLimited, TransientError


class Coded:
    """Keeps Salesforce's own name of what happened."""

    code: str = ""


class SessionRefused(Coded, CredentialError):
    """Salesforce does not accept an access token that it has only just given."""


class AccessRevoked(Coded, CredentialError):
    """The customer's permission ended; somebody has to sign in anew."""


class AppRemoved(Coded, CredentialError):
    """The app that Retinue signs in as is no longer in the customer's org, or was blocked there."""


class UserInactive(Coded, CredentialError):
    """The user that Retinue signs in as may no longer sign in."""


class SignInMisconfigured(Coded, CredentialError):
    """Salesforce does not know the client, the key, the audience or the grant that Retinue signs in with."""


class NotApproved(Coded, PermissionWithdrawn):
    """The user has not, or no longer, allowed this app."""


class ApiDenied(Coded, PermissionWithdrawn):
    """The sign-in works, but this user may not use the API, not so much of it, or not from here or now."""


class DailyLimitReached(Coded, RateLimited):
    """The org has spent its API calls of the last 24 hours."""


class ConcurrencyReached(Coded, RateLimited):
    """Too many long requests of the org go on at the same time."""


class Throttled(Coded, RateLimited):
    """Salesforce wants no requests for some time."""


class ServiceFailed(Coded, TransientError):
    """Salesforce could not be reached, or failed to answer."""


class UnexpectedAnswer(Coded, TransientError):
    """What answered was not the API: a page for people, a proxy, or a cut answer."""


class RowLocked(Coded, TransientError):
    """Somebody else is changing the row; only trying again helps."""

    provider_failed = False


class QueryTooSlow(Coded, TransientError):
    """The query took longer than Salesforce allows; a smaller one may do."""

    provider_failed = False


class LocatorExpired(Coded, TransientError):
    """The rest of a query's rows is no longer held; the query is to be asked again, from the last row that came."""

    provider_failed = False


class RowsMissing(Coded, TransientError):
    """Fewer or more rows came than were announced."""

    provider_failed = False


class BulkPoolEmpty(Coded, TransientError):
    """The org has no Bulk jobs or no room for their results left today; the REST API still answers."""

    provider_failed = False


class BulkJobSlow(Coded, TransientError):
    """The Bulk job is not ready yet; `again` is when it is worth another look."""

    provider_failed = False

    def __init__(self, message: str | None = None, *, again: timedelta) -> None:
        super().__init__(message)
        self.again = again


class BulkJobFailed(Coded, TransientError):
    """The Bulk job came to no result; a new one may."""

    provider_failed = False


class QueryRefused(Coded, PermanentError):
    """Salesforce does not accept the query."""


class FieldMissing(Coded, PermanentError):
    """The query names a field that is not there, or not for this user; `object` and `field` where they were told."""

    object: str = ""
    field: str = ""


class ObjectMissing(Coded, PermanentError):
    """The object is not there, or not for this user."""


class ObjectDenied(Coded, PermanentError):
    """This user may not do this with this object."""


class BulkUnsupported(Coded, PermanentError):
    """The Bulk API does not offer this object or this query; the REST API may."""


class BulkJobGone(Coded, PermanentError):
    """The Bulk job is no longer kept; Salesforce deletes jobs after seven days."""


class QueryTooLong(Coded, PermanentError):
    """The query does not fit into an address; the Bulk API takes it."""


class TooManyIds(Coded, PermanentError):
    """More rows changed in this time than Salesforce lists at once; ask for a shorter time."""


class WindowTooOld(Coded, PermanentError):
    """Salesforce keeps no list of changes for so long; the object is to be compared in full."""


class RowRefused(Coded, PermanentError):
    """Salesforce does not accept this row as it is; others are not concerned."""


class RequestRefused(Coded, PermanentError):
    """Salesforce refuses the request."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Salesforce said of one error: its code, its own text, which is not repeated, and the fields it names."""

    code: str = ""
    text: str = ""
    fields: tuple[str, ...] = ()
