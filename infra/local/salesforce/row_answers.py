"""How the resources of single rows tell how it went ("Status Codes and Error Responses")."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.results import RowResult

#: The status of a refusal, where it is not 400.
_STATUSES = {
    "ENTITY_IS_DELETED": 404,
    "NOT_FOUND": 404,
    "INVALID_CROSS_REFERENCE_KEY": 404,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": 403,
    "STORAGE_LIMIT_EXCEEDED": 403,
}


def require(result: RowResult) -> None:
    """Refuse the request where its row was refused.

    Raises:
        SalesforceError: as the row's first error says.
    """
    if result.errors:
        error = result.errors[0]
        raise SalesforceError(_STATUSES.get(error.code, 400), error.code, error.message, error.fields)


def saved(result: RowResult, base: str, *, upserted: bool = False) -> Response:
    """What says that a row was made, or, where it was upserted, made or changed; `base` is its object's path."""
    require(result)
    body: dict[str, Any] = {"id": result.id, "success": True, "errors": []}
    if upserted:
        body["created"] = result.created
    response = jsonify(body)
    if result.created:
        response.status_code = 201
        response.headers["Location"] = f"{base}/{result.id}"
    return response
