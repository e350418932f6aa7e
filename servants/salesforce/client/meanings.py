"""What Salesforce's error codes mean: a class of error, and what to do. One table, data alone.

Codes: "Status Codes and Error Responses" (REST API Developer Guide), "API Error Codes" (`StatusCode` of the SOAP API),
"Bulk API 2.0 Errors"; which of them pass by themselves is also known from practice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from retinue.errors import JobError
from servants.salesforce.client import errors


class Meaning(NamedTuple):
    """What a code stands for; `advice` follows on what happened."""

    kind: type[JobError]
    advice: str


_LOOK_UP = "An admin finds the user's rights in Setup under Users, and under Permission Sets."

SESSION = Meaning(
    errors.SessionRefused,
    "a new access token was refused, too. Does the app ask for the scope api, and may it be used from this address?",
)
_EXPIRED_PASSWORD = Meaning(
    errors.UserInactive, "the user's password has expired; have it renewed in Salesforce, then sign in anew."
)
_INACTIVE = Meaning(errors.UserInactive, "the user is not active; have an admin activate it, or sign in as another.")
NO_API = Meaning(errors.ApiDenied, f"this user may not use the API; the permission it needs is API Enabled. {_LOOK_UP}")
_METERED = Meaning(
    errors.ApiDenied,
    "a transaction security policy of the org stops this user from reading so much; have an admin exempt it.",
)
_PLACE = Meaning(
    errors.ApiDenied, "the user may not sign in from this address or at this time; see its profile's login IP ranges."
)
_DENIED = Meaning(errors.ObjectDenied, f"this user may not do this here. {_LOOK_UP}")
OBJECT_GONE = Meaning(
    errors.ObjectMissing, "there is no such object, or this user may not see it. An admin knows which of the two."
)
FIELD_GONE = Meaning(
    errors.FieldMissing, "a field is no longer there, or this user may no longer see it; the object is described anew."
)
_QUERY = Meaning(errors.QueryRefused, "Salesforce does not understand the query, which is a fault of Retinue.")
SLOW = Meaning(errors.QueryTooSlow, "the query took too long; it is tried again in smaller parts.")
LONG = Meaning(errors.QueryTooLong, "the request is too long for an address; the Bulk API takes it.")
_LOCKED = Meaning(errors.RowLocked, "somebody else is changing the row; it is tried again.")
DOWN = Meaning(errors.ServiceFailed, "Salesforce cannot answer for the moment; status.salesforce.com may know why.")
POOL = Meaning(
    errors.BulkPoolEmpty, "the org has no Bulk API jobs, or no room for results, left today; the REST API is used."
)
NO_BULK = Meaning(errors.BulkUnsupported, "the Bulk API does not offer this; the REST API is used.")
JOB_STATE = Meaning(errors.BulkJobFailed, "the Bulk job has no results to give; a new one is made.")
ROW = Meaning(errors.RowRefused, "Salesforce does not accept this row as it is.")
REQUEST = Meaning(errors.RequestRefused, "Salesforce does not accept this request.")
_TOO_OLD = Meaning(
    errors.WindowTooOld, "Salesforce keeps no list of changes for so long; the object is compared in full."
)

#: By Salesforce's code. REQUEST_LIMIT_EXCEEDED is not here: only its text tells which limit it is.
MEANINGS: Mapping[str, Meaning] = {
    "INVALID_SESSION_ID": SESSION,
    "INVALID_AUTH_HEADER": SESSION,
    "Bad_OAuth_Token": SESSION,
    "Missing_OAuth_Token": SESSION,
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": _EXPIRED_PASSWORD,
    "PASSWORD_LOCKOUT": _INACTIVE,
    "INACTIVE_OWNER_OR_USER": ROW,
    "OAUTH_EC_APP_NOT_FOUND": Meaning(
        errors.AppRemoved, "the app was removed from the org; have an admin install it again, then sign in anew."
    ),
    "API_CURRENTLY_DISABLED": NO_API,
    "API_DISABLED_FOR_ORG": Meaning(
        errors.ApiDenied, "the API is not part of this org's edition, or is turned off for it; ask the customer."
    ),
    "FUNCTIONALITY_NOT_ENABLED": _DENIED,
    "TXN_SECURITY_METERING_ERROR": _METERED,
    "TXN_SECURITY_NO_ACCESS": _METERED,
    "LOGIN_DURING_RESTRICTED_DOMAIN": _PLACE,
    "LOGIN_DURING_RESTRICTED_TIME": _PLACE,
    "ORG_LOCKED": Meaning(errors.ApiDenied, "the org is locked; the customer has to ask Salesforce."),
    "INSUFFICIENT_ACCESS": _DENIED,
    "INSUFFICIENT_ACCESS_OR_READONLY": _DENIED,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": ROW,
    "FORBIDDEN": _DENIED,
    "INVALID_TYPE": OBJECT_GONE,
    "NOT_FOUND": OBJECT_GONE,
    "INVALID_FIELD": FIELD_GONE,
    "MALFORMED_QUERY": _QUERY,
    "INVALID_QUERY_FILTER_OPERATOR": _QUERY,
    "INVALID_QUERY_SCOPE": _QUERY,
    "NUMBER_OUTSIDE_VALID_RANGE": _QUERY,
    "INVALID_QUERY_LOCATOR": Meaning(
        errors.LocatorExpired, "the rest of the query's rows is no longer held; it goes on after the last that came."
    ),
    "QUERY_TIMEOUT": SLOW,
    "REQUEST_RUNNING_TOO_LONG": SLOW,
    "OPERATION_TOO_LARGE": SLOW,
    "QUERY_TOO_COMPLICATED": LONG,
    "URI_TOO_LONG": LONG,
    "REQUEST_HEADER_FIELDS_TOO_LARGE": LONG,
    "EXCEEDED_ID_LIMIT": Meaning(
        errors.TooManyIds, "more rows changed in this time than Salesforce lists at once; it is asked in parts."
    ),
    "INVALID_REPLICATION_DATE": _TOO_OLD,
    "UNABLE_TO_LOCK_ROW": _LOCKED,
    "SERVER_UNAVAILABLE": DOWN,
    "SERVICE_UNAVAILABLE": DOWN,
    "UNKNOWN_EXCEPTION": DOWN,
    "UNKNOWN_ERROR": DOWN,
    "INTERNAL_SERVER_ERROR": DOWN,
    "DATACLOUD_API_SERVER_EXCEPTION": DOWN,
    "LIMIT_EXCEEDED": POOL,
    "EXCEEDEDQUOTA": POOL,
    "EXCEEDED_QUOTA": POOL,
    "EXCEEDED_MAX_BULK_JOBS": POOL,
    "TOO_MANY_OPEN_JOBS": POOL,
    "INVALIDENTITY": NO_BULK,
    "INVALID_ENTITY": NO_BULK,
    "FEATURENOTENABLED": NO_BULK,
    "INVALIDJOBSTATE": JOB_STATE,
    "INVALID_JOB_STATE": JOB_STATE,
    "API_VERSION_UNSUPPORTED": Meaning(
        errors.RequestRefused, "Salesforce no longer offers this version of its API; set another api_version."
    ),
    "UNSUPPORTED_API_VERSION": Meaning(
        errors.RequestRefused, "Salesforce no longer offers this version of its API; set another api_version."
    ),
    "REQUIRED_FIELD_MISSING": ROW,
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": ROW,
    "FIELD_INTEGRITY_EXCEPTION": ROW,
    "INVALID_FIELD_FOR_INSERT_UPDATE": ROW,
    "INVALID_CROSS_REFERENCE_KEY": ROW,
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": ROW,
    "DUPLICATE_VALUE": ROW,
    "DUPLICATES_DETECTED": ROW,
    "DUPLICATE_EXTERNAL_ID": ROW,
    "ENTITY_IS_DELETED": ROW,
    "ENTITY_IS_LOCKED": ROW,
    "MALFORMED_ID": ROW,
    "STRING_TOO_LONG": ROW,
    "DELETE_FAILED": ROW,
    "MISSING_ARGUMENT": ROW,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": ROW,
    "CANNOT_EXECUTE_FLOW_TRIGGER": ROW,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": ROW,
    "JSON_PARSER_ERROR": REQUEST,
    "METHOD_NOT_ALLOWED": REQUEST,
}
