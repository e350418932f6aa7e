"""The request that is being answered: whose it is, of which version of the API, and what it brings."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Blueprint, request

from infra.local.salesforce.errors import SalesforceError, not_found
from infra.local.salesforce.metadata import Schema, SObject
from infra.local.salesforce.org import Org, OrgUser
from infra.local.salesforce.records import Edit

#: Where a request's environment holds its caller.
_CALLER = "sandbox.caller"

_TRUE = frozenset({"true", "1"})


def resource(name: str, path: str = "") -> Blueprint:
    """A blueprint below /services/data/<version>; its views ask `caller` for the version."""
    pages = Blueprint(name, __name__, url_prefix=f"/services/data/<version>{path}")

    @pages.url_value_preprocessor
    def without_version(_: str | None, values: dict[str, Any] | None) -> None:
        if values is not None:
            values.pop("version", None)

    return pages


class Sessions(Protocol):
    """Whose an access token is."""

    def user_id(self, token: str) -> str | None:
        """The user's id; None where the token is unknown, expired or revoked."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and by which version: `v61.0`."""

    org: Org
    user: OrgUser
    version: str

    @property
    def schema(self) -> Schema:
        """The objects and fields that the user may see."""
        return self.org.schema(self.user)

    @property
    def base(self) -> str:
        """What the paths of the version's resources begin with."""
        return f"/services/data/{self.version}"

    def object(self, name: str) -> SObject:
        """The object that a path names.

        Raises:
            SalesforceError: NOT_FOUND: to a path, unlike to a query, an object that is not there is no resource.
        """
        found = self.schema.find(name)
        if found is None:
            raise not_found()
        return found

    def edit(self) -> AbstractContextManager[Edit]:
        """A transaction of the user's; within a composite that is one transaction, part of that."""
        return self.org.edit(self.user)


def caller() -> Caller:
    """The caller of the request under way.

    Raises:
        KeyError: the request needs none: it is not below /services/data/<version>.
    """
    found: Caller = request.environ[_CALLER]
    return found


def has_caller() -> bool:
    """Whether somebody was let in already: the request is within another."""
    return _CALLER in request.environ


def set_caller(environ: dict[str, Any], found: Caller) -> None:
    """Say who asks."""
    environ[_CALLER] = found


def json_body() -> Any:
    """The body.

    Raises:
        SalesforceError: JSON_PARSER_ERROR.
    """
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        raise SalesforceError(400, "JSON_PARSER_ERROR", f"The body is not JSON: {error}") from None


def json_object() -> dict[str, Any]:
    """The body, which must be a JSON object.

    Raises:
        SalesforceError: JSON_PARSER_ERROR.
    """
    body = json_body()
    if not isinstance(body, dict):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "The body is not a JSON object")
    return body


def flag(value: Any) -> bool:
    """A truth value from a body or a URL; what is missing is false."""
    return str(value).lower() in _TRUE
