"""What there is: versions, a version's resources, limits.

Facts: "Versions", "Resources by Version", "Limits" (REST API Developer Guide).
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from infra.local.salesforce.admission import DATA, VERSIONS
from infra.local.salesforce.request import caller, resource

_RESOURCES = ("composite", "jobs", "limits", "query", "queryAll", "sobjects")

#: The label of the first version there is here is "Winter '21"; each year has three.
_SEASONS = ("Winter", "Spring", "Summer")


def blueprint() -> Blueprint:
    """The resources."""
    pages = resource("limits")

    @pages.get("/")
    def resources() -> Response:
        base = caller().base
        return jsonify({"identity": "/services/oauth2/userinfo"} | {name: f"{base}/{name}" for name in _RESOURCES})

    @pages.get("/limits")
    def limits() -> Response:
        return jsonify(caller().org.usage.limits())

    return pages


def versions() -> Blueprint:
    """The list of versions, for which nobody needs to sign in."""
    pages = Blueprint("versions", __name__)

    @pages.get(DATA)
    def listed() -> Response:
        return jsonify([_about(place, name) for place, name in enumerate(VERSIONS)])

    return pages


def _about(place: int, name: str) -> dict[str, str]:
    years, season = divmod(place, len(_SEASONS))
    return {
        "label": f"{_SEASONS[season]} '{21 + years}",
        "url": f"/services/data/{name}",
        "version": name.removeprefix("v"),
    }
