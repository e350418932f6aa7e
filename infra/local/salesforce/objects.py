"""Objects: which there are, and what they are like.

Facts: "Describe Global", "sObject Basic Information", "sObject Describe", "If-Modified-Since Header" (REST API
Developer Guide).
"""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.describe import describe_basic, describe_global, describe_object, last_modified
from infra.local.salesforce.request import caller, resource


def blueprint() -> Blueprint:
    """The resources."""
    pages = resource("describe", "/sobjects")

    @pages.get("/")
    def everything() -> Response:
        by = caller()
        modified = last_modified(by.org, by.user, None)
        return _unchanged(modified) or _described(describe_global(by.org, by.user, by.version), modified)

    @pages.get("/<name>")
    def basics(name: str) -> Response:
        by = caller()
        by.object(name)
        recent: list[Any] = []
        return jsonify({"objectDescribe": describe_basic(by.org, by.user, name, by.version), "recentItems": recent})

    @pages.get("/<name>/describe")
    def whole(name: str) -> Response:
        by = caller()
        by.object(name)
        modified = last_modified(by.org, by.user, name)
        return _unchanged(modified) or _described(describe_object(by.org, by.user, name, by.version), modified)

    return pages


def _unchanged(modified: datetime) -> Response | None:
    """304 where the client has what there is ("If-Modified-Since Header")."""
    text = request.headers.get("If-Modified-Since")
    if text is None:
        return None
    try:
        since = parsedate_to_datetime(text)
    except ValueError:
        return None
    return Response(status=304) if since >= modified else None


def _described(body: dict[str, Any], modified: datetime) -> Response:
    response = jsonify(body)
    response.headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    return response
