"""How the org refuses a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SalesforceError(Exception):
    """A request refused as a whole, in the shape that the REST API answers with ("Status Codes and Error Responses").

    Attributes:
        status: the HTTP status.
        code: Salesforce's error code, e.g. `INVALID_FIELD`.
        message: the sentence for people.
        fields: the fields it is about, if any.
    """

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = tuple(fields)

    def json(self) -> list[dict[str, Any]]:
        """The body of the answer."""
        body: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            body["fields"] = list(self.fields)
        return [body]


_SEE_DESCRIBE = "Please reference your WSDL or the describe call for the appropriate names."


def no_such_column(sobject: str, field: str) -> SalesforceError:
    """`INVALID_FIELD`: the field is not there, or not for this user."""
    return SalesforceError(
        400,
        "INVALID_FIELD",
        f"No such column '{field}' on entity '{sobject}'. If you are attempting to use a custom field, be sure to "
        f"append the '__c' after the custom field name. {_SEE_DESCRIBE}",
    )


def no_such_type(name: str) -> SalesforceError:
    """`INVALID_TYPE`: the object is not there, or not for this user."""
    return SalesforceError(
        400,
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
        f"the '__c' after the entity name. {_SEE_DESCRIBE}",
    )


def not_found() -> SalesforceError:
    """`NOT_FOUND`: the resource of a URL is not there."""
    return SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")


def no_access(message: str = "insufficient access rights on object id") -> SalesforceError:
    """`INSUFFICIENT_ACCESS`: the user may not do this."""
    return SalesforceError(403, "INSUFFICIENT_ACCESS_OR_READONLY", message)
